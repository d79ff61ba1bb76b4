"""What can be known to be wrong before training starts, from the headers of the files alone."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from sr_experiments.data.memory import cores
from sr_experiments.data.sources import Item
from sr_experiments.imaging.colour import to_channels

Size = tuple[int, int]


def threads() -> int:
    """How many threads read files: decoders leave the interpreter free, a disk answers several at once."""
    return min(16, 2 * cores())


def inspect(
    items: Sequence[Item],
    *,
    scale: int,
    minimum: int,
    reason: str,
    channels: int | None = None,
    guide_channels: int = 0,
) -> tuple[list[Size], list[str]]:
    """Read the headers of all files.

    Args:
        items: The images.
        scale: Of super-resolution.
        minimum: Smallest allowed side of a good image after it was cropped to a multiple of the scale.
        reason: Why, for the message.
        channels: Wanted C, which every file must have or be converted to; None: any.
        guide_channels: The same of guides, where images have any.

    Returns:
        (H, W) of the readable good images, not cropped yet, and a sentence for everything that is wrong.
    """

    def look(item: Item) -> tuple[Size | None, str | None]:
        size, problem = _inspect(item, scale=scale, minimum=minimum, reason=reason, channels=channels)
        if problem is None and size is not None and item.guide is not None:
            problem = _wrong_guide(item, size, channels=guide_channels)
        return size, problem

    with ThreadPoolExecutor(threads()) as pool:
        results = list(pool.map(look, items))
    return [size for size, _ in results if size is not None], [
        text for _, text in results if text is not None
    ]


def _inspect(
    item: Item, *, scale: int, minimum: int, reason: str, channels: int | None
) -> tuple[Size | None, str | None]:
    try:
        height, width = _size(item, item.gt, channels=channels)
        small = _size(item, item.lq, channels=channels) if item.lq is not None else None
    except (ValueError, OSError) as error:
        return None, str(error)
    size = height, width
    if min(height // scale, width // scale) * scale < minimum:
        return size, f"{item.gt} is {height}x{width} (height x width), {reason}"
    if small is not None:
        return size, wrong_pair(item.gt, item.lq, (height, width), small, scale=scale)
    return size, None


def _wrong_guide(item: Item, size: Size, *, channels: int) -> str | None:
    """What is wrong with a guide, if anything is."""
    assert item.guide is not None
    try:
        found = _size(item, item.guide, channels=channels)
    except (ValueError, OSError) as error:
        return str(error).replace("channels=", "guide_channels=")
    return wrong_guide(item.gt, item.guide, size, found)


def _size(item: Item, path: Path, *, channels: int | None) -> Size:
    """(H, W) of a file that can be given the wanted channels.

    Raises:
        ValueError: If it cannot, or cannot be read.
    """
    height, width, found = item.shape(path)
    try:
        to_channels(np.empty((1, 1, found), np.uint8), channels=channels or found)
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
