"""The table at the end of a run: the net beside bicubic, by one protocol."""

import logging
from typing import Any

from rich.console import Console
from rich.table import Table

from sr_experiments.metrics.protocol import legend, metrics_of
from sr_experiments.report.words import number, shown_difference

_log = logging.getLogger(__name__)


def tell_results(record: dict[str, Any], *, protocol: str) -> None:
    """The same as `print_results` in a few lines, because the sweep's table has it all at the end.

    What explains the numbers is said once in a sweep.

    Args:
        record: A run's.
        protocol: A key of `PROTOCOLS`.
    """
    names: list[str] = []
    for dataset, metrics in record["metrics"].items():
        mine = {name: value for name, value in metrics.items() if name != "bicubic"}
        told: list[str] = []
        for name, value in mine.items():
            if name.endswith("_rgb") and name.replace("_rgb", "_y") in mine:
                continue  # beside luma
            bicubic = metrics["bicubic"][name]
            gain = number(shown_difference(value, bicubic, name), name, signed=True)
            whose = "" if told else "bicubic's "
            told.append(f"{name} {number(value, name)} ({gain} from {whose}{number(bicubic, name)})")
        print(f"{dataset:<8} {', '.join(told)}", flush=True)
        names += mine
    for line in [*legend(protocol, names), *(f"note: {note}" for note in record["notes"])]:
        _log.info("%s", line, extra={"once": True})


def below_bicubic(metrics: dict[str, Any], *, protocol: str) -> list[str]:
    """A sentence where a trained net is worse than interpolation on every data set; none where it is not.

    Nets whose last layer begins at zero, such as SRVGG, begin as nearest-neighbour enlargement and stay so
    for a while.

    Args:
        metrics: Of a run: per data set the means, and bicubic's.
        protocol: A key of `PROTOCOLS`.
    """
    name = metrics_of(protocol)[0]
    if not metrics or any(one[name] >= one["bicubic"][name] for one in metrics.values()):
        return []
    where = ", ".join(
        f"{dataset} ({number(one[name], name)} of {number(one['bicubic'][name], name)} dB {name})"
        for dataset, one in metrics.items()
    )
    return [
        f"below bicubic on {where}: so far the net is worse than interpolation; more steps are the usual "
        "cure (trainer.max_epochs=, data.steps_per_epoch=)"
    ]


def print_results(record: dict[str, Any], *, name: str, protocol: str) -> None:
    """Print the means of every data set, then what a reader has to know about them.

    Args:
        record: A run's.
        name: The net's.
        protocol: A key of `PROTOCOLS`.
    """
    console = Console(highlight=False)
    title = f"x{record['scale']}" + ("  DEMO RUN" if record["demo"] else "")
    table = Table(title=title, title_justify="left", title_style="bold")
    for column in ("data set", "metric"):
        table.add_column(column)
    for column in ("bicubic", name, "gain"):
        table.add_column(column, justify="right")
    for dataset, metrics in record["metrics"].items():
        for index, (metric, value) in enumerate((k, v) for k, v in metrics.items() if k != "bicubic"):
            bicubic = metrics["bicubic"][metric]
            row = [number(bicubic, metric), number(value, metric)]
            row.append(number(shown_difference(value, bicubic, metric), metric, signed=True))
            table.add_row(dataset if index == 0 else "", metric, *row)
    console.print()
    console.print(table)
    for line in legend(protocol, [name for one in record["metrics"].values() for name in one]):
        console.print(line, style="dim", markup=False)
    for note in record["notes"]:
        console.print(f"note: {note}", style="yellow", markup=False)
    console.print()
