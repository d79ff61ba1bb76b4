"""A clock with parts: at any moment it runs for exactly one of them, so that they add up to the whole."""

import time
from collections.abc import Callable
from typing import Any

import torch

REST = "rest"


class Laps:
    """How long each part took, lap by lap.

    Parts lie within one another: while an inner one is open the outer one's clock stands still. What belongs
    to none is `REST`. Only moments are taken down; their distances are asked for at the end, so that a GPU is
    not waited for.

    Args:
        moment: What the time is, of any type.
        seconds: Between two of them.
    """

    def __init__(
        self,
        *,
        moment: Callable[[], Any] = time.perf_counter,
        seconds: Callable[[Any, Any], float] = lambda since, now: float(now - since),
    ) -> None:
        """No lap has begun."""
        self._moment = moment
        self._seconds = seconds
        self._open: list[str] = []
        self._laps: list[list[tuple[str, Any, Any]]] = []
        self._since: Any = None

    def begin(self) -> None:
        """A lap ends, and the next one begins; parts that are open go on in it."""
        self._charge()
        self._laps.append([])

    def enter(self, part: str) -> None:
        """A part begins."""
        self._charge()
        self._open.append(part)

    def leave(self) -> None:
        """The part that began last ends."""
        self._charge()
        self._open.pop()

    def inside(self) -> str:
        """The part whose clock runs."""
        return self._open[-1] if self._open else REST

    def _charge(self) -> None:
        now = self._moment()
        if self._laps:
            self._laps[-1].append((self.inside(), self._since, now))
        self._since = now

    def finished(self) -> list[dict[str, float]]:
        """Of each lap but the last, which has no end yet: part -> seconds."""
        found = []
        for pieces in self._laps[:-1]:
            lap: dict[str, float] = {}
            for part, since, now in pieces:
                lap[part] = lap.get(part, 0.0) + self._seconds(since, now)
            found.append(lap)
        return found


def on_gpu(device: torch.device) -> Laps:
    """Laps of a GPU's own time: events between the kernels that it is given, read when all is done."""

    def moment() -> torch.cuda.Event:
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record(torch.cuda.current_stream(device))
        return event

    return Laps(moment=moment, seconds=lambda since, now: since.elapsed_time(now) / 1000)
