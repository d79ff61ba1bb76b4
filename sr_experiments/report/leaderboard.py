"""A board as a table: of the page, of table.md and of table.tex alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sr_experiments.report.boards import Board, Row, agree
from sr_experiments.report.configurations import ABSENT, differences, short
from sr_experiments.report.published import Published
from sr_experiments.report.statistics import t_interval
from sr_experiments.report.words import count, number, shown_difference
from sr_experiments.written import early_ends, told_of_early_ends

Papers = Mapping[tuple[str, str, int, str], Published]
_COLUMNS = 8  # of config keys: more are told in one cell


@dataclass(frozen=True)
class Column:
    """A column of a leaderboard.

    Attributes:
        title: Its head.
        kind: `text` sorts by words, the others by numbers; a `key` is of the config, for the page only.
        better: Whether higher or lower is; empty where neither.
    """

    title: str
    kind: Literal["text", "number", "key"]
    better: Literal["higher", "lower", ""] = ""


@dataclass(frozen=True)
class Cell:
    """What is read, and what is sorted by; None sorts last."""

    text: str
    order: float | str | None = None


@dataclass(frozen=True)
class Line:
    """A row of the table.

    Attributes:
        cells: One for each column.
        kind: `ours`, `baseline` (bicubic on the same images), or `paper`.
        demo: Whether it is a demo.
        source: Of a paper's figures.
        row: Of ours.
    """

    cells: list[Cell]
    kind: Literal["ours", "baseline", "paper"]
    demo: bool = False
    source: str = ""
    row: Row | None = None


@dataclass(frozen=True)
class Table:
    """A leaderboard, best first."""

    board: Board
    columns: list[Column]
    lines: list[Line]

    @property
    def cut(self) -> str:
        """What is to be known of runs that a limit ended, a clock say; empty if there are none."""
        runs = [run for row in self.board.rows for run in row.runs]
        return told_of_early_ends([note for run in runs for note in early_ends(run.record)], runs=len(runs))


def leaderboard(board: Board, *, papers: Papers, higher: Mapping[str, bool]) -> Table:
    """Lay out a board.

    Args:
        board: With its rows.
        papers: Published results.
        higher: Metric -> whether higher is better.
    """
    place = board.place
    published = {
        model: found
        for (model, benchmark, scale, protocol), found in papers.items()
        if (benchmark, scale, protocol) == (place.dataset, place.scale, place.protocol)
        and not place.degradation
    }
    keys = differences([row.configuration for row in board.rows])
    names = {"bicubic", *(row.configuration.name for row in board.rows)}
    beside = published if names & set(published) else {}
    columns = _columns(board, higher, keys, has_papers=bool(beside))
    lines = [_ours(board, row, beside, keys) for row in board.rows]
    if not any(_is_bicubic(row) for row in board.rows):
        lines.append(_bicubic(board, beside, keys))
    blank = 3 + (2 * len(_papers_metrics(board)) if beside else 0)
    lines += [_paper(board, model, found, _blank(blank, keys)) for model, found in published.items()]
    place_of_main = 2 + board.metrics.index(board.main)
    sign = -1 if higher[board.main] else 1
    lines.sort(key=lambda line: _sortable(line.cells[place_of_main].order, sign))
    return Table(board, columns, lines)


def ranked(board: Board, *, higher: Mapping[str, bool]) -> list[Row]:
    """A board's rows, best first by its main metric."""
    sign = -1 if higher[board.main] else 1
    return sorted(board.rows, key=lambda row: _sortable(_mean(row, board.main), sign))


def _columns(
    board: Board, higher: Mapping[str, bool], keys: Sequence[str], *, has_papers: bool
) -> list[Column]:
    columns = [Column("configuration", "text"), Column("seeds", "number")]
    columns += [Column(name, "number", "higher" if higher[name] else "lower") for name in board.metrics]
    if has_papers:
        columns += [Column(f"paper {name}", "number") for name in _papers_metrics(board)]
        columns += [Column(f"{name} less paper", "number") for name in _papers_metrics(board)]
    columns += [Column(name, "number") for name in ("parameters", "multiply-adds", "samples/s")]
    columns += [Column(short(key), "key") for key in keys[:_COLUMNS]]
    return columns + ([Column("also differs", "key")] if len(keys) > _COLUMNS else [])


