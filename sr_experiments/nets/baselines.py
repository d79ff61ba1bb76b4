"""Baselines without parameters: what any network has to beat.

Nearest, bilinear, bicubic (Keys 1981, a = -1/2) and Lanczos (three lobes) are MATLAB's ``imresize`` for
``double``; the bicubic one is the bicubic row of the published tables. ``SpectrumInterpolation`` appends
zeros to the spectrum, which is ideal for a band-limited image and rings at edges.
"""

from typing import Literal

from torch import Tensor

from sr_experiments.nets.base import SRNet
from sr_experiments.nets.interpolate import SpectrumUpscale, Upscale


class Interpolation(SRNet):
    """Enlarges with a fixed kernel."""

    def __init__(
        self,
        *,
        scale: int,
        in_channels: int = 3,
        kernel: Literal["nearest", "bilinear", "bicubic", "lanczos3"] = "bicubic",
    ) -> None:
        """Build the network.

        Args:
            scale: 2, 3, 4 or 8.
            in_channels: Channels in and out.
            kernel: The interpolation kernel.
        """
        super().__init__(scale=scale, in_channels=in_channels)
        self.upscale = Upscale(scale=scale, kernel=kernel)

    def forward(self, lq: Tensor) -> Tensor:
        """Enlarge (B, C, H, W)."""
        sr: Tensor = self.upscale(lq)
        return sr


class SpectrumInterpolation(SRNet):
    """Enlarges by appending zeros to the spectrum."""

    def __init__(self, *, scale: int, in_channels: int = 3) -> None:
        """Build the network.

        Args:
            scale: 2, 3, 4 or 8.
            in_channels: Channels in and out.
        """
        super().__init__(scale=scale, in_channels=in_channels)
        self.upscale = SpectrumUpscale(scale=scale)

    def forward(self, lq: Tensor) -> Tensor:
        """Enlarge (B, C, H, W)."""
        sr: Tensor = self.upscale(lq)
        return sr
