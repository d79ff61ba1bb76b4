"""Continuing a run: from which of its checkpoints, and alone."""

import logging
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from sr_experiments.callbacks.checkpoints import BEFORE, BEST, LAST, clear_away
from sr_experiments.models.base import CHECKPOINT_KEY
from sr_experiments.nets.weights import check_checksums
from sr_experiments.ranks import is_first

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Start:
    """Where a run continues.

    Attributes:
        path: Of the checkpoint; None: from the beginning, as there is none yet.
        batches: Batches behind it.
        rows: Of metrics.csv, logged up to there.
        notes: What the reader of the results must know.
        choices: What was chosen for its speed; None where the checkpoint does not know of any.
    """

    path: Path | None = None
    batches: int = 0
    rows: int = 0
    notes: list[str] = field(default_factory=list)
    choices: dict[str, Any] | None = None


def find_start(run_dir: Path) -> Start:
    """The newest whole checkpoint of a run.

    Raises:
        ValueError: If there are checkpoints and none of them is whole.
    """
    folder = run_dir / "checkpoints"
    if is_first():
        clear_away(run_dir)
    notes: list[str] = []
    there = [folder / name for name in (LAST, BEFORE, BEST) if (folder / name).is_file()]
    for path in there:
        problem = damage(path)
        if problem is None:
            content = torch.load(path, map_location="cpu", weights_only=True)
            ours = content[CHECKPOINT_KEY]
            return Start(path, int(ours["batches"]), int(ours["logged_rows"]), notes, ours.get("choices"))
        notes.append(f"{path.name} is damaged ({problem}), so the run was continued from an older one")
        _log.warning("%s is damaged: %s", path, problem)
    if there:
        raise ValueError(f"{folder}: none of {', '.join(path.name for path in there)} is whole")
    return Start(notes=notes)


def begun_with(start: Start, record: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What was chosen for the run when it began; None: it begins now, or was killed before that was known.

    Args:
        start: Where it continues.
        record: Of its run.json.
    """
    if start.choices is not None:
        return start.choices
    if start.path is not None:  # of a time in which nothing was chosen
        return {"memory_format": "contiguous", "compile": False}
    told = (record or {}).get("choices")
    return told if isinstance(told, dict) else None


def damage(path: Path) -> str | None:
    """What is wrong with a checkpoint, if anything is."""
    try:
        if not zipfile.is_zipfile(path):
            return "it breaks off, or is no checkpoint"
        check_checksums(path)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        return str(error)
    return None


@contextmanager
def alone(run_dir: Path) -> Iterator[None]:
    """Hold a run's folder, so that no other run trains into it; the lock goes with the run's first process.

    Raises:
        ValueError: If another one does.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        fcntl = None  # type: ignore[assignment]
    if fcntl is None or not is_first():
        yield
        return
    run_dir.mkdir(parents=True, exist_ok=True)
    with (run_dir / ".lock").open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ValueError(f"{run_dir}: another process is training into this folder") from error
        yield
