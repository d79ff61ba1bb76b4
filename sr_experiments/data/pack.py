"""Decoded images in one file, mapped into memory: a crop costs the reading of its pixels and nothing else.

A pack is a folder with a file of pixels and `index.json`, which names it. The index is written last, to
another name, and takes its own in one step; without it, or where the pixels have another length, there
is no pack. Builders write to files of their own, so one that is killed, or finds the disk full, leaves
nothing that could be taken for a pack. Every image carries a checksum, which is looked at when the image is
first read.
"""

import hashlib
import json
import logging
import os
import shutil
import time
import uuid
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from rich.console import Console
from rich.progress import track

from sr_experiments.data.headers import threads
from sr_experiments.data.memory import readable
from sr_experiments.data.pair import Pair
from sr_experiments.data.sources import Item

_log = logging.getLogger(__name__)

FORMAT = 1
"""To be raised when the same files and settings make other pixels: old packs are then made anew."""
_INDEX = "index.json"
_ALIGNED = 4096  # images start on pages of the memory


class Pack(Sequence[Pair]):
    """Images of a pack, as arrays that read from the file.

    Args:
        folder: Of the pack.

    Raises:
        ValueError: If it is not whole.
    """

    def __init__(self, folder: Path) -> None:
        """Open it."""
        self.folder = folder
        try:
            index = json.loads((folder / _INDEX).read_text(encoding="utf-8"))
            digest = index.pop("digest")
            self.fingerprint: str = index["fingerprint"]
            self._path = folder / index["file"]
            length = self._path.stat().st_size
        except (OSError, ValueError, KeyError) as error:
            raise ValueError(f"{folder} is no pack: {error}") from error
        if digest != _digest(index) or length != index["bytes"]:
            raise ValueError(f"{folder} is not whole")
        self._entries: list[dict[str, Any]] = index["images"]
        self._open()

    def _open(self) -> None:
        self._pixels = np.memmap(self._path, mode="r", dtype=np.uint8)
        self._checked: set[int] = set()

    def __getstate__(self) -> dict[str, Any]:
        """For a worker process that is spawned: it maps the file by itself."""
        return {key: value for key, value in self.__dict__.items() if key not in ("_pixels", "_checked")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Map the file again."""
        self.__dict__.update(state)
        self._open()

    def __len__(self) -> int:
        """Number of images."""
        return len(self._entries)

    def __getitem__(self, index: Any) -> Any:
        """One image.

        Raises:
            ValueError: If its pixels are not those that were written.
        """
        entry = self._entries[index]
        gt, lq = (self._array(entry[key], index) for key in ("gt", "lq"))
        self._checked.add(index)
        return Pair(gt=gt, lq=lq, grey=entry["grey"])

    def _array(self, entry: dict[str, Any] | None, index: int) -> Any:
        if entry is None:
            return None
        pixels = self._pixels[entry["start"] : entry["start"] + entry["bytes"]]
        if index not in self._checked and zlib.crc32(pixels.data) != entry["crc32"]:
            raise ValueError(f"{self._path} was changed: remove {self.folder}, it is made anew")
        array: np.ndarray = np.ndarray(entry["shape"], entry["dtype"], buffer=pixels)
        return array


def open_or_build(
    root: Path, items: Sequence[Item], *, settings: str, read: Callable[[Item], Pair], needed: float
) -> Pack:
    """The pack of some files, made now if there is none or a file has changed.

    Args:
        root: Folder of all packs.
        items: The files.
        settings: What else decides about the pixels, in words.
        read: Decodes one image.
        needed: Bytes that it will take, about.

    Raises:
        ValueError: If a file can not be decoded.
        OSError: If the disk has not the room.
    """
    paths = [str(path.absolute()) for item in items for path in (item.gt, item.lq) if path is not None]
    folder = root / _hash([FORMAT, settings, *paths])[:16]
    fingerprint = _hash([[path, *_state(path)] for path in paths])
    if (found := _found(folder, fingerprint)) is not None:
        return found
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder / "lock"):
        # Another rank or run may have built it while this one waited.
        if (found := _found(folder, fingerprint)) is not None:
            return found
        _build(folder, items, fingerprint=fingerprint, read=read, needed=needed)
    return Pack(folder)


def _state(path: str) -> tuple[int, int]:
    state = os.stat(path)
    return state.st_size, state.st_mtime_ns


def _hash(value: Any) -> str:
    return hashlib.blake2b(json.dumps(value).encode(), digest_size=16).hexdigest()


def _digest(index: dict[str, Any]) -> str:
    return _hash({key: index[key] for key in sorted(index)})


def _found(folder: Path, fingerprint: str) -> Pack | None:
    try:
        pack = Pack(folder)
    except ValueError:
        return None
    return pack if pack.fingerprint == fingerprint else None


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """One builder at a time, where the system has such locks; elsewhere each builds, and the last one stays.

    The lock goes with the process that holds it.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    with lock.open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _build(
    folder: Path, items: Sequence[Item], *, fingerprint: str, read: Callable[[Item], Pair], needed: float
) -> None:
    for left in folder.glob("*.tmp"):  # by a builder that was killed
        left.unlink(missing_ok=True)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(
            f"the decoded images take {readable(needed)} and {folder} has {readable(free)} left: "
            "name another place with data.cache_dir=, or choose data.cache=none"
        )
    _log.info("decoding %d images, once, into %s (%s)", len(items), folder, readable(needed))
    start = time.perf_counter()
    name = f"pixels-{uuid.uuid4().hex}"
    temporary, pixels = folder / f"{name}.tmp", folder / f"{name}.bin"
    try:
        with temporary.open("xb") as stream:
            entries = _write_all(stream, items, read)
            stream.flush()
            os.fsync(stream.fileno())
            length = stream.tell()
        os.replace(temporary, pixels)
        index = {"fingerprint": fingerprint, "file": pixels.name, "bytes": length, "images": entries}
        temporary.write_text(json.dumps(index | {"digest": _digest(index)}), encoding="utf-8")
        os.replace(temporary, folder / _INDEX)
    finally:
        temporary.unlink(missing_ok=True)
    for old in folder.glob("*.bin"):
        if old != pixels:
            old.unlink(missing_ok=True)
    _log.info("decoded %d images (%s) in %.1f s", len(items), readable(length), time.perf_counter() - start)


def _write_all(stream: BinaryIO, items: Sequence[Item], read: Callable[[Item], Pair]) -> list[dict[str, Any]]:
    """Decoders leave the interpreter free, so threads decode; what they made is written in order."""
    entries = []
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
                gt, lq = (_written(stream, array) for array in (pair.gt, pair.lq))
                entries.append({"gt": gt, "lq": lq, "grey": pair.grey})
        finally:
            for future in waiting:
                future.cancel()
    return entries


def _written(stream: BinaryIO, array: np.ndarray | None) -> dict[str, Any] | None:
    if array is None:
        return None
    stream.write(bytes(-stream.tell() % _ALIGNED))
    start = stream.tell()
    content = np.ascontiguousarray(array).data.cast("B")
    stream.write(content)
    crc = zlib.crc32(content)
    return {
        "start": start,
        "bytes": len(content),
        "shape": list(array.shape),
        "dtype": array.dtype.str,
        "crc32": crc,
    }
