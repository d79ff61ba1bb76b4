"""Times of several ways of doing the same, which take turns: a busy minute is busy for all of them."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

import numpy as np
import torch

LEAST = 3  # rounds, whatever they take


@dataclass(frozen=True)
class Times:
    """Seconds of a call.

    Attributes:
        median: Of all rounds.
        low: The first quartile.
        high: The third.
        rounds: How many there were.
    """

    median: float
    low: float
    high: float
    rounds: int

    def over(self, count: int) -> "Times":
        """Of one of several calls that were timed together."""
        return Times(self.median / count, self.low / count, self.high / count, self.rounds)

    def as_dict(self) -> dict[str, float | int]:
        """For profile.json."""
        return asdict(self)


def milliseconds(seconds: float) -> str:
    """As it is told: three digits or more, and no exponent."""
    number = 1000 * seconds
    return f"{number:.0f} ms" if number >= 100 else f"{number:.3g} ms"


def take_turns(
    calls: Mapping[str, Callable[[], object]],
    *,
    rounds: int,
    seconds: float,
    wait: Callable[[], None] = lambda: None,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Times]:
    """Time calls in rounds; each round starts with another one. A call each is made before, and not counted.

    Args:
        calls: By name.
        rounds: At most.
        seconds: No further round begins after so many, once there were `LEAST`.
        wait: Until the device has done what it was given.
        clock: Seconds.

    Returns:
        By name, in the order of `calls`.
    """
    names = list(calls)
    for call in calls.values():
        call()
        wait()
    taken: dict[str, list[float]] = {name: [] for name in names}
    begun = clock()
    for number in range(rounds):
        if number >= LEAST and clock() - begun >= seconds:
            break
        first = number % max(1, len(names))
        for name in names[first:] + names[:first]:
            since = clock()
            calls[name]()
            wait()
            taken[name].append(clock() - since)
    return {name: _summary(taken[name]) for name in names}


def waiting_for(device: torch.device) -> Callable[[], None]:
    """Until a device has done what it was given."""
    if device.type == "cuda":
        return lambda: torch.cuda.synchronize(device)
    if device.type == "mps":
        return torch.mps.synchronize
    return lambda: None


def _summary(seconds: list[float]) -> Times:
    low, median, high = np.quantile(seconds, (0.25, 0.5, 0.75))
    return Times(float(median), float(low), float(high), len(seconds))
