"""Leaderboards: configurations that were measured on the same images, made small in the same way."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from sr_experiments.report.configurations import Configuration
from sr_experiments.report.runs import Measured, Place, Run

_SAME = 1e-3  # bicubic's own numbers may differ so much between machines: in dB, or of a similarity


@dataclass
class Row:
    """A configuration's runs on one board, a seed each.

    Attributes:
        configuration: Whose.
        runs: By seed, ascending.
        measured: Of each run.
    """

    configuration: Configuration
    runs: list[Run]
    measured: list[Measured]

    def values(self, metric: str) -> np.ndarray | None:
        """(seeds, images); None if a run has not measured it."""
        found = [one.values.get(metric) for one in self.measured]
        return None if any(one is None for one in found) else np.stack([v for v in found if v is not None])


@dataclass
class Board:
    """What may be compared.

    Attributes:
        place: Data set, scale, protocol, degradation.
        number: 1, and more where the same name stands for other images.
        images: Their names, in the order of every row's values.
        rows: A configuration each.
        bicubic: Metric -> (images,) of bicubic interpolation.
    """

    place: Place
    number: int
    images: tuple[str, ...]
    bicubic: dict[str, np.ndarray]
    rows: list[Row] = field(default_factory=list)

    @property
    def title(self) -> str:
        """Such as: set5 x4, rgb."""
        parts = [f"{self.place.dataset} x{self.place.scale}", self.place.protocol]
        parts += [self.place.degradation] if self.place.degradation else []
        return ", ".join(parts) + (f" ({self.number})" if self.number > 1 else "")

    @cached_property
    def metrics(self) -> list[str]:
        """Of which there is a number, PSNR first; to be asked for once all rows are there."""
        return list(dict.fromkeys(name for row in self.rows for one in row.measured for name in one.values))

    @property
    def main(self) -> str:
        """By which rows are ordered at first: the PSNR that papers report."""
        return next((name for name in self.metrics if name.startswith("psnr")), self.metrics[0])


@dataclass(frozen=True)
class Repeated:
    """A measurement that is not counted, because a newer run has the same configuration and seed."""

    run: Run
    newer: Run


def boards(found: Sequence[Configuration]) -> tuple[list[Board], list[Repeated]]:
    """Lay out every measurement, and say which ones were measured again by a newer run."""
    made: list[Board] = []
    repeated: list[Repeated] = []
    for configuration in found:
        latest: dict[tuple[int, int | None], tuple[Board, Run, Measured]] = {}
        for run in sorted(configuration.runs, key=lambda run: run.started):
            for place, measured in run.measured.items():
                board = _board_for(made, place, measured)
                key = (id(board), run.seed if run.drawn else None)
                if key in latest:
                    repeated.append(Repeated(latest[key][1], run))
                latest[key] = (board, run, measured)
        for board in {id(board): board for board, _, _ in latest.values()}.values():
            mine = [(run, measured) for at, run, measured in latest.values() if at is board]
            mine.sort(key=lambda pair: -1 if pair[0].seed is None else pair[0].seed)
            board.rows.append(Row(configuration, [run for run, _ in mine], [one for _, one in mine]))
    made.sort(key=lambda board: (-len(board.rows), board.title))
    return made, repeated


def _board_for(made: list[Board], place: Place, measured: Measured) -> Board:
    same = [board for board in made if board.place == place]
    for board in same:
        if board.images == measured.images and agree(board.bicubic, measured.bicubic):
            board.bicubic |= {k: v for k, v in measured.bicubic.items() if k not in board.bicubic}
            return board
    board = Board(place, len(same) + 1, measured.images, dict(measured.bicubic))
    made.append(board)
    return board


def agree(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    """Whether bicubic interpolation fared alike: the images and what was made of them are then the same."""
    names = [name for name in one if name in other and name.startswith(("psnr", "ssim"))]
    if not names:
        return not one and not other
    return all(np.allclose(one[name], other[name], rtol=0, atol=_SAME, equal_nan=True) for name in names)
