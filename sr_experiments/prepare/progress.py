"""How far something long has come: a bar in a terminal, a line now and then elsewhere."""

import time
from types import TracebackType
from typing import Literal, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from sr_experiments.data.memory import readable

Unit = Literal["bytes", "images"]


class Meter:
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
        self.console = console or Console()
        self.seconds = seconds
        self._done = self._done_before = done
        self._started = self._shown = time.monotonic()
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        """Open the bar where there is a terminal to draw it in."""
        self._started = self._shown = time.monotonic()
        if self.console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.fields[count]}"),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                console=self.console,
            )
            self._task = self._bar.add_task(
                self.title, total=self.total, completed=self._done, count=self.count
            )
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the terminal back; without one, say how it ended."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        elif error is None:
            self._print_line()

    def advance(self, amount: int = 1) -> None:
        """So many more are done."""
        self._done += amount
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self._done, count=self.count)
        elif time.monotonic() - self._shown >= self.seconds:
            self._shown = time.monotonic()
            self._print_line()

    @property
    def count(self) -> str:
        """Such as 1.2 GB of 3.5 GB, 4.0 MB/s."""
        if self.unit == "images":
            return f"{self._done} of {self.total} images" if self.total else f"{self._done} images"
        share = readable(self._done) + (f" of {readable(self.total)}" if self.total else "")
        speed = (self._done - self._done_before) / max(time.monotonic() - self._started, 1e-3)
        return f"{share}, {readable(speed)}/s"

    def _print_line(self) -> None:
        self.console.print(f"{self.title}: {self.count}", highlight=False, soft_wrap=True, markup=False)
