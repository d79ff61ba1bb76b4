"""What is measured beside PSNR and SSIM: the contract, and what several of them share."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from sr_experiments.imaging.colour import to_levels
from sr_experiments.metrics.border import check_shapes


class ImageMetric(nn.Module):
    """One number per restored image.

    Images come as a net leaves them: float, white is 1, not clamped. Each metric takes them as the 8-bit
    images that files would hold. It holds nothing that is trained or belongs in a checkpoint.

    Attributes:
        higher_is_better: What the better of two images has.
        takes_known: Whether `forward` takes `known` (B, 1, H, W) bool as well: the pixels whose true value
            was measured, or None for all. Others get the true value in `sr` where it was not.
    """

    higher_is_better: bool
    takes_known: ClassVar[bool] = False

    def forward(self, sr: Tensor, gt: Tensor, *, lq: Tensor) -> Tensor:
        """Measure each image.

        Args:
            sr: Restored (B, C, H, W).
            gt: True, the same shape.
            lq: What was restored, (B, C, H / scale, W / scale).

        Returns:
            (B,) float64; NaN where an image holds a NaN, so that a diverged net shows.

        Raises:
            ValueError: Images that the metric is not defined for; the message says why.
        """
        raise NotImplementedError


def levels_for_network(sr: Tensor, gt: Tensor, *, name: str, minimum: int) -> tuple[Tensor, Tensor]:
    """Both images in 8-bit levels as a frozen classifier takes them: float32 in [0, 1].

    Args:
        sr: (B, C, H, W), white is 1.
        gt: The same shape.
        name: The metric's, for messages.
        minimum: Side in pixels of the smallest image that can be measured.

    Raises:
        ValueError: The shapes differ, there are neither 1 nor 3 channels, or the images are too small.
    """
    check_shapes(sr, gt)
    check_colour(sr, name=name)
    height, width = sr.shape[-2:]
    if min(height, width) < minimum:
        raise ValueError(
            f"{name} needs images of at least {minimum} pixels a side, and this one is {height}x{width}: "
            "leave it out of the data set, or take another metric"
        )
    with torch.no_grad():
        return to_levels(sr).div(255).float(), to_levels(gt).div(255).float()


def check_colour(image: Tensor, *, name: str) -> None:
    """Raise ValueError unless the image is grey or RGB."""
    if image.dim() != 4 or image.shape[1] not in (1, 3):
        raise ValueError(
            f"{name} measures grey or RGB images (B, 1 or 3, H, W), and these are {tuple(image.shape)}: "
            "images of other bands have psnr_bands, ssim_bands and metric=lr_psnr"
        )
