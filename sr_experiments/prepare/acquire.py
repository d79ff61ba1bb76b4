"""Sets that are missing: from a server or a file of the user's into their folders."""

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sr_experiments.nearest import nearest_path
from sr_experiments.prepare import checksum
from sr_experiments.prepare.bundle import members
from sr_experiments.prepare.catalogue import Archive, PublishedSet
from sr_experiments.prepare.fetch import Patience, download
from sr_experiments.prepare.place import place
from sr_experiments.prepare.select import choose, contents


@dataclass(frozen=True)
class Missing:
    """A set that is not there.

    Attributes:
        entry: What is known about it.
        root: Where it belongs.
    """

    entry: PublishedSet
    root: Path

    @property
    def absence(self) -> str:
        """A sentence."""
        return f"{self.entry.name} is not in {self.root}"


@dataclass(frozen=True)
class Outcome:
    """What became of some missing sets: sentences to tell, and problems that remain."""

    told: list[str]
    problems: list[str]

    def __add__(self, other: "Outcome") -> "Outcome":
        """Both."""
        return Outcome(told=self.told + other.told, problems=self.problems + other.problems)


def absent(missing: Sequence[Missing]) -> Outcome:
    """Fetch nothing: say what is missing, and what to do."""
    groups = _by_archive(missing)
    return Outcome([], [f"{_names(group)}: not there\n{by_hand(group)}" for group in groups])


def by_hand(group: Sequence[Missing]) -> str:
    """What to do to get sets of one archive into their folders, in lines."""
    entry = group[0].entry
    if entry.archive is not None:
        fetch = f"download {entry.archive.described} from {entry.archive.url} in any way"
    else:
        fetch = entry.by_hand
    folders = ", ".join(f"the {one.entry.images} images into {one.root / 'HR'}" for one in group)
    same: dict[str, list[Missing]] = defaultdict(list)
    for one in group:
        same[one.entry.terms].append(one)
    terms = [
        f"  terms of {_names(those)}: {words} ({', '.join(dict.fromkeys(one.entry.page for one in those))})"
        for words, those in same.items()
    ]
    return (
        f"  by hand: {fetch}\n"
        "  then: the same command with task.archive=FILE unpacks, counts and places it (zip or tar), "
        f"or put {folders}\n" + "\n".join(terms)
    )


def acquire_from_file(missing: Sequence[Missing], archive: Path, *, data_dir: Path) -> Outcome:
    """Place what an archive of the user's holds; the archive stays.

    Raises:
        ValueError: If there is no such file, or it is no archive.
    """
    if not archive.is_file():
        raise ValueError(
            f"task.archive={archive}: there is no such file{nearest_path(archive, fits=Path.is_file)}"
        )
    if not missing:
        return Outcome([f"task.archive={archive} was not opened: no set is missing"], [])
    known = [one.entry.archive for one in missing if one.entry.archive is not None]
    published = next((entry for entry in known if entry.file == archive.name), None)
    with claimed(data_dir):
        told, _ = _identity(archive, published)  # whoever packed it anew has another checksum
        return Outcome([told], []) + _unpack_all(missing, archive)


def acquire_from_address(
    missing: Sequence[Missing], url: str, *, data_dir: Path, patience: Patience, keep: bool
) -> Outcome:
    """Download from an address of the user's.

    Raises:
        ValueError: If sets of several archives are missing: it is not known which one is at the address.
    """
    if not missing:
        return Outcome([f"task.url={url} was not opened: no set is missing"], [])
    if len(_by_archive(missing)) > 1:
        raise ValueError(
            f"task.url={url} is one archive, but sets of several are missing: {_names(missing)}; "
            "choose one of them, for example benchmark=set5 alone"
        )
    name = Path(unquote(urlsplit(url).path)).name or f"{missing[0].entry.name.replace('/', '-')}.archive"
    archive = Archive(file=name, url=url)
    return _download_and_place(missing, archive, data_dir=data_dir, patience=patience, keep=keep)


