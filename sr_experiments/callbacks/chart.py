"""Small multiples of curves, drawn with Pillow: what a training did, in one picture."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sr_experiments.callbacks.axis import Axis, finite, has_place, labelled, linear_ticks, short
from sr_experiments.callbacks.sheet import Colour, Point, Sheet, fitted, make_font

_WIDTH = 1400
_PLOT = 190  # height between the axes, in pixels
_EDGE = 24
_GUTTER = 48  # at the left of a plot, for its numbers
_LINE = 19  # height of a line of small text
_MANY = 200  # points in a curve from which on its means are drawn over it
_BINS = 100

_PAPER = (255, 255, 255)
_SOFT = (110, 110, 115)
_GRID = (228, 228, 226)
_ZERO = (150, 150, 152)
# Okabe and Ito's, which the colour-blind tell apart; their yellow can not be seen on white.
_COLOURS = (
    (0, 114, 178),
    (213, 94, 0),
    (0, 158, 115),
    (204, 121, 167),
    (230, 159, 0),
    (86, 180, 233),
    (80, 80, 80),
)


@dataclass(frozen=True)
class Curve:
    """Values over steps. NaN and infinities are gaps."""

    name: str
    steps: Sequence[float]
    values: Sequence[float]

    def __post_init__(self) -> None:
        """A value for each step."""
        assert len(self.steps) == len(self.values), f"{self.name}: {len(self.steps)} steps"


@dataclass(frozen=True)
class Plot:
    """Curves with a common axis.

    Attributes:
        title: What is seen.
        curves: One colour each; from the eighth on dashed.
        log: A logarithmic axis, on which zero and less have no place and are marked.
        unit: Of the values.
        fraction: The values are shares of 1, shown in percent from 0 to 100.
    """

    title: str
    curves: list[Curve]
    log: bool = False
    unit: str = ""
    fraction: bool = False


def draw_plots(plots: list[Plot], *, title: str, columns: int = 3, across: str = "batches") -> np.ndarray:
    """Draw plots side by side over the same range of steps.

    Args:
        plots: In reading order.
        title: Over all of them.
        columns: Plots in a row, at most; fewer where the rows then come out even.
        across: What the steps are.

    Returns:
        (height, 1400, 3) uint8.
    """
    assert columns >= 1
    rows = max(1, math.ceil(len(plots) / columns))
    columns = max(1, math.ceil(len(plots) / rows))
    wide = (_WIDTH - _EDGE) // columns
    inner = wide - _GUTTER - _EDGE
    keys = [_key_rows(plot, inner) for plot in plots]
    grid = [range(first, min(first + columns, len(plots))) for first in range(0, len(plots), columns)]
    heads = [36 + _LINE * max(len(keys[index]) for index in row) for row in grid]
    foot = _footnotes(plots)
    below = 2 * _LINE + 14  # numbers and name of the horizontal axis
    height = 58 + sum(head + _PLOT + below for head in heads) + (_LINE if foot else 0) + 12
    sheet = Sheet(_WIDTH, height if plots else 120)
    sheet.write((_EDGE, 18), fitted(title, sheet.bold_large, _WIDTH - 2 * _EDGE), sheet.bold_large)
    if not plots:
        sheet.write((_EDGE, 64), "no values", sheet.plain, _SOFT)
    steps = _range_of_steps(plots)
    top = 58
    for head, row in zip(heads, grid, strict=True):
        for column, index in enumerate(row):
            left = _EDGE // 2 + column * wide
            place = _Place(left + _GUTTER, top + head, inner, _PLOT, steps)
            _draw_plot(sheet, plots[index], keys[index], place, top=top, across=across)
        top += head + _PLOT + below
    sheet.write((_EDGE, top), foot, sheet.plain, _SOFT)
    return sheet.finished()


@dataclass(frozen=True)
class _Place:
    """Where a plot is, and the steps from its left to its right end."""

    left: int
    top: int
    width: int
    height: int
    steps: tuple[float, float]

    def x(self, step: float) -> float:
        first, last = self.steps
        return self.left + self.width * (step - first) / (last - first)

    def y(self, share: float) -> float:
        return self.top + self.height * (1 - share)


@dataclass(frozen=True)
class _Key:
    """What tells a curve: its colour, its name, its last value, and where this begins in its row."""

    index: int
    name: str
    value: str
    x: float


def _draw_plot(
    sheet: Sheet, plot: Plot, keys: list[list[_Key]], place: _Place, *, top: int, across: str
) -> None:
    bottom, right = place.top + place.height, place.left + place.width
    title = fitted(plot.title, sheet.large, place.width)
    sheet.write((place.left, top + 6), title, sheet.large)
    if plot.unit:
        x = place.left + sheet.large.getlength(title) + 8
        sheet.write((x, top + 9), fitted(plot.unit, sheet.plain, right - x), sheet.plain, _SOFT)
    _draw_keys(sheet, keys, left=place.left, top=top + 30)
    sheet.box(place.left, place.top, right, bottom, _PAPER)
    scale = Axis(
        [value for curve in plot.curves for value in curve.values], log=plot.log, fraction=plot.fraction
    )
    for value, text in labelled(linear_ticks(*place.steps)):
        x = place.x(value)
        sheet.path([(x, place.top), (x, bottom)], _GRID, width=1)
        sheet.write((x, bottom + 6), text, sheet.plain, _SOFT, "ma")
    sheet.write((right, bottom + 8 + _LINE), across, sheet.plain, _SOFT, "ra")
    if not any(curve.values for curve in plot.curves):
        middle = (place.left + place.width / 2, place.y(0.5))
        sheet.write(middle, "no values", sheet.plain, _SOFT, "mm")
        return
    for value, text in scale.ticks:
        y = place.y(scale.share(value))
        zero = value == 0 and not plot.log
        sheet.path([(place.left, y), (right, y)], _ZERO if zero else _GRID, width=1)
        sheet.write((place.left - 7, y), text, sheet.plain, _SOFT, "rm")
    runs = [_runs(curve, scale, place) for curve in plot.curves]
    crowded = [sum(map(len, run)) > _MANY for run in runs]
    for index in [i for i, many in enumerate(crowded) if many]:  # all of them under all of the means
        for run in runs[index]:
            sheet.path(run, _paled(_colour(index)), width=1)
    for index, curve in enumerate(plot.curves):
        for run in _means(runs[index]) if crowded[index] else runs[index]:
            if len(run) == 1:
                sheet.dot(run[0], _colour(index))
            else:
                sheet.path(run, _colour(index), width=2, dashed=index >= len(_COLOURS))
        _draw_marks(sheet, curve, index, scale, place)


def _draw_marks(sheet: Sheet, curve: Curve, index: int, scale: Axis, place: _Place) -> None:
    """What is no point of the curve: at the upper edge what is infinite, all else at the lower one."""
    for step, value in zip(curve.steps, curve.values, strict=True):
        if not finite(value):
            sheet.cross((place.x(step), place.y(1.0 if value > 0 else 0.0)))
        elif not scale.shows(value):
            sheet.triangle((place.x(step), place.y(0.0)), _colour(index))


def _runs(curve: Curve, scale: Axis, place: _Place) -> list[list[Point]]:
    """The curve in pixels, cut where a value can not be shown."""
    runs: list[list[Point]] = [[]]
    for step, value in zip(curve.steps, curve.values, strict=True):
        if scale.shows(value):
            runs[-1].append((place.x(step), place.y(scale.share(value))))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _means(runs: list[list[Point]]) -> list[list[Point]]:
    """Each `size` neighbouring points become one; of the logarithms, where the axis is logarithmic."""
    size = math.ceil(sum(map(len, runs)) / _BINS)
    found = []
    for run in runs:
        groups = [run[i : i + size] for i in range(0, len(run), size)]
        means = [(sum(x for x, _ in g) / len(g), sum(y for _, y in g) / len(g)) for g in groups]
        found.append([run[0], *means, run[-1]] if len(means) == 1 < len(run) else means)
    return found


def _key_rows(plot: Plot, width: int) -> list[list[_Key]]:
    """The curves' names and last values, as many in a row as there is room for."""
    font, x = make_font(13), 0.0
    rows: list[list[_Key]] = [[]]
    for index, curve in enumerate(plot.curves):
        last = next((value for value in reversed(curve.values) if finite(value)), None)
        value = "" if last is None else f"{100 * last:.3g} %" if plot.fraction else short(last)
        room = width - 26 - font.getlength(f" {value}")
        name = fitted(curve.name, font, room)
        length = 26 + font.getlength(f"{name} {value}")
        if rows[-1] and x + length > width:
            rows.append([])
            x = 0.0
        rows[-1].append(_Key(index=index, name=name, value=value, x=x))
        x += length + 18
    return rows


