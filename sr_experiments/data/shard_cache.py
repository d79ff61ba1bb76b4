"""Shards of a set that is elsewhere: fetched when they are needed, checked, and kept in a bounded room."""

import hashlib
import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fsspec.core import url_to_fs

from sr_experiments.data.pack import INDEX, Pack, hashed
from sr_experiments.data.room import Claim, alone, make_room

_log = logging.getLogger(__name__)
_CHUNK = 2**20
_ATTEMPTS = 3
_PAUSE = 1.0  # seconds before the second attempt; longer before each further one


class ShardCache:
    """A folder of shards that were fetched, shared by all processes and runs of a machine.

    Args:
        url: Of the set: a folder, or anything that fsspec opens.
        root: Folder of all decoded images.
        limit: Bytes that all of them may take; None: half of the disk's room.
    """

    def __init__(self, url: str, *, root: Path, limit: float | None) -> None:
        """Nothing is fetched yet."""
        self.url = url.rstrip("/")
        self.root = root
        self.limit = limit

    def open(self, shard: Mapping[str, Any]) -> Pack:
        """A shard, which is fetched if it is not here.

        Args:
            shard: Its entry in the set's list.

        Raises:
            OSError: If it can not be fetched, is not what the list says, or there is not the room.
        """
        folder = self.folder(shard)
        pack = _found(folder)
        if pack is None:
            folder.mkdir(parents=True, exist_ok=True)
            with alone(folder / "lock"):
                pack = _found(folder)  # another process may have fetched it while this one waited
                if pack is None:
                    self._fetch(shard, folder)
                    pack = Pack(folder)
        return pack

    def folder(self, shard: Mapping[str, Any]) -> Path:
        """Where it is kept: under a name that changes with its content."""
        return self.root / hashed([self.url, shard["name"], shard["hash"]])[:16]

    def drop(self, shard: Mapping[str, Any]) -> None:
        """Forget a shard that was found to be damaged."""
        (self.folder(shard) / INDEX).unlink(missing_ok=True)

    def _fetch(self, shard: Mapping[str, Any], folder: Path) -> None:
        claim = Claim(folder)
        pixels = folder / shard["file"]
        with alone(self.root / "room"):
            make_room(self.root, needed=shard["bytes"], limit=self.limit, but=folder)
            pixels.unlink(missing_ok=True)  # a file that another process has mapped must not be cut
            with pixels.open("xb") as stream:
                stream.truncate(shard["bytes"])  # its room is taken before it is fetched
        try:
            self._download(f"{shard['name']}/{shard['file']}", pixels, shard["hash"])
            index = folder / f"{INDEX}.tmp"
            self._download(f"{shard['name']}/{INDEX}", index, shard["index_hash"])
            os.replace(index, folder / INDEX)
        except BaseException:
            pixels.unlink(missing_ok=True)
            raise
        finally:
            del claim

    def _download(self, name: str, path: Path, expected: str) -> None:
        """A file of the set, as long as it takes; `path` is filled from its start.

        Raises:
            OSError: If that fails each time.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                found = self._copy(name, path)
            except Exception as error:  # each file system has errors of its own
                problem = f"{type(error).__name__}: {error}"
            else:
                if found == expected:
                    return
                problem = "it is not what shards.json says: it was changed, or cut on its way"
            if attempt < _ATTEMPTS:
                _log.info("%s/%s: %s; trying again", self.url, name, problem)
                time.sleep(_PAUSE * attempt)
        raise OSError(f"{self.url}/{name} could not be fetched in {_ATTEMPTS} attempts: {problem}")

    def _copy(self, name: str, path: Path) -> str:
        """Fetch once; the content's hash."""
        system, root = url_to_fs(self.url)
        digest = hashlib.blake2b(digest_size=16)
        length = 0
        with (
            system.open(f"{root}/{name}", "rb") as source,
            path.open("r+b" if path.exists() else "wb") as sink,
        ):
            while chunk := source.read(_CHUNK):
                sink.write(chunk)
                digest.update(chunk)
                length += len(chunk)
            sink.truncate(length)
        return digest.hexdigest()


def _found(folder: Path) -> Pack | None:
    try:
        return Pack(folder)
    except ValueError:
        return None