def acquire(missing: Sequence[Missing], *, data_dir: Path, patience: Patience, keep: bool) -> Outcome:
    """Download what may be downloaded, each archive once; say what to do about the rest."""
    outcome = Outcome([], [])
    for group in _by_archive(missing):
        archive = group[0].entry.archive
        if archive is None:
            outcome += Outcome([], [f"{_names(group)}: no address serves it to everybody\n{by_hand(group)}"])
            continue
        try:
            outcome += _download_and_place(group, archive, data_dir=data_dir, patience=patience, keep=keep)
        except ValueError as error:
            mirror = "  or: the same command with task.url=ADDRESS, if somebody else serves the archive"
            outcome += Outcome([], [f"{_names(group)}: {error}\n{by_hand(group)}\n{mirror}"])
    return outcome


def _by_archive(missing: Sequence[Missing]) -> list[list[Missing]]:
    """Sets that come out of one file together."""
    groups: dict[str, list[Missing]] = defaultdict(list)
    for one in missing:
        groups[one.entry.archive.url if one.entry.archive is not None else one.entry.name].append(one)
    return list(groups.values())


def _names(group: Sequence[Missing]) -> str:
    return ", ".join(one.entry.name for one in group)


def _download_and_place(
    group: Sequence[Missing], archive: Archive, *, data_dir: Path, patience: Patience, keep: bool
) -> Outcome:
    folder = data_dir / "archives"
    target = folder / archive.file
    with claimed(data_dir):
        folder.mkdir(exist_ok=True)
        if not target.is_file():
            download(archive.url, target, size=archive.size, patience=patience)
        identity, wrong = _identity(target, archive)
        if wrong is not None:
            target.unlink()
            raise ValueError(
                f"{archive.file} from {archive.url} is not the published file: {wrong} "
                f"(recorded by {archive.recorded_by}); it was deleted"
            )
        told = Outcome([identity], []) + _unpack_all(group, target)
        if not keep and not told.problems:
            target.unlink()
        if not any(folder.iterdir()):
            folder.rmdir()
    return told


def _identity(path: Path, archive: Archive | None) -> tuple[str, str | None]:
    """What to tell about an archive that is here, and how it differs from the published one if it does."""
    if archive is None or not archive.checksums:
        found = checksum.fingerprint(path, algorithms=[checksum.DEFAULT])[checksum.DEFAULT]
        known = f"no published checksum; {checksum.DEFAULT} is {found}"
        return f"{path.name}: {known}, so it is verified by counting", None
    wrong = checksum.mismatch(path, checksums=archive.checksums)
    if wrong is None:
        return f"{path.name}: checksum as recorded by {archive.recorded_by}", None
    return f"{path.name}: not the published file ({wrong}), so it is verified by counting", wrong


def _unpack_all(missing: Sequence[Missing], archive: Path) -> Outcome:
    """Place every set that an archive holds."""
    inside = members(archive)
    outcome = Outcome([], [])
    for one in missing:
        wanted = choose(inside, one.entry, alone=len(missing) == 1)
        if wanted is None:
            problem = (
                f"{one.absence}, and its {one.entry.images} images were not found in {archive}, "
                f"which holds {contents(inside)}"
            )
            outcome += Outcome([], [f"{problem}\n{by_hand([one])}"])
            continue
        place(archive, one.entry, one.root, wanted=wanted, members=inside)
        outcome += Outcome([f"{one.entry.name}: {one.entry.images} images in {one.root / 'HR'}"], [])
    return outcome


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Keep a second `task=prepare` from writing the same files, where the system can lock a folder.

    Raises:
        ValueError: If another one is at work there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        import fcntl
    except ImportError:  # Windows: two at once would still place whole sets only
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ValueError(
                f"another task=prepare is at work in {folder}; wait until it has ended"
            ) from error
        yield
    finally:
        os.close(handle)
