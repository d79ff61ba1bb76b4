"""Structural similarity, pixel by pixel: what the metric reports and the loss minimises.

Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment: from error visibility to structural
similarity", IEEE TIP 2004: an 11x11 Gaussian window of sigma 1.5, K1 = .01, K2 = .03, and only positions
where the window lies inside the image, as in the authors' own `ssim_index.m`. Libraries that pad the border
miss the published numbers by up to .004.

The window is applied as two sums of shifted images. In float64 on a CPU that takes a quarter of the time of a
depthwise convolution, and unlike one it is never done in TF32, nor in bfloat16 under autocast.
"""

import math

import torch
from torch import Tensor

SSIM_WINDOW = 11
"""Side of SSIM's window in pixels: an image, without its border where that is cut off, must hold it."""


def gaussian_window(
    size: int,
    sigma: float,
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
) -> Tensor:
    """A Gaussian of `size` samples about the middle, shape (size,), sum 1."""
    return torch.tensor(_gaussian(size, sigma), dtype=dtype, device=device)


def _gaussian(size: int, sigma: float) -> list[float]:
    """The samples of `gaussian_window` as numbers."""
    samples = [math.exp(-((i - (size - 1) / 2) ** 2) / (2 * sigma**2)) for i in range(size)]
    return [sample / math.fsum(samples) for sample in samples]


def ssim_maps(
    x: Tensor,
    y: Tensor,
    *,
    window_size: int = SSIM_WINDOW,
    sigma: float = 1.5,
    k1: float = 0.01,
    k2: float = 0.03,
    data_range: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """SSIM and its contrast-structure factor at every position where the window fits.

    Computed at least in float32: the variances are small differences of large numbers. Differentiable.

    Args:
        x: (B, C, H, W), any floating dtype.
        y: The same shape.
        window_size: Side of the window in pixels.
        sigma: Standard deviation of the window in pixels.
        k1: Stabilises the luminance term.
        k2: Stabilises the contrast-structure term.
        data_range: Difference between white and black.

    Returns:
        Two tensors (B, C, H - window_size + 1, W - window_size + 1): SSIM (Eq. 13), and its second factor,
        which is what multi-scale SSIM takes from all scales but the last.

    Raises:
        ValueError: Where the shapes differ or the window does not fit.
    """
    if x.shape != y.shape or x.dim() != 4:
        raise ValueError(
            f"SSIM compares two (B, C, H, W) of one shape, got {tuple(x.shape)} and {tuple(y.shape)}"
        )
    if min(x.shape[-2:]) < window_size:
        raise ValueError(
            f"SSIM needs images of at least {window_size}x{window_size} pixels, "
            f"got {x.shape[-2]}x{x.shape[-1]}"
        )
    dtype = torch.promote_types(torch.promote_types(x.dtype, y.dtype), torch.float32)
    x, y = x.to(dtype), y.to(dtype)
    window = _gaussian(window_size, sigma)
    mean_x, mean_y = _blur(x, window), _blur(y, window)
    c1, c2 = ssim_constants(k1=k1, k2=k2, data_range=data_range)
    squares = mean_x**2 + mean_y**2
    variances = _blur(x * x + y * y, window) - squares  # only the sum of both is needed
    covariance = _blur(x * y, window) - mean_x * mean_y
    structure = (2 * covariance + c2) / (variances + c2)
    luminance = (2 * mean_x * mean_y + c1) / (squares + c1)
    return luminance * structure, structure  # Eq. 13


def ssim_constants(*, k1: float = 0.01, k2: float = 0.03, data_range: float = 1.0) -> tuple[float, float]:
    """What keeps the luminance and the contrast-structure term from dividing by nothing."""
    return (k1 * data_range) ** 2, (k2 * data_range) ** 2


def _blur(image: Tensor, window: list[float]) -> Tensor:
    """Weighted sum over the window along both of the last two axes, valid positions only."""
    for axis in (-2, -1):
        length = image.shape[axis] - len(window) + 1
        total = image.narrow(axis, 0, length) * window[0]
        for shift, weight in enumerate(window[1:], start=1):
            total.add_(image.narrow(axis, shift, length), alpha=weight)
        image = total
    return image
