"""Damage to files, as data: what a network, a disk, a careless tool or somebody malicious does to bytes.

A `Mutation` is four numbers and a name, so that a list of them can be drawn from a generator, written into a
report, and made smaller by hypothesis until only what matters is left.
"""

import random
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

EXTREMES = (0, 1, 2, 255, 256, 32767, 65535, 2**24, 2**31 - 1, 2**31, 2**32 - 1)
SIGNATURE = b"\x89PNG\r\n\x1a\n"
FIELDS_OF_PNG_HEADER = (("I", 8), ("I", 12), ("B", 16), ("B", 17), ("B", 20))  # in the chunk IHDR
PIXEL_CHUNKS = (b"IHDR", b"PLTE", b"IDAT")
KINDS = (
    "flip a bit",
    "change a byte",
    "cut",
    "insert",
    "remove",
    "zero",
    "swap the header",
    "drop a part",
    "double a part",
    "swap parts",
    "change a field",
)


@dataclass(frozen=True)
class Mutation:
    """One change.

    Attributes:
        kind: One of `KINDS`.
        where: In the file, or among its parts or fields; a share in [0, 1).
        amount: How many bytes, or which other part; a share in [0, 1).
        value: The new byte or field, or the bit.
        mended: Whether a PNG's checksum is set right again: whoever changed it did so on purpose.
    """

    kind: str
    where: float
    amount: float = 0.0
    value: int = 0
    mended: bool = False


def drawn(rng: random.Random) -> list[Mutation]:
    """One to three changes; half of them in the first 64 bytes or so, where files say what they are."""
    return [
        Mutation(
            kind=rng.choice(KINDS),
            where=rng.random() * rng.choice((1.0, 0.1)),
            amount=rng.random(),
            value=rng.randrange(2**16),
            mended=rng.random() < 0.5,
        )
        for _ in range(rng.choice((1, 1, 1, 2, 3)))
    ]


def mutated(content: bytes, mutations: Sequence[Mutation], *, other: bytes) -> bytes:
    """The content after all changes, in their order.

    Args:
        content: Of a file.
        mutations: The changes.
        other: Of another file, whose header is taken where headers are swapped.
    """
    for mutation in mutations:
        content = _changed(content, mutation, other=other)
    return content


def _changed(content: bytes, mutation: Mutation, *, other: bytes) -> bytes:
    at = int(mutation.where * len(content))
    length = 1 + int(mutation.amount**3 * len(content) / 4)  # mostly short
    match mutation.kind:
        case "flip a bit":
            flipped = bytes([content[at] ^ 1 << mutation.value % 8]) if content else b""
            return content[:at] + flipped + content[at + 1 :]
        case "change a byte":
            return content[:at] + bytes([mutation.value % 256]) + content[at + 1 :]
        case "cut":
            return content[:at]
        case "insert":
            drawn_bytes = random.Random(mutation.value).randbytes(length)
            return content[:at] + drawn_bytes + content[at:]
        case "remove":
            return content[:at] + content[at + length :]
        case "zero":
            return content[:at] + bytes(min(length, len(content) - at)) + content[at + length :]
        case "swap the header":
            size = 4 + int(mutation.where * 60)
            return other[:size] + content[size:]
        case "change a field":
            return _other_field(content, mutation)
    found = parts(content)
    first, second = int(mutation.where * len(found)), int(mutation.amount * len(found))
    if not found:
        return content
    if mutation.kind == "drop a part":
        del found[first]
    elif mutation.kind == "double a part":
        found.insert(first, found[first])
    else:
        assert mutation.kind == "swap parts"
        found[first], found[second] = found[second], found[first]
    return b"".join(found)


def parts(content: bytes) -> list[bytes]:
    """What a file consists of: chunks, segments, tags; joined they are the file again."""
    ends = sorted({0, *(start for start, _ in _layout(content)), *(end for _, end in _layout(content))})
    return [content[start:end] for start, end in zip(ends, [*ends[1:], len(content)], strict=True)]


def _layout(content: bytes) -> list[tuple[int, int]]:
    """Where the parts begin and end, as far as the file can be followed."""
    if content.startswith(SIGNATURE):
        return _walk(content, 8, ">I", before=0, extra=12)
    if content[:4] == b"RIFF":
        return _walk(content, 12, "<I", before=4, extra=8)
    if content[:2] == b"\xff\xd8":
        return _walk(content, 2, ">H", before=2, extra=2)
    if content[:2] in (b"II", b"MM"):
        return [(at, at + size) for at, size in _tiff_tags(content)]
    return [(0, 14), (14, 54)] if content[:2] == b"BM" else []


