"""Profiles as a picture: quality against cost, and the times of every way, both on logarithmic axes."""

from collections.abc import Sequence

import numpy as np

from sr_experiments.callbacks.axis import Axis
from sr_experiments.callbacks.sheet import Colour, Sheet, fitted
from sr_experiments.profiling.measure import AtSize, Profile
from sr_experiments.report.words import count

_WIDTH = 1200
_EDGE = 30
_NAMES = 230  # for the nets' names, at the left
_ROW = 26  # height of a net's row, and half of it for every way
_PLOT = 360  # height of quality against cost
_SOFT = (110, 110, 115)
_GRID = (222, 222, 220)
_PAPER = (255, 255, 255)
# Okabe and Ito's, which the colour-blind tell apart.
_COLOURS: tuple[Colour, ...] = (
    (0, 114, 178),
    (213, 94, 0),
    (0, 158, 115),
    (204, 121, 167),
    (230, 159, 0),
)


def draw(profiles: Sequence[Profile], *, dataset: str | None, title: str, note: str) -> np.ndarray:
    """Draw all of it.

    Args:
        profiles: In the tables' order.
        dataset: Whose PSNR is shown.
        title: Over all.
        note: On what it was measured.

    Returns:
        (height, 1200, 3) uint8.
    """
    dots = _dots(profiles, dataset)
    sizes = len(profiles[0].sizes)
    heights = [_panel_height(profiles, number) for number in range(sizes)]
    top = 92
    sheet = Sheet(_WIDTH, top + (_PLOT + 90 if len(dots) > 1 else 0) + sum(heights) + 20)
    sheet.write((_EDGE, 20), fitted(title, sheet.bold_large, _WIDTH - 2 * _EDGE), sheet.bold_large)
    sheet.write((_EDGE, 52), fitted(note, sheet.plain, _WIDTH - 2 * _EDGE), sheet.plain, _SOFT)
    if len(dots) > 1:
        _draw_quality(sheet, dots, dataset=dataset or "", top=top)
        top += _PLOT + 90
    for number, height in enumerate(heights):
        _draw_times(sheet, profiles, number, top=top)
        top += height
    return sheet.finished()


def _dots(profiles: Sequence[Profile], dataset: str | None) -> list[tuple[str, float, float]]:
    """Name, multiply-adds, PSNR of those that have both; nothing has no place on a logarithmic axis."""
    return [
        (one.subject.name, float(one.multiply_adds), quality.psnr)
        for one in profiles
        if (quality := one.subject.quality.get(dataset or "")) is not None and one.multiply_adds
    ]


def _draw_quality(sheet: Sheet, dots: Sequence[tuple[str, float, float]], *, dataset: str, top: int) -> None:
    left, right, bottom = _EDGE + 60, _WIDTH - _EDGE, top + 30 + _PLOT
    across = Axis([cost for _, cost, _ in dots], log=True)
    up = Axis([psnr for _, _, psnr in dots])
    sheet.write((left, top), f"PSNR on {dataset}, dB", sheet.large)
    sheet.box(left, top + 30, right, bottom, _PAPER)

    def x(value: float) -> float:
        return left + (right - left) * across.share(value)

    def y(value: float) -> float:
        return bottom - (bottom - top - 30) * up.share(value)

    for value, _ in across.ticks:
        sheet.path([(x(value), top + 30), (x(value), bottom)], _GRID, width=1)
        sheet.write((x(value), bottom + 6), count(value), sheet.plain, _SOFT, "ma")
    for value, text in up.ticks:
        sheet.path([(left, y(value)), (right, y(value))], _GRID, width=1)
        sheet.write((left - 8, y(value)), text, sheet.plain, _SOFT, "rm")
    sheet.write((right, bottom + 24), "multiply-adds for 1280x720", sheet.plain, _SOFT, "ra")
    front: list[tuple[float, float]] = []
    for _, cost, psnr in sorted(dots, key=lambda dot: (dot[1], -dot[2])):
        if not front or psnr > front[-1][1]:
            front.append((cost, psnr))
    sheet.path([(x(cost), y(psnr)) for cost, psnr in front], _GRID, width=3)
    for name, cost, psnr in dots:
        sheet.dot((x(cost), y(psnr)), _COLOURS[0])
        late = across.share(cost) > 0.8
        place = (x(cost) + (-9 if late else 9), y(psnr) - 8)
        sheet.write(place, name, sheet.plain, anchor="rm" if late else "lm")


def _panel_height(profiles: Sequence[Profile], number: int) -> int:
    ways = len(_ways(profiles, number))
    return 96 + len(profiles) * _row(ways)


def _row(ways: int) -> int:
    return max(_ROW, 9 * ways + 10)


def _ways(profiles: Sequence[Profile], number: int) -> list[str]:
    """Those that work for any net."""
    found = [
        name for one in profiles for name, way in one.sizes[number].ways.items() if way.times is not None
    ]
    return [name for name in profiles[0].sizes[number].ways if name in found]


def _draw_times(sheet: Sheet, profiles: Sequence[Profile], number: int, *, top: int) -> None:
    """A row for each net: a dot for the median of each way, a line from quartile to quartile."""
    names, at = _ways(profiles, number), profiles[0].sizes[number]
    left, right = _EDGE + _NAMES, _WIDTH - _EDGE
    sheet.write((_EDGE, top), _heading(at, profiles[0].subject.net.scale), sheet.large)
    if not names:
        sheet.write((left, top + 40), "no way works", sheet.plain, _SOFT)
        return
    key = float(left)
    for index, name in enumerate(names):
        sheet.dot((key + 4, top + 36), _COLOURS[index % len(_COLOURS)])
        sheet.write((key + 14, top + 36), name, sheet.plain, anchor="lm")
        key += 34 + sheet.plain.getlength(name)
    begin, row = top + 52, _row(len(names))
    bottom = begin + row * len(profiles)
    sheet.box(left, begin, right, bottom, _PAPER)
    every = [way.times for one in profiles for way in one.sizes[number].ways.values() if way.times]
    axis = Axis([1000 * value for times in every for value in (times.low, times.high)], log=True)

    def x(seconds: float) -> float:
        return left + (right - left) * axis.share(1000 * seconds)

    for value, text in axis.ticks:
        sheet.path([(x(value / 1000), begin), (x(value / 1000), bottom)], _GRID, width=1)
        sheet.write((x(value / 1000), bottom + 6), text, sheet.plain, _SOFT, "ma")
    sheet.write((right, bottom + 22), "ms", sheet.plain, _SOFT, "ra")
    for place, one in enumerate(profiles):
        middle = begin + row * place + row / 2
        name = fitted(one.subject.name, sheet.plain, _NAMES - 14)
        sheet.write((left - 10, middle), name, sheet.plain, anchor="rm")
        if place:
            sheet.path([(left, middle - row / 2), (right, middle - row / 2)], _GRID, width=1)
        for index, way in enumerate(names):
            times = one.sizes[number].ways[way].times
            if times is None:
                continue
            y = middle + 9 * (index - (len(names) - 1) / 2)
            colour = _COLOURS[index % len(_COLOURS)]
            sheet.path([(x(times.low), y), (x(times.high), y)], colour, width=2)
            sheet.dot((x(times.median), y), colour)


def _heading(at: AtSize, scale: int) -> str:
    batch = f"{at.batch} images" if at.batch > 1 else "an image"
    return (
        f"Time for {batch} of {at.width}x{at.height} to {scale * at.width}x{scale * at.height}: "
        "median, and from quartile to quartile"
    )
