"""Another camera's colours: exposure, contrast, saturation and tone, drawn for each sample."""

from collections.abc import Sequence

import torch
from torch import Tensor

from sr_experiments.degradations.base import Degradation
from sr_experiments.degradations.crops import Crops
from sr_experiments.degradations.ranges import checked_range
from sr_experiments.imaging.onto import onto
from sr_experiments.imaging.random import Draw

_LUMA = (0.299, 0.587, 0.114)  # BT.601


class ColourJitter(Degradation):
    """Multiply brightness, then contrast, then saturation; clamped to [0, 1] after each.

    Contrast is the distance from the image's mean luma, saturation that from the pixel's own luma. Bands that
    are not RGB have no saturation, and their mean stands for luma.

    Args:
        brightness: Range of the factor; [1, 1] changes nothing.
        contrast: The same.
        saturation: The same.

    Raises:
        ValueError: On an impossible range.
    """

    def __init__(
        self,
        *,
        brightness: Sequence[float] = (1.0, 1.0),
        contrast: Sequence[float] = (1.0, 1.0),
        saturation: Sequence[float] = (1.0, 1.0),
    ) -> None:
        """Check the ranges."""
        super().__init__()
        given = {"brightness": brightness, "contrast": contrast, "saturation": saturation}
        self.ranges = {
            name: checked_range(values, owner="ColourJitter", name=name, lowest=0.0)
            for name, values in given.items()
        }

    def spoil(self, crops: Crops, draw: Draw) -> Crops:
        """Images of the same sizes."""
        factors = {
            name: onto(crops.device, draw.within(name, limits))[:, None, None, None]
            for name, limits in self.ranges.items()
        }
        pixels = (crops.pixels * factors["brightness"]).clamp(0.0, 1.0)
        means = _mean_inside(_luma(pixels), crops)
        pixels = (means + (pixels - means) * factors["contrast"]).clamp(0.0, 1.0)
        if pixels.shape[1] == 3:
            luma = _luma(pixels)
            pixels = (luma + (pixels - luma) * factors["saturation"]).clamp(0.0, 1.0)
        return crops.map(lambda _: pixels)


class Gamma(Degradation):
    """Raise to a power, drawn so that darkening and brightening are alike: uniform in the logarithm.

    Args:
        gamma: Range of the exponent; above 1 is darker.

    Raises:
        ValueError: On an impossible range.
    """

    def __init__(self, *, gamma: Sequence[float]) -> None:
        """Check the range."""
        super().__init__()
        self.gamma = checked_range(gamma, owner="Gamma", name="gamma", lowest=0.05, highest=20.0)

    def spoil(self, crops: Crops, draw: Draw) -> Crops:
        """Images of the same sizes, in [0, 1]."""
        low, high = self.gamma
        drawn = low * (high / low) ** draw.uniform("gamma").double()
        exponent = onto(crops.device, draw.decided("gamma", drawn, within=self.gamma).float())
        exponent = exponent[:, None, None, None]
        return crops.map(lambda pixels: pixels.clamp(0.0, 1.0) ** exponent)


def _luma(pixels: Tensor) -> Tensor:
    """(B, C, H, W) to (B, 1, H, W)."""
    if pixels.shape[1] != 3:
        return pixels.mean(dim=1, keepdim=True)
    red, green, blue = pixels.unbind(1)
    return (_LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue)[:, None]


def _mean_inside(values: Tensor, crops: Crops) -> Tensor:
    """(B, 1, 1, 1): the mean over each image's own pixels.

    In float64 and image by image: how a sum is split up depends on the size of the tensor.
    """
    means = [
        values[number, :, :height, :width].contiguous().double().mean()
        for number, (height, width) in enumerate(crops.sizes)
    ]
    return torch.stack(means).to(values.dtype)[:, None, None, None]
