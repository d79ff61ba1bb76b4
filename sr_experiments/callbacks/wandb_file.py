"""The file that wandb keeps of a run, ``run-<id>.wandb``: what is in it.

Seven bytes of a header, then LevelDB's log format: blocks of 32 KiB, in them pieces of records with a
checksum, a length and a kind each. A record is a message of wandb's own protocol.
"""

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_HEADER, _MAGIC = 7, b":W&B"
_BLOCK = 32 * 1024
_PIECE = struct.Struct("<IHB")  # checksum, length, kind
_FULL, _FIRST, _LAST = 1, 2, 4


def read_records(path: Path, *, first: int = 0) -> Iterator[Any]:
    """Every whole record: `wandb.proto.wandb_internal_pb2.Record`.

    What a killed writer, or a machine that went down, has left half done at the end is passed over.

    Args:
        path: The file.
        first: Block to begin at; a record that began before it is passed over.

    Raises:
        ValueError: If this is no such file.
    """
    from google.protobuf.message import DecodeError
    from wandb.proto.wandb_internal_pb2 import Record

    with path.open("rb") as file:
        if not _MAGIC.startswith(file.read(_HEADER)[: len(_MAGIC)]):
            raise ValueError(f"{path} is no file of wandb's")
        start = max(first * _BLOCK, _HEADER)
        file.seek(start)
        data = file.read()
    for content in _contents(data, start=start):
        record = Record()
        try:
            record.ParseFromString(content)
        except DecodeError:
            return
        yield record


def last_step(path: Path) -> int:
    """The number of the last row in a file; -1 where there is none. Reads no more than it must."""
    size = path.stat().st_size if path.is_file() else 0
    blocks = 1
    while size:
        first = max(0, size // _BLOCK + 1 - blocks)
        steps = [int(r.history.step.num) for r in read_records(path, first=first) if r.HasField("history")]
        if steps or first == 0:
            return max(steps, default=-1)
        blocks *= 8
    return -1


def numbers_of(path: Path) -> dict[int, dict[str, float]]:
    """Rows by their number, and of each what is a number: pictures, tables and distributions are left out."""
    found = {}
    for record in read_records(path):
        if record.HasField("history"):
            plain = {
                i.nested_key[0]: json.loads(i.value_json)
                for i in record.history.item
                if len(i.nested_key) == 1
            }
            ours = {k: v for k, v in plain.items() if isinstance(v, int | float) and not k.startswith("_")}
            found[int(record.history.step.num)] = ours
    return found


def _contents(data: bytes, *, start: int) -> Iterator[bytes]:
    place = 0
    begun: bytes | None = None  # the pieces of a record up to now; None where its first one was not seen
    while place + _PIECE.size <= len(data):
        left = _BLOCK - (start + place) % _BLOCK
        _, length, kind = _PIECE.unpack_from(data, place)
        if left < _PIECE.size or kind == 0:  # the rest of a block is filled with zeros
            place += left
            continue
        piece = data[place + _PIECE.size : place + _PIECE.size + length]
        if len(piece) < length:
            return
        place += _PIECE.size + length
        if kind in (_FULL, _FIRST):
            begun = piece
        elif begun is not None:
            begun += piece
        if kind in (_FULL, _LAST) and begun is not None:
            yield begun
            begun = None
