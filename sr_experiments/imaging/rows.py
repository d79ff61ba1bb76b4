"""Every row of the result is a weighted sum of a few rows of the image: one pass of a separable filter.

Such a pass is a product with a banded matrix that is almost empty. It is stored as the positions and weights
of the few entries ("taps") of each of its rows, and computed as multiplications and additions of rows of the
image: linear in the size of the image, and exact where a matrix product would silently become TF32 or, under
autocast, bfloat16.

Away from the borders the positions repeat: when an image shrinks by 4, row k + 1 of the result looks 4 rows
further down than row k; when it grows by 4, row k + 4 looks 1 row further. So there every tap is a slice of
the image with a step, which costs no copy, and blocks of rows that stay in the cache pass through all taps
before the next block is touched. Only the few rows at the borders are gathered.
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from sr_experiments.imaging.onto import onto

_LONGEST_PERIOD = 16
_BLOCK = (
    2**18
)  # numbers a thread works on at a time: a megabyte in float32, measured with benchmarks/resize.py


@dataclass(frozen=True)
class Interior:
    """The rows whose taps repeat.

    Attributes:
        start: The first of these rows.
        stop: One after the last.
        step: How much further down row k + period looks than row k.
        phases: For the rows start, start + 1, ..., start + period - 1: column of the tap -> its position.
            A tap whose weight is zero in a whole phase is left out.
    """

    start: int
    stop: int
    step: int
    phases: tuple[dict[int, int], ...]


@dataclass(frozen=True, eq=False)
class Taps:
    """A banded matrix.

    Attributes:
        index: (rows of the result, taps) int64: positions in the image, on the CPU.
        weight: The same shape, float64, on the CPU.
        length_in: Rows of the image.
    """

    index: Tensor
    weight: Tensor
    length_in: int
    _copies: dict[tuple[torch.device, torch.dtype], tuple[Tensor, Tensor]] = field(default_factory=dict)

    def like(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Index and weight on the image's device, the weight in its dtype."""
        key = (image.device, image.dtype)
        if key not in self._copies:
            # A tensor born in inference mode could never take part in training afterwards.
            with torch.inference_mode(False), torch.no_grad():
                weight = self.weight.to(image.dtype)
                self._copies[key] = onto(image.device, self.index), onto(image.device, weight)
        return self._copies[key]

    @functools.cached_property
    def transposed(self) -> "Taps":
        """The transposed matrix, which takes gradients back."""
        with torch.inference_mode(False), torch.no_grad():
            return _transpose(self)

    @functools.cached_property
    def interior(self) -> Interior | None:
        """The rows whose taps repeat, or None where these are less than half of all."""
        return _find_interior(self)


def weighted_rows(image: Tensor, taps: Taps) -> Tensor:
    """Apply the matrix along the axis -2. Differentiable, also twice.

    Args:
        image: (..., length_in, W), floating point, no tensor of a trace.
        taps: The matrix.

    Returns:
        (..., rows of the result, W) in the dtype of `image`.
    """
    if torch.is_grad_enabled() and image.requires_grad:
        result: Tensor = _WeightedRows.apply(image, taps)
        return result
    return _weighted_rows(image, taps)


