"""Structural similarity (Wang et al., IEEE TIP 2004) as published tables have it."""

import torch
from torch import Tensor

from sr_experiments.imaging.similarity import ssim_maps
from sr_experiments.metrics.border import without_border

WINDOW = 11


def ssim(sr: Tensor, gt: Tensor, *, border: int) -> Tensor:
    """Mean SSIM of each image over its channels and the positions where the 11x11 window fits.

    Args:
        sr: (B, C, H, W) in [0, 1], floating point.
        gt: The same shape.
        border: Pixels left out on every side, before the window is laid.

    Returns:
        (B,) float64; 1 where the images are identical, NaN where one holds a NaN.

    Raises:
        ValueError: If the shapes differ or the window does not fit inside the border.
    """
    sr, gt = without_border(sr, gt, border=border, at_least=WINDOW)
    # Channel by channel: a large image in float64 takes a third of the memory.
    means = [
        ssim_maps(sr[:, i : i + 1].to(torch.float64), gt[:, i : i + 1].to(torch.float64), window_size=WINDOW)[
            0
        ].mean(dim=(1, 2, 3))
        for i in range(sr.shape[1])
    ]
    return torch.stack(means).mean(dim=0)
