"""Planes as macroblocks, and those as blocks of 4 x 4: the units of RFC 6386, sections 2 and 5."""

import math

from torch import Tensor


def tiles(planes: Tensor, side: int) -> Tensor:
    """(rows, columns, B, P, side, side) of (B, P, H, W)."""
    count, number, height, width = planes.shape
    apart = planes.view(count, number, height // side, side, width // side, side)
    return apart.permute(2, 4, 0, 1, 3, 5).contiguous()


def untiled(apart: Tensor) -> Tensor:
    """The inverse of `tiles`."""
    return apart.permute(2, 3, 0, 4, 1, 5).flatten(4, 5).flatten(2, 3)


def blocks(of: Tensor) -> Tensor:
    """(..., n, 16): blocks of 4 x 4, row by row, of (..., side, side)."""
    *others, side, _ = of.shape
    apart = of.reshape(*others, side // 4, 4, side // 4, 4).transpose(-3, -2)
    return apart.reshape(*others, side * side // 16, 16)


def unblocked(apart: Tensor) -> Tensor:
    """The inverse of `blocks`."""
    *others, number, _ = apart.shape
    side = 4 * math.isqrt(number)
    together = apart.view(*others, side // 4, side // 4, 4, 4).transpose(-3, -2)
    return together.reshape(*others, side, side)
