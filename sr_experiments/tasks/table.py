"""The table at the end of a run: the net beside bicubic, by one protocol."""

from typing import Any

from rich.console import Console
from rich.table import Table

_DECIMALS = {"psnr": 2, "ssim": 4}
_PROTOCOLS = {
    1: "one channel, rounded to 8 bit; border of {scale} pixels cropped; mean over images",
    3: "from RGB rounded to 8 bit; _y is BT.601 luma; border of {scale} pixels cropped; mean over images",
}
_BANDS = "all bands, rounded to 8 bit; border of {scale} pixels cropped; mean over images"


def print_results(record: dict[str, Any], *, name: str, channels: int) -> None:
    """Print the means of every data set, then what a reader has to know about them."""
    console = Console(highlight=False)
    title = f"x{record['scale']}" + ("  DEMO RUN" if record["demo"] else "")
    table = Table(title=title, title_justify="left", title_style="bold")
    for column in ("data set", "metric"):
        table.add_column(column)
    for column in ("bicubic", name, "gain"):
        table.add_column(column, justify="right")
    for dataset, metrics in record["metrics"].items():
        for index, (metric, value) in enumerate((k, v) for k, v in metrics.items() if k != "bicubic"):
            decimals = _DECIMALS.get(metric.partition("_")[0], 4)
            bicubic = metrics["bicubic"][metric]
            row = [f"{bicubic:.{decimals}f}", f"{value:.{decimals}f}", f"{value - bicubic:+.{decimals}f}"]
            table.add_row(dataset if index == 0 else "", metric, *row)
    console.print()
    console.print(table)
    console.print(_PROTOCOLS.get(channels, _BANDS).format(scale=record["scale"]), style="dim")
    for note in record["notes"]:
        console.print(f"note: {note}", style="yellow")
    console.print()
