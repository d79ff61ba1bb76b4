"""``sweep.json``: which runs a sweep has, and how each of them ended.

What a run did stands in its own folder (`state.py`). The book gives each combination of arguments its number
and its folder, once and for all, so that the same command finds its runs again.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sr_experiments.secret import redacted_all
from sr_experiments.sweeps.state import State, state_of
from sr_experiments.written import write_json

SWEEP = "sweep.json"
_EVERY = 10.0  # seconds between two writings while jobs run: a book of 10,000 is several megabytes


@dataclass(frozen=True)
class Job:
    """One run of a sweep.

    Attributes:
        number: In the order in which they were asked for; part of the folder's name.
        overrides: The arguments that Hydra composes it from, secrets left out: they are what it is known by.
        folder: Its name in the sweep's folder.
    """

    number: int
    overrides: tuple[str, ...]
    folder: str


@dataclass
class Book:
    """All runs of a sweep's folder.

    Attributes:
        folder: The sweep's.
        arguments: Of the command that was typed last.
        jobs: By number.
        more: What a search adds.
    """

    folder: Path
    arguments: list[str] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    more: dict[str, Any] = field(default_factory=dict)
    _known: dict[tuple[str, ...], Job] = field(default_factory=dict)
    _common: tuple[int, set[str]] = field(default_factory=lambda: (0, set()))
    _started: str = ""
    _written: float = 0.0  # by this process; monotonic

    def find(self, overrides: Sequence[str]) -> Job | None:
        """The job with these arguments, if there is one."""
        return self._known.get(_identity(overrides))

    def add(self, overrides: Sequence[str], *, folder: str) -> Job:
        """A new job with the next number."""
        job = Job(len(self.jobs), _identity(overrides), folder)
        self._keep(job)
        return job

    def _keep(self, job: Job) -> None:
        self.jobs.append(job)
        self._known[job.overrides] = job

    def common(self) -> set[str]:
        """Arguments that all runs have."""
        if self._common[0] != len(self.jobs):
            self._common = (len(self.jobs), set.intersection(*(set(job.overrides) for job in self.jobs)))
        return self._common[1]

    def path(self, job: Job) -> Path:
        """The folder of a job."""
        return self.folder / job.folder

    def state(self, job: Job) -> State:
        """What its folder says now."""
        return state_of(self.path(job))

    @property
    def begun(self) -> bool:
        """Whether this process has written it."""
        return self._written > 0

    def write(self, *, soon: bool = False) -> None:
        """Replace ``sweep.json`` as a whole.

        Args:
            soon: Not if it was written a few seconds ago.
        """
        if soon and time.monotonic() - self._written < _EVERY:
            return
        rows = []
        for job in self.jobs:
            row = {"number": job.number, "overrides": list(job.overrides), "folder": job.folder}
            rows.append(row | self.state(job).as_dict())
        done = all(row["status"] in ("finished", "pruned") for row in rows)
        content = {
            "status": "finished" if done else "incomplete",
            "started": self._started or _now(),
            "written": _now(),
            "arguments": redacted_all(self.arguments),
            **self.more,
            "jobs": rows,
        }
        write_json(self.folder / SWEEP, content)
        self._started = content["started"]
        self._written = time.monotonic()


def open_book(folder: Path) -> Book:
    """The book of a sweep's folder; an empty one where there is none.

    Raises:
        ValueError: If the file is not one of ours.
    """
    path = folder / SWEEP
    book = Book(folder)
    if not path.exists():
        return book
    content = read(path)
    book.arguments = [str(entry) for entry in content["arguments"]]
    book._started = str(content.get("started", ""))
    for row in content["jobs"]:
        book._keep(Job(int(row["number"]), tuple(map(str, row["overrides"])), str(row["folder"])))
    return book


def read(path: Path) -> dict[str, Any]:
    """What a ``sweep.json`` says.

    Raises:
        ValueError: If the file is not one of ours.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        numbers = [
            row["number"] for row in content["jobs"] if isinstance(row["overrides"], list) and row["folder"]
        ]
        ours = isinstance(content["arguments"], list) and numbers == list(range(len(content["jobs"])))
    except (ValueError, KeyError, TypeError):
        ours = False
    if not ours:
        raise ValueError(
            f"{path} is not the record of a sweep, or is damaged: take another folder, or delete that file "
            "(the runs beside it stay, and run=FOLDER continues each)"
        )
    assert isinstance(content, dict)
    return content


def _identity(overrides: Sequence[str]) -> tuple[str, ...]:
    return tuple(redacted_all(list(overrides)))


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")
