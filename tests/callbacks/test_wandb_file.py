"""wandb's file is read as LevelDB's documentation describes a log: any size of record, any cut."""

import struct
from pathlib import Path

import pytest
from wandb.proto.wandb_internal_pb2 import Record

from sr_experiments.callbacks.wandb_file import last_step, numbers_of, read_records

BLOCK = 32768
HEADER = b":W&B" + b"\xe1\xbe\x00"


def log(contents: list[bytes]) -> bytes:
    """Written by the rules: no piece crosses a block's end, fewer than seven bytes at an end are zeros."""
    data = bytearray(HEADER)
    for content in contents:
        first = True
        while first or content:
            room = BLOCK - len(data) % BLOCK
            if room < 7:
                data += bytes(room)
                room = BLOCK
            piece, content = content[: room - 7], content[room - 7 :]
            kind = {(True, True): 1, (True, False): 2, (False, False): 3, (False, True): 4}[
                first, not content
            ]
            data += struct.pack("<IHB", 0, len(piece), kind) + piece
            first = False
    return bytes(data)


def row(number: int, size: int) -> bytes:
    record = Record()
    record.history.step.num = number
    item = record.history.item.add()
    item.nested_key.append("x")
    item.value_json = "1" * size
    return record.SerializeToString()


# A record is a little more than its item; some of these fill a block to the byte.
SIZES = [0, 100, BLOCK - 60, 3 * BLOCK, *range(BLOCK - 40, BLOCK, 3), 5, 200 * 1024, 1]


def test_records_of_any_size(tmp_path: Path) -> None:
    path = tmp_path / "run-x.wandb"
    path.write_bytes(log([row(number, size) for number, size in enumerate(SIZES)]))
    found = [
        (record.history.step.num, len(record.history.item[0].value_json)) for record in read_records(path)
    ]
    assert found == list(enumerate(SIZES))
    assert last_step(path) == len(SIZES) - 1


def test_one_that_was_cut(tmp_path: Path) -> None:
    """Wherever a killed writer stopped, what is whole is read."""
    rows = [row(0, 50), row(1, 2 * BLOCK), row(2, 50)]
    ends = [len(log(rows[:count])) for count in range(4)]
    path, whole = tmp_path / "run-x.wandb", log(rows)
    for length in [
        0,
        3,
        7,
        9,
        *range(ends[1] - 3, ends[1] + 9),
        BLOCK,
        BLOCK + 3,
        *range(ends[2] - 2, ends[3] + 1),
    ]:
        path.write_bytes(whole[:length])
        expected = sum(end <= length for end in ends[1:])
        assert [record.history.step.num for record in read_records(path)] == list(range(expected))
        assert last_step(path) == expected - 1


def test_what_no_writer_has_written_ends_it(tmp_path: Path) -> None:
    path = tmp_path / "run-x.wandb"
    path.write_bytes(log([row(0, 10), b"\xff\xff\xff", row(1, 10)]))
    assert [record.history.step.num for record in read_records(path)] == [0]


def test_the_last_row_of_a_long_file_is_found_from_its_end(tmp_path: Path) -> None:
    summary = Record()
    summary.summary.update.add().value_json = "1" * 300_000
    path = tmp_path / "run-x.wandb"
    path.write_bytes(log([*(row(n, 900) for n in range(200)), summary.SerializeToString()]))
    assert last_step(path) == 199
    assert len(list(read_records(path, first=9))) <= 1, "it began in the middle"
    assert last_step(tmp_path / "absent.wandb") == -1


def test_numbers_of_rows(tmp_path: Path) -> None:
    record = Record()
    record.history.step.num = 7
    values = {"train/loss": "0.5", "batches": "14", "_runtime": "1.5", "note": '"text"'}
    for keys, value in [*(([key], value) for key, value in values.items()), (["picture", "width"], "9")]:
        item = record.history.item.add()
        item.nested_key.extend(keys)
        item.value_json = value
    path = tmp_path / "run-x.wandb"
    path.write_bytes(log([row(0, 3), record.SerializeToString()]))
    assert numbers_of(path) == {0: {"x": 111}, 7: {"train/loss": 0.5, "batches": 14}}


def test_another_file(tmp_path: Path) -> None:
    path = tmp_path / "run-x.wandb"
    path.write_bytes(b"hello, world")
    with pytest.raises(ValueError, match=r"run-x\.wandb is no file of wandb's"):
        list(read_records(path))
