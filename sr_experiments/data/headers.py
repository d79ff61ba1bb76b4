"""What can be known to be wrong before training starts, from the headers of the files alone."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from sr_experiments.data.remembered import Remembered
from sr_experiments.data.sources import Item
from sr_experiments.data.threads import in_threads
from sr_experiments.imaging.colour import to_channels

Size = tuple[int, int]
Shape = tuple[int, int, int]
_TOGETHER = 16  # headers that are one task of a thread


def inspect(
    items: Sequence[Item],
    *,
    scale: int,
    minimum: int,
    reason: str,
    channels: int | None = None,
    guide_channels: int = 0,
    memory: Path | None = None,
) -> tuple[list[Size], list[str]]:
    """Read the headers of all files.

    Args:
        items: The images.
        scale: Of super-resolution.
        minimum: Smallest allowed side of a good image after it was cropped to a multiple of the scale.
        reason: Why, for the message.
        channels: Wanted C, which every file must have or be converted to; None: any.
        guide_channels: The same of guides, where images have any.
        memory: Folder in which is kept what headers say, where there are many; None: nothing is kept.

    Returns:
        (H, W) of the readable good images, not cropped yet, and a sentence for everything that is wrong.
    """

    remembered = Remembered(memory, items)

    def look(item: Item) -> tuple[Size | None, str | None]:
        def size(path: Path, channels: int | None) -> Size:
            return _size(remembered.shape(item, path), path, channels=channels)

        return _inspect(
            item, size, scale=scale, minimum=minimum, reason=reason, channels=(channels, guide_channels)
        )

    known = all(map(remembered.knows, items))
    results = [look(item) for item in items] if known else list(in_threads(look, items, together=_TOGETHER))
    remembered.keep()
    return [size for size, _ in results if size is not None], [
        text for _, text in results if text is not None
    ]


def _inspect(
    item: Item,
    size_of: Callable[[Path, int | None], Size],
    *,
    scale: int,
    minimum: int,
    reason: str,
    channels: tuple[int | None, int],
) -> tuple[Size | None, str | None]:
    try:
        size = size_of(item.gt, channels[0])
        small = size_of(item.lq, channels[0]) if item.lq is not None else None
    except (ValueError, OSError) as error:
        return None, str(error)
    height, width = size
    if min(height // scale, width // scale) * scale < minimum:
        return size, f"{item.gt} is {height}x{width} (height x width), {reason}"
    problem = wrong_pair(item.gt, item.lq, size, small, scale=scale) if small is not None else None
    if problem is None and item.guide is not None:
        problem = _wrong_guide(item.gt, item.guide, size, size_of, channels=channels[1])
    return size, problem


def _wrong_guide(
    gt: Path, guide: Path, size: Size, size_of: Callable[[Path, int | None], Size], *, channels: int
) -> str | None:
    """What is wrong with a guide, if anything is."""
    try:
        found = size_of(guide, channels)
    except (ValueError, OSError) as error:
        return str(error).replace("channels=", "guide_channels=")
    return wrong_guide(gt, guide, size, found)


def _size(shape: Shape, path: Path, *, channels: int | None) -> Size:
    """(H, W) of a file that can be given the wanted channels.

    Raises:
        ValueError: If it cannot.
    """
    height, width, found = shape
    if not channels or channels == found:
        return height, width
    try:
        to_channels(np.empty((1, 1, found), np.uint8), channels=channels)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return height, width


def wrong_guide(gt: Path, guide: Path, size: Size, found: Size) -> str | None:
    """What is wrong with the size of a guide, if anything is."""
    if found == size:
        return None
    return (
        f"{guide} is {found[0]}x{found[1]} (height x width), but {gt}, which it guides, is "
        f"{size[0]}x{size[1]}: a guide has the same size, pixel on pixel"
    )


def wrong_pair(gt: Path, lq: Path | None, size: Size, small: Size, *, scale: int) -> str | None:
    """What is wrong with the sizes of a pair, if anything is."""
    expected = size[0] // scale, size[1] // scale
    if small == expected:
        return None
    return (
        f"{lq} is {small[0]}x{small[1]} (height x width), but {gt} is {size[0]}x{size[1]}, "
        f"which needs {expected[0]}x{expected[1]} at scale={scale}"
    )
