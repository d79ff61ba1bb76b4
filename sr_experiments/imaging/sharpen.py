"""Unsharp masking, as Real-ESRGAN sharpens its truth (arXiv:2107.10833, section 4.1, and its release).

What a wide blur takes away is added again, half as strong, but only near places where that is more than
noise: where the difference exceeds 10 of 255, the mask of these places blurred as well, so that it has no
edge of its own.

The blur is written as sums of shifted images, first along columns and then along rows. A convolution would be
done in TF32 on a GPU (10 bits), which turns the comparison with the threshold over, and in bfloat16 under
autocast.
"""

import torch
from torch import Tensor

from sr_experiments.imaging.similarity import gaussian_window


def usm_sharpen(image: Tensor, *, weight: float = 0.5, radius: int = 50, threshold: float = 10.0) -> Tensor:
    """Sharpen an image with an unsharp mask.

    Computed at least in float32, every band and image by itself.

    Args:
        image: (..., H, W) in [0, 1], floating point, of any size: the border is mirrored without repeating
            the edge, again and again where the image is smaller than the blur.
        weight: How much of the difference from the blurred image is added.
        radius: What the release calls so: the side of the blur's kernel in pixels, one more if even. The
            standard deviation goes with it by OpenCV's rule, 8 pixels for a side of 51. (For sides up to 7
            OpenCV has tables instead, which are not used here.)
        threshold: Of 255: differences up to it are not amplified, except close to larger ones.

    Returns:
        The same shape and dtype, in [0, 1].

    Raises:
        ValueError: radius is below 1.
    """
    if radius < 1:
        raise ValueError(f"usm_sharpen: radius={radius} must be at least 1, the side of the blur in pixels")
    side = radius + 1 - radius % 2
    window = gaussian_window(side, opencv_sigma(side), dtype=torch.float64, device="cpu").tolist()
    x = image.to(torch.promote_types(image.dtype, torch.float32))
    residual = x - _blurred(x, window)
    mask = _blurred((residual.abs() * 255 > threshold).to(x.dtype), window)
    sharp = (x + weight * residual).clamp(0, 1)
    return (mask * sharp + (1 - mask) * x).to(image.dtype)


def opencv_sigma(side: int) -> float:
    """The standard deviation in pixels that OpenCV takes for a Gaussian of `side` pixels if given none."""
    return 0.3 * ((side - 1) * 0.5 - 1) + 0.8


def _blurred(image: Tensor, window: list[float]) -> Tensor:
    """The weighted mean over the window along both of the last two axes, the border mirrored."""
    for axis in (-2, -1):
        length = image.shape[axis]
        padded = _mirrored(image, axis, amount=len(window) // 2)
        total = padded.narrow(axis, 0, length) * window[0]
        for shift, weight in enumerate(window[1:], start=1):
            total.add_(padded.narrow(axis, shift, length), alpha=weight)
        image = total
    return image


def _mirrored(image: Tensor, axis: int, *, amount: int) -> Tensor:
    """`image` with `amount` pixels more at both ends of `axis`, mirrored about the outermost pixels."""
    last = image.shape[axis] - 1
    position = torch.arange(-amount, last + 1 + amount, device=image.device)
    if last == 0:  # nothing to mirror
        return image.index_select(axis, torch.zeros_like(position))
    position = position % (2 * last)
    return image.index_select(axis, torch.where(position > last, 2 * last - position, position))
