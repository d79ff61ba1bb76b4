"""Run a network on an image in tiles that overlap, so that memory does not grow with the image.

Of every tile only the inner part is used, whose context the tile contains. For a network whose output pixels
depend on no input pixel further away than `overlap`, the result is that of the whole image. A network that
looks further gives another result in tiles, and where two of them meet there may be a step: `blend` turns it
into a ramp. Pixels of the ramp have as much context as all others, so where there is no step it changes
nothing.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
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
    blend: int = 0,
    batch: int = 1,
) -> Tensor:
    """Enlarge an image tile by tile.

    An image that fits into a tile is one call. The arguments, and what is raised, are those of `run_bands`.

    Returns:
        (B, C', sH, sW) on the device and in the dtype of what `function` gives.
    """
    bands = run_bands(
        function,
        image,
        scale=scale,
        tile=tile,
        overlap=overlap,
        multiple_of=multiple_of,
        blend=blend,
        batch=batch,
    )
    height, width = (scale * side for side in image.shape[-2:])
    result: Tensor | None = None
    top = 0
    for band in bands:
        if band.shape[-2] == height:
            return band
        if result is None:
            result = band.new_empty(*band.shape[:-2], height, width)
        result[..., top : top + band.shape[-2], :] = band
        top += band.shape[-2]
    assert result is not None
    return result


def run_bands(
    function: Callable[[Tensor], Tensor],
    image: Tensor,
    *,
    scale: int,
    tile: int,
    overlap: int,
    multiple_of: int = 1,
    blend: int = 0,
    batch: int = 1,
) -> Iterator[Tensor]:
    """Enlarge an image tile by tile and hand out the rows that are finished, from top to bottom.

    So the result need not be held as a whole. All tiles have one size where the image allows it: those at the
    bottom and at the right are moved inwards instead of being smaller.

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
        blend: Width, in input pixels, of the ramp over which a tile takes over from its neighbour; rounded up
            to an even number.
        batch: How many tiles of one row of tiles `function` gets at once, at most.

    Yields:
        (B, C', rows, sW) on the device and in the dtype of what `function` gives.

    Raises:
        ValueError: if a tile has no inner part, or a value is not positive.
    """
    half = -(-blend // 2)
    margin = overlap + half
    check_tiles(tile=tile, overlap=overlap, blend=blend, multiple_of=multiple_of, batch=batch)
    height, width = image.shape[-2:]
    tile -= tile % multiple_of
    if max(height, width) <= tile:
        yield function(image)
        return
    columns = list(_spans(width, tile=tile, margin=margin, multiple_of=multiple_of))
    waiting: Tensor | None = None  # rows above the seam, as far as the tiles above it count there
    for rows in _spans(height, tile=tile, margin=margin, multiple_of=multiple_of):
        kept = _widened(rows, half, length=height)
        band: Tensor | None = None
        for span, output in _outputs(function, image, rows, columns, scale=scale, batch=batch):
            if band is None:
                shape = (*output.shape[:-2], scale * (kept.stop - kept.start), scale * width)
                band = output.new_zeros(shape) if half else output.new_empty(shape)
            across = _widened(span, half, length=width)
            piece = output[..., _inside(kept, rows.start, scale), _inside(across, span.start, scale)]
            target = band[..., _inside(across, 0, scale)]
            if half:
                target += piece * _ramps(across, span, length=width, scale=scale, like=piece)
            else:
                target.copy_(piece)
        assert band is not None
        if half:
            band *= _ramps(kept, rows, length=height, scale=scale, like=band)[:, None]
        if waiting is not None:
            band[..., : waiting.shape[-2], :] += waiting
        ready = band.shape[-2] - (2 * half * scale if rows.last < height else 0)
        waiting = band[..., ready:, :].clone() if rows.last < height and half else None
        yield band[..., :ready, :]


def _outputs(
    function: Callable[[Tensor], Tensor],
    image: Tensor,
    rows: Span,
    columns: Sequence[Span],
    *,
    scale: int,
    batch: int,
) -> Iterator[tuple[Span, Tensor]]:
    """What `function` makes of the tiles of a row of tiles."""
    count = len(image)
    for first in range(0, len(columns), batch):
        for group in _of_one_size(columns[first : first + batch]):
            pieces = [image[..., rows.start : rows.stop, span.start : span.stop] for span in group]
            lq = pieces[0] if len(pieces) == 1 else torch.cat(pieces)
            output = function(lq)
            expected = (scale * lq.shape[-2], scale * lq.shape[-1])
            assert tuple(output.shape[-2:]) == expected, f"{expected} expected, got {tuple(output.shape)}"
            for number, span in enumerate(group):
                yield span, output[number * count : (number + 1) * count]


def _of_one_size(spans: Sequence[Span]) -> Iterator[Sequence[Span]]:
    """The last tile of a row may be narrower: it ends where the image ends."""
    alike = [span for span in spans if span.stop - span.start == spans[0].stop - spans[0].start]
    yield alike
    if len(alike) < len(spans):
        yield spans[len(alike) :]


def check_tiles(*, tile: int, overlap: int, blend: int = 0, multiple_of: int = 1, batch: int = 1) -> None:
    """Refuse what leaves no inner part; the arguments are those of `run_bands`.

    Raises:
        ValueError: See there.
    """
    half = -(-blend // 2)
    if overlap < 0:
        raise ValueError(f"a tile's overlap is 0 pixels or more, not {overlap}")
    if half < 0:
        raise ValueError(f"a ramp between tiles is 0 pixels wide or more, not {2 * half}")
    if batch < 1:
        raise ValueError(f"at least one tile goes through the net at once, not {batch}")
    assert multiple_of >= 1
    margin = overlap + half
    least = -(-max(2 * half, 1) // multiple_of) * multiple_of  # of the inner part: it holds a whole ramp
    smallest = -(-2 * margin // multiple_of) * multiple_of + least
    if tile < smallest:
        ramp = f" and a ramp of {2 * half} pixels between tiles" if half else ""
        raise ValueError(
            f"tile={tile}: with {overlap} pixels of overlap on both sides{ramp} nothing of a tile would be "
            f"kept; give a tile of at least {smallest} pixels or a smaller overlap"
        )


def _spans(length: int, *, tile: int, margin: int, multiple_of: int) -> Iterator[Span]:
    """The tiles along an axis; what they are kept for adds up to the whole axis."""
    step = (tile - 2 * margin) // multiple_of * multiple_of
    end = max(0, -(-(length - tile) // multiple_of) * multiple_of)  # where the last tile starts
    first = 0
    for start in range(0, end, step):
        last = start + step + margin
        yield Span(start, start + tile, first, last)
        first = last
    yield Span(end, min(end + tile, length), first, length)


def _widened(span: Span, half: int, *, length: int) -> slice:
    """Input pixels that a tile counts for: what it is kept for, and its half of the ramps."""
    return slice(span.first - half if span.first else 0, min(span.last + half, length))


def _inside(pixels: slice, start: int, scale: int) -> slice:
    """Output pixels of input pixels, counted from an input pixel `start`."""
    return slice(scale * (pixels.start - start), scale * (pixels.stop - start))


def _ramps(pixels: slice, span: Span, *, length: int, scale: int, like: Tensor) -> Tensor:
    """How much a tile counts for each output pixel along an axis: 1, and less on the ramps.

    The weights of two tiles on a ramp add up to 1.
    """
    weights = like.new_ones(scale * (pixels.stop - pixels.start))
    rise = 2 * scale * (span.first - pixels.start)
    fall = 2 * scale * (pixels.stop - span.last) if span.last < length else 0
    if rise:
        weights[:rise] = (torch.arange(rise, device=like.device, dtype=like.dtype) + 0.5) / rise
    if fall:
        weights[-fall:] = 1 - (torch.arange(fall, device=like.device, dtype=like.dtype) + 0.5) / fall
    return weights
