"""A folder as a user has it, and what he types there: for tests of what he is told."""

import json
import os
import urllib.request
import zipfile
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from sr_experiments.nets.weights import read_state_dict
from tests.prepare.server import serving
from tests.tasks.runs import photographs, run
from tests.typed import typed_line

Preparation = Callable[[Path], object]

# The shortest run that there is. As it is typed, from a folder with `photos`.
TRAIN = (
    "data=folder data.root=photos scale=2 model=espcn data.patch_size=16 data.batch_size=1 trainer=cpu "
    "data.steps_per_epoch=1 trainer.max_epochs=1 trainer.log_every_n_steps=1"
)
PAIRS = TRAIN.replace("data=folder data.root=photos", "data=paired data.gt=photos data.lq=lq")
SHARDS = TRAIN.replace("data=folder data.root=photos", "data=shards data.train.url=s data.val.root=photos")
EVALUATE = "task=evaluate data=folder data.root=photos trainer=cpu metric=[] scale=2"
DEGRADE = "task=degrade data=folder data.root=photos scale=2 data.patch_size=16 samples=1 model=espcn"
CHECK = "task=prepare data=folder data.root=photos scale=2 data.patch_size=16"
PREPARE = "task=prepare benchmark=set5 attempts=1 timeout=2"
MINE = f"{TRAIN} 'hydra.searchpath=[file://{{here}}/extra]'"


@dataclass(frozen=True)
class Mistake:
    """Something that a user does.

    Attributes:
        typed: Behind the program's name, as in a shell; `{here}` is the folder, `{url}` the server's address.
        told: The whole message, where … stands for anything; empty: there is nothing wrong.
        given: What he has prepared, beside `photos`, `run` and `espcn.pth`.
        served: How a server on this machine behaves, if one is needed; see `tests.prepare.server`.
        without_gpu: Whether it is a mistake on machines without a GPU only.
    """

    typed: str
    told: str = ""
    given: Preparation = field(default=lambda folder: None)
    served: Mapping[str, Any] | None = None
    without_gpu: bool = False


def lay(folder: Path) -> Path:
    """What every desk has: six photographs, a run of a small net at x2, and its weights as a plain file."""
    photographs(folder / "photos", count=6, side=32)
    run(folder / "photos", folder / "run", "net.features=4", "net.mapped_features=4")
    torch.save(read_state_dict(folder / "run" / "checkpoints" / "best.ckpt"), folder / "espcn.pth")
    return folder


def sit(base: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Go to a new desk, with no network and no weights of classifiers."""
    for path in base.iterdir():
        (folder / path.name).symlink_to(path)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("TORCH_HOME", str(folder / "torch"))
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    # the proxies are read once, by whichever test of this process opened an address first
    monkeypatch.setattr(urllib.request, "_opener", None)
    monkeypatch.delenv("SR_DATA_DIR", raising=False)


def make(mistake: Mistake, folder: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """Prepare and type; the exit code."""
    mistake.given(folder)
    options = dict(mistake.served or {})
    content = options.pop("content", b"x" * 5000)
    server = nullcontext() if mistake.served is None else serving(content, **options)
    with server as served:
        line = mistake.typed.replace("{here}", str(folder))
        return typed_line(monkeypatch, line.replace("{url}", served.url if served is not None else ""))


# ---- what is prepared


def several(*preparations: Preparation) -> Preparation:
    """One after the other."""

    def prepare(folder: Path) -> None:
        for one in preparations:
            one(folder)

    return prepare


def file(name: str, content: str | bytes = "") -> Preparation:
    """A file with this content."""

    def prepare(folder: Path) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    return prepare


def directory(name: str) -> Preparation:
    """An empty folder."""
    return lambda folder: (folder / name).mkdir()


def pictures(name: str, count: int = 6, size: tuple[int, int] = (32, 32), mode: str = "RGB") -> Preparation:
    """Black pictures 0.png, 1.png, ... of (width, height)."""

    def prepare(folder: Path) -> None:
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            Image.new(mode, size).save(folder / name / f"{number}.png")

    return prepare


def saved(name: str, content: Any) -> Preparation:
    """What torch.save makes of something."""
    return lambda folder: torch.save(content, folder / name)


def cut(source: str, name: str, length: int) -> Preparation:
    """The first bytes of a file."""
    return lambda folder: file(name, (folder / source).read_bytes()[:length])(folder)


def changed(source: str, name: str, change: Callable[[Any], object]) -> Preparation:
    """A file of torch.save with another content."""

    def prepare(folder: Path) -> None:
        content = torch.load(folder / source, weights_only=True)
        change(content)
        torch.save(content, folder / name)

    return prepare


class Malice:
    """What an unpickler would run."""

    def __reduce__(self) -> Any:
        return os.system, ("touch malice",)


def wider(state: Any) -> None:
    """The first layer of a net with one channel more."""
    key = next(iter(state))
    state[key] = torch.cat([state[key], state[key][:, :1]], dim=1)


def diverged(state: Any) -> None:
    """The first layer is not a number."""
    state[next(iter(state))].fill_(float("nan"))


def of_config(change: Callable[[str], str]) -> Preparation:
    """The run as x.ckpt, with another config inside."""

    def prepare(content: Any) -> None:
        content["sr_experiments"]["config"] = change(content["sr_experiments"]["config"])

    return changed("run/checkpoints/best.ckpt", "x.ckpt", prepare)


def values(**decided: object) -> Preparation:
    """A v.json of task=degrade, of one sample."""
    sample = {"position": 0, "image": "0", "values": decided}
    return file("v.json", json.dumps({"seed": 0, "samples": [sample]}))


def archive(name: str, member: str) -> Preparation:
    """A zip file with one member."""

    def prepare(folder: Path) -> None:
        with zipfile.ZipFile(folder / name, "w") as stream:
            stream.writestr(member, "x")

    return prepare


def linked(source: str, name: str) -> Preparation:
    """Something under another name."""

    def prepare(folder: Path) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(folder / source)

    return prepare
