"""Root mean squared error in the unit of the measured values, as tables of depth super-resolution have it."""

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from sr_experiments.imaging.span import Span
from sr_experiments.metrics.base import ImageMetric
from sr_experiments.metrics.psnr import squared_error


class RMSE(ImageMetric):
    """Root mean squared error over the pixels that were measured, not rounded; 0 is best.

    In disparity maps pixels of disparity, in depth maps metres or whatever `data.range` counts. `scale`
    pixels are left out on every side; what leaves the range is clamped to its end.
    """

    higher_is_better = False
    takes_known: ClassVar[bool] = True

    def __init__(self, *, scale: int, range: Sequence[float] | None) -> None:
        """Keep the range.

        Args:
            scale: Pixels left out on every side.
            range: [low, high], the values that 0 and 1 of the images stand for.

        Raises:
            ValueError: If there is none.
        """
        super().__init__()
        if range is None:
            raise ValueError("metric=rmse counts in the unit of data.range=[low,high], and there is none")
        span = Span.of(range, option="data.range")
        self.scale = scale
        self.unit = span.high - span.low

    def forward(self, sr: Tensor, gt: Tensor, *, lq: Tensor, known: Tensor | None = None) -> Tensor:
        """Return the error (B,) float64; NaN where an image holds a NaN."""
        with torch.no_grad():
            x, y = (image.double().clamp(0.0, 1.0) for image in (sr, gt))
            return self.unit * squared_error(x, y, border=self.scale, known=known).sqrt()
