"""From an archive to `<data_dir>/<Set>`, whole or not at all."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from sr_experiments.data.headers import inspect
from sr_experiments.data.memory import readable
from sr_experiments.data.problems import shortened
from sr_experiments.data.sources import Folder
from sr_experiments.prepare.bundle import Member, unpack
from sr_experiments.prepare.catalogue import PublishedSet
from sr_experiments.prepare.select import GOOD


def is_absent(root: Path) -> bool:
    """Whether there is nothing in a set's folder, so that it may be filled.

    A folder that holds anything, even a part of the set, is the user's: it is never written into.
    """
    if not root.is_dir():
        return not root.exists()
    return not any(entry.name not in (".DS_Store", "Thumbs.db") for entry in root.iterdir())


def place(
    archive: Path, entry: PublishedSet, root: Path, *, wanted: Mapping[str, Path], members: list[Member]
) -> None:
    """Unpack a set beside its folder, verify it, and give it its name.

    Args:
        archive: The file.
        entry: The set.
        root: Its folder, which must be absent or empty.
        wanted: From `select.choose`.
        members: Of the archive.

    Raises:
        ValueError: If the disk is too small, the archive is broken, an image in it cannot be read, or their
            number is wrong. Then the folder is as it was before.
    """
    assert is_absent(root)
    root.parent.mkdir(parents=True, exist_ok=True)
    _refuse_full_disk(root.parent, needed=sum(m.size for m in members if m.name in wanted))
    beside = root.with_name(f".{root.name}.unpacking")
    shutil.rmtree(beside, ignore_errors=True)  # of an attempt that was killed
    try:
        unpack(archive, wanted={name: beside / path for name, path in wanted.items()}, title=entry.name)
        _verify(beside, entry, archive)
        if root.exists():
            shutil.rmtree(root)  # empty but for what a file manager leaves
        os.replace(beside, root)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _refuse_full_disk(folder: Path, *, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise ValueError(
            f"{readable(free)} are free in {folder}, but the images need {readable(needed)}; "
            "make room, or set data_dir=FOLDER on a larger disk"
        )


def _verify(folder: Path, entry: PublishedSet, archive: Path) -> None:
    """Count, and read every header."""
    items = Folder(root=str(folder / GOOD), scale=1).items()
    _, problems = inspect(items, scale=1, minimum=1, reason="")
    if len(items) != entry.images:
        problems.append(f"{len(items)} images of {entry.images} arrived")
    if problems:
        told = shortened([text.replace(str(folder), entry.name) for text in problems], separator="\n")
        raise ValueError(f"{archive} does not hold {entry.name} as it was published:\n{told}")
