"""Files become a pack: decoded once, by one of several runs that start at once; again when one changes."""

import logging
import os
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from rich.console import Console
from rich.progress import track

from sr_experiments.data.headers import threads
from sr_experiments.data.memory import readable
from sr_experiments.data.pack import FORMAT, Pack, hashed, write_pack
from sr_experiments.data.pair import Pair
from sr_experiments.data.room import alone, make_room
from sr_experiments.data.sources import Item

_log = logging.getLogger(__name__)


def open_or_build(
    root: Path,
    items: Sequence[Item],
    *,
    settings: str,
    read: Callable[[Item], Pair],
    needed: float,
    limit: float | None = None,
) -> Pack:
    """The pack of some files, made now if there is none or a file has changed.

    Args:
        root: Folder of all packs.
        items: The files.
        settings: What else decides about the pixels, in words.
        read: Decodes one image.
        needed: Bytes that it will take, about.
        limit: Bytes that all packs together may take; None: half of the disk's room.

    Raises:
        ValueError: If a file can not be decoded.
        OSError: If the disk has not the room.
    """
    details = [item.detail for item in items if item.detail]
    folder = root / hashed([FORMAT, settings, *_paths(items), *details])[:16]
    fingerprint = fingerprint_of(items)
    if (found := _found(folder, fingerprint)) is not None:
        return found
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(
            f"decoded images can not be kept in {root} ({error.strerror}): name another place with "
            "data.cache_dir=FOLDER, or choose data.cache=memory or none"
        ) from error
    with alone(folder / "lock"):
        # Another rank or run may have built it while this one waited.
        if (found := _found(folder, fingerprint)) is not None:
            return found
        make_room(root, needed=needed, limit=limit, but=folder)
        _log.info("decoding %d images, once, into %s (%s)", len(items), folder, readable(needed))
        start = time.perf_counter()
        with closing(decoded(items, read)) as pairs:  # also where the disk is full, and nobody asks for more
            length = write_pack(folder, pairs, fingerprint=fingerprint)
        _log.info(
            "decoded %d images (%s) in %.1f s", len(items), readable(length), time.perf_counter() - start
        )
    return Pack(folder)


def fingerprint_of(items: Sequence[Item]) -> str:
    """Of the files as they are now."""
    return hashed([[path, *_state(path)] for path in _paths(items)])


def _paths(items: Sequence[Item]) -> list[str]:
    return [str(path.absolute()) for item in items for path in item.files()]


def _state(path: str) -> tuple[int, int, int]:
    """By which a changed file is known: a copy may take on an old time of change, but not its own."""
    state = os.stat(path)
    return state.st_size, state.st_mtime_ns, state.st_ctime_ns


def _found(folder: Path, fingerprint: str) -> Pack | None:
    try:
        pack = Pack(folder)
    except ValueError:
        return None
    return pack if pack.fingerprint == fingerprint else None


def decoded(items: Sequence[Item], read: Callable[[Item], Pair]) -> Generator[Pair, None, None]:
    """Images in their order. Decoders leave the interpreter free, so threads decode.

    Args:
        items: The files.
        read: Decodes one image.
    """
    several = threads()
    console = Console(stderr=True)
    with ThreadPoolExecutor(several) as pool:
        waiting = [pool.submit(read, item) for item in items[: 2 * several]]
        rest = iter(items[2 * several :])
        try:
            for _ in track(range(len(items)), "decoding", console=console, transient=True):
                pair = waiting.pop(0).result()
                # Not all at once: decoded images would fill the memory that they do not fit into.
                waiting += [pool.submit(read, item) for item in [next(rest, None)] if item is not None]
                yield pair
        finally:
            for future in waiting:
                future.cancel()
