"""The ten predictions of 4 x 4 pixels as one product with a matrix: RFC 6386, section 12.3, to the bit.

The border is 13 pixels: four to the left from below, the corner, eight above. Nine modes are means of two or
three neighbours along it; TrueMotion is a sum and a difference.
"""

from functools import lru_cache
from itertools import product

import torch
from torch import Tensor

from sr_experiments.imaging.onto import onto

_CORNER = 4


def predicted(border: Tensor) -> Tensor:
    """(..., 10, 16) float32 of (..., 13), in the order DC, TM, VE, HE, RD, VR, LD, VL, HD, HU."""
    sums = border @ _weights(border.device)
    return sums.add_(0.5).floor_().clamp_(0.0, 255.0).view(*border.shape[:-1], 10, 16)


@lru_cache(maxsize=8)
def _weights(device: torch.device) -> Tensor:
    """(13, 160) float32: multiples of an eighth, so that the sums are exact."""
    weights = torch.zeros(10, 4, 4, 13)
    for y, x in product(range(4), repeat=2):
        mean, motion, vertical, horizontal, *slanted = weights[:, y, x].unbind()
        mean[[0, 1, 2, 3, 5, 6, 7, 8]] = 1 / 8
        motion[_CORNER + 1 + x] = motion[_CORNER - 1 - y] = 1.0
        motion[_CORNER] = -1.0
        _three(vertical, _CORNER + 1 + x)
        _three(horizontal, _CORNER - 1 - y)
        _slant(slanted, y, x)
    return onto(device, weights.flatten(0, 2).T.contiguous())


def _slant(modes: list[Tensor], y: int, x: int) -> None:
    """Fill in the weights of one pixel for RD, VR, LD, VL, HD and HU."""
    right_down, vertical_right, left_down, vertical_left, horizontal_down, horizontal_up = modes
    _three(right_down, _CORNER + x - y)
    _three(left_down, _CORNER + 2 + x + y)
    _steep(vertical_right, y, x, 1)
    _steep(horizontal_down, x, y, -1)
    if y >= 2 and x == 3:
        _three(vertical_left, 8 + y)
    elif y % 2:
        _three(vertical_left, _CORNER + 2 + x + y // 2)
    else:
        _two(vertical_left, _CORNER + 1 + x + y // 2)
    if x + 2 * y > 5:
        horizontal_up[0] = 1.0
    elif x % 2:
        _three(horizontal_up, 2 - y - x // 2)
    else:
        _two(horizontal_up, 2 - y - x // 2)


def _steep(weights: Tensor, down: int, along: int, sign: int) -> None:
    """Of VR, and of HD, which is the same with rows and columns exchanged: the border from its other end."""
    start = _CORNER + sign * (along - down // 2)
    if 2 * along < down:
        _three(weights, _CORNER + sign * (2 * along - down + 1))
    elif down % 2:
        _three(weights, start)
    else:
        _two(weights, start if sign > 0 else start - 1)


def _three(weights: Tensor, middle: int) -> None:
    """A quarter, a half and a quarter; the border's last pixels are repeated beyond it."""
    for number, weight in ((middle - 1, 0.25), (middle, 0.5), (middle + 1, 0.25)):
        weights[min(max(number, 0), 12)] += weight


def _two(weights: Tensor, first: int) -> None:
    weights[first : first + 2] = 0.5
