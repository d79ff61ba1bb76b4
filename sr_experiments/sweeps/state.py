"""How a run of a sweep stands: what its folder says, whoever wrote there and however it ended."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sr_experiments.written import read_json

OUTCOME = "job.json"  # how the last attempt ended; absent where nobody lived to write it
ENDED = ("finished", "pruned")


@dataclass(frozen=True)
class State:
    """Of one run.

    Attributes:
        status: ``waiting``, ``running``, ``finished``, ``pruned``, ``failed``, ``interrupted`` or ``killed``.
        error: What was said about a failure.
        code: The exit code that it deserves.
        metrics: Per data set, as in ``run.json``.
        score: The best validation score; None where there is none.
        record: All of ``run.json``.
    """

    status: str
    error: str | None = None
    code: int = 0
    metrics: dict[str, Any] = field(default_factory=dict)
    score: float | None = None
    record: dict[str, Any] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        """Whether there is nothing left to do."""
        return self.status in ENDED

    def as_dict(self) -> dict[str, Any]:
        """For ``sweep.json``."""
        content: dict[str, Any] = {"status": self.status}
        if self.metrics:
            content["metrics"] = self.metrics
        if self.score is not None:
            content["score"] = self.score
        if self.error is not None:
            content["error"] = self.error
        return content


def state_of(folder: Path) -> State:
    """What a run's folder says."""
    outcome, record = read_json(folder / OUTCOME), read_json(folder / "run.json")
    best = record.get("best") or {}
    score = best.get("score") if isinstance(best, dict) else None
    facts: dict[str, Any] = {
        "metrics": record.get("metrics") or {},
        "score": score if isinstance(score, int | float) else None,
        "record": record,
    }
    if outcome:
        error = outcome.get("error")
        code = int(outcome.get("code", 0))
        return State(str(outcome["status"]), None if error is None else str(error), code, **facts)
    status = record.get("status")
    if status is None:
        return State("waiting")
    if status == "running":
        status = "running" if held(folder / ".lock") else "killed"
    return State(str(status), record.get("error"), 1 if status == "failed" else 0, **facts)


def held(path: Path) -> bool:
    """Whether a process holds a lock; it goes when the process does."""
    try:
        import fcntl
    except ImportError:  # Windows
        return False
    try:
        with path.open("a") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
