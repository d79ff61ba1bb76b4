"""Files become a pack: decoded once, by one of several runs that start at once; again when one changes."""

import logging
import os
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from pathlib import Path

from rich.console import Console
from rich.progress import track

from sr_experiments.data.memory import readable
from sr_experiments.data.pack import FORMAT, Pack, hashed, write_pack
from sr_experiments.data.pair import Pair
from sr_experiments.data.remembered import states_of
from sr_experiments.data.room import alone, make_room
from sr_experiments.data.sources import Item
from sr_experiments.data.threads import in_threads

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
    """Of the files as they are now.

    Raises:
        FileNotFoundError: If one is not there any more.
    """
    paths = _paths(items)
    states = states_of(paths)
    if None in states:
        missing = paths[states.index(None)]
        raise FileNotFoundError(f"there is no image {missing}: it was removed meanwhile; start again")
    return hashed([[path, *(state or ())] for path, state in zip(paths, states, strict=True)])


def _paths(items: Sequence[Item]) -> list[str]:
    here = os.getcwd()
    return [os.path.join(here, path) for item in items for path in item.files()]


def _found(folder: Path, fingerprint: str) -> Pack | None:
    try:
        pack = Pack(folder)
    except ValueError:
        return None
    return pack if pack.fingerprint == fingerprint else None


def decoded(items: Sequence[Item], read: Callable[[Item], Pair]) -> Generator[Pair, None, None]:
    """Images in their order, as they are asked for.

    Args:
        items: The files.
        read: Decodes one image.
    """
    console = Console(stderr=True)
    with closing(in_threads(read, items)) as pairs:
        # Not all at once: decoded images would fill the memory that they do not fit into.
        yield from track(pairs, "decoding", total=len(items), console=console, transient=True)
