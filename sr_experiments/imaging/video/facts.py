"""What is known of a video before a frame of it is restored; above all, whether it is all there."""

import contextlib
import errno
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sr_experiments.imaging.video import frames, streams
from sr_experiments.imaging.video.coding import Coding
from sr_experiments.imaging.video.whole import stated_length

_OF_THE_DISK = (errno.ENOSPC, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS, errno.EDQUOT, errno.EIO)
_SECOND = 1_000_000  # of a container's duration


@dataclass(frozen=True)
class Facts:
    """What is known of a video before it is restored.

    Attributes:
        size: (H, W) of a frame, upright.
        coding: Of its frames.
        turn: What makes them upright.
        frames: Packets of pictures that are to be shown: as many frames, where none is damaged.
        interlaced: Whether a frame is two fields, each of which may have a packet of its own.
        notes: What a reader of the result has to know.
    """

    size: tuple[int, int]
    coding: Coding
    turn: frames.Turn
    frames: int
    interlaced: bool
    notes: list[str]


def look(source: Path) -> Facts:
    """Read a video's header, its packets without decoding them (as quick as the disk), and its first frame.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no video, is cut short, or is of a kind that is refused; the message names it.
    """
    with explained(source):
        missing = _missing(source)
        count = _counted(source, missing=missing)
        with frames.library().open(str(source)) as read:
            main = streams.main_stream(read)
            frame = next(read.decode(main), None)
            if frame is None:
                raise ValueError("there is no frame in it")
            turn = frames.turn_of(frame)
            return Facts(
                size=(frame.width, frame.height) if turn.transposed else (frame.height, frame.width),
                coding=frames.coding_of(frame, main.codec_context),
                turn=turn,
                frames=count,
                interlaced=bool(frame.interlaced_frame),
                notes=_notes(frame),
            )


def extent(source: Path) -> int:
    """Pixels of all frames together, about, by the header alone; 0 where it does not say.

    Raises:
        ValueError: If it is no video; the message names it.
        OSError: If it can not be read.
    """
    with explained(source), frames.library().open(str(source)) as read:
        main = streams.main_stream(read)
        count = main.frames or round(float((read.duration or 0) * (main.average_rate or 0)) / _SECOND)
        return int(count * main.width * main.height)


def _missing(source: Path) -> str:
    """What is said of a file that is shorter than it says; empty where nothing is missing."""
    stated, size = stated_length(source), source.stat().st_size
    if stated is None or stated <= size:
        return ""
    return f"it is cut short: {size:,} of {stated:,} bytes are there"


def _counted(source: Path, *, missing: str) -> int:
    """How many packets of pictures there are that are shown.

    Raises:
        ValueError: If the file is cut, or its data end long before its header says.
    """
    av = frames.library()
    try:
        read = av.open(str(source))
    except av.FFmpegError as error:
        if not missing:
            raise
        raise ValueError(f"{missing}, and without its end it can not be opened; copy it again") from error
    with read:
        main = streams.main_stream(read)
        count, end = 0, 0.0
        for packet in read.demux():
            if not packet.size or packet.is_corrupt:
                continue
            if packet.stream_index == main.index and not packet.is_discard:
                count += 1
            if packet.pts is not None and packet.time_base:
                end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
        stated = ((read.duration or 0) + max(read.start_time or 0, 0)) / _SECOND
    if not missing and stated > 1.02 * end + 1:
        missing = f"it is cut or damaged: its header says {stated:.1f} s, and its data end after {end:.1f} s"
    if missing:
        raise ValueError(
            f"{missing}, with its first {count} frames. Copy it again, or keep what is whole "
            f"(ffmpeg -i {source.name} -c copy whole.mkv) and give that"
        )
    return count


def _notes(frame: Any) -> list[str]:
    notes = []
    if frame.interlaced_frame:
        notes.append("it is interlaced: its two fields are restored as one picture; deinterlace it first")
    if any(part.is_alpha for part in frame.format.components):
        notes.append("its transparency is left out")
    return notes


@contextlib.contextmanager
def explained(source: Path) -> Iterator[None]:
    """Whatever PyAV and we raise about a file becomes one error that names it.

    A full disk and the like stay what they are: they are not the file's fault.
    """
    errors = (frames.library().FFmpegError, ValueError)
    if not source.exists():
        raise FileNotFoundError(f"{source}: there is no such file")
    try:
        if source.is_dir():
            raise ValueError("it is a folder")
        if not source.stat().st_size:
            raise ValueError("the file is empty")
        yield
    except errors as error:
        number = getattr(error, "errno", None)
        if number in _OF_THE_DISK:
            raise OSError(number, str(getattr(error, "strerror", error)), str(source)) from error
        said = getattr(error, "strerror", None) or str(error)
        raise ValueError(f"{source}: {said}") from error
