"""Who uses and who builds a pack, and room for another one.

The locks are the system's, which go with the process that holds them. Where there are none (Windows) each
builds for itself, the last one stays, and nothing is removed.
"""

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sr_experiments.data.memory import readable

try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment]

_log = logging.getLogger(__name__)
_USED = "used"
_SHARE = 2  # without a limit packs may take one part in so many of the disk's room


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """One builder at a time."""
    with lock.open("a") as stream:
        if fcntl is not None:
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


class Claim:
    """Keeps a pack from being removed, as long as it lives, and says that it was used now.

    Args:
        folder: Of the pack.
    """

    def __init__(self, folder: Path) -> None:
        """Take the lock, which any number of users can hold."""
        self._handle: int | None = None
        try:
            self._handle = os.open(folder / _USED, os.O_RDWR | os.O_CREAT, 0o666)
            os.utime(folder / _USED)
        except OSError:
            return  # a folder that one may only read is not one to remove from
        if fcntl is not None:
            fcntl.flock(self._handle, fcntl.LOCK_SH)

    def __del__(self) -> None:
        """Give it back."""
        if self._handle is not None:
            os.close(self._handle)


def make_room(root: Path, *, needed: float, limit: float | None, but: Path) -> None:
    """Remove packs that were not used for longest, and are not in use, until another one fits.

    Args:
        root: Folder of all packs.
        needed: Bytes of the new one.
        limit: Bytes that all together may take; None: half of what the disk has for them.
        but: The folder of the new one.

    Raises:
        OSError: If there is not the room.
    """
    sizes = {folder: _size(folder) for folder in root.iterdir() if folder != but and folder.is_dir()}
    free = shutil.disk_usage(root).free
    allowed = (free + sum(sizes.values())) / _SHARE if limit is None else limit
    for folder in sorted(sizes, key=_last_use):
        if needed + sum(sizes.values()) <= allowed and needed <= shutil.disk_usage(root).free:
            break
        if sizes[folder] and _remove(folder):
            _log.info("removed decoded images of other files (%s), %s", readable(sizes.pop(folder)), folder)
    taken, free = sum(sizes.values()), shutil.disk_usage(root).free
    if needed + taken > allowed or needed > free:
        others = f", others in use take {readable(taken)} of them" if taken else ""
        raise OSError(
            f"the decoded images take {readable(needed)}; {root} may hold {readable(allowed)}{others} and "
            f"the disk has {readable(free)} left: raise data.cache_limit=BYTES, name another place with "
            "data.cache_dir=, or choose data.cache=none"
        )


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*.bin"))


def _last_use(folder: Path) -> float:
    used = folder / _USED
    return used.stat().st_mtime if used.exists() else 0.0


def _remove(folder: Path) -> bool:
    """Whether it could be: nobody uses it."""
    if fcntl is None:
        return False
    with (folder / _USED).open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        for path in (folder / "index.json", *folder.glob("*.bin")):
            path.unlink(missing_ok=True)
    return True
