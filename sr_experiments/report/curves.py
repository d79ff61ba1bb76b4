"""What runs logged while they trained, a figure per quantity."""

import csv
import math
from collections.abc import Sequence
from pathlib import Path

from sr_experiments.report.configurations import Configuration
from sr_experiments.report.figures import Curve, curves, summarise

_FIGURES = 12
Series = dict[str, dict[int, float]]  # quantity -> step -> value


def training_figures(found: Sequence[Configuration]) -> list[str]:
    """Loss and validation over steps; seeds of a configuration are one line with their span.

    Args:
        found: A line is known by its configuration's place here.
    """
    logged = [[read_series(run.folder / "metrics.csv") for run in one.runs] for one in found]
    names = dict.fromkeys(name for runs in logged for series in runs for name in series)
    drawn: list[str] = []
    for name in sorted(names, key=lambda name: (name != "train/loss", not name.startswith("val/"), name)):
        lines: list[Curve] = []
        for number, runs in enumerate(logged):
            lines += summarise([series[name] for series in runs if name in series], number=number)
        if lines and len(drawn) < _FIGURES:
            drawn.append(curves(lines, name=name))
    return drawn


def read_series(path: Path) -> Series:
    """The loss and the validation's metrics of one run; nothing where nothing was logged."""
    series: Series = {}
    if not path.is_file():
        return series
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            for name, text in row.items():
                if text and row.get("step") and name.startswith(("train/loss", "val/")):
                    value = float(text)
                    if math.isfinite(value):
                        series.setdefault(name, {})[int(row["step"])] = value
    if len([name for name in series if name.startswith("train/loss/")]) == 1:
        series = {name: steps for name, steps in series.items() if not name.startswith("train/loss/")}
    return series
