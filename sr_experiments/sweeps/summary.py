"""The end of a sweep: one table over its seeds, and what failed, each mistake once."""

import math
import shlex
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from sr_experiments.mistakes import user_message
from sr_experiments.paths import shown
from sr_experiments.sweeps.book import Book, Job
from sr_experiments.sweeps.ended import SweepEnded
from sr_experiments.sweeps.state import State
from sr_experiments.written import early_ends, told_of_early_ends

_DECIMALS = {"psnr": 2, "ssim": 4}
_NAMED = 3  # runs that a message names before it counts the others


def completion(folder: Path) -> str:
    """What to type so that the rest is done."""
    return f"complete the sweep with: python -m sr_experiments {shlex.quote(f'run={shown(folder)}')}"


def ending(book: Book, jobs: Sequence[Job], trouble: Exception | None) -> None:
    """Say where the sweep is.

    Args:
        book: Of the sweep.
        jobs: That were asked for.
        trouble: What the launcher could not do.

    Raises:
        SweepEnded: If some are not finished.
    """
    states = {job: book.state(job) for job in jobs}
    left = {job: state for job, state in states.items() if not state.ended}
    print(f"sweep    {completion(book.folder).partition('run=')[2]}", flush=True)
    if not left:
        return
    messages = [_told(book, message, those) for message, those in _by_message(left).items()]
    code = 1 if any(state.code == 1 for state in left.values()) else 2
    if all(state.status == "interrupted" for state in left.values()):
        code = 130
    if trouble is not None:
        said = user_message(trouble)
        code = code if said else 1
        messages.append(f"the launcher stopped: {said or f'{type(trouble).__name__}: {trouble}'}")
    raise SweepEnded(messages, code=code, advice=completion(book.folder))


def _by_message(states: dict[Job, State]) -> dict[str, list[Job]]:
    grouped: dict[str, list[Job]] = {}
    for job, state in states.items():
        grouped.setdefault(state.error or f"{state.status}, not finished", []).append(job)
    return grouped


def _told(book: Book, message: str, jobs: Sequence[Job]) -> str:
    from sr_experiments.sweeps.launch import described

    if len(book.jobs) == 1:
        return message
    named = [f"run {job.number} ({described(book, job)})" for job in jobs[:_NAMED]]
    more = f" and {len(jobs) - _NAMED} more" if len(jobs) > _NAMED else ""
    return f"{message}\n  of {', '.join(named)}{more}"


def rows(book: Book) -> list[dict[str, Any]]:
    """Per configuration, over its seeds: how many runs, and of each metric mean and standard deviation."""
    common = book.common()
    groups: dict[tuple[str, ...], list[State]] = {}
    for job in book.jobs:
        own = tuple(o for o in job.overrides if o not in common and not o.startswith("seed="))
        groups.setdefault(own, []).append(book.state(job))
    found = []
    for own, states in groups.items():
        done = [state for state in states if state.status == "finished"]
        found.append(
            {
                "configuration": list(own),
                "runs": len(done),
                "of": len(states),
                "metrics": _statistics([state.metrics for state in done]),
                "demo": any(bool(state.record.get("demo")) for state in done),
                "notes": [note for state in done for note in early_ends(state.record)],
            }
        )
    return found


def _statistics(metrics: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Per data set and metric over runs; `gain` is the first metric's over bicubic's."""
    found: dict[str, Any] = {}
    for dataset in dict.fromkeys(name for one in metrics for name in one):
        there = [one[dataset] for one in metrics if dataset in one]
        names = [name for name in there[0] if name != "bicubic"]
        values = {name: [float(one[name]) for one in there if name in one] for name in names}
        if names and all("bicubic" in one for one in there):
            first = names[0]
            values["gain"] = [float(one[first]) - float(one["bicubic"][first]) for one in there]
        found[dataset] = {
            name: {"mean": statistics.fmean(given), "sd": spread(given)} for name, given in values.items()
        }
    return found


def spread(values: Sequence[float]) -> float | None:
    """The standard deviation of a sample (n - 1); None where that has no meaning."""
    if len(values) < 2 or not all(map(math.isfinite, values)):
        return None
    return statistics.stdev(values)


def print_table(book: Book) -> None:
    """Print the table, and keep it for ``sweep.json``."""
    found = rows(book)
    book.more["table"] = found
    shown = [
        (" ".join(row["configuration"]) or "all", row, dataset, metrics)
        for row in found
        for dataset, metrics in (row["metrics"].items() or [("", {})])
    ]
    names = list(dict.fromkeys(name for *_, metrics in shown for name in metrics))
    names = [name for name in names if not (name.endswith("_rgb") and name.replace("_rgb", "_y") in names)]
    datasets = list(dict.fromkeys(dataset for _, _, dataset, _ in shown if dataset))
    title = "sweep" + (f" on {datasets[0]}" if len(datasets) == 1 else "")
    title += "  DEMO RUNS" if any(row["demo"] for row in found) else ""
    lines = []
    for configuration, row, dataset, metrics in shown:
        cells = [f"{row['runs']}" if row["runs"] == row["of"] else f"{row['runs']} of {row['of']}"]
        cells += [dataset] if len(datasets) > 1 else []
        lines.append([configuration, *cells, *(_cell(name, metrics.get(name)) for name in names)])
    console = Console(highlight=False)
    console.print()
    _print(console, title, ["runs", *(["data set"] if len(datasets) > 1 else []), *names], lines)
    if any(row["runs"] > 1 for row in found):
        console.print("mean ± standard deviation (n - 1) over seeds", style="dim")
    early = [note for row in found for note in row["notes"]]
    if said := told_of_early_ends(early, runs=sum(row["runs"] for row in found)):
        console.print(f"note: {said}", style="yellow")
    if names:
        console.print("gain: of the first metric over bicubic; definitions: docs/protocol.md", style="dim")


def _print(console: Console, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table whose rows begin with their configuration; what is too wide for it stands above it."""
    table = _table(title, columns, rows)
    wide = console.options.update(max_width=10_000)
    if Measurement.get(console, wide, table).maximum > console.width:
        keys = {key: f"{number}" for number, key in enumerate(dict.fromkeys(row[0] for row in rows), start=1)}
        for key, number in keys.items():
            console.print(f"{number:>2}  {key}", soft_wrap=True, markup=False)
        table = _table(title, columns, [[keys[row[0]], *row[1:]] for row in rows])
    console.print(table)


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("configuration", no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table


def _cell(name: str, value: dict[str, Any] | None) -> str:
    if value is None:
        return ""
    decimals = 2 if name == "gain" else _DECIMALS.get(name.partition("_")[0], 4)
    sign = "+" if name == "gain" else ""
    sd = f" ± {value['sd']:.{decimals}f}" if value["sd"] is not None else ""
    return f"{value['mean']:{sign}.{decimals}f}{sd}"
