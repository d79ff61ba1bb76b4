"""Everything in a video's file but its pictures: sound, subtitles, chapters, titles, copied as they are."""

from pathlib import Path
from typing import Any

VIDEO_SUFFIXES = (
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".m2ts", ".mts", ".mpg", ".mpeg", ".vob", ".wmv",
    ".flv", ".3gp", ".ogv", ".mxf", ".dav",
)  # fmt: skip
_FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
_COVER = 0x400  # AV_DISPOSITION_ATTACHED_PIC
_OF_WEBM = ("libvpx", "libvpx-vp9", "libsvtav1", "libaom-av1", "librav1e")
# Of the file that was read, not of the one that is written.
_DROPPED = ("rotate", "encoder", "major_brand", "minor_version", "compatible_brands", "vendor_id", "duration")


def suffix_of(source: Path, *, codec: str) -> str:
    """The suffix, so the container, that a video is written in.

    MP4, MOV and Matroska stay what they are, WebM where the codec is one of its own. Everything else becomes
    Matroska, which holds any codec and any timing.
    """
    suffix = source.suffix.lower()
    if suffix == ".webm":
        return suffix if codec in _OF_WEBM else ".mkv"
    return suffix if suffix in _FORMATS else ".mkv"


def format_of(target: Path) -> str:
    """FFmpeg's name of the container with a suffix.

    Raises:
        ValueError: If no videos are written with it.
    """
    found = _FORMATS.get(target.suffix.lower())
    if found is None:
        raise ValueError(f"{target}: videos are written as {', '.join(_FORMATS)}")
    return found


def main_stream(container: Any) -> Any:
    """The pictures that are restored: the first stream of them that is no cover.

    Raises:
        ValueError: If there is none.
    """
    for stream in container.streams.video:
        if not _is_cover(stream):
            return stream
    raise ValueError("there are no moving pictures in it")


def copy_streams(read: Any, written: Any, *, main: Any) -> tuple[dict[int, Any], list[str]]:
    """A stream in the written file for each of the others.

    Returns:
        Index of the read stream -> the written one; and what the container does not take, in words.
    """
    copies: dict[int, Any] = {}
    left: list[str] = []
    for stream in read.streams:
        if stream.index == main.index:
            continue
        try:
            copy = written.add_stream_from_template(stream, opaque=True)
        except ValueError:
            kind = "cover" if _is_cover(stream) else stream.type
            left.append(f"stream {stream.index} ({kind}) is left out: the container does not take it")
            continue
        copy.metadata.update(described(stream))
        copy.disposition = stream.disposition
        copies[stream.index] = copy
    written.metadata.update(described(read))
    chapters = read.chapters()
    if chapters:
        written.set_chapters(chapters)
    return copies, left


def described(part: Any) -> dict[str, str]:
    """The title, language and the like of a file or a stream, without what was true of the old file only."""
    statistics = ("_statistics", "bps", "number_of_", "duration")  # Matroska's, of each stream
    return {
        key: value
        for key, value in part.metadata.items()
        if key.lower() not in _DROPPED and not key.lower().startswith(statistics)
    }


def _is_cover(stream: Any) -> bool:
    return bool(int(stream.disposition) & _COVER)
