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
import time
import uuid
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from rich.console import Console
from rich.progress import track

from sr_experiments.data.headers import threads
from sr_experiments.data.memory import readable
from sr_experiments.data.pair import Pair
from sr_experiments.data.room import Claim, alone, make_room
from sr_experiments.data.sources import Item
from sr_experiments.data.store import Place, Store, margin
from sr_experiments.data.windows import Windows

_log = logging.getLogger(__name__)

FORMAT = 2
"""To be raised when the same files and settings make other pixels: old packs are then made anew."""
_INDEX = "index.json"
_ALIGNED = 4096  # images start on pages of the memory


class Pack(Store):
    """A store that reads from the file of a pack.

    Args:
        folder: Of the pack.

    Raises:
        ValueError: If it is not whole.
    """

    def __init__(self, folder: Path) -> None:
        """Open it."""
        self.folder = folder
        self._use = Claim(folder)  # before it is looked at, or it may be removed meanwhile
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
        images = index["images"]
        self._checksums = [[image[key][3] for key in ("gt", "lq") if image[key]] for image in images]
        gt, lq = ([_place(image[key]) for image in images if image[key]] for key in ("gt", "lq"))
        super().__init__(self._open(), gt=gt, lq=lq or None, grey=[image["grey"] for image in images])

    def _open(self) -> torch.Tensor:
        self._checked = torch.zeros(len(self._checksums), dtype=torch.bool)
        # Copy on write: torch takes no array that can not be written to. Nothing writes.
        return torch.from_numpy(np.memmap(self._path, mode="c", dtype=np.uint8))

    def __getstate__(self) -> dict[str, Any]:
        """For a worker process that is spawned: it maps the file by itself."""
        return {key: value for key, value in self.__dict__.items() if key not in ("pixels", "_use")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Map the file again."""
        self.__dict__.update(state)
        self._use = Claim(self.folder)
        self.pixels = self._open()

    def __getitem__(self, index: int) -> Pair:  # type: ignore[override]  # no slices
        """One image.

        Raises:
            ValueError: If its pixels are not those that were written.
        """
        self._check(index)
        return super().__getitem__(index)

    def read(self, windows: Windows, *, scale: int) -> dict[str, torch.Tensor]:
        """Crops of a batch; see `Store`.

        Raises:
            ValueError: If pixels are not those that were written.
        """
        for index in windows.images[~self._checked[windows.images]].tolist():
            self._check(index)
        return super().read(windows, scale=scale)

    def _check(self, index: int) -> None:
        """Compare an image with its checksum, once."""
        if not self._checked[index]:
            for places, checksum in zip(self._places.values(), self._checksums[index], strict=True):
                start, length = places[index].start, places[index].nbytes
                if zlib.crc32(self.pixels[start : start + length].numpy().data) != checksum:
                    raise ValueError(f"{self._path} was changed: remove {self.folder}, it is made anew")
            self._checked[index] = True


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
    paths = [str(path.absolute()) for item in items for path in (item.gt, item.lq) if path is not None]
    folder = root / _hash([FORMAT, settings, *paths])[:16]
    fingerprint = _hash([[path, *_state(path)] for path in paths])
    if (found := _found(folder, fingerprint)) is not None:
        return found
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder / "lock"):
        # Another rank or run may have built it while this one waited.
        if (found := _found(folder, fingerprint)) is not None:
            return found
        make_room(root, needed=needed, limit=limit, but=folder)
        _build(folder, items, fingerprint=fingerprint, read=read, needed=needed)
    return Pack(folder)


def _state(path: str) -> tuple[int, int, int]:
    """By which a changed file is known: a copy may take on an old time of change, but not its own."""
    state = os.stat(path)
    return state.st_size, state.st_mtime_ns, state.st_ctime_ns


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


def _build(
    folder: Path, items: Sequence[Item], *, fingerprint: str, read: Callable[[Item], Pair], needed: float
) -> None:
    for left in folder.glob("*.tmp"):  # by a builder that was killed
        left.unlink(missing_ok=True)
    _log.info("decoding %d images, once, into %s (%s)", len(items), folder, readable(needed))
    start = time.perf_counter()
    name = f"pixels-{uuid.uuid4().hex}"
    temporary, pixels = folder / f"{name}.tmp", folder / f"{name}.bin"
    try:
        with temporary.open("xb") as stream:
            entries = _write_all(stream, items, read)
            places = [_place(entry[key]) for entry in entries for key in ("gt", "lq") if entry[key]]
            stream.write(bytes(margin(places)))
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


def _written(stream: BinaryIO, array: np.ndarray | None) -> list[Any] | None:
    """Start, shape, dtype and checksum of what was written."""
    if array is None:
        return None
    stream.write(bytes(-stream.tell() % _ALIGNED))
    start = stream.tell()
    content = np.ascontiguousarray(array).data.cast("B")
    stream.write(content)
    return [start, list(array.shape), array.dtype.str, zlib.crc32(content)]


def _place(entry: Sequence[Any]) -> Place:
    start, (height, width, channels), dtype, _ = entry
    return Place(start=start, shape=(height, width, channels), dtype=dtype)
