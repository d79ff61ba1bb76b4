"""Is a video all there? Told from the lengths that its container states, before an hour is spent on it.

ISO media files (.mp4, .mov) are a row of boxes, Matroska and WebM one segment, AVI a row of RIFF chunks, each
with its length in front. Transport streams and raw streams state none: where they were cut can not be seen.
"""

import struct
from pathlib import Path
from typing import BinaryIO

_SEGMENT = b"\x18\x53\x80\x67"
_EBML = b"\x1a\x45\xdf\xa3"


def stated_length(path: Path) -> int | None:
    """Bytes that the file has by its own account; None where it gives none.

    Of a row of boxes only as much is followed as is there: the first box that ends behind the file's end
    tells what is missing.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        begin = stream.read(12)
        stream.seek(0)
        if begin[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
            return _end_of_rows(stream, size, _box)
        if begin[:4] == b"RIFF" and begin[8:12] == b"AVI ":
            return _end_of_rows(stream, size, _chunk)
        if begin[:4] == _EBML:
            return _end_of_segment(stream)
    return None


def _end_of_rows(stream: BinaryIO, size: int, length_of: object) -> int | None:
    """Where the last of a row of parts ends, each of which says its length at its begin."""
    end = 0
    while end + 8 <= size:
        stream.seek(end)
        length = length_of(stream.read(16))  # type: ignore[operator]
        if length is None:
            return None
        end += length
    return end


def _box(begin: bytes) -> int | None:
    """Bytes of an ISO box. None: up to the file's end, or no box."""
    (length,) = struct.unpack(">I", begin[:4])
    if length == 1 and len(begin) == 16:  # more than 32 bits hold
        (length,) = struct.unpack(">Q", begin[8:16])
    return int(length) if length >= 8 else None


def _chunk(begin: bytes) -> int | None:
    """Bytes of a RIFF chunk, which lie at even places. None where it was never closed, or is none."""
    if begin[:4] not in (b"RIFF", b"JUNK", b"idx1"):
        return None
    (length,) = struct.unpack("<I", begin[4:8])
    return int(length) + length % 2 + 8 if length not in (0, 2**32 - 1) else None


def _end_of_segment(stream: BinaryIO) -> int | None:
    """Where Matroska's segment ends; None where it was written without its length, as live streams are."""
    stream.seek(4)
    header = _number(stream)
    if header is None:
        return None
    stream.seek(header, 1)
    if stream.read(4) != _SEGMENT:
        return None
    length = _number(stream)
    return None if length is None else stream.tell() + length


def _number(stream: BinaryIO) -> int | None:
    """EBML's numbers: as many bytes follow the first as it has zeros in front; all ones are "unknown"."""
    first = stream.read(1)
    if not first or not first[0]:
        return None
    extra = 8 - first[0].bit_length()
    rest = stream.read(extra)
    if len(rest) < extra:
        return None
    bits = 7 * (extra + 1)
    value = int.from_bytes(first + rest, "big") & (2**bits - 1)
    return None if value == 2**bits - 1 else value
