"""Structural similarity (Wang et al., IEEE TIP 2004) as published tables have it."""

import torch
from torch import Tensor

from sr_experiments.imaging.similarity import ssim_maps
from sr_experiments.metrics.border import without_border

WINDOW = 11


def ssim(sr: Tensor, gt: Tensor, *, border: int, known: Tensor | None = None) -> Tensor:
    """Mean SSIM of each image over its channels and the positions where the 11x11 window fits.

    Args:
        sr: (B, C, H, W) in [0, 1], floating point.
        gt: The same shape.
        border: Pixels left out on every side, before the window is laid.
        known: (B, 1, H, W) bool, the pixels in whose windows it is taken; None: all.

    Returns:
        (B,) float64; 1 where the images are identical, NaN where one holds a NaN.

    Raises:
        ValueError: If the shapes differ or the window does not fit inside the border.
    """
    if known is not None:
        _, known = without_border(known, known, border=border + WINDOW // 2)
    sr, gt = without_border(sr, gt, border=border, at_least=WINDOW)
    # Channel by channel: a large image in float64 takes a third of the memory.
    means = []
    for i in range(sr.shape[1]):
        x, y = (image[:, i : i + 1].to(torch.float64) for image in (sr, gt))
        values = ssim_maps(x, y, window_size=WINDOW)[0]
        if known is None:
            means.append(values.mean(dim=(1, 2, 3)))
        else:
            counted = values.masked_fill(~known, 0.0).sum(dim=(1, 2, 3))
            means.append(counted / known.sum(dim=(1, 2, 3)))
    return torch.stack(means).mean(dim=0)
