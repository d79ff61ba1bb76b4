"""How long upscaling will take, by pixels."""

import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn

from sr_experiments.bar import Bar


class Pixels(Bar):
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
        self._images = 0
        self._name = ""
        self._before = 0  # pixels of the images that are done
        self._done = 0.0
        super().__init__(
            BarColumn(),
            TextColumn("{task.description}"),
            TimeRemainingColumn(),
            TextColumn("left"),
            total=self.pixels,
            transient=True,
            console=console,
            seconds=seconds,
        )

    def at(self, name: str, pixels: float) -> None:
        """So many pixels of an image are done.

        Args:
            name: Of the image.
            pixels: Of it.
        """
        self._name, self._done = name, self._before + pixels
        self.show()

    def end(self, pixels: int) -> None:
        """An image is done, one way or another.

        Args:
            pixels: Of it.
        """
        self._images += 1
        self._before += pixels

    def state(self) -> dict[str, Any]:
        """For the bar."""
        told = f"{self._images + 1} of {self.images}  {self._name}" if self._name else ""
        return {"description": told, "completed": self._done}

    def line(self) -> str:
        """Such as 3 of 20  a.png  0:40 left."""
        return f"{self.state()['description']}  {self._left()}"

    def _left(self) -> str:
        if not self._done:
            return "? left"
        seconds = (time.monotonic() - self._started) / self._done * max(self.pixels - self._done, 0)
        minutes, rest = divmod(round(seconds), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours}:{minutes:02d}:{rest:02d} left" if hours else f"{minutes}:{rest:02d} left"
