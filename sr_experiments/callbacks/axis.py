"""Axes of a drawn curve: which range is shown, and three to five round numbers on it."""

import math
from collections.abc import Iterable, Sequence

_FAR = 1e100  # nothing that is measured is larger, and the arithmetic of axes overflows later


def finite(value: float) -> bool:
    """Whether a value is a number that an axis can hold."""
    return math.isfinite(value) and abs(value) < _FAR


def has_place(value: float, *, log: bool) -> bool:
    """Whether an axis shows a value: a logarithmic one has neither zero nor less."""
    return finite(value) and (value > 1 / _FAR or not log)


class Axis:
    """A vertical axis for some values.

    Args:
        values: What is to be shown; of no use are NaN, infinity and, where `log`, zero and less.
        log: Whether equal distances are equal factors.
        fraction: Whether the values are shares of 1: the axis has 0 and 1 at least, in percent.

    Attributes:
        ticks: Values and their texts, from below; three to five.
    """

    def __init__(self, values: Iterable[float], *, log: bool = False, fraction: bool = False) -> None:
        """Choose the range and the numbers."""
        self.log = log
        shown = [self._scaled(value) for value in values if self.shows(value)]
        low, high = (min(shown), max(shown)) if shown else (0.0, 1.0)
        if fraction and not log:
            low, high = min(low, 0.0), max(high, 1.0)
        elif not log:
            low, high = _with_zero(*_apart(low, high))
        elif high - low < 0.2:
            low, high = low - 0.3, high + 0.3
        margin = 0.06 * (high - low)
        self.low, self.high = low - margin, high + margin
        if log:
            self.ticks = [(value, short(value)) for value in log_ticks(self.low, self.high)]
        elif fraction:
            self.ticks = percents(self.low, self.high)
        else:
            self.ticks = labelled(linear_ticks(self.low, self.high))

    def shows(self, value: float) -> bool:
        """Whether the value has a place."""
        return has_place(value, log=self.log)

    def share(self, value: float) -> float:
        """The value's height, 0 at the lower end and 1 at the upper."""
        return (self._scaled(value) - self.low) / (self.high - self.low)

    def _scaled(self, value: float) -> float:
        return math.log10(value) if self.log else float(value)


def _apart(low: float, high: float) -> tuple[float, float]:
    """A range about a constant, too: less than a millionth of the value is rounding, not a change."""
    if high - low > 1e-6 * max(abs(low), abs(high)):
        return low, high
    middle = (low + high) / 2
    around = 0.1 * abs(middle)
    return (middle - around, middle + around) if around > 1 / _FAR else (0.0, 1.0)


def _with_zero(low: float, high: float) -> tuple[float, float]:
    """Reach to zero where it is near: how far a curve is from nothing is then seen."""
    if 0 < low < 0.4 * high:
        return 0.0, high
    return (low, 0.0) if 0.4 * low < high < 0 else (low, high)


def linear_ticks(low: float, high: float) -> list[float]:
    """Three to five multiples of 1, 2, 2.5 or 5 times a power of ten within a range."""
    assert high > low
    power = math.floor(math.log10((high - low) / 10))
    while True:
        for mantissa in (1, 2, 2.5, 5):
            step = mantissa * 10.0**power
            first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
            if last - first < 5:
                return [step * k for k in range(first, last + 1)]
        power += 1


def log_ticks(low: float, high: float) -> list[float]:
    """Three to five round values between 10^low and 10^high, decades where there are enough."""
    first, last = math.floor(low), math.ceil(high)
    choices: list[tuple[Sequence[int], int]] = [((1, 2, 5), 1), ((1, 3), 1)]
    choices += [((1,), every) for every in range(1, last - first + 2)]
    for mantissas, every in choices:
        decades = [k for k in range(first, last + 1) if k % every == 0]
        values = [m * 10.0**k for k in decades for m in mantissas]
        values = [value for value in values if low <= math.log10(value) <= high]
        if len(values) <= 5:
            break
    return values if len(values) >= 3 else linear_ticks(10.0**low, 10.0**high)


def percents(low: float, high: float) -> list[tuple[float, str]]:
    """Ticks of shares of 1."""
    return [(value, f"{100 * value:g} %") for value in linear_ticks(low, high)]


def labelled(values: Sequence[float]) -> list[tuple[float, str]]:
    """Round values with texts of the same form: as many decimals as their distance needs."""
    largest, step = max(map(abs, values)), values[1] - values[0]
    size, unit = next(
        (s, u) for s, u in ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, "")) if largest >= s or s == 1
    )
    if unit == "k" and largest < 1e4:
        size, unit = 1.0, ""
    if largest >= 1e12 or largest < 1e-3:
        return [(value, _tidy(f"{value:.3g}")) for value in values]
    digits = range(12)
    decimals = next((d for d in digits if abs(round(step / size, d) * size - step) < 1e-6 * step), 12)
    return [(value, "0" if value == 0 else f"{value / size:.{decimals}f}{unit}") for value in values]


def short(value: float) -> str:
    """Any number in a few characters."""
    if not math.isfinite(value):
        return str(value)
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if size <= abs(value) < 1e12:
            return f"{value / (1e3 if unit == 'k' else size):.4g}{unit}"
    return _tidy(f"{value:.4g}")


def _tidy(text: str) -> str:
    """1e-05 as 1e-5."""
    mantissa, e, exponent = text.partition("e")
    return f"{mantissa}e{int(exponent)}" if e else text