def _walk(content: bytes, at: int, length: str, *, before: int, extra: int) -> list[tuple[int, int]]:
    """Parts that begin with their length, `before` bytes in; they are as much longer as `extra` says."""
    found = []
    while at + before + struct.calcsize(length) <= len(content):
        (size,) = struct.unpack_from(length, content, at + before)
        size += size % 2 if length == "<I" else 0
        found.append((at, min(at + size + extra, len(content))))
        at += size + extra
    return found


def _tiff_tags(content: bytes) -> list[tuple[int, int]]:
    """Position and size of every entry of the first directory."""
    order = "<" if content[:2] == b"II" else ">"
    big = content[2:4] in (b"+\0", b"\0+")
    if len(content) < 16:
        return []
    start, head, size = (8, 8, 20) if big else (4, 2, 12)
    (at,) = struct.unpack_from(order + ("Q" if big else "I"), content, start)
    if at + head > len(content):
        return []
    (count,) = struct.unpack_from(order + ("Q" if big else "H"), content, at)
    return [(at + head + i * size, size) for i in range(min(count, 64)) if at + head < len(content)]


def fields(content: bytes) -> list[tuple[str, int]]:
    """Format and position of the numbers by which a file says how large its parts and its image are."""
    layout = _layout(content)
    if content.startswith(SIGNATURE):
        return [(">" + kind, 8 + at) for kind, at in FIELDS_OF_PNG_HEADER] + [(">I", at) for at, _ in layout]
    if content[:4] == b"RIFF":
        inner = [(kind, at + 8 + i) for at, _ in layout[:1] for kind, i in (("<I", 4), ("<H", 6), ("<H", 8))]
        return [("<I", 4), *inner, *(("<I", at + 4) for at, _ in layout)]
    if content[:2] == b"\xff\xd8":
        frames = [at for at, _ in layout if content[at : at + 2] in (b"\xff\xc0", b"\xff\xc2")]
        inner = [(k, at + i) for at in frames for k, i in ((">H", 5), (">H", 7), (">B", 4), (">B", 9))]
        return [*inner, *((">H", at + 2) for at, _ in layout[:12])]
    if content[:2] in (b"II", b"MM"):
        order = "<" if content[:2] == b"II" else ">"
        wide = "Q" if content[2:4] in (b"+\0", b"\0+") else "I"
        inside = (("H", 2), (wide, 4), (wide, 12 if wide == "Q" else 8), ("H", 12 if wide == "Q" else 8))
        return [(order + kind, at + i) for at, _ in layout for kind, i in inside]
    return [("<I", at) for at in (2, 10, 14, 18, 22, 30, 34, 46)] + [("<H", 26), ("<H", 28)]


def _other_field(content: bytes, mutation: Mutation) -> bytes:
    """A number of the header set to an extreme, doubled, halved, or one more or less."""
    found = [(kind, at) for kind, at in fields(content) if at + struct.calcsize(kind) <= len(content)]
    if not found:
        return content
    kind, at = found[int(mutation.where * len(found))]
    (old,) = struct.unpack_from(kind, content, at)
    values = (old * 2, old // 2, old + 1, old - 1, old + 8, old * 30000, *EXTREMES, mutation.value)
    new = values[int(mutation.amount * len(values))] % 256 ** struct.calcsize(kind)
    changed = bytearray(content)
    struct.pack_into(kind, changed, at, new)
    if mutation.mended and content.startswith(SIGNATURE):
        return with_right_checksums(bytes(changed))
    return bytes(changed)


def with_right_checksums(content: bytes) -> bytes:
    """A PNG whose every chunk has the checksum that it should have."""
    right = bytearray(content)
    for start, end in _layout(content):
        if end - start >= 12:
            struct.pack_into(">I", right, end - 4, zlib.crc32(content[start + 4 : end - 4]))
    return bytes(right)


def pixel_data(content: bytes) -> list[bytes]:
    """Of a PNG, what its pixels depend on: header, palette, and the compressed data as one."""
    chunks = [
        content[start:end] for start, end in _layout(content) if content[start + 4 : start + 8] != b"IEND"
    ]
    data = b"".join(part[8:-4] for part in chunks if part[4:8] == b"IDAT")
    return [*(part for part in chunks if part[4:8] in PIXEL_CHUNKS[:2]), data]
