"""The report on a screen: sentences, and a table that fits."""

from rich.console import Console
from rich.table import Table

from sr_experiments.data.headers import Size
from sr_experiments.prepare.report import Report, Row

_LONGEST = 20  # characters of a name; 80 columns have room for these beside the numbers


def show(report: Report, *, console: Console | None = None) -> None:
    """Print what was found, the table last. Problems are not shown: they become the run's one error."""
    console = console or Console(highlight=False)
    for text in report.notes:
        console.print(text, soft_wrap=True, markup=False)
    for text in report.warnings:
        console.print(f"note: {text}", style="yellow", soft_wrap=True, markup=False)
    if report.rows:
        console.print()
        console.print(_table(report.rows))
        for name, short in _short(report.rows).items():
            if name != short:  # whole, in a line of its own: it can be copied
                console.print(f"{short}: {name}", soft_wrap=True, markup=False)


def _short(rows: list[Row]) -> dict[str, str]:
    """Name -> what it is called in the table: a long path would be broken over its lines."""
    long = [row.name for row in rows if len(row.name) > _LONGEST]
    return {row.name: f"folder {long.index(row.name) + 1}" if row.name in long else row.name for row in rows}


def _table(rows: list[Row]) -> Table:
    table = Table()
    table.add_column("images of", no_wrap=True)
    table.add_column("for")
    for column in ("found", "smallest", "median", "largest"):
        table.add_column(column, justify="right")
    table.add_column("kinds", overflow="fold")
    short = _short(rows)
    for row in rows:
        found = str(row.images) if row.expected is None else f"{row.images} of {row.expected}"
        if row.pairs:
            found += f"\n{row.pairs} with LR"
        table.add_row(
            short[row.name],
            ", ".join(row.roles),
            found,
            *(_text(size) for size in (row.smallest, row.median, row.largest)),
            "\n".join(f"{kind} {count}" for kind, count in row.kinds.items()),
        )
    table.caption = "sizes are height x width, by number of pixels"
    table.caption_justify = "left"
    return table


def _text(size: Size | None) -> str:
    return "-" if size is None else f"{size[0]}x{size[1]}"
