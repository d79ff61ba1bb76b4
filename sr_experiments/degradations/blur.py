"""Blur with a kernel of its own for every sample."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import torch
from kornia.filters import filter2d
from torch import Tensor

from sr_experiments.degradations import kernels
from sr_experiments.degradations.base import Degradation
from sr_experiments.degradations.crops import Crops
from sr_experiments.degradations.ranges import checked_range, checked_shares
from sr_experiments.imaging.onto import onto
from sr_experiments.imaging.random import Draw

SMALLEST_SIGMA = 0.05  # in pixels: the neighbours' weight is below 1e-80, which is no blur
KINDS = (
    "isotropic",
    "anisotropic",
    "generalized_isotropic",
    "generalized_anisotropic",
    "plateau_isotropic",
    "plateau_anisotropic",
    "sinc",
    "motion",
    "defocus",
)


class Blur(Degradation):
    """A random kind of kernel, of a random side; the border is mirrored.

    Args:
        kernel_size: Range of the kernel's side in pixels; both ends odd, every odd number equally likely.
        kinds: Kind of kernel -> how likely it is, relative to the others. See `kernels` for what they are.
        sigma: Range of the standard deviation in pixels; anisotropic kernels have a second one, and an angle.
        uniform: Whether the deviation itself is drawn uniformly (`sigma`), or its square (`variance`).
        beta_generalized: Range of the exponent of generalized kernels; half of the draws are below 1.
        beta_plateau: The same of plateau kernels.
        cutoff: Range of the angular frequency in radians per pixel where sinc kernels end.
        cutoff_large: The same for kernels of 13 pixels and more; None: `cutoff`.
        length: Range of a movement in pixels.
        radius: Range of a defocused point's radius in pixels.

    Raises:
        ValueError: On an even or tiny kernel, an unknown kind, an impossible range or probability.
    """

    def __init__(
        self,
        *,
        kernel_size: Sequence[int] = (21, 21),
        kinds: Mapping[str, float],
        sigma: Sequence[float] = (0.2, 3.0),
        uniform: Literal["sigma", "variance"] = "sigma",
        beta_generalized: Sequence[float] = (0.5, 4.0),
        beta_plateau: Sequence[float] = (1.0, 2.0),
        cutoff: Sequence[float] = (math.pi / 3, math.pi),
        cutoff_large: Sequence[float] | None = None,
        length: Sequence[float] = (3.0, 15.0),
        radius: Sequence[float] = (1.0, 5.0),
    ) -> None:
        """Check the ranges."""
        super().__init__()
        name = type(self).__name__
        sides = list(kernel_size)
        if len(sides) != 2 or sides[0] > sides[1] or sides[0] < 3 or any(side % 2 == 0 for side in sides):
            raise ValueError(
                f"{name}: kernel_size={sides} must be two odd numbers of at least 3, the smaller one first"
            )
        self.kernel_size = (int(sides[0]), int(sides[1]))
        self.kinds = checked_shares(kinds, owner=name, name="kinds", known=KINDS)
        self.sigma = checked_range(sigma, owner=name, name="sigma", lowest=SMALLEST_SIGMA)
        if uniform not in ("sigma", "variance"):
            raise ValueError(f"{name}: uniform={uniform!r} must be sigma or variance")
        self.uniform = uniform
        self.betas = {
            "generalized": checked_range(beta_generalized, owner=name, name="beta_generalized", lowest=0.1),
            "plateau": checked_range(beta_plateau, owner=name, name="beta_plateau", lowest=0.1),
        }
        self.cutoff = checked_range(cutoff, owner=name, name="cutoff", lowest=0.1, highest=math.pi)
        self.cutoff_large = self.cutoff
        if cutoff_large is not None:
            self.cutoff_large = checked_range(
                cutoff_large, owner=name, name="cutoff_large", lowest=0.1, highest=math.pi
            )
        self.length = checked_range(length, owner=name, name="length", lowest=0.0)
        self.radius = checked_range(radius, owner=name, name="radius", lowest=0.0)

    def kernels(self, draw: Draw) -> Tensor:
        """(B, side, side) float32 of sum 1, for the largest side; smaller kernels have zeros around them."""
        low, high = self.kernel_size
        sides = 2 * draw.integers("kernel size", low // 2, high // 2 + 1) + 1
        sides = draw.decided("kernel size", sides, within=(low, high)) | 1
        kinds = draw.one_of("kind", self.kinds)
        size = high  # whatever the batch holds: a sum over another number of zeros may round otherwise
        weights = torch.zeros(len(sides), size, size, dtype=torch.float64)
        for number, kind in enumerate(self.kinds):
            mine = torch.nonzero(kinds == number).flatten()
            if len(mine):
                weights[mine] = self._of_kind(kind, size, sides[mine], draw.of(mine))
        empty = (size - int(sides.max())) // 2
        return kernels.fitted(weights, sides).float()[:, empty : size - empty, empty : size - empty]

    def _of_kind(self, kind: str, size: int, sides: Tensor, draw: Draw) -> Tensor:
        if kind == "sinc":
            return kernels.sinc(size, cutoff=self._cutoffs(sides, draw))
        if kind == "motion":
            length = draw.within("length", self.length).double()
            return kernels.motion(size, length=length, angle=_angle(draw))
        if kind == "defocus":
            radius = draw.within("radius", self.radius).double()
            return kernels.defocus(size, radius=radius)
        family = kind.rpartition("_")[0]
        sigma_x = self._sigmas("sigma", draw)
        sigma_y, angle = sigma_x, torch.zeros_like(sigma_x)
        if kind.endswith("anisotropic"):
            sigma_y = self._sigmas("second sigma", draw)
            angle = _angle(draw)
        q = kernels.elliptic(size, sigma_x=sigma_x, sigma_y=sigma_y, angle=angle)
        if not family:
            return kernels.gaussian(q, torch.ones_like(sigma_x))
        form = kernels.plateau if family == "plateau" else kernels.gaussian
        return form(q, _beta(draw, self.betas[family]))

    def _sigmas(self, name: str, draw: Draw) -> Tensor:
        low, high = self.sigma
        if self.uniform == "sigma":
            return draw.within(name, self.sigma).double()
        variance = low**2 + draw.uniform(name).double() * (high**2 - low**2)
        return draw.decided(name, variance.sqrt(), within=self.sigma)

    def _cutoffs(self, sides: Tensor, draw: Draw) -> Tensor:
        share = draw.uniform("cutoff").double()
        small, large = (low + share * (high - low) for low, high in (self.cutoff, self.cutoff_large))
        return draw.decided("cutoff", torch.where(sides >= 13, large, small), within=(0.1, math.pi))

    def spoil(self, crops: Crops, draw: Draw) -> Crops:
        """Images of the same sizes."""
        weights = onto(crops.device, self.kernels(draw))
        margin = weights.shape[-1] // 2
        padded = crops.padded(margin, margin, margin, margin, mirror=True)
        return replace(crops, pixels=filter2d(padded, weights, padding="valid"))


def _angle(draw: Draw) -> Tensor:
    return draw.within("angle", (0.0, math.pi)).double()


def _beta(draw: Draw, limits: tuple[float, float]) -> Tensor:
    """Below 1 as often as above, where the range has both."""
    low, high = limits
    if low >= 1 or high <= 1:
        low_share = 0.5 if low == 1 < high else 0.0  # of exactly 1, as in Real-ESRGAN's plateau
        beta = draw.uniform("beta", low=low, high=high).double()
        beta = torch.where(draw.uniform("beta below 1") < low_share, 1.0, beta)
    else:
        below = draw.uniform("beta below 1") < 0.5
        share = draw.uniform("beta").double()
        beta = torch.where(below, low + share * (1 - low), 1 + share * (high - 1))
    return draw.decided("beta", beta, within=limits)
