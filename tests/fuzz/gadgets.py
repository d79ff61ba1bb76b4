"""Pickles that would run code when they are opened: each would make a file, and none may.

`Call` and what is made of it go through pickle as any object does; the rest is written opcode by opcode,
as whoever hides something would. Around them stand the containers in which weights are handed about.
"""

import builtins
import functools
import importlib
import io
import operator
import os
import pickle
import runpy
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001  # of torch.save's old form


class Call:
    """Pickled, it is the result of a call."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


def _text(value: str) -> bytes:
    """The opcode that pushes a string."""
    data = value.encode()
    return b"X" + len(data).to_bytes(4, "little") + data


def gadgets(canary: Path, helper: Path) -> dict[str, bytes]:
    """Name -> a pickle that makes the file `canary` when it is unpickled without care.

    Args:
        canary: The file that would be made.
        helper: A folder for the files that some gadgets run.
    """
    command, python = f"touch '{canary}'", f"open({str(canary)!r}, 'w').close()"
    script = helper / "script.py"
    script.write_text(python, encoding="utf-8")
    evil = pickle.dumps(Call(os.system, command), 2)
    (helper / "evil.pth").write_bytes(legacy(evil))
    calls: dict[str, Call] = {
        "os.system": Call(os.system, command),
        "eval": Call(eval, python),
        "exec": Call(exec, python),
        "open": Call(builtins.open, str(canary), "w"),
        "subprocess": Call(subprocess.call, ["touch", str(canary)]),
        "Path.touch": Call(Path.touch, canary),
        "shutil.copy": Call(shutil.copy, str(script), str(canary)),
        "runpy": Call(runpy.run_path, str(script)),
        "getattr": Call(operator.call, Call(getattr, Call(importlib.import_module, "os"), "system"), command),
        "partial": Call(operator.call, functools.partial(os.system, command)),
        "pickle in a pickle": Call(pickle.loads, evil),
        "torch.load": Call(
            operator.call, functools.partial(torch.load, helper / "evil.pth", weights_only=False)
        ),
        "torch storage": Call(torch.storage._load_from_bytes, legacy(evil)),
    }
    return {name: pickle.dumps({"w": call}, 2) for name, call in calls.items()} | {
        "GLOBAL": b"cos\nsystem\n(" + _text(command) + b"tR.",
        "posix": b"cposix\nsystem\n(" + _text(command) + b"tR.",
        "INST": b"(" + _text(command) + b"ios\nsystem\n.",
        "OBJ": b"(cos\nsystem\n" + _text(command) + b"o.",
        "STACK_GLOBAL": b"\x80\x04" + _text("os") + _text("system") + b"\x93" + _text(command) + b"\x85R.",
        "Python 2's name": b"\x80\x02c__builtin__\neval\n(" + _text(python) + b"tR.",
        "a name with dots": b"\x80\x04"
        + _text("os")
        + _text("path.os.system")
        + b"\x93("
        + _text(command)
        + b"tR.",
        "torch's own call": b"\x80\x02ctorch._tensor\n_rebuild_from_type_v2\n(cos\nsystem\ncbuiltins\nint\n("
        + _text(command)
        + b"t}tR.",
        "in front of an ordered dict": b"\x80\x02cos\nsystem\n("
        + _text(command)
        + b"tR0ccollections\nOrderedDict\n)R.",
    }


def legacy(pickled: bytes) -> bytes:
    """A file of torch.save in its old form, with this as what was saved."""
    numbers = {"protocol_version": PROTOCOL, "little_endian": True, "type_sizes": {}}
    head = b"".join(pickle.dumps(value, 2) for value in (MAGIC, PROTOCOL, numbers))
    return head + pickled + pickle.dumps([], 2)


def zipped(pickled: bytes) -> bytes:
    """A file of torch.save, with this as what was saved."""
    stream = io.BytesIO()
    torch.save({"w": torch.zeros(2)}, stream)
    return with_members(stream.getvalue(), lambda members: members | {"archive/data.pkl": pickled})


def with_members(content: bytes, change: Callable[[dict[str, bytes]], dict[str, bytes]]) -> bytes:
    """A zip archive with other members, and every checksum right."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in change(members).items():
            archive.writestr(name, data)
    return stream.getvalue()


def _tar(pickled: bytes) -> bytes:
    """The form before the old one."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            entry = tarfile.TarInfo(name)
            entry.size = len(pickled)
            archive.addfile(entry, io.BytesIO(pickled))
    return stream.getvalue()


CONTAINERS: dict[str, Callable[[bytes], bytes]] = {
    "a.ckpt": zipped,
    "a.pth": zipped,
    "legacy.pth": legacy,
    "legacy.ckpt": legacy,
    "pickle.pth": bytes,
    "zip.safetensors": zipped,
    "legacy.safetensors": legacy,
    "pickle.safetensors": bytes,
    "tar.pth": _tar,
    "program.pt": lambda pickled: with_members(
        zipped(pickled), lambda members: members | {"archive/constants.pkl": pickled}
    ),
}
