"""Decoded images in one file, mapped into memory: a crop costs the reading of its pixels and nothing else.

A pack is a folder with a file of pixels and `index.json`, which names it. The index is written last, to
another name, and takes its own in one step; without it, or where the pixels have another length, there
is no pack. Builders write to files of their own, so one that is killed, or finds the disk full, leaves
nothing that could be taken for a pack. Every image carries a checksum, which is looked at when the image is
first read.
"""

import hashlib
import json
import os
import uuid
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch

from sr_experiments.data.pair import PLANES, Pair
from sr_experiments.data.room import Claim
from sr_experiments.data.store import ALIGNED, Place, Store, Table, widest_row
from sr_experiments.data.windows import Windows

FORMAT = 2
"""To be raised when the same files and settings make other pixels: old packs are then made anew."""
INDEX = "index.json"
_PAGE = 4096  # of the memory: large images start on one; of small ones several share it


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
            index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
            digest = index.pop("digest")
            self.fingerprint: str = index["fingerprint"]
            self._path = folder / index["file"]
            length = self._path.stat().st_size
        except (OSError, ValueError, KeyError) as error:
            raise ValueError(f"{folder} is no pack: {error}") from error
        if digest != _digest(index) or length != index["bytes"]:
            raise ValueError(f"{folder} is not whole")
        images = index["images"]
        every = {key: [image[key] for image in images if image.get(key)] for key in PLANES}
        columns = {key: list(zip(*entries, strict=True)) for key, entries in every.items() if entries}
        self._checksums = {key: np.array(column[3]) for key, column in columns.items()}
        tables = {key: Table(*column[:3]) for key, column in columns.items()}
        self._checked = torch.zeros(len(images), dtype=torch.bool)
        super().__init__(self._open(), tables=tables, grey=[image["grey"] for image in images])

    def _open(self) -> torch.Tensor:
        # Copy on write: torch takes no array that can not be written to. Nothing writes.
        return torch.from_numpy(np.memmap(self._path, mode="c", dtype=np.uint8))

    def __getstate__(self) -> dict[str, Any]:
        """For a worker process that is spawned: it maps the file by itself."""
        return {key: value for key, value in self.__dict__.items() if key not in ("pixels", "_use")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Map the file again."""
        self.__dict__.update(state)
        self._use = Claim(self.folder)
        self._checked = torch.zeros(len(self), dtype=torch.bool)
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
            for key, table in self._tables.items():
                start, length = table[index].start, table[index].nbytes
                found = zlib.crc32(self.pixels[start : start + length].numpy().data)
                if found != self._checksums[key][index]:
                    raise ValueError(f"{self._path} was changed: remove {self.folder}, it is made anew")
            self._checked[index] = True


def write_pack(folder: Path, pairs: Iterable[Pair], *, fingerprint: str) -> int:
    """Write images as a pack: whole, or not at all.

    Args:
        folder: Of the pack, which is there; what another pack left in it is removed.
        pairs: The images.
        fingerprint: Of what they were made of.

    Returns:
        Bytes of the pixels.
    """
    for left in folder.glob("*.tmp"):  # by a builder that was killed
        left.unlink(missing_ok=True)
    name = f"pixels-{uuid.uuid4().hex}"
    temporary, pixels = folder / f"{name}.tmp", folder / f"{name}.bin"
    try:
        with temporary.open("xb") as stream:
            entries: list[dict[str, Any]] = [
                {key: _written(stream, plane) for key, plane in pair.planes().items()} | {"grey": pair.grey}
                for pair in pairs
            ]
            places = (_place(entry[key]) for entry in entries for key in PLANES if key in entry)
            stream.write(bytes(widest_row(places)))
            stream.flush()
            os.fsync(stream.fileno())
            length = stream.tell()
        os.replace(temporary, pixels)
        index = {"fingerprint": fingerprint, "file": pixels.name, "bytes": length, "images": entries}
        temporary.write_text(json.dumps(index | {"digest": _digest(index)}), encoding="utf-8")
        os.replace(temporary, folder / INDEX)
    finally:
        temporary.unlink(missing_ok=True)
    for old in folder.glob("*.bin"):
        if old != pixels:
            old.unlink(missing_ok=True)
    return length


def hashed(value: Any) -> str:
    """A name for a value, the same in every process."""
    return hashlib.blake2b(json.dumps(value).encode(), digest_size=16).hexdigest()


def _digest(index: dict[str, Any]) -> str:
    return hashed({key: index[key] for key in sorted(index)})


def _written(stream: BinaryIO, array: np.ndarray) -> list[Any]:
    """Start, shape, dtype and checksum of what was written."""
    stream.write(bytes(-stream.tell() % (_PAGE if array.nbytes >= _PAGE else ALIGNED)))
    start = stream.tell()
    content = np.ascontiguousarray(array).data.cast("B")
    stream.write(content)
    return [start, list(array.shape), array.dtype.str, zlib.crc32(content)]


def _place(entry: Sequence[Any]) -> Place:
    start, (height, width, channels), dtype, _ = entry
    return Place(start=start, shape=(height, width, channels), dtype=dtype)
