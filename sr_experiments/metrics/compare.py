"""Squared error and structural similarity of whole images in one pass, in float64.

An image is gone through in strips of rows that stay in the processor's cache: what is compared (8-bit levels,
luma) is made of a strip, measured and forgotten. So memory does not grow with the image's height, and it
takes a fraction of the time of the same steps over whole images. The window's weighted sums are products with
a band matrix.

Passes over numbers are what it costs beside the products, so there are few: constants are added where a
product is taken anyway, and x^2 + y^2 is 2 x y + (x - y)^2, whose second part is PSNR's squared error. Where
images are equal that is zero, and SSIM is 1 to the last bit.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from sr_experiments.imaging.similarity import SSIM_WINDOW, gaussian_window, ssim_constants
from sr_experiments.metrics.border import without_border

_SIGMA = 1.5
_REACH = SSIM_WINDOW - 1
_BLOCK = 16  # rows or columns of a product: narrow ones waste less on zeros, wide ones run faster
_CACHED, _LAUNCHED = 1 << 19, 1 << 25  # numbers of a strip: 4 MB on a CPU, and on a GPU few launches
_MOMENTS = 4

Planes = Callable[[Tensor, Tensor], object]
"""Rows of an image (C, H, W), and where the planes that are compared go, (K, H, W) float64."""


class Compared(NamedTuple):
    """What `compare` found of each image and plane.

    Attributes:
        error: (B, K), mean squared error where white is 1.
        similarity: (B, K), mean SSIM.
    """

    error: Tensor
    similarity: Tensor


@torch.no_grad()
def compare(
    sr: Tensor,
    gt: Tensor,
    *,
    border: int,
    planes: tuple[Planes, Planes],
    count: int,
    white: float = 1.0,
    known: Tensor | None = None,
) -> Compared:
    """Compare images plane by plane.

    Args:
        sr: (B, C, H, W), floating point.
        gt: The same shape.
        border: Pixels left out on every side, before SSIM's window is laid.
        planes: Make what is compared, of `sr` and of `gt`.
        count: Of the planes.
        white: Of the planes.
        known: (B, 1, H, W) bool, the pixels that count; for SSIM, the middles of windows that do. None: all.

    Returns:
        float64, without a gradient; NaN of images that hold one.

    Raises:
        ValueError: If the shapes differ or the window does not fit inside the border.
    """
    if known is not None:
        _, known = without_border(known, known, border=border)
    sr, gt = without_border(sr, gt, border=border, at_least=SSIM_WINDOW)
    each = [
        _compare_one(*pair, planes, count, white, None if known is None else known[number, 0])
        for number, pair in enumerate(zip(sr, gt, strict=True))
    ]
    return Compared(*(torch.stack(found) for found in zip(*each, strict=True)))


def _compare_one(
    sr: Tensor, gt: Tensor, planes: tuple[Planes, Planes], count: int, white: float, known: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Of one image (C, H, W), and `known` (H, W)."""
    height, width = sr.shape[-2:]
    rows, columns = height - _REACH, width - _REACH
    middles = slice(_REACH // 2, _REACH // 2 + columns)
    constants = ssim_constants(data_range=white)
    band = _band(device=sr.device)
    deep = min(_rows_of_a_strip(count, width, sr.device), rows)
    # Made once: to get fresh memory from the system for every strip costs as much as a third of the work.
    make_room = partial(torch.empty, dtype=torch.float64, device=sr.device)
    room = make_room(deep + _REACH, _MOMENTS, count, width)
    half = make_room(deep, _MOMENTS, count, width)
    means = make_room(deep, _MOMENTS, count, columns)
    products = _products(room, band, half=half, out=means)
    error = similarity = make_room(count).zero_()
    for top in range(0, rows, deep):
        bottom = min(top + deep, rows)
        # Rows come first: all planes and moments of a row are then the columns of one matrix.
        moments, local = room[: bottom - top + _REACH], means[: bottom - top]
        if bottom - top < deep:
            products = _products(moments, band, half=half[: bottom - top], out=local)
        seen = 0
        if top:  # the last strip's last rows are this one's first
            seen = _REACH
            room[:seen] = room[deep : deep + seen]
        fresh = moments[seen:]
        x, y, *_ = fresh.transpose(0, 2).unbind(1)
        for image, make, place in ((sr, planes[0], x), (gt, planes[1], y)):
            make(image[:, top + seen : bottom + _REACH], place)
        squares = _fill(fresh, constants)
        for left, right, product in products:
            torch.mm(left, right, out=product)
        quarters = _similarity(local, constants)
        if known is not None:
            squares = squares.masked_fill_(~known[top + seen : bottom + _REACH, None], 0.0)
            counted = known[top + _REACH // 2 : bottom + _REACH // 2, middles]
            quarters = quarters.masked_fill_(~counted[:, None], 0.0)
        # Rows first, each by one thread: of all at once the order would depend on how many there are.
        error = error + squares.sum(dim=2).sum(dim=0)
        similarity = similarity + 4 * quarters.sum(dim=2).sum(dim=0)
    if known is None:
        return error / (height * width * white**2), similarity / (rows * columns)
    inside = known[_REACH // 2 : _REACH // 2 + rows, middles]
    return error / known.sum() / white**2, similarity / inside.sum()


def _rows_of_a_strip(planes: int, width: int, device: torch.device) -> int:
    numbers = _CACHED if device.type == "cpu" else _LAUNCHED
    return max(1, numbers // (_MOMENTS * planes * width * _BLOCK)) * _BLOCK


def _fill(moments: Tensor, constants: tuple[float, float]) -> Tensor:
    """Fill in the other two of x, y, x y + (c1 + c2) / 2 and x^2 + y^2 + c1 + c2; return (x - y)^2.

    Args:
        moments: (H, 4, K, W), of which x and y are there.
        constants: c1 and c2.
    """
    x, y, product, sum_of_squares = moments.unbind(1)
    half = x.new_tensor(sum(constants) / 2)
    torch.addcmul(half, x, y, out=product)
    squares = mse_loss(x, y, reduction="none")
    torch.add(squares, product, alpha=2, out=sum_of_squares)
    return squares


def _similarity(means: Tensor, constants: tuple[float, float]) -> Tensor:
    """A quarter of SSIM (H, K, W), Eq. 13, of the local means (H, 4, K, W) of `_fill`'s moments.

    These are overwritten.
    """
    mean_x, mean_y, product, sum_of_squares = means.unbind(1)
    luminance = torch.addcmul(means.new_tensor(constants[0] / 2), mean_x, mean_y)
    norms = mse_loss(mean_x, mean_y, reduction="none").add_(luminance, alpha=2)  # mean_x^2 + mean_y^2 + c1
    covariance = product.sub_(luminance)  # + c2 / 2
    variances = sum_of_squares.sub_(norms)  # + c2
    return luminance.mul_(covariance).div_(norms.mul_(variances))


def _products(moments: Tensor, band: Tensor, *, half: Tensor, out: Tensor) -> list[tuple[Tensor, ...]]:
    """Which products of matrices make means over the window along the first and the last axis, where it fits.

    Args:
        moments: (H, 4, K, W), contiguous like the others.
        band: Of `_band`.
        half: (H - 10, 4, K, W), for what is done along the first axis only.
        out: (H - 10, 4, K, W - 10), where they go.

    Returns:
        Left, right, and where the product goes, in their order: views, so that they serve for every strip.
    """
    tall, halves = moments.flatten(1), half.flatten(1)
    wide, narrow, turned = half.flatten(0, 2), out.flatten(0, 2), band.t()
    found: list[tuple[Tensor, ...]] = []
    for first, length in _blocks(len(half)):
        reached = length + _REACH
        found.append((band[:length, :reached], tall[first : first + reached], halves[first : first + length]))
    for first, length in _blocks(out.shape[-1]):
        reached = length + _REACH
        found.append(
            (wide[:, first : first + reached], turned[:reached, :length], narrow[:, first : first + length])
        )
    return found


def _blocks(length: int) -> list[tuple[int, int]]:
    """First row or column and length of each product."""
    return [(first, min(_BLOCK, length - first)) for first in range(0, length, _BLOCK)]


def _band(*, device: torch.device) -> Tensor:
    """A block's weights, float64: in each row the window, a column further than in the row above."""
    window = gaussian_window(SSIM_WINDOW, _SIGMA, dtype=torch.float64, device=device)
    band = torch.zeros(_BLOCK, _BLOCK + _REACH, dtype=torch.float64, device=device)
    band.as_strided((_BLOCK, SSIM_WINDOW), (_BLOCK + SSIM_WINDOW, 1)).copy_(window)
    return band
