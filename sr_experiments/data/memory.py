"""What this machine has for us: memory and disk to keep decoded images in."""

import logging
import os
import shutil
from pathlib import Path

import torch

_log = logging.getLogger(__name__)

CGROUP = Path("/sys/fs/cgroup")
MEMINFO = Path("/proc/meminfo")
UNKNOWN = 4 * 2**30  # where the system does not tell (macOS, Windows): what any training machine has free


SHARE = 4  # the images may take one part in so many of what is free
DISK_SHARE = 2
MANY = 5000  # files; to decode so many takes seconds even where they are small
DEVICE_SHARE = 2


def choose_cache(
    cache: str, needed: float, folder: Path, *, files: int = 1, limit: float | None = None
) -> str:
    """Where decoded images are kept: `memory`, `disk` or `none`. What that costs, the log says.

    Args:
        cache: As asked for; `auto` takes the first of these that has the room. Many files are kept on disk
            where that can be: what is in memory is decoded anew at each start.
        needed: Bytes of the images.
        folder: Where they would be kept on disk.
        files: How many there are.
        limit: Bytes that may be kept on disk; None: half of what is free.
    """
    if cache != "auto":
        return cache
    free = free_bytes()
    there = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    if needed <= free / SHARE and (files < MANY or not _takes(there, needed, limit=limit)):
        return "memory"
    free_disk = shutil.disk_usage(there).free
    if needed <= free_disk / DISK_SHARE:
        return "disk"
    _log.warning(
        "images are decoded anew for every crop: they take %s, more than a quarter of the free memory (%s) "
        "and half of the free disk (%s); data.cache=memory or disk overrules this, data.cache_dir= names "
        "another disk, data.workers=N decodes in more processes",
        readable(needed),
        readable(free),
        readable(free_disk),
    )
    return "none"


def _takes(folder: Path, needed: float, *, limit: float | None) -> bool:
    """Whether a disk has the room without anything being removed for it."""
    allowed = shutil.disk_usage(folder).free / DISK_SHARE
    return os.access(folder, os.W_OK) and needed <= (allowed if limit is None else min(limit, allowed))


def refuse_too_large(needed: float, *, device: torch.device) -> None:
    """Of images that are to be kept on a GPU beside the net and all that it computes.

    Raises:
        ValueError: If they take more than half of what is free there.
    """
    if device.type != "cuda":
        return
    free, _ = torch.cuda.mem_get_info(device)
    if needed > free / DEVICE_SHARE:
        raise ValueError(
            f"data.cache=device: the decoded images take {readable(needed)}, more than half of what {device} "
            f"has free ({readable(free)}); choose data.cache=memory or disk"
        )


def free_bytes(*, meminfo: Path = MEMINFO, cgroup: Path = CGROUP) -> int:
    """What this process could still use, within the limit of its container.

    Args:
        meminfo: Linux's table; elsewhere the number of free pages is asked for.
        cgroup: Folder of the container's limits (cgroup v2).
    """
    found = [value for value in (_meminfo(meminfo), _cgroup(cgroup)) if value is not None]
    return max(0, min(found)) if found else _free_pages()


def readable(size: float) -> str:
    """Such as 6.9 GB."""
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def _meminfo(path: Path) -> int | None:
    """MemAvailable counts the page cache, which is given up when needed."""
    if path.is_file():
        for line in path.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return None


def _cgroup(folder: Path) -> int | None:
    limit, used = folder / "memory.max", folder / "memory.current"
    if not (limit.is_file() and used.is_file()) or limit.read_text().strip() == "max":
        return None
    return int(limit.read_text()) - int(used.read_text())


def _free_pages() -> int:
    names = getattr(os, "sysconf_names", {})
    if "SC_AVPHYS_PAGES" not in names:
        return UNKNOWN
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
