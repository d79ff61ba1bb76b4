"""Luma, YCbCr and the number of channels, all by ITU-R BT.601 in its limited range (luma 16 to 235 of 255).

It is MATLAB's `rgb2ycbcr`, on which every published super-resolution number stands. The sums are written out
instead of multiplying with a matrix, which a GPU may do in TF32.
"""

import numpy as np
import torch
from torch import Tensor

LUMA = (65.481, 128.553, 24.966)  # for R, G, B in [0, 1] and Y in [16, 235]
BLUE = (-37.797, -74.203, 112.0)
RED = (112.0, -93.786, -18.214)
OFFSETS = (16.0, 128.0, 128.0)

_NOISE = 2.0**-20
"""Of a level: a value that is short of a half by less than this is taken for a half."""


def rgb_to_y(image: Tensor) -> Tensor:
    """Luma of an RGB image: Y = (65.481 R + 128.553 G + 24.966 B + 16) / 255.

    Args:
        image: (..., 3, H, W) in [0, 1], floating point.

    Returns:
        (..., 1, H, W) in [16/255, 235/255], not rounded, in the dtype of `image`.
    """
    return _weighted(image, weights=LUMA, offset=OFFSETS[0])


def to_levels(image: Tensor, *, white: int = 255, out: Tensor | None = None) -> Tensor:
    """The levels of an image, as a file and a metric take them: clamped to [0, 1], rounded half up.

    Halves are not rare: bicubic at x2 returns multiples of 2^-14 of a level, so one pixel in some thousands
    lies exactly between two of them, and floats hold it a little below or above. (Set5's head at x2 had an
    SSIM 1.7e-6 off for it.)

    Args:
        image: Any shape and floating dtype, white is 1.
        white: The largest level: 255, or 65535 for an image of 16 bit.
        out: float64 of the same shape; where they go.

    Returns:
        float64 holding integers 0 to `white`; NaN stays NaN, so that a diverged network shows.
    """
    clamped = image.clamp(0.0, 1.0).to(torch.float64)
    raised = torch.add(clamped.new_tensor(0.5 + _NOISE), clamped, alpha=white, out=clamped)
    return torch.floor(raised, out=raised if out is None else out)


def rgb_to_ycbcr(image: Tensor) -> Tensor:
    """(..., 3, H, W) RGB in [0, 1] to Y in [16/255, 235/255], Cb and Cr in [16/255, 240/255]."""
    rows = zip((LUMA, BLUE, RED), OFFSETS, strict=True)
    return torch.cat([_weighted(image, weights=weights, offset=offset) for weights, offset in rows], dim=-3)


def ycbcr_to_rgb(image: Tensor) -> Tensor:
    """The inverse of `rgb_to_ycbcr`, not clamped: (..., 3, H, W) to RGB."""
    inverse = np.linalg.inv(np.array([LUMA, BLUE, RED]))
    shifts = -inverse @ np.array(OFFSETS)
    rows = [
        _weighted(image, weights=tuple(float(v) * 255 * 255 for v in row), offset=float(shift) * 255)
        for row, shift in zip(inverse, shifts, strict=True)
    ]
    return torch.cat(rows, dim=-3)


def _weighted(image: Tensor, *, weights: tuple[float, ...], offset: float) -> Tensor:
    """(weights . RGB + offset) / 255 along the axis -3, which is kept."""
    if image.dim() < 3 or image.shape[-3] != 3 or not image.is_floating_point():
        raise ValueError(
            f"a colour conversion needs floating point (..., 3, H, W), got {image.dtype} {tuple(image.shape)}"
        )
    red, green, blue = (image.narrow(-3, i, 1) for i in range(3))
    return (weights[0] * red + weights[1] * green + weights[2] * blue + offset) / 255.0


def _rounded_luma(image: np.ndarray) -> np.ndarray:
    """(H, W, 3) integers to (H, W, 1), halves upwards.

    In integers, because there are pixels whose luma is a half exactly (six in Set5's butterfly), and the
    floats of most ways to write the sum send some of them down.
    """
    red, green, blue = (image[:, :, i : i + 1].astype(np.int64) for i in range(3))
    thousandths = 65481 * red + 128553 * green + 24966 * blue
    offset = 16 * (np.iinfo(image.dtype).max // 255)
    luma: np.ndarray = (thousandths + 127_500) // 255_000 + offset
    return luma.astype(image.dtype)


def to_channels(image: np.ndarray, *, channels: int) -> np.ndarray:
    """Give an image file's array the number of channels that a run works with.

    RGB becomes one channel by luma rounded to integers, as MATLAB's `rgb2ycbcr` returns it (16 to 235 of 255,
    and 257 times that for 16 bit); grey becomes RGB by repetition.

    Args:
        image: (H, W, C) uint8 or uint16.
        channels: Wanted C.

    Returns:
        (H, W, channels) in the dtype of `image`; `image` itself where nothing is to be done.

    Raises:
        ValueError: Where there is no such conversion.
    """
    found = image.shape[2]
    if found == channels:
        return image
    if found == 1 and channels == 3:
        return np.repeat(image, 3, axis=2)
    if found == 3 and channels == 1:
        return _rounded_luma(image)
    raise ValueError(
        f"an image of {found} channels cannot become one of {channels}; "
        f"set channels={found}, or use other images"
    )
