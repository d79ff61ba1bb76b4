"""Peak signal-to-noise ratio: 10 log10(1 / MSE), in dB, with white at 1."""

import torch
from torch import Tensor

from sr_experiments.metrics.border import without_border


def psnr(sr: Tensor, gt: Tensor, *, border: int) -> Tensor:
    """PSNR of each image, from the squared error over all its pixels and channels.

    Args:
        sr: (B, C, H, W) in [0, 1], floating point.
        gt: The same shape.
        border: Pixels left out on every side.

    Returns:
        (B,) float64 in dB; inf where the images are identical, NaN where one holds a NaN.

    Raises:
        ValueError: If the shapes differ or the border leaves nothing.
    """
    sr, gt = without_border(sr, gt, border=border)
    error = (sr.to(torch.float64) - gt.to(torch.float64)).square().mean(dim=(1, 2, 3))
    return -10.0 * torch.log10(error)
