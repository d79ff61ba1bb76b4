"""Curves and axes as SVG that takes the page's colours, light and dark.

matplotlib draws with stand-ins, which are then replaced by the names of the page's own colours.
"""

import io
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from sr_experiments.report.words import count

# A dash pattern for every round of colours: 3 x 8 lines that can be told apart without colour, too.
COLOURS, DASHES = 8, ("solid", (0, (4, 2)), (0, (1, 1.5)))
_INK, _GRID = "#010203", "#040506"
_STAND_INS = {f"#0a0b{number:02x}": f"var(--c{number})" for number in range(COLOURS)}
_STAND_INS |= {_INK: "currentColor", _GRID: "var(--rule)"}
_POINTS = 150  # of a curve: more can not be seen at this size
_STYLE: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "sr_experiments", "font.size": 9.0}


@dataclass(frozen=True)
class Curve:
    """A line, and what the seeds spanned around it.

    Attributes:
        number: The configuration's, which gives colour and dashes.
        steps: (points,) ascending.
        middle: (points,) mean over seeds.
        low: (points,) lowest seed.
        high: (points,) highest seed.
    """

    number: int
    steps: np.ndarray
    middle: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class Frame:
    """Empty axes for a scatter: dots are laid on it by fractions of the square.

    Attributes:
        svg: The drawing.
        square: Left, top, width, height within it, in its own units.
        limits: Of both axes.
    """

    svg: str
    square: tuple[float, float, float, float]
    limits: tuple[float, float]

    def fraction(self, values: np.ndarray) -> list[float]:
        """Where values stand between the limits."""
        low, high = self.limits
        return [round(float(value), 4) for value in (values - low) / (high - low)]


def curves(lines: Sequence[Curve], *, name: str) -> str:
    """One quantity over training, a line per configuration."""
    figure, axes = _empty(4.2, 2.7)
    for line in lines:
        look: dict[str, Any] = {"color": _colour(line.number), "gid": f"line-{line.number}"}
        steps, middle = line.steps[:: _stride(line)], line.middle[:: _stride(line)]
        look |= {"marker": "o", "markersize": 3} if len(steps) < 3 else {}
        axes.plot(steps, middle, linestyle=dashes(line.number), linewidth=1.5, **look)
        if np.any(line.high > line.low):
            span = (line.low[:: _stride(line)], line.high[:: _stride(line)])
            axes.fill_between(steps, *span, color=_colour(line.number), alpha=0.15, linewidth=0)
    ends = [end for line in lines for end in (line.low.min(), line.high.max())]
    if name.startswith("train/loss") and 0 < 20 * min(ends) < max(ends):
        axes.set_yscale("log")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.set_title(name, loc="left", color=_INK, fontsize=9.5)
    axes.set_xlabel("step", color=_INK)
    return _svg(figure, f"{name} over training steps, a line per configuration")


def frame(low: float, high: float, *, name: str, where: str) -> Frame:
    """Square axes from `low` to `high` both ways, with the line on which both are equal."""
    margin = 0.04 * (high - low) or 0.5
    limits = (low - margin, high + margin)
    figure, axes = _empty(5.4, 5.4)
    axes.set(xlim=limits, ylim=limits)
    axes.plot(limits, limits, color=_INK, linewidth=0.8, linestyle=(0, (3, 3)))
    axes.set_xlabel(f"{name} of A", color=_INK)
    axes.set_ylabel(f"{name} of B", color=_INK)
    svg = _svg(figure, f"{name} of each image of {where}: A across, B upwards; above the line B has more")
    box = axes.get_position()
    width, height = (72 * side for side in figure.get_size_inches())
    sides = (box.x0 * width, (1 - box.y1) * height, box.width * width, box.height * height)
    left, top, across, up = (round(float(side), 3) for side in sides)
    return Frame(svg, (left, top, across, up), limits)


def costs(
    points: Sequence[tuple[int, float, float]], *, name: str, cost: str, where: str, broad: bool = False
) -> str:
    """Quality against what it costs.

    Args:
        points: The configuration's number, its cost, its quality.
        name: Of the quality.
        cost: Of the cost.
        where: The board's title.
        broad: For a page's whole width, and not for a telephone's.
    """
    figure, axes = _empty(9.5, 3.4) if broad else _empty(4.2, 2.7)
    for number, across, up in points:
        axes.plot([across], [up], "o", color=_colour(number), markersize=7, gid=f"line-{number}")
    axes.set_xscale("log")
    span = max(across for _, across, _ in points) / min(across for _, across, _ in points)
    axes.xaxis.set_major_locator(LogLocator(subs=(1,) if span > 30 else (1, 2, 5), numticks=8))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: count(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_title(f"{name} against {cost}", loc="left", color=_INK, fontsize=9.5)
    axes.set_xlabel(cost, color=_INK)
    size = ", broad" if broad else ""
    return _svg(figure, f"{name} against {cost} on {where}, a dot per configuration{size}")


def dashes(number: int) -> Any:
    """Of a configuration's lines, as matplotlib takes it."""
    return DASHES[number // COLOURS % len(DASHES)]


def summarise(series: Sequence[Mapping[int, float]], *, number: int) -> list[Curve]:
    """Mean and span over seeds at the steps that all of them logged.

    Seeds that logged at other steps, because a clock ended them for example, are lines of their own.
    """
    common = set(series[0]).intersection(*series[1:]) if series else set()
    if 2 * len(common) < max((len(one) for one in series), default=0):
        return [curve for one in series for curve in summarise([one], number=number)]
    if not common:
        return []
    steps = np.array(sorted(common))
    table = np.array([[one[int(step)] for step in steps] for one in series])
    return [Curve(number, steps, table.mean(axis=0), table.min(axis=0), table.max(axis=0))]


def _stride(line: Curve) -> int:
    return -(-len(line.steps) // _POINTS)


def _colour(number: int) -> str:
    return list(_STAND_INS)[number % COLOURS]


def _empty(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of no interactive back end; sizes in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_INK)
    axes.tick_params(colors=_INK, which="both", labelsize=8.5)
    axes.grid(color=_GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes


def _svg(figure: Figure, description: str) -> str:
    """The drawing itself, without what stands before it in a file."""
    text = io.StringIO()
    with rc_context(_STYLE):
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    for stand_in, colour in _STAND_INS.items():
        svg = svg.replace(stand_in, colour)
    svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", svg)
    svg = re.sub(r"(\.\d\d)\d+", r"\1", svg)  # a hundredth of a point can not be seen
    svg = re.sub(r" font-family: [^;\"]*;", "", svg)
    words = description.replace("&", "&amp;").replace("<", "&lt;")
    head = rf'<svg viewBox="\1" role="img"><title>{words}</title>'
    return _own_names(re.sub(r'<svg [^>]*viewBox="([^"]*)"[^>]*>', head, svg), description)


def _own_names(svg: str, description: str) -> str:
    """Names within a drawing are told apart from those of the others; `line-3` is a class for all."""
    prefix = f"f{zlib.crc32(description.encode()):x}-"
    svg = re.sub(r'id="(line-\d+)"', r'class="\1"', svg)
    svg = re.sub(r'id="([^"]+)"', rf'id="{prefix}\1"', svg)
    svg = re.sub(r'(xlink:href|href)="#', rf'\1="#{prefix}', svg)
    return svg.replace("url(#", f"url(#{prefix}")
