"""``run.json``: what a run was, on what it ran, how it ended and what it reached."""

import platform
import subprocess
import sys
import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import sr_experiments
from sr_experiments.written import write_json

_PACKAGES = (
    "torch",
    "torchvision",
    "pytorch-lightning",
    "hydra-core",
    "omegaconf",
    "kornia",
    "torchmetrics",
    "numpy",
)


class RunRecord:
    """The record of one run, on disk from its first second to its end.

    As a context manager it writes the status: ``running``, then ``finished``, ``interrupted`` or ``failed``.

    Args:
        path: The file. None: another process of the run writes it.
        earlier: What it says of the part of the run that is continued; None where there is no such part.
        facts: Known before the run: model, scale, seed, whether it is a demo.

    Raises:
        FileExistsError: if another run has written there; nothing is overwritten.
    """

    def __init__(self, path: Path | None, *, earlier: Mapping[str, Any] | None = None, **facts: Any) -> None:
        """Collect what is known before the start."""
        if path is not None and path.exists() and earlier is None:
            raise FileExistsError(
                f"{path.parent} already holds a run: run=FOLDER continues it, hydra.run.dir=FOLDER "
                "(of a sweep hydra.sweep.dir=) takes another folder"
            )
        self.path = path
        self._started = time.time()
        self.content: dict[str, Any] = {
            "status": "running",
            **facts,
            "started": self._now(),
            "versions": versions(),
            "git": git_state(Path.cwd()),
            "notes": [],
            "metrics": {},
        }
        self._seconds_before = 0.0
        if earlier:
            self._seconds_before = float(earlier.get("wall_seconds", 0.0))
            self.content |= {key: earlier[key] for key in ("started", "notes") if key in earlier}
            self.content["continued"] = [*earlier.get("continued", []), self._now()]

    def _now(self) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(self._started))

    def update(self, **facts: Any) -> None:
        """Add facts and write them."""
        self.content |= facts
        self.write()

    def note(self, sentence: str) -> None:
        """Add something that a reader of the results must know, once."""
        if sentence not in self.content["notes"]:
            self.content["notes"].append(sentence)

    def write(self) -> None:
        """Replace the file as a whole."""
        self.content["wall_seconds"] = round(self._seconds_before + time.time() - self._started, 3)
        if self.path is not None:
            write_json(self.path, self.content)

    def fail(self, why: str) -> None:
        """The run is ended from outside of what it does: write that, and say it."""
        self.update(status="failed", error=why)
        print(f"error: {why}", file=sys.stderr, flush=True)

    def __enter__(self) -> Self:
        """The run begins."""
        self.write()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The run ends, one way or another."""
        if error is None:
            status = "finished"
        elif isinstance(error, KeyboardInterrupt):
            status = "interrupted"
        else:
            status = getattr(error, "status", "failed")  # one of a sweep may be given up
            self.content["error"] = f"{type(error).__name__}: {error}"
        self.update(status=status)


def versions() -> dict[str, str]:
    """Of everything that can change a number."""
    found = {"sr_experiments": sr_experiments.__version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def git_state(folder: Path) -> dict[str, Any] | None:
    """Commit and whether files differ from it; None outside a repository or without git."""
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        return {"commit": commit, "dirty": bool(_git(folder, "status", "--porcelain"))}
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
