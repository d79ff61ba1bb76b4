"""How far a download, or the reading of many images, has come."""

import time
from types import TracebackType
from typing import Any, Literal

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from sr_experiments.bar import Bar
from sr_experiments.data.memory import readable

Unit = Literal["bytes", "images"]


class Meter(Bar):
    """Counts, and shows the count.

    Args:
        title: What is going on.
        unit: What is counted.
        total: How many there are; None where that is not known.
        done: How many are done already.
        console: Where it is shown.
        seconds: Between two lines where there is no terminal.
    """

    def __init__(
        self,
        title: str,
        *,
        unit: Unit,
        total: int | None,
        done: int = 0,
        console: Console | None = None,
        seconds: float = 10.0,
    ) -> None:
        """Nothing is shown yet."""
        self.title, self.unit, self.total = title, unit, total
        self._done = self._done_before = done
        super().__init__(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[count]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            total=total,
            console=console,
            seconds=seconds,
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the terminal back; without one, say how it ended."""
        if self._bar is None and error is None:
            self.print_line()
        super().__exit__(kind, error, trace)

    def advance(self, amount: int = 1) -> None:
        """So many more are done."""
        self._done += amount
        self.show()

    def state(self) -> dict[str, Any]:
        """For the bar."""
        return {"description": self.title, "completed": self._done, "count": self.count}

    def line(self) -> str:
        """The title and the count."""
        return f"{self.title}: {self.count}"

    @property
    def count(self) -> str:
        """Such as 1.2 GB of 3.5 GB, 4.0 MB/s."""
        if self.unit == "images":
            return f"{self._done} of {self.total} images" if self.total else f"{self._done} images"
        share = readable(self._done) + (f" of {readable(self.total)}" if self.total else "")
        speed = (self._done - self._done_before) / max(time.monotonic() - self._started, 1e-3)
        return f"{share}, {readable(speed)}/s"
