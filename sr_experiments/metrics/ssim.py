"""Structural similarity (Wang et al., IEEE TIP 2004) as published tables have it."""

from torch import Tensor

from sr_experiments.metrics.compare import compare


def ssim(sr: Tensor, gt: Tensor, *, border: int, known: Tensor | None = None) -> Tensor:
    """Mean SSIM of each image over its channels and the positions where the 11x11 window fits.

    Args:
        sr: (B, C, H, W) in [0, 1], floating point.
        gt: The same shape.
        border: Pixels left out on every side, before the window is laid.
        known: (B, 1, H, W) bool, the pixels in whose windows it is taken; None: all.

    Returns:
        (B,) float64, without a gradient; 1 where the images are identical, NaN where one holds a NaN.

    Raises:
        ValueError: If the shapes differ or the window does not fit inside the border.
    """
    planes = (_as_it_is, _as_it_is)
    return compare(sr, gt, border=border, planes=planes, count=sr.shape[1], known=known).similarity.mean(
        dim=1
    )


def _as_it_is(rows: Tensor, place: Tensor) -> None:
    place.copy_(rows)
