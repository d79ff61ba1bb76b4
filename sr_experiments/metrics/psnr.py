"""Peak signal-to-noise ratio: 10 log10(1 / MSE), in dB, with white at 1."""

import torch
from torch import Tensor

from sr_experiments.metrics.border import without_border


def psnr(sr: Tensor, gt: Tensor, *, border: int, known: Tensor | None = None) -> Tensor:
    """PSNR of each image, from the squared error over all its pixels and channels.

    Args:
        sr: (B, C, H, W) in [0, 1], floating point.
        gt: The same shape.
        border: Pixels left out on every side.
        known: (B, 1, H, W) bool, the pixels that count; None: all.

    Returns:
        (B,) float64 in dB, without a gradient; inf where the images are identical, NaN where one holds a NaN
        or no pixel counts.

    Raises:
        ValueError: If the shapes differ or the border leaves nothing.
    """
    return decibels(squared_error(sr, gt, border=border, known=known))


def decibels(error: Tensor) -> Tensor:
    """PSNR of a mean squared error, with white at 1."""
    return -10.0 * torch.log10(error)


@torch.no_grad()
def squared_error(sr: Tensor, gt: Tensor, *, border: int, known: Tensor | None = None) -> Tensor:
    """The mean squared error (B,) float64; see `psnr` for the arguments."""
    if known is not None:
        _, known = without_border(known, known, border=border)
    sr, gt = without_border(sr, gt, border=border)
    squared = (sr.to(torch.float64) - gt.to(torch.float64)).square_()
    if known is None:
        return squared.mean(dim=(1, 2, 3))
    counted = squared.mean(dim=1, keepdim=True).masked_fill(~known, 0.0).sum(dim=(1, 2, 3))
    return counted / known.sum(dim=(1, 2, 3))
