"""Zip and tar files from anywhere: what is in them, and the way out of them that leads nowhere else.

Nothing is unpacked under a name from the archive: the caller says which file goes where, and links and
devices are never made. An archive with a name that leads out of its folder is refused as a whole all the
same, because it was made to do harm or is broken.
"""

import lzma
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sr_experiments.data.memory import readable
from sr_experiments.prepare.progress import Meter

CHUNK = 1 << 20
# Images hardly shrink. What claims to become so many times as large is no archive of images.
MOST_GROWTH = 50
GROWTH_OF_NOTHING = 100 * 2**20
BROKEN = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, NotImplementedError)
OTHERS = {
    b"Rar!\x1a\x07": "a RAR file",
    b"7z\xbc\xaf\x27\x1c": "a 7z file",
    b"<!DOC": "a web page",
    b"<html": "a web page",
}


@dataclass(frozen=True)
class Member:
    """A file in an archive.

    Attributes:
        name: With `/`.
        size: Unpacked, in bytes, as the archive says.
        link: Where it points to, if it is no file but a link; `a device` for other things that are no files.
    """

    name: str
    size: int
    link: str | None = None


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what a broken archive raises into one error that names it.

    Raises:
        ValueError: With the file and the reason.
    """
    try:
        yield
    except BROKEN as error:
        raise ValueError(f"the archive {path} is broken or was cut off: {_reason(error)}") from error
    except OSError as error:
        if error.errno is not None:  # of the disk
            raise
        raise ValueError(f"the archive {path} is broken or was cut off: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def members(path: Path) -> list[Member]:
    """What an archive holds, folders left out, in its order.

    Raises:
        ValueError: If it is no zip or tar file, is broken, names a place outside of it, or would become
            absurdly large.
    """
    with explained(path):
        found = _zip_members(path) if _is_zip(path) else _tar_members(path)
    outside = [member.name for member in found if _leads_out(member.name)]
    if outside:
        raise ValueError(
            f"the archive {path} is refused: {outside[0]!r} in it leads out of the folder it is unpacked in, "
            "so it was made to do harm or is broken; get it from somewhere else"
        )
    total, packed = sum(member.size for member in found), path.stat().st_size
    if total > MOST_GROWTH * packed + GROWTH_OF_NOTHING:
        raise ValueError(
            f"the archive {path} is refused: its {readable(packed)} would become {readable(total)}, "
            "which images do not"
        )
    return found


def _is_zip(path: Path) -> bool:
    """By its first bytes: a tar file may end like a zip file."""
    with path.open("rb") as file:
        first = file.read(16)
    for magic, kind in OTHERS.items():
        if first.lower().startswith(magic.lower()):
            raise ValueError(f"{path} is {kind}; zip and tar files are unpacked here, so unpack it by hand")
    if first.startswith(b"PK"):
        return True
    if not tarfile.is_tarfile(path):
        raise ValueError(f"{path} is no zip or tar file, or it was cut off at its beginning")
    return False


def _zip_members(path: Path) -> list[Member]:
    found = []
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            if entry.flag_bits & 1:
                raise ValueError(f"{path} is encrypted; unpack it by hand")
            mode = entry.external_attr >> 16
            link = "somewhere" if stat.S_ISLNK(mode) else None
            if not entry.is_dir():
                found.append(Member(name=entry.filename, size=entry.file_size, link=link))
    return found


def _tar_members(path: Path) -> list[Member]:
    found = []
    with tarfile.open(path) as archive:
        for entry in archive:
            link = entry.linkname if entry.islnk() or entry.issym() else None
            if link is None and not entry.isreg():
                link = "a device"
            if not entry.isdir():
                found.append(Member(name=entry.name, size=entry.size, link=link))
    return found


def _leads_out(name: str) -> bool:
    """Absolute, with a drive, or with `..`; both kinds of slash count, whatever system this is."""
    parts = re.split(r"[/\\]", name)
    return parts[0] == "" or ".." in parts or bool(re.match(r"[A-Za-z]:", name)) or "\0" in name


def unpack(path: Path, *, wanted: Mapping[str, Path], title: str) -> None:
    """Write some of an archive's files.

    Args:
        path: The archive.
        wanted: Name in the archive -> file to write; folders are made.
        title: What is shown meanwhile.

    Raises:
        ValueError: If the archive is broken; the readers compare sizes, and a zip file's checksums.
    """
    for target in wanted.values():
        target.parent.mkdir(parents=True, exist_ok=True)
    with explained(path), Meter(title, unit="images", total=len(wanted)) as meter:
        for name, stream in _zip_streams(path, wanted) if _is_zip(path) else _tar_streams(path, wanted):
            _write(stream, wanted[name])
            meter.advance()


def _zip_streams(path: Path, wanted: Mapping[str, Path]) -> Iterator[tuple[str, IO[bytes]]]:
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            if entry.filename in wanted:
                with archive.open(entry) as stream:
                    yield entry.filename, stream


def _tar_streams(path: Path, wanted: Mapping[str, Path]) -> Iterator[tuple[str, IO[bytes]]]:
    """In the order of the archive: going back in a compressed one means to unpack it again."""
    with tarfile.open(path) as archive:
        for entry in archive:
            if entry.name in wanted:
                stream = archive.extractfile(entry)
                assert stream is not None, "links and devices are not wanted"
                with stream:
                    yield entry.name, stream


def _write(stream: IO[bytes], target: Path) -> None:
    with target.open("xb") as file:
        shutil.copyfileobj(stream, file, CHUNK)
