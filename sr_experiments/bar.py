"""Something long is shown while it goes on: a bar in a terminal, a line now and then elsewhere."""

import time
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import Progress, ProgressColumn, TaskID


class Bar:
    """What a bar and a line have in common; a subclass writes `state` and `line`.

    Args:
        columns: Of the bar.
        total: How much there is; None where that is not known.
        transient: Whether the bar disappears at the end.
        console: Where it is shown.
        seconds: Between two lines where there is no terminal.
    """

    def __init__(
        self,
        *columns: ProgressColumn,
        total: float | None,
        transient: bool = False,
        console: Console | None = None,
        seconds: float,
    ) -> None:
        """Nothing is shown yet."""
        self.console = console or Console()
        self.seconds = seconds
        self._columns, self._total, self._transient = columns, total, transient
        self._started = self._shown = time.monotonic()
        self._bar: Progress | None = None
        self._task = TaskID(0)

    def state(self) -> dict[str, Any]:
        """What rich is told of the task: `description`, `completed`, and what columns name."""
        raise NotImplementedError(f"{type(self).__name__} has no state")

    def line(self) -> str:
        """The same in words."""
        raise NotImplementedError(f"{type(self).__name__} has no line")

    def __enter__(self) -> Self:
        """Open the bar where there is a terminal to draw it in."""
        self._started = self._shown = time.monotonic()
        if self.console.is_terminal:
            self._bar = Progress(*self._columns, console=self.console, transient=self._transient)
            self._task = self._bar.add_task(total=self._total, **self.state())
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the terminal back."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def show(self) -> None:
        """Show how it stands, if it is time to."""
        if self._bar is not None:
            self._bar.update(self._task, **self.state())
        elif time.monotonic() - self._shown >= self.seconds:
            self._shown = time.monotonic()
            self.print_line()

    def print_line(self) -> None:
        """Show how it stands in a line."""
        self.console.print(self.line(), highlight=False, soft_wrap=True, markup=False)
