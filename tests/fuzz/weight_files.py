"""Weight files and what is done to them: damage by chance, and changes on purpose, checksums right."""

import io
import random
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from tests.fuzz.gadgets import with_members
from tests.fuzz.mutate import drawn, mutated

Saved = dict[str, Any]
DATA = "archive/data/"


def whole_files(checkpoint: Path) -> dict[str, bytes]:
    """Name -> content: a run's checkpoint, and its averaged net in every form of weight file."""
    content = torch.load(checkpoint, weights_only=True)["state_dict"]
    state = {key.removeprefix("ema."): value for key, value in content.items() if key.startswith("ema.")}
    legacy = io.BytesIO()
    torch.save(state, legacy, _use_new_zipfile_serialization=False)
    return {
        "run.ckpt": checkpoint.read_bytes(),
        "zip.pth": saved(state),
        "legacy.pth": legacy.getvalue(),
        "net.safetensors": save(state),
    }


def saved(content: Any) -> bytes:
    """As torch.save writes it."""
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


def by_chance(content: bytes, rng: random.Random, *, other: bytes) -> bytes:
    """Damage anywhere; every other time one bit, as a disk or memory turns it."""
    if rng.random() < 0.5:
        return flipped(content, rng.randrange(len(content)), rng.randrange(8))
    return mutated(content, drawn(rng), other=other)


def flipped(content: bytes, at: int, bit: int) -> bytes:
    """With one other bit."""
    return content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :]


def tensor_bytes(content: bytes) -> list[int]:
    """Where in a file of torch.save bytes of tensors are."""
    found: list[int] = []
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for member in archive.infolist():
            if member.filename.startswith(DATA):
                at = member.header_offset
                start = (
                    at + 30 + sum(int.from_bytes(content[at + i : at + i + 2], "little") for i in (26, 28))
                )
                found.extend(range(start, start + member.file_size))
    return found


def other_members(content: bytes, rng: random.Random) -> bytes:
    """A member removed, renamed, cut, emptied, changed or exchanged for another, with the checksums right."""

    def change(members: dict[str, bytes]) -> dict[str, bytes]:
        name, second = rng.sample(sorted(members), 2)
        data = members[name]
        match rng.randrange(6):
            case 0:
                return {key: value for key, value in members.items() if key != name}
            case 1:
                return {key + "x" * (key == name): value for key, value in members.items()}
            case 2:
                return members | {name: data[: rng.randrange(len(data) + 1)]}
            case 3:
                return members | {name: b""}
            case 4:
                return members | {name: members[second], second: data}
        pickled = members["archive/data.pkl"]
        return members | {"archive/data.pkl": mutated(pickled, drawn(rng), other=data)}

    return with_members(content, change)


def member_twice(content: bytes, rng: random.Random) -> bytes:
    """A member that comes again under its name, with other bytes."""
    stream = io.BytesIO(content)
    with warnings.catch_warnings(), zipfile.ZipFile(stream, "a") as archive:
        warnings.simplefilter("ignore")  # so it says
        name = rng.choice(archive.namelist())
        archive.writestr(name, archive.read(name)[::-1])
    return stream.getvalue()


def _each(change: Callable[[Tensor], Tensor]) -> Callable[[dict[str, Tensor]], Saved]:
    return lambda state: {key: change(value) for key, value in state.items()}


def _one(change: Callable[[Tensor], Any]) -> Callable[[dict[str, Tensor]], Saved]:
    return lambda state: state | {"last_part.0.bias": change(state["last_part.0.bias"])}


def _last(value: float) -> Callable[[Tensor], Tensor]:
    return lambda tensor: torch.cat([tensor[:-1], torch.tensor([value])])


# What a net must refuse, whatever its checksums say.
WRONG: dict[str, Callable[[dict[str, Tensor]], Any]] = {
    "another shape": _one(lambda value: value[None]),
    "turned": _each(lambda value: value.transpose(0, -1)),
    "flat": _each(lambda value: value.flatten()),
    "one too short": _one(lambda value: value[:-1]),
    "expanded": _one(lambda value: value[:1].expand(10**6, 10**6)),
    "integers": _one(lambda value: value.long()),
    "complex": _one(lambda value: value.to(torch.complex64)),
    "truth values": _one(lambda value: value > 0),
    "sparse": _one(lambda value: value.to_sparse()),
    "numbers": _one(lambda value: value.tolist()),
    "text": _one(str),
    "nothing": _one(lambda value: None),
    "NaN": _one(_last(float("nan"))),
    "infinity": _one(_last(float("-inf"))),
    "all NaN": _each(lambda value: value * float("nan")),
    "other keys": lambda state: {f"x.{key}": value for key, value in state.items()},
    "one other key": lambda state: {key.replace("0.bias", "0.bios"): value for key, value in state.items()},
    "one key fewer": lambda state: dict(list(state.items())[1:]),
    "one key more": lambda state: state | {"extra": torch.zeros(1)},
    "numbers for keys": lambda state: dict(enumerate(state.values())),
    "a list": lambda state: list(state.values()),
    "a tensor": lambda state: state["last_part.0.bias"],
    "empty": lambda state: {},
    "a number": lambda state: 3,
    "text alone": lambda state: "state_dict",
}
# What may stand in a checkpoint where the config of its run is expected.
CONFIGS: dict[str, Any] = {
    "a number": 3,
    "a list of numbers": [1, 2],
    "text": "sr_experiments",
    "no text": {"config": 7},
    "a tensor": {"config": torch.zeros(3)},
    "no YAML": {"config": "net: [1, 2"},
    "another YAML": {"config": "!!python/object/apply:os.system ['true']"},
    "no net": {"config": "name: x"},
    "a net that is text": {"config": "net: x"},
    "interpolation": {"config": "net: ${nothing.there}"},
    "a call": {"config": "net: {_target_: os.system, command: 'true'}"},
    "a call inside": {"config": "net: {_target_: sr_experiments.nets.espcn.ESPCN, a: {_target_: os.system}}"},
}
