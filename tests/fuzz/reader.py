"""Reads damaged files in a process of its own, whose end, time and memory can be watched from outside.

Called with a folder that holds `plan.json` (file -> the undamaged one), it writes a line of JSON for each
file to stdout. A file that takes too long ends the process, with its stack on stderr.
"""

import faulthandler
import json
import logging
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch

from sr_experiments.imaging.io import IMAGE_SUFFIXES, image_shape, image_size, read_image
from sr_experiments.nets.espcn import ESPCN
from sr_experiments.nets.weights import load_exactly
from sr_experiments.rebuild import open_checkpoint
from tests.conftest import ROOT

SECONDS = 20.0  # that no file may take
FAULT = "FAULT"


@dataclass(frozen=True)
class Outcome:
    """What became of a file.

    Attributes:
        name: Of the file.
        kind: `refused`, `alike` or `other` (what was read, against the undamaged file), `misfit` (weights
            that are read, and that their own net refuses), or `FAULT`.
        said: The message.
        kilobytes: By how much the process grew at most.
        seconds: How long it took.
    """

    name: str
    kind: str
    said: str = ""
    kilobytes: int = 0
    seconds: float = 0.0


def read_all(folder: Path, plan: Mapping[str, str]) -> list[Outcome]:
    """Read the files of a folder in a process of its own.

    Args:
        folder: Where they are.
        plan: File -> the undamaged file.

    Raises:
        AssertionError: If the process ended before all were read: a crash, or a file that took too long.
    """
    (folder / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    command = [sys.executable, "-m", "tests.fuzz.reader", str(folder)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    outcomes = [Outcome(**json.loads(line)) for line in ended.stdout.splitlines()]
    at = list(plan)[len(outcomes)] if len(outcomes) < len(plan) else "the end"
    assert ended.returncode == 0, f"{ended.returncode} at {at}: {ended.stderr[-3000:]}"
    assert len(outcomes) == len(plan)
    return outcomes


def judge_image(path: Path, original: Path) -> tuple[str, str]:
    """Kind and message of an image file."""
    said: list[str] = []
    shape: tuple[int, ...] | None = None
    found: np.ndarray | None = None
    try:
        shape = image_shape(path)
        if image_size(path) != shape[:2]:
            return FAULT, f"image_size is not that of image_shape, {shape}"
    except (ValueError, OSError) as error:
        said.append(str(error))
    except BaseException as error:
        return FAULT, f"image_shape: {error!r}"
    try:
        found = read_image(path)
    except (ValueError, OSError) as error:
        said.append(str(error))
    except BaseException as error:
        return FAULT, f"read_image: {error!r}"
    if nameless := [text for text in said if str(path) not in text]:
        return FAULT, f"the file is not named: {nameless}"
    if found is None:
        return "refused", said[-1]
    if shape is None:
        return FAULT, f"the header is refused, the pixels are read: {said}"
    if found.shape != shape or found.dtype not in (np.uint8, np.uint16):
        return FAULT, f"{found.shape} {found.dtype} was read, {shape} announced"
    expected = _pixels(original)
    alike = found.dtype == expected.dtype and np.array_equal(found, expected)
    return "alike" if alike else "other", ""


@cache
def _pixels(path: Path) -> np.ndarray:
    return read_image(path)


def judge_weights(path: Path, original: Path) -> tuple[str, str]:
    """Kind and message of a checkpoint or weight file."""
    try:
        state = open_checkpoint(str(path)).state
    except (ValueError, OSError) as error:
        return "refused" if str(path) in str(error) else FAULT, str(error)
    except BaseException as error:  # Rust's panics are no exceptions
        return FAULT, repr(error)
    expected = _state(original)
    if state.keys() == expected.keys() and all(
        value.dtype == expected[key].dtype and torch.equal(value, expected[key])
        for key, value in state.items()
    ):
        return "alike", ""
    try:
        load_exactly(toy_net(), state, source=str(path))
    except ValueError as error:
        return "misfit" if str(path) in str(error) else FAULT, str(error)
    except BaseException as error:
        return FAULT, repr(error)
    return "other", ""


@cache
def _state(path: Path) -> dict[str, torch.Tensor]:
    return open_checkpoint(str(path)).state


def toy_net() -> ESPCN:
    """The net whose weights the damaged files hold."""
    return ESPCN(scale=2, features=8, mapped_features=4)


def _peak(*, forget: bool = False) -> int:
    """The largest resident memory so far in kilobytes; from now on, where what was before is forgotten.

    On Linux not from `resource`, which counts the memory of the process that started this one.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if forget:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    (line,) = (line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1])


def main(folder: Path) -> None:
    """Read all of the plan."""
    logging.disable(logging.CRITICAL)  # what readers say about odd files while they read them
    warnings.simplefilter("ignore")
    plan: dict[str, str] = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    for name, original in plan.items():
        path, whole = folder / name, folder / original
        judge: Callable[[Path, Path], tuple[str, str]]
        judge = judge_image if path.suffix in IMAGE_SUFFIXES else judge_weights
        faulthandler.dump_traceback_later(SECONDS, exit=True)
        started, before = time.perf_counter(), _peak(forget=True)
        kind, said = judge(path, whole)
        outcome = Outcome(name, kind, said, _peak() - before, time.perf_counter() - started)
        print(json.dumps(vars(outcome)), flush=True)
    faulthandler.cancel_dump_traceback_later()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
