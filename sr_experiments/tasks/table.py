"""The table at the end of a run: the net beside bicubic, by one protocol."""

from typing import Any

from rich.console import Console
from rich.table import Table

from sr_experiments.metrics.protocol import legend
from sr_experiments.report.words import number, shown_difference


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
