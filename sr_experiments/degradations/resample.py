"""Changing the size: by MATLAB's rule for all alike, or by a factor and a kernel of each sample's own."""

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

from sr_experiments.degradations.base import Degradation
from sr_experiments.degradations.crops import Crops
from sr_experiments.degradations.ranges import checked_range, checked_shares
from sr_experiments.degradations.taps import MODES, resample
from sr_experiments.imaging.random import Draw
from sr_experiments.imaging.resize import KERNEL_WIDTHS, Kernel, imresize


class Resample(Degradation):
    """Shrink by a whole number, all samples alike.

    Args:
        scale: How many times smaller.
        kernel: Interpolation kernel of `imaging.resize`.
        antialias: Widen the kernel by the scale. Without it the few pixels next to the new one decide, which
            is what is meant where a blur precedes.

    Raises:
        ValueError: On an unknown kernel.
    """

    def __init__(self, *, scale: int, kernel: Kernel = "bicubic", antialias: bool = True) -> None:
        """Remember the options."""
        super().__init__(scale=scale)
        if kernel not in KERNEL_WIDTHS:
            raise ValueError(f"Resample: kernel={kernel!r} must be one of {', '.join(KERNEL_WIDTHS)}")
        self.kernel = kernel
        self.antialias = antialias

    def spoil(self, crops: Crops, draw: Draw) -> Crops:
        """Images of one size to smaller ones, not clamped: bicubic overshoots."""
        image = crops.tensor()
        small = imresize(image, size=self.reduced(image), kernel=self.kernel, antialias=self.antialias)
        return crops.become(small)


class Rescale(Degradation):
    """Enlarge or shrink every sample by a factor of its own, with an interpolation of its own.

    Args:
        up: Range of the factors that enlarge, from 1 on.
        down: Range of those that shrink, up to 1.
        directions: `up`, `down`, `keep` -> how likely each is, relative to the others.
        modes: Interpolation -> how likely it is; see `taps`.
        of: The factors count from the size of `gt` divided by this.
        uniform: Whether the factor itself is drawn uniformly, or its inverse (`divisor`).

    Raises:
        ValueError: On an impossible range, an unknown direction or interpolation.
    """

    varies = True

    def __init__(
        self,
        *,
        up: Sequence[float],
        down: Sequence[float],
        directions: Mapping[str, float],
        modes: Mapping[str, float],
        of: int = 1,
        uniform: Literal["factor", "divisor"] = "factor",
    ) -> None:
        """Check the ranges."""
        super().__init__()
        self.up = checked_range(up, owner="Rescale", name="up", lowest=1.0, highest=8.0)
        self.down = checked_range(down, owner="Rescale", name="down", lowest=0.01, highest=1.0)
        self.directions = checked_shares(
            directions, owner="Rescale", name="directions", known=("up", "down", "keep")
        )
        self.modes = checked_shares(modes, owner="Rescale", name="modes", known=MODES)
        if of < 1:
            raise ValueError(f"Rescale: of={of} must be 1 or more")
        if uniform not in ("factor", "divisor"):
            raise ValueError(f"Rescale: uniform={uniform!r} must be factor or divisor")
        self.of = of
        self.uniform = uniform

    def factors(self, draw: Draw) -> Tensor:
        """(B,) float64."""
        limits = {"up": self.up, "down": self.down, "keep": (1.0, 1.0)}
        ranges = torch.tensor([limits[direction] for direction in self.directions], dtype=torch.float64)
        low, high = ranges[draw.choice("direction", list(self.directions.values()))].unbind(1)
        share = draw.uniform("factor").double()
        drawn = low + share * (high - low)
        if self.uniform == "divisor":
            drawn = 1 / (1 / high + share * (1 / low - 1 / high))
        return draw.decided("factor", drawn, within=(float(ranges.min()), float(ranges.max())))

    def spoil(self, crops: Crops, draw: Draw) -> Crops:
        """Images of many sizes, of at least one pixel."""
        factors = self.factors(draw) / self.of
        heights, widths = ((factors * length).long().clamp(min=1) for length in crops.origin)
        return resample(crops, heights=heights, widths=widths, modes=drawn_modes(self.modes, draw))


class Shrink(Degradation):
    """Bring every sample to the size that the task has, whatever size it has now.

    Args:
        scale: How many times smaller than `gt`.
        modes: Interpolation -> how likely it is; see `taps`.

    Raises:
        ValueError: On an unknown interpolation.
    """

    settles = True

    def __init__(self, *, scale: int, modes: Mapping[str, float]) -> None:
        """Remember the options."""
        super().__init__(scale=scale)
        self.modes = checked_shares(modes, owner="Shrink", name="modes", known=MODES)

    def spoil(self, crops: Crops, draw: Draw) -> Crops:
        """Images of one size."""
        height, width = (torch.full((len(crops),), length // self.scale) for length in crops.origin)
        return resample(crops, heights=height, widths=width, modes=drawn_modes(self.modes, draw))


def drawn_modes(modes: Mapping[str, float], draw: Draw) -> Tensor:
    """(B,) numbers in `MODES`."""
    numbers = torch.tensor([MODES.index(mode) for mode in MODES if mode in modes])
    return numbers[draw.one_of("interpolation", {mode: modes[mode] for mode in MODES if mode in modes})]
