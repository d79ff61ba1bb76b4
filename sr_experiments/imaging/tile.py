"""Run a network on an image in tiles that overlap, so that memory does not grow with the image.

Nothing is blended: of every tile only the inner part is kept, whose context the tile contains. For a network
whose output pixels depend on no input pixel further away than `overlap`, the result is that of the whole
image. A network that looks at the whole image (channel attention's means, say) gives another result in tiles.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Span:
    """Where a tile lies along one axis, in input pixels.

    Attributes:
        start: The first pixel that the tile reads.
        stop: One after the last pixel that it reads.
        first: The first pixel that it is kept for.
        last: One after the last pixel that it is kept for.
    """

    start: int
    stop: int
    first: int
    last: int


def run_tiled(
    function: Callable[[Tensor], Tensor],
    image: Tensor,
    *,
    scale: int,
    tile: int,
    overlap: int,
    multiple_of: int = 1,
) -> Tensor:
    """Enlarge an image tile by tile.

    All tiles have one size where the image allows it: those at the bottom and at the right are moved inwards
    instead of being smaller. An image that fits into a tile is one call.

    Args:
        function: (B, C, h, w) to (B, C', sh, sw).
        image: (B, C, H, W), floating point. Where H or W is no multiple of `multiple_of`, the last tile is
            none either: `function` pads it below and at the right, as `imaging.pad.run_padded` does.
        scale: The s of `function`.
        tile: Largest side, in input pixels, of what `function` gets; rounded down to a multiple of
            `multiple_of`.
        overlap: Context, in input pixels, that a tile has on each side that is not the image's border.
        multiple_of: Positions and sides of the tiles are multiples of it: pixel unshuffling and windows then
            divide each tile as they divide the image.

    Returns:
        (B, C', sH, sW) on the device and in the dtype of what `function` gives.

    Raises:
        ValueError: if a tile has no inner part, or a value is not positive.
    """
    _check(tile=tile, overlap=overlap, multiple_of=multiple_of)
    batch, _, height, width = image.shape
    tile -= tile % multiple_of
    if max(height, width) <= tile:
        return function(image)
    result: Tensor | None = None
    for rows in _spans(height, tile=tile, overlap=overlap, multiple_of=multiple_of):
        for columns in _spans(width, tile=tile, overlap=overlap, multiple_of=multiple_of):
            piece = image[..., rows.start : rows.stop, columns.start : columns.stop]
            output = function(piece)
            expected = (scale * piece.shape[-2], scale * piece.shape[-1])
            assert tuple(output.shape[-2:]) == expected, f"{expected} expected, got {tuple(output.shape)}"
            if result is None:
                result = output.new_empty(batch, output.shape[1], scale * height, scale * width)
            result[..., _kept(rows, scale), _kept(columns, scale)] = output[
                ..., _inner(rows, scale), _inner(columns, scale)
            ]
    assert result is not None
    return result


def _check(*, tile: int, overlap: int, multiple_of: int) -> None:
    """Refuse what leaves no inner part."""
    if overlap < 0:
        raise ValueError(f"a tile's overlap is 0 pixels or more, not {overlap}")
    assert multiple_of >= 1
    smallest = -(-2 * overlap // multiple_of) * multiple_of + multiple_of
    if tile < smallest:
        raise ValueError(
            f"tile={tile}: with {overlap} pixels of overlap on both sides nothing of a tile would be kept; "
            f"give a tile of at least {smallest} pixels or a smaller overlap"
        )


def _spans(length: int, *, tile: int, overlap: int, multiple_of: int) -> Iterator[Span]:
    """The tiles along an axis; what they are kept for adds up to the whole axis."""
    step = (tile - 2 * overlap) // multiple_of * multiple_of
    end = max(0, -(-(length - tile) // multiple_of) * multiple_of)  # where the last tile starts
    first = 0
    for start in range(0, end, step):
        last = start + step + overlap
        yield Span(start, start + tile, first, last)
        first = last
    yield Span(end, min(end + tile, length), first, length)


def _kept(span: Span, scale: int) -> slice:
    """Output pixels that a tile is kept for."""
    return slice(scale * span.first, scale * span.last)


def _inner(span: Span, scale: int) -> slice:
    """The same pixels, counted from the tile's own first one."""
    return slice(scale * (span.first - span.start), scale * (span.last - span.start))
