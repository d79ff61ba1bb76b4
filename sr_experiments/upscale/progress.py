"""How long it will take, by pixels: a bar in a terminal, a line now and then elsewhere."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn


class Bar:
    """Counts images, and knows their pixels.

    Args:
        images: How many there are.
        pixels: In all of them.
        console: Where it is shown.
        seconds: Between two lines where there is no terminal.
    """

    def __init__(
        self, *, images: int, pixels: int, console: Console | None = None, seconds: float = 20.0
    ) -> None:
        """Nothing is shown yet."""
        self.images, self.pixels = images, max(pixels, 1)
        self.console = console or Console()
        self.seconds = seconds
        self._images = 0
        self._before = 0  # pixels of the images that are done
        self._started = self._shown = time.monotonic()
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        """Open the bar where there is a terminal to draw it in."""
        self._started = self._shown = time.monotonic()
        if self.console.is_terminal:
            columns = (
                BarColumn(),
                TextColumn("{task.description}"),
                TimeRemainingColumn(),
                TextColumn("left"),
            )
            self._bar = Progress(*columns, console=self.console, transient=True)
            self._task = self._bar.add_task("", total=self.pixels)
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the terminal back."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def at(self, name: str, pixels: float) -> None:
        """So many pixels of an image are done.

        Args:
            name: Of the image.
            pixels: Of it.
        """
        done = self._before + pixels
        told = f"{self._images + 1} of {self.images}  {name}"
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, description=told)
        elif time.monotonic() - self._shown >= self.seconds:
            self._shown = time.monotonic()
            self.console.print(f"{told}  {self._left(done)}", highlight=False, soft_wrap=True, markup=False)

    def end(self, pixels: int) -> None:
        """An image is done, one way or another.

        Args:
            pixels: Of it.
        """
        self._images += 1
        self._before += pixels

    def _left(self, done: float) -> str:
        if not done:
            return "? left"
        seconds = (time.monotonic() - self._started) / done * max(self.pixels - done, 0)
        minutes, rest = divmod(round(seconds), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours}:{minutes:02d}:{rest:02d} left" if hours else f"{minutes}:{rest:02d} left"