def _papers_metrics(board: Board) -> list[str]:
    return [name for name in ("psnr_y", "ssim_y") if name in board.metrics]


def _ours(board: Board, row: Row, published: Mapping[str, Published], keys: Sequence[str]) -> Line:
    one = row.configuration
    seeds = Cell(str(len(row.runs)), float(len(row.runs))) if one.drawn else Cell("-")
    cells = [Cell(one.label, one.label), seeds]
    means = {name: _mean(row, name) for name in board.metrics}
    cells += [_metric(row, name) for name in board.metrics]
    if published:
        cells += _beside(board, means, published.get(one.name))
    facts = [one.fact("parameters"), one.multiply_adds, one.speed()]
    cells += [Cell(count(value), value) for value in facts]
    told = [one.says(key) for key in keys]
    cells += [Cell(text, _number_or_text(text)) for text in told[:_COLUMNS]]
    if len(keys) > _COLUMNS:
        rest = zip(keys[_COLUMNS:], told[_COLUMNS:], strict=True)
        text = ", ".join(f"{short(key)}={value}" for key, value in rest if value != ABSENT)
        cells.append(Cell(text, text))
    return Line(cells, "ours", demo=one.demo, row=row)


def _is_bicubic(row: Row) -> bool:
    """Whether a run was bicubic interpolation itself: its figures stand in the table as the baseline's."""
    one = row.measured[0]
    return not row.configuration.drawn and agree(one.values, one.bicubic)


def _bicubic(board: Board, published: Mapping[str, Published], keys: Sequence[str]) -> Line:
    means = {name: float(board.bicubic[name].mean()) for name in board.metrics if name in board.bicubic}
    cells = [Cell("bicubic interpolation", "bicubic interpolation"), Cell("-")]
    cells += [Cell(number(means.get(name), name), means.get(name)) for name in board.metrics]
    if published:
        cells += _beside(board, means, published.get("bicubic"))
    return Line([*cells, *_blank(3, keys)], "baseline")


def _paper(board: Board, model: str, found: Published, blank: Sequence[Cell]) -> Line:
    cells = [Cell(f"{model} (paper)", f"{model} (paper)"), Cell("-")]
    for name in board.metrics:
        value = {"psnr_y": found.psnr_y, "ssim_y": found.ssim_y}.get(name)
        cells.append(Cell(number(value, name), value))
    return Line([*cells, *blank], "paper", source=found.source)


def _beside(board: Board, ours: Mapping[str, float | None], paper: Published | None) -> list[Cell]:
    """The paper's figures, then ours less theirs."""
    theirs: list[Cell] = []
    less: list[Cell] = []
    for name in _papers_metrics(board):
        value: float | None = getattr(paper, name, None)
        mine = ours.get(name)
        gap = None if value is None or mine is None else shown_difference(mine, value, name)
        theirs.append(Cell(number(value, name), value))
        less.append(Cell(number(gap, name, signed=True), gap))
    return theirs + less


def _blank(before: int, keys: Sequence[str]) -> list[Cell]:
    return [Cell("-")] * (before + min(len(keys), _COLUMNS) + (len(keys) > _COLUMNS))


def _metric(row: Row, name: str) -> Cell:
    """The mean over seeds with its interval; without one where there is one seed."""
    values = row.values(name)
    if values is None:
        return Cell("-")
    reached = values.mean(axis=1)
    mean, interval = float(reached.mean()), t_interval(reached)
    if not row.configuration.drawn or interval is None:
        return Cell(number(mean, name), mean)
    return Cell(f"{number(mean, name)} ± {number((interval[1] - interval[0]) / 2, name)}", mean)


def _mean(row: Row, name: str) -> float | None:
    values = row.values(name)
    return None if values is None else float(values.mean())


def _sortable(order: float | str | None, sign: int) -> float:
    """What is missing or not a number comes last."""
    return sign * order if isinstance(order, float) and not np.isnan(order) else float("inf")


def _number_or_text(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
