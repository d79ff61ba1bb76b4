"""Refusing a range that cannot be drawn from, when the config is built and not when training is under way."""

import math
from collections.abc import Mapping, Sequence


def checked_range(
    values: Sequence[float], *, owner: str, name: str, lowest: float, highest: float = math.inf
) -> tuple[float, float]:
    """Two numbers, lowest <= low <= high <= highest.

    Raises:
        ValueError: If they are not.
    """
    wanted = f"{owner}: {name}={list(values)} must be two numbers [low, high]"
    if len(values) != 2 or not all(math.isfinite(value) for value in values):
        raise ValueError(wanted)
    low, high = float(values[0]), float(values[1])
    if low > high:
        raise ValueError(f"{wanted}, the smaller one first")
    if low < lowest or high > highest:
        limit = f"of at least {lowest:g}" if math.isinf(highest) else f"from {lowest:g} to {highest:g}"
        raise ValueError(f"{wanted} {limit}")
    return low, high


def checked_whole_range(
    values: Sequence[float], *, owner: str, name: str, lowest: float, highest: float
) -> tuple[int, int]:
    """The first and the last whole number of such a range.

    Raises:
        ValueError: If it is none, or holds no whole number.
    """
    low, high = checked_range(values, owner=owner, name=name, lowest=lowest, highest=highest)
    if math.ceil(low) > math.floor(high):
        raise ValueError(f"{owner}: {name}={list(values)} must hold a whole number")
    return math.ceil(low), math.floor(high)


def checked_probability(value: float, *, owner: str, name: str) -> float:
    """A number from 0 to 1.

    Raises:
        ValueError: If it is not.
    """
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{owner}: {name}={value} is a probability and must be from 0 to 1")
    return float(value)


def checked_shares(
    values: Mapping[str, float], *, owner: str, name: str, known: Sequence[str] | None = None
) -> dict[str, float]:
    """How likely each of several things is, relative to the others; what never happens is left out.

    Raises:
        ValueError: If one is negative, all are 0, or one is not among the `known`.
    """
    if known is not None and (strange := [key for key in values if key not in known]):
        raise ValueError(f"{owner}: {name} has {', '.join(strange)}, but there is {', '.join(known)}")
    if not all(math.isfinite(value) and value >= 0 for value in values.values()):
        raise ValueError(f"{owner}: {name}={dict(values)}: each must be 0 or more")
    kept = {str(key): float(value) for key, value in values.items() if value > 0}
    if not kept:
        raise ValueError(f"{owner}: {name}={dict(values)}: one must be more than 0")
    return kept
