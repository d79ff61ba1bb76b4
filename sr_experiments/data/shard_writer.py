"""A training set becomes shards: images cut into tiles, some of them to a pack, and a list of all."""

import hashlib
import json
import logging
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from fsspec import AbstractFileSystem
from fsspec.core import url_to_fs

from sr_experiments.data.images import Images
from sr_experiments.data.pack import INDEX, hashed, write_pack
from sr_experiments.data.packing import decoded, fingerprint_of
from sr_experiments.data.pair import Pair
from sr_experiments.data.shards import LIST, SHARD_FORMAT
from sr_experiments.imaging.random import Draw

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Cut:
    """How images become shards.

    Attributes:
        tile: Largest side of a tile in pixels of `gt`. A crop never reaches beyond its tile, and every tile
            comes once a pass: small ones make more crops of what was fetched, and more borders.
        size: Bytes of a shard, about.
        scale: Tiles begin at multiples of it.
    """

    tile: int
    size: float
    scale: int

    def places(self, length: int) -> list[tuple[int, int]]:
        """First pixel and one past the last, of parts of about equal length."""
        count = -(-length // self.tile)
        edges = [length * part // count // self.scale * self.scale for part in range(count)]
        return list(zip(edges, [*edges[1:], length], strict=True))


def write_shards(
    url: str,
    images: Images,
    sizes: Sequence[tuple[int, int]],
    *,
    cut: Cut,
    channels: int,
    lq_made_by: str | None,
) -> dict[str, Any]:
    """Write what is not there yet; a shard of the same files and settings stays as it is.

    Args:
        url: Folder of the shards: a path, or anything that fsspec can write to.
        images: Whole, not kept anywhere.
        sizes: Of their good images, (height, width).
        cut: How they are cut.
        channels: C.
        lq_made_by: What their `lq` is made by, if they have any.

    Returns:
        What `shards.json` holds, and how many of the shards were written now.

    Raises:
        ValueError: If the address is none that can be written to.
    """
    try:
        system, root = url_to_fs(url)
    except ImportError as error:
        raise ValueError(f'{url}: {error}; pip install "sr-experiments[streaming]"') from error
    except ValueError as error:  # of fsspec, which knows no such protocol
        raise ValueError(f"task.shards={url}: {error}; give a folder, s3://, gs:// or https://") from error
    system.makedirs(root, exist_ok=True)
    shards, written = [], 0
    groups = list(_groups(images, sizes, cut=cut, channels=channels))
    for number, group in enumerate(groups):
        name = f"{number:05d}"
        files = fingerprint_of([images.items[index] for index in group])
        fingerprint = hashed([SHARD_FORMAT, files, cut.tile, cut.scale, channels, lq_made_by])
        entry = _entry(system, f"{root}/{name}", fingerprint)
        if entry is None:
            _log.info("shard %d of %d", number + 1, len(groups))
            entry = _write(system, f"{root}/{name}", images, group, fingerprint=fingerprint, cut=cut)
            written += 1
        shards.append({"name": name, **entry})
    content = {
        "format": SHARD_FORMAT,
        "scale": cut.scale,
        "channels": channels,
        "lq": lq_made_by,
        "shards": shards,
    }
    _put(system, f"{root}/{LIST}", json.dumps(content).encode())
    return {**content, "written": written}


def _groups(
    images: Images, sizes: Sequence[tuple[int, int]], *, cut: Cut, channels: int
) -> Iterator[list[int]]:
    """Numbers of the images of each shard, in an order that does not follow the folder's."""
    order = Draw(0, torch.arange(len(images))).bits("shards").argsort(stable=True).tolist()
    group: list[int] = []
    length = 0
    for index in order:
        height, width = sizes[index]
        group.append(index)
        length += height * width * channels
        if length >= cut.size:
            yield group
            group, length = [], 0
    if group:
        yield group


def _write(
    system: AbstractFileSystem,
    folder: str,
    images: Images,
    group: Sequence[int],
    *,
    fingerprint: str,
    cut: Cut,
) -> dict[str, Any]:
    """Made here, then copied; the entry that makes it known as whole comes last."""
    names: list[str] = []
    tiles: list[list[int]] = []

    items = [images.items[index] for index in group]

    def cut_up(pairs: Iterable[Pair]) -> Iterator[Pair]:
        for item, pair in zip(items, pairs, strict=True):
            for tile, (top, left) in _tiles(pair, cut):
                names.append(item.name if tile.gt.shape == pair.gt.shape else f"{item.name}_{top}_{left}")
                tiles.append(list(tile.gt.shape[:2]))
                yield tile

    with tempfile.TemporaryDirectory() as temporary, closing(decoded(items, images.decode)) as pairs:
        length = write_pack(Path(temporary), cut_up(pairs), fingerprint=fingerprint)
        (pixels,) = Path(temporary).glob("*.bin")
        entry = {
            "fingerprint": fingerprint,
            "file": pixels.name,
            "bytes": length,
            "hash": _hash(pixels),
            "index_hash": _hash(Path(temporary) / INDEX),
            "names": names,
            "sizes": tiles,
        }
        if system.exists(folder):
            system.rm(folder, recursive=True)
        system.makedirs(folder, exist_ok=True)
        for path in (pixels, Path(temporary) / INDEX):
            with path.open("rb") as source, system.open(f"{folder}/{path.name}", "wb") as sink:
                shutil.copyfileobj(source, sink, 2**20)
    _put(system, f"{folder}/entry.json", json.dumps(entry).encode())
    return entry


def _tiles(pair: Pair, cut: Cut) -> Iterator[tuple[Pair, tuple[int, int]]]:
    height, width = pair.gt.shape[:2]
    for top, bottom in cut.places(height):
        for left, right in cut.places(width):
            small = None
            if pair.lq is not None:
                small = pair.lq[
                    top // cut.scale : bottom // cut.scale, left // cut.scale : right // cut.scale
                ]
            yield Pair(gt=pair.gt[top:bottom, left:right], lq=small, grey=pair.grey), (top, left)


def _entry(system: AbstractFileSystem, folder: str, fingerprint: str) -> dict[str, Any] | None:
    """Of a shard that is there already, whole and of the same files."""
    try:
        entry: dict[str, Any] = json.loads(system.cat_file(f"{folder}/entry.json"))
        whole = system.size(f"{folder}/{entry['file']}") == entry["bytes"] and system.exists(
            f"{folder}/{INDEX}"
        )
    except (OSError, ValueError, KeyError):
        return None
    return entry if whole and entry["fingerprint"] == fingerprint else None


def _put(system: AbstractFileSystem, path: str, content: bytes) -> None:
    """An object store writes whole files only; on a disk the last step is one, too."""
    with system.open(f"{path}.tmp", "wb") as stream:
        stream.write(content)
    system.mv(f"{path}.tmp", path)


def _hash(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
