"""1 - SSIM and 1 - MS-SSIM: structure is compared window by window, and at several scales.

SSIM: Wang et al., IEEE TIP 2004 (imaging.similarity). MS-SSIM: Wang, Simoncelli and Bovik, "Multiscale
structural similarity for image quality assessment", Asilomar 2003. As losses: Zhao et al., arXiv:1511.08861.
Every band is compared by itself and the indices are averaged, where the first two papers look at luma. Two
deviations of MS-SSIM: with fewer than five levels the first exponents are taken and scaled to sum 1; and a
level at which contrast and structure disagree on the whole (a negative mean, which has no fractional power)
counts as FLOOR, without a gradient.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from sr_experiments.imaging.similarity import SSIM_WINDOW, ssim_maps

EXPONENTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Of the levels from fine to coarse, found by the authors in a study with observers."""

FLOOR = 1e-4
"""Least value of a factor of MS-SSIM."""


class SSIMLoss(nn.Module):
    """1 - mean SSIM: 0 for equal images, at most 2."""

    def forward(self, sr: Tensor, gt: Tensor) -> Tensor:
        """Return 1 - SSIM of images (B, C, H, W) in [0, 1], mean over windows, bands and batch, a scalar.

        Raises:
            ValueError: The images have fewer than 11 x 11 pixels.
        """
        similarity, _ = ssim_maps(sr, gt)
        return 1 - similarity.mean()


class MSSSIMLoss(nn.Module):
    """1 - mean MS-SSIM: 0 for equal images, below 1."""

    def __init__(self, *, levels: int = 5) -> None:
        """Keep the exponents of the levels.

        Args:
            levels: Number of scales, 1 to 5, each half the size of the one before. A window of 11 pixels
                must fit into the coarsest: five levels need images of 161 pixels a side, four 81, three 41.

        Raises:
            ValueError: levels is out of range.
        """
        super().__init__()
        if not 1 <= levels <= len(EXPONENTS):
            raise ValueError(f"levels={levels}: MS-SSIM has 1 to {len(EXPONENTS)} levels")
        self.exponents = [exponent / sum(EXPONENTS[:levels]) for exponent in EXPONENTS[:levels]]

    def forward(self, sr: Tensor, gt: Tensor) -> Tensor:
        """Return 1 - MS-SSIM of images (B, C, H, W) in [0, 1], mean over bands and batch, a scalar.

        Raises:
            ValueError: The images are too small for the number of levels.
        """
        _check_size(sr, levels=len(self.exponents))
        index = sr.new_ones(sr.shape[:2])
        for level, exponent in enumerate(self.exponents, start=1):
            similarity, structure = ssim_maps(sr, gt)
            last = level == len(self.exponents)
            factor = (similarity if last else structure).mean(dim=(-2, -1))
            index = index * factor.clamp(min=FLOOR) ** exponent  # Eq. 7
            if not last:
                # An odd last row or column is averaged with itself, as the authors' symmetric border does.
                sr, gt = (F.avg_pool2d(image, 2, ceil_mode=True) for image in (sr, gt))
        return 1 - index.mean()


def _needed(levels: int) -> int:
    """The least side of an image: rounding up at every halving, it still leaves the window at the last."""
    return (SSIM_WINDOW - 1) * (1 << (levels - 1)) + 1


def _check_size(image: Tensor, *, levels: int) -> None:
    """Raise ValueError if the window does not fit into the coarsest level."""
    height, width = image.shape[-2:]
    if min(height, width) < _needed(levels):
        fitting = [count for count in range(1, levels) if min(height, width) >= _needed(count)]
        advice = f"levels={fitting[-1]} would fit" if fitting else f"one level needs {SSIM_WINDOW}"
        raise ValueError(
            f"MS-SSIM with levels={levels} needs images of at least {_needed(levels)} pixels a side, and "
            f"these are {height}x{width}: {advice}; or take larger patches"
        )