def _draw_keys(sheet: Sheet, rows: list[list[_Key]], *, left: int, top: int) -> None:
    for number, row in enumerate(rows):
        y = top + number * _LINE
        for key in row:
            x = left + key.x
            ends = [(x, y + 8), (x + 18, y + 8)]
            sheet.path(ends, _colour(key.index), width=3, dashed=key.index >= len(_COLOURS))
            sheet.write((x + 24, y), key.name, sheet.plain)
            after = x + 24 + sheet.plain.getlength(f"{key.name} ")
            sheet.write((after, y), key.value, sheet.plain, _SOFT)


def _footnotes(plots: list[Plot]) -> str:
    """What the marks mean, of those that there are."""
    notes = []
    curves = [(plot, curve) for plot in plots for curve in plot.curves]
    if any(len(curve.values) > _MANY for _, curve in curves):
        notes.append("faint: every value, bold: means of neighbours")
    if any(not finite(value) for _, curve in curves for value in curve.values):
        notes.append("red cross: not a number (below) or infinite")
    values = [value for plot, curve in curves if plot.log for value in curve.values if finite(value)]
    if not all(has_place(value, log=True) for value in values):
        notes.append("triangle: zero, which a logarithmic axis does not have")
    return "   ·   ".join(notes)


def _range_of_steps(plots: list[Plot]) -> tuple[float, float]:
    """From the first to the last of all plots; from zero, if that is not far."""
    steps = [step for plot in plots for curve in plot.curves for step in curve.steps]
    first, last = (min(steps), max(steps)) if steps else (0.0, 1.0)
    first = 0.0 if 0 < first <= 0.2 * last else first
    return (first, last) if last > first else (first - 1, last + 1)


def _colour(index: int) -> Colour:
    return _COLOURS[index % len(_COLOURS)]


def _paled(colour: Colour) -> Colour:
    red, green, blue = (round(0.3 * c + 0.7 * p) for c, p in zip(colour, _PAPER, strict=True))
    return red, green, blue