def gathered_rows(image: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    """The same by gathering whole rows, for any index: at the borders, and where a graph is traced."""
    total = image.index_select(-2, index[:, 0]) * weight[:, :1]
    for tap in range(1, weight.shape[1]):
        total = total.addcmul_(image.index_select(-2, index[:, tap]), weight[:, tap : tap + 1])
    return total


class _WeightedRows(torch.autograd.Function):
    """Left to autograd, each tap would write a gradient as large as the image."""

    @staticmethod
    def forward(ctx: Any, image: Tensor, taps: Taps) -> Tensor:
        ctx.taps = taps
        return _weighted_rows(image, taps)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return weighted_rows(gradients[0].contiguous(), ctx.taps.transposed), None


def _weighted_rows(image: Tensor, taps: Taps) -> Tensor:
    assert image.shape[-2] == taps.length_in, f"{taps.length_in} rows expected, got {tuple(image.shape)}"
    index, weight = taps.like(image)
    interior = taps.interior
    if interior is None:
        return gathered_rows(image, index, weight)
    start, stop = interior.start, interior.stop
    result = image.new_empty(*image.shape[:-2], len(index), image.shape[-1])
    for border in (slice(None, start), slice(stop, None)):
        if len(index[border]):
            result[..., border, :] = gathered_rows(image, index[border], weight[border])
    planes = image.reshape(-1, *image.shape[-2:])
    target = result.view(-1, *result.shape[-2:])
    for plane, first, last in _blocks(target, interior):
        for phase, places in enumerate(interior.phases):
            rows = slice(first + phase, last, len(interior.phases))
            count = len(range(*rows.indices(last)))
            if count:
                down = (first - start) // len(interior.phases) * interior.step
                pieces = {
                    tap: slice(p + down, p + down + interior.step * (count - 1) + 1, interior.step)
                    for tap, p in places.items()
                }
                _accumulate(target[plane, rows], planes[plane], weight[rows], pieces)
    return result


def _accumulate(total: Tensor, image: Tensor, weight: Tensor, pieces: dict[int, slice]) -> None:
    """Write the weighted sum of slices of the image into `total`, tap after tap as `gathered_rows` does."""
    for number, (tap, rows) in enumerate(pieces.items()):
        column = weight[:, tap : tap + 1]
        if number == 0:
            torch.mul(image[:, rows], column, out=total)
        else:
            total.addcmul_(image[:, rows], column)


def _blocks(target: Tensor, interior: Interior) -> Iterator[tuple[slice, int, int]]:
    """Pieces of the interior, as planes, first row and last row + 1, that fit into the processor's cache."""
    planes, _, width = target.shape
    start, stop, period = interior.start, interior.stop, len(interior.phases)
    numbers = _BLOCK * torch.get_num_threads() if target.device.type == "cpu" else target.numel()
    rows = max(1, numbers // max(1, width * period)) * period
    together = max(1, numbers // max(1, width * min(rows, stop - start)))
    for plane in range(0, planes, together):
        for first in range(start, stop, rows):
            yield slice(plane, plane + together), first, min(first + rows, stop)


def _find_interior(taps: Taps) -> Interior | None:
    """The longest stretch about the middle in which the positions repeat, with the shortest period."""
    index, length = taps.index, len(taps.index)
    for period in range(1, min(_LONGEST_PERIOD, length // 4) + 1):
        further = index[period:] - index[:-period]
        middle = len(further) // 2
        step = int(further[middle, 0])
        regular = (further == step).all(dim=1)
        if not regular[middle] or step < 1:
            continue
        breaks = torch.nonzero(~regular).flatten().tolist()
        start = max((row + 1 for row in breaks if row < middle), default=0)
        stop = min((row for row in breaks if row > middle), default=len(further)) + period
        if 2 * (stop - start) > length:
            places = index[start : start + period].tolist()
            used = [(taps.weight[start + k : stop : period] != 0).any(dim=0).tolist() for k in range(period)]
            phases = tuple(
                {tap: place for tap, place in enumerate(places[k]) if used[k][tap]} for k in range(period)
            )
            return Interior(start=start, stop=stop, step=step, phases=phases) if all(phases) else None
    return None


def _transpose(taps: Taps) -> Taps:
    """Entries of each column, in the order of their rows; repeated positions of a row added up."""
    rows = len(taps.index)
    entry = taps.index * rows + torch.arange(rows, device="cpu")[:, None]
    entry, where = torch.unique(entry.flatten(), return_inverse=True)  # sorted
    weight = taps.weight.new_zeros(len(entry)).index_add_(0, where, taps.weight.flatten())
    column, row = entry // rows, entry % rows
    counts = torch.bincount(column, minlength=taps.length_in)
    place = torch.arange(len(entry), device="cpu") - (counts.cumsum(0) - counts)[column]
    # Where a column has fewer entries than another, its last one is repeated with weight zero, so that
    # the positions go on repeating.
    last = row[(counts.cumsum(0) - 1).clamp(min=0)]
    wide = max(1, int(counts.max()))
    new_index = last[:, None].repeat(1, wide)
    new_weight = taps.weight.new_zeros(taps.length_in, wide)
    new_index[column, place] = row
    new_weight[column, place] = weight
    return Taps(new_index, new_weight, rows)
