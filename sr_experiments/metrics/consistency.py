"""Colour consistency: is the restored image one that could have given the input?

The "LR-PSNR" of the NTIRE challenges on learning the super-resolution space (Lugmayr et al., CVPRW 2021 and
2022), in SRFlow (arXiv:2006.14200) "LRC PSNR": the restored image is shrunk again by MATLAB's bicubic rule
and compared with the input. A tint, a shift by a fraction of a pixel or invented large structures show here.
"""

import torch
from torch import Tensor

from sr_experiments.imaging.colour import to_levels
from sr_experiments.imaging.resize import imresize_uint8
from sr_experiments.metrics.base import ImageMetric
from sr_experiments.metrics.psnr import psnr


class LRConsistency(ImageMetric):
    """PSNR in dB between the restored image, shrunk, and the input, both of 8 bit; inf where they are equal.

    `sr` is rounded to 8 bit and shrunk in integers as the benchmarks' LR files were (borders replicated, so
    the true image of such a pair has inf). `lq` is rounded to 8 bit, too: an LR file stays what it is, and
    luma that was shrunk without rounding becomes the file that would be written of it. Any number of
    channels; the error is taken over all of them and over the whole image, no border is cut off. `gt` is not
    looked at.

    It says what it should only where bicubic shrinking made `lq`; after blur or noise it measures how well
    they were undone, and then lower may be better.
    """

    higher_is_better = True

    def __init__(self, *, scale: int) -> None:
        """Keep the scale.

        Args:
            scale: How many times larger `sr` is than `lq`, 1 or more.

        Raises:
            ValueError: Another scale.
        """
        super().__init__()
        if scale < 1:
            raise ValueError(f"scale={scale}: sr must be 1 or more times as large as lq")
        self.scale = scale

    def forward(self, sr: Tensor, gt: Tensor, *, lq: Tensor) -> Tensor:
        """Return the PSNR (B,) float64; NaN where `sr` or `lq` holds a NaN.

        Raises:
            ValueError: `sr` is not `scale` times as large as `lq`.
        """
        height, width = lq.shape[-2:]
        wanted = (*lq.shape[:-2], height * self.scale, width * self.scale)
        if lq.dim() != 4 or tuple(sr.shape) != wanted:
            raise ValueError(
                f"sr {tuple(sr.shape)} is not {self.scale} times as large as lq {tuple(lq.shape)}: the "
                "consistency with lq can only be measured at the scale that the net restores by"
            )
        with torch.no_grad():
            x, y = to_levels(sr), to_levels(lq)
            broken = x.isnan().flatten(1).any(dim=1) | y.isnan().flatten(1).any(dim=1)
            # An integer cannot be NaN; what stands in for it is thrown away below.
            small = imresize_uint8(x.nan_to_num().to(torch.uint8), size=(height, width)).double()
            values = psnr(small / 255, y / 255, border=0)
        return values.masked_fill(broken, torch.nan)
