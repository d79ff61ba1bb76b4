"""The outermost pixels, which every published table leaves out: a network sees less than the whole there."""

from torch import Tensor


def check_shapes(sr: Tensor, gt: Tensor) -> None:
    """Raise ValueError unless both are (B, C, H, W) of one shape."""
    if sr.shape != gt.shape or sr.dim() != 4:
        raise ValueError(
            f"metrics compare (B, C, H, W) of one shape, got sr {tuple(sr.shape)} and gt {tuple(gt.shape)}"
        )


def without_border(sr: Tensor, gt: Tensor, *, border: int, at_least: int = 1) -> tuple[Tensor, Tensor]:
    """Cut `border` pixels off each side of both images.

    Args:
        sr: (B, C, H, W).
        gt: The same shape.
        border: Pixels to cut, 0 or more.
        at_least: What must remain of each side, because a window has to fit.

    Returns:
        Views of both.

    Raises:
        ValueError: If the shapes differ or too little remains. It is no NaN: that would spoil the mean of a
            whole data set, and with it the choice of the best weights, without a word.
    """
    check_shapes(sr, gt)
    if border < 0:
        raise ValueError(f"the border to cut off must be 0 or more pixels, got {border}")
    height, width = sr.shape[-2:]
    needed = at_least + 2 * border
    if min(height, width) < needed:
        raise ValueError(
            f"an image of {height}x{width} pixels is too small to measure: with {border} pixels cut off each "
            f"side it must be at least {needed}x{needed}; leave it out of the data set"
        )
    inside = (..., slice(border, height - border), slice(border, width - border))
    return sr[inside], gt[inside]
