"""Blur kernels for a batch, from their closed forms at the pixels' centres, each of sum 1.

With q = v^T S^-1 v and S = R(angle) diag(sigma_x^2, sigma_y^2) R(angle)^T, after Zhang et al. (SRMD,
CVPR 2018, arXiv:1712.06116) and Wang et al. (Real-ESRGAN, ICCVW 2021, arXiv:2107.10833, section 3.2):

    Gaussian     exp(-q / 2)
    generalized  exp(-q^beta / 2)
    plateau      1 / (1 + q^beta)
    sinc         cutoff J1(cutoff |v|) / (2 pi |v|): an ideal low-pass in two dimensions

All take (B,) float64 on the CPU and give (B, size, size) float64; `fitted` makes kernels of smaller sizes.
"""

import math

import torch
from torch import Tensor


def _offsets(size: int) -> tuple[Tensor, Tensor]:
    """(size, 1) y downwards and (1, size) x to the right, from the middle."""
    offset = torch.arange(size, dtype=torch.float64) - size // 2
    return offset[:, None], offset[None, :]


def _rotated(size: int, angle: Tensor) -> tuple[Tensor, Tensor]:
    """(B, size, size) coordinates along a direction and across it."""
    y, x = _offsets(size)
    cosine, sine = torch.cos(angle)[:, None, None], torch.sin(angle)[:, None, None]
    return x * cosine + y * sine, y * cosine - x * sine


def elliptic(size: int, *, sigma_x: Tensor, sigma_y: Tensor, angle: Tensor) -> Tensor:
    """The q of the formulas above.

    Args:
        size: Side in pixels, odd.
        sigma_x: Standard deviation in pixels along the first axis.
        sigma_y: Along the second.
        angle: From the image's x axis (to the right) to the first axis, towards y (downwards).
    """
    along, across = _rotated(size, angle)
    return (along / sigma_x[:, None, None]).square() + (across / sigma_y[:, None, None]).square()


def gaussian(q: Tensor, beta: Tensor) -> Tensor:
    """The generalized Gaussian; `beta` (B,) of 1 is the Gaussian. Not normalised."""
    return torch.exp(-0.5 * q ** beta[:, None, None])


def plateau(q: Tensor, beta: Tensor) -> Tensor:
    """Flat in the middle, with heavy tails. Not normalised."""
    return 1 / (1 + q ** beta[:, None, None])


def sinc(size: int, *, cutoff: Tensor) -> Tensor:
    """An ideal low-pass filter, cut off by the window: it rings. Not normalised.

    Args:
        size: Side in pixels, odd.
        cutoff: Angular frequency in radians per pixel, up to pi.
    """
    y, x = _offsets(size)
    radius = (x.square() + y.square()).sqrt()[None]
    cutoff = cutoff[:, None, None]
    middle = cutoff.square() / (4 * math.pi)
    away = cutoff * torch.special.bessel_j1(cutoff * radius) / (2 * math.pi * radius.clamp(min=1))
    return torch.where(radius == 0, middle, away)


def motion(size: int, *, length: Tensor, angle: Tensor) -> Tensor:
    """A straight movement of `length` pixels: a line one pixel thick, with soft edges. Not normalised."""
    along, across = _rotated(size, angle)
    ends = (length[:, None, None] / 2 + 0.5 - along.abs()).clamp(0, 1)
    return ends * (1 - across.abs()).clamp(min=0)


def defocus(size: int, *, radius: Tensor) -> Tensor:
    """A lens out of focus: a disc of `radius` pixels with a soft edge. Not normalised."""
    y, x = _offsets(size)
    away = (x.square() + y.square()).sqrt()[None]
    return (radius[:, None, None] + 0.5 - away).clamp(0, 1)


def fitted(weights: Tensor, sides: Tensor) -> Tensor:
    """What lies outside a kernel's own side becomes 0, and the sum 1.

    Args:
        weights: (B, size, size).
        sides: (B,) int64, odd, at most `size`.
    """
    y, x = _offsets(weights.shape[-1])
    half = (sides // 2)[:, None, None]
    inside = (y.abs() <= half) & (x.abs() <= half)
    kept = torch.where(inside, weights, 0.0)
    return kept / kept.sum(dim=(1, 2), keepdim=True)
