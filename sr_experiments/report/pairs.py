"""Any two configurations of a board: what may be said of them, and where their images lie."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sr_experiments.metrics.protocol import unit_of
from sr_experiments.report.boards import Board, Row
from sr_experiments.report.figures import frame
from sr_experiments.report.statistics import Arena, Comparison, Contestant
from sr_experiments.report.words import number, sentence


@dataclass(frozen=True)
class Duel:
    """Two rows of a board, compared in one metric."""

    metric: str
    a: int
    b: int
    compared: Comparison | None


class Pairs:
    """Compares the best rows of a board with one another.

    Args:
        board: Whose.
        rows: Of the board; known by their place here.
        higher: Metric -> whether higher is better.
    """

    def __init__(self, board: Board, rows: Sequence[Row], *, higher: Mapping[str, bool]) -> None:
        """Enter every row."""
        self.board, self.rows, self.higher = board, rows, higher
        self.arena = Arena(len(board.images))
        self.duels = [duel for metric in board.metrics for duel in self._duels(metric)]

    def _duels(self, metric: str) -> list[Duel]:
        entered: dict[int, Contestant] = {}
        for place, row in enumerate(self.rows):
            values = row.values(metric)
            if values is not None:
                sign = 1 if self.higher[metric] else -1
                entered[place] = self.arena.enter(sign * values, drawn=row.configuration.drawn)
        return [
            Duel(metric, a, b, self.arena.compare(entered[a], entered[b]))
            for a, b in itertools.combinations(entered, 2)
        ]

    def of_seeds(self, row: Row, metric: str) -> list[str]:
        """Sentences on the seeds of one configuration, each against the next."""
        values = row.values(metric)
        if values is None or len(values) < 2 or not row.configuration.drawn:
            return []
        sign = 1 if self.higher[metric] else -1
        single = [self.arena.enter(sign * values[place][None]) for place in range(len(values))]
        names = [f"seed {run.seed}" for run in row.runs]
        return [
            sentence(names[a], names[b], self.arena.compare(single[a], single[b]), metric=metric)
            for a, b in itertools.pairwise(range(len(values)))
        ]

    def as_data(self, numbers: Sequence[int]) -> dict[str, Any]:
        """For the page's own script.

        Args:
            numbers: Of the rows' configurations, in their order.
        """
        metrics = {name: self._metric(name, numbers) for name in self.board.metrics}
        return {"images": list(self.board.images), "rows": list(numbers), "metrics": metrics}

    def _metric(self, name: str, numbers: Sequence[int]) -> dict[str, Any]:
        labels = [row.configuration.marked for row in self.rows]
        says: dict[str, str] = {}
        for duel in self.duels:
            if duel.metric == name:
                a, b, compared = labels[duel.a], labels[duel.b], duel.compared
                back = None if compared is None else compared.swapped()
                says[f"{numbers[duel.a]},{numbers[duel.b]}"] = sentence(a, b, compared, metric=name)
                says[f"{numbers[duel.b]},{numbers[duel.a]}"] = sentence(b, a, back, metric=name)
        for place, row in zip(numbers, self.rows, strict=True):
            told = self.of_seeds(row, name)
            says[f"{place},{place}"] = " ".join(["A and B are one configuration.", *told])
        return {"says": says, **self._scatter(name, numbers)}

    def _scatter(self, name: str, numbers: Sequence[int]) -> dict[str, Any]:
        """Axes that are the same for all, and where each image stands on them."""
        found: dict[int, np.ndarray] = {}
        for place, row in zip(numbers, self.rows, strict=True):
            values = row.values(name)
            if values is not None and np.isfinite(values).all():
                found[place] = values.mean(axis=0)
        if not found:
            return {}
        every = np.concatenate(list(found.values()))
        axes = frame(float(every.min()), float(every.max()), name=name, where=self.board.title)
        unit = f" {unit_of(name)}" if unit_of(name) else ""
        return {
            "svg": axes.svg,
            "square": axes.square,
            "at": {place: axes.fraction(values) for place, values in found.items()},
            "text": {
                place: [number(float(v), name) + unit for v in values] for place, values in found.items()
            },
        }
