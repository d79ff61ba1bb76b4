"""PSNR of what a window shows: of a CT slice, the soft tissue that is looked at, not the air around it."""

from collections.abc import Sequence

import torch
from torch import Tensor

from sr_experiments.imaging.span import placed
from sr_experiments.metrics.base import ImageMetric
from sr_experiments.metrics.psnr import psnr


class WindowedPSNR(ImageMetric):
    """PSNR in dB after both images were windowed: values outside become its ends, and its width is the peak.

    Not rounded. `scale` pixels are left out on every side. inf where the windowed images are equal.
    """

    higher_is_better = True

    def __init__(self, *, scale: int, range: Sequence[float] | None, window: Sequence[float]) -> None:
        """Place the window in the range.

        Args:
            scale: Pixels left out on every side.
            range: [low, high], the values that 0 and 1 of the images stand for.
            window: [center, width] in the same unit.

        Raises:
            ValueError: If there is no range, or the window lies outside it.
        """
        super().__init__()
        self.scale = scale
        self.low, self.high = placed(window, range, option="metric.psnr_window.window")

    def forward(self, sr: Tensor, gt: Tensor, *, lq: Tensor) -> Tensor:
        """Return the PSNR (B,) float64; NaN where an image holds a NaN."""
        with torch.no_grad():
            shown = [
                ((image.double().clamp(0, 1) - self.low) / (self.high - self.low)).clamp(0, 1)
                for image in (sr, gt)
            ]
        return psnr(shown[0], shown[1], border=self.scale)
