"""Which files of an archive are the images of a set, and where in our tree each belongs."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from sr_experiments.data.problems import shortened
from sr_experiments.imaging.io import IMAGE_SUFFIXES
from sr_experiments.prepare.bundle import Member
from sr_experiments.prepare.catalogue import PublishedSet

GOOD = "HR"
INNER = ("HR", "original", "GTmod12")  # where others keep the good images inside a set's folder


def choose(members: Sequence[Member], entry: PublishedSet, *, alone: bool) -> dict[str, Path] | None:
    """Find the good images of a set.

    They are looked for where the catalogue says; else in a folder with the name of the set; else, where
    nothing but this set is meant, in the only folder with the right number of images.

    Args:
        members: Of the archive.
        entry: The set.
        alone: Whether this set is the only one that is looked for.

    Returns:
        Name in the archive -> path under the set's folder, or None where the set is not in the archive.

    Raises:
        ValueError: If links or two files of one name stand where the images should.
    """
    images = [m for m in members if _is_image(m.name)]
    found: list[Member] | None = [m for m in images if PurePosixPath(m.name).match(entry.pattern or "\0")]
    if len(found or []) != entry.images:
        found = _folder_by_name(images, entry) or (_folder_by_count(images, entry) if alone else None)
    return None if found is None else _placed(found)


def contents(members: Sequence[Member]) -> str:
    """The folders of an archive and how many images each has, for messages."""
    count = Counter(str(PurePosixPath(m.name).parent) for m in members if _is_image(m.name))
    told = [f"{folder} ({number})" for folder, number in sorted(count.items())]
    return shortened(told) if told else "no image"


def _is_image(name: str) -> bool:
    """Without what macOS puts beside every file."""
    path = PurePosixPath(name)
    hidden = any((part.startswith(".") and part != ".") or part == "__MACOSX" for part in path.parts)
    return path.suffix.lower() in IMAGE_SUFFIXES and not hidden


def _by_folder(images: Sequence[Member]) -> Mapping[PurePosixPath, list[Member]]:
    folders: dict[PurePosixPath, list[Member]] = defaultdict(list)
    for member in images:
        folders[PurePosixPath(member.name).parent].append(member)
    return folders


def _folder_by_name(images: Sequence[Member], entry: PublishedSet) -> list[Member] | None:
    """A folder called as the set, or one for good images inside it, with the right number of images."""
    names = (entry.name, *entry.aliases)
    patterns = [*names, *(f"{name}/{inner}" for inner in INNER for name in names)]
    fitting = [
        inside
        for folder, inside in _by_folder(images).items()
        if len(inside) == entry.images and any(_ends_with(folder, pattern) for pattern in patterns)
    ]
    return fitting[0] if len(fitting) == 1 else None


def _ends_with(folder: PurePosixPath, pattern: str) -> bool:
    wanted = [part.lower() for part in PurePosixPath(pattern).parts]
    return [part.lower() for part in folder.parts][-len(wanted) :] == wanted


def _folder_by_count(images: Sequence[Member], entry: PublishedSet) -> list[Member] | None:
    fitting = [inside for inside in _by_folder(images).values() if len(inside) == entry.images]
    return fitting[0] if len(fitting) == 1 else None


def _placed(members: Sequence[Member]) -> dict[str, Path]:
    links = [member.name for member in members if member.link is not None]
    if links:
        raise ValueError(f"{links[0]!r} in the archive is a link or a device, not an image")
    count = Counter(PurePosixPath(member.name).name.lower() for member in members)
    twice = [name for name, number in count.items() if number > 1]
    if twice:
        raise ValueError(f"the archive has {twice[0]!r} more than once in {GOOD}")
    return {member.name: Path(GOOD) / PurePosixPath(member.name).name for member in members}
