"""``metrics.csv``: what was logged, a row a step or validation, whole whenever the run is killed."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers.logger import Logger
from pytorch_lightning.utilities import rank_zero_only
from torch import Tensor

from sr_experiments.imaging.beside import beside

NAME = "metrics.csv"


class MetricsFile(Logger):
    """Appends rows; where a new column comes the file is written anew and takes its place in one step.

    Lightning's own rewrites the file in place, and begins an empty one where a run continues.

    Args:
        save_dir: The run's folder.
        flush_every: Rows that are kept back at most.
    """

    def __init__(self, *, save_dir: str, flush_every: int = 10) -> None:
        """Nothing is written before there is something to write."""
        super().__init__()
        self.path = Path(save_dir) / NAME
        self.flush_every = flush_every
        self.rows = 0
        self._columns: list[str] = []
        self._waiting: list[dict[str, Any]] = []

    @property
    def name(self) -> str:
        """Of the logger."""
        return "csv"

    @property
    def version(self) -> str:
        """A run has one."""
        return ""

    @property
    def log_dir(self) -> str:
        """The run's folder."""
        return str(self.path.parent)

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """They are in config.yaml."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Take a row."""
        row = {key: value.item() if isinstance(value, Tensor) else value for key, value in metrics.items()}
        self._waiting.append({**row, "step": step})
        if len(self._waiting) >= self.flush_every:
            self.save()

    @rank_zero_only
    def save(self) -> None:
        """Put everything on the disk."""
        if not self._waiting:
            return
        new = {key for row in self._waiting for key in row} - set(self._columns)
        if new or not self.path.is_file():
            self._columns = sorted({*self._columns, *new})
            self._rewrite([*read_rows(self.path, self.rows), *self._waiting])
        else:
            with self.path.open("a", newline="", encoding="utf-8") as file:
                csv.DictWriter(file, self._columns).writerows(self._waiting)
        self.rows += len(self._waiting)
        self._waiting = []

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """The run ends."""
        self.save()

    @rank_zero_only
    def continue_from(self, rows: int) -> None:
        """Forget what was logged after the state that a run continues from.

        Args:
            rows: How many rows belong to it.
        """
        kept = read_rows(self.path, rows)
        self.rows = len(kept)
        self._columns = sorted({key for row in kept for key in row})
        if self.path.is_file():
            self._rewrite(kept)

    def _rewrite(self, rows: Sequence[Mapping[str, Any]]) -> None:
        with beside(self.path) as temporary, temporary.open("x", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self._columns)
            writer.writeheader()
            writer.writerows(rows)


def read_rows(path: Path, count: int) -> list[dict[str, str]]:
    """The first rows of a file, if there is one."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [row for row, _ in zip(csv.DictReader(file), range(count), strict=False)]
