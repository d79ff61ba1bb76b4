"""The range of measured values that black and white stand for, and the way there and back.

Hounsfield units, reflectances, counts of a detector: a net sees numbers from 0 to 1, and what 0 and 1 mean is
stated once, for training and for use, never taken from the image at hand. Whole numbers of a range of up to
65535 steps come back from 16-bit levels as they were.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

WHITE = 65535


@dataclass(frozen=True)
class Span:
    """A range of values.

    Attributes:
        low: What black stands for.
        high: What white stands for.

    Raises:
        ValueError: If it is no range.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        """Refuse an empty one."""
        if not (np.isfinite(self.low) and np.isfinite(self.high) and self.low < self.high):
            raise ValueError(
                f"the range [{self.low:g}, {self.high:g}] is none: give [LOW, HIGH], LOW below HIGH"
            )

    @classmethod
    def of(cls, given: Sequence[float], *, option: str) -> Self:
        """From [low, high] as a config has it.

        Raises:
            ValueError: If these are not two numbers that make a range; `option` is named.
        """
        if len(given) != 2:
            raise ValueError(f"{option}={list(given)}: give two values, [LOW, HIGH]")
        try:
            return cls(float(given[0]), float(given[1]))
        except ValueError as error:
            raise ValueError(f"{option}={list(given)}: {error}") from error

    @classmethod
    def of_window(cls, given: Sequence[float], *, option: str) -> Self:
        """From a window [center, width]: center - width / 2 to center + width / 2.

        DICOM's LINEAR_EXACT (PS3.3, C.11.2.1.3.2); its LINEAR ends half a unit lower below and one and a half
        above, which is a matter of whole numbers.

        Raises:
            ValueError: If these are not two numbers, or the width is not above 0.
        """
        if len(given) != 2 or not given[1] > 0:
            raise ValueError(f"{option}={list(given)}: give [CENTER, WIDTH], with a width above 0")
        center, width = float(given[0]), float(given[1])
        return cls(center - width / 2, center + width / 2)

    def as_list(self) -> list[float]:
        """[low, high], whole numbers as such."""
        return [int(end) if float(end).is_integer() else float(end) for end in (self.low, self.high)]

    def to_unit(self, values: np.ndarray) -> np.ndarray:
        """Values to float32 in [0, 1], by the 16-bit levels that a net is trained on."""
        unit: np.ndarray = np.divide(self.to_levels(values), WHITE, dtype=np.float32)
        return unit

    def from_unit(self, unit: np.ndarray) -> np.ndarray:
        """The inverse, float64; what lies outside [0, 1] is cut off."""
        values: np.ndarray = np.clip(unit.astype(np.float64), 0.0, 1.0) * (self.high - self.low) + self.low
        return values

    def to_levels(self, values: np.ndarray) -> np.ndarray:
        """Values to uint16, white is 65535, rounded half up; what lies outside becomes the nearer end."""
        unit = np.clip((values.astype(np.float64) - self.low) / (self.high - self.low), 0.0, 1.0)
        return np.floor(unit * WHITE + 0.5).astype(np.uint16)

    def share_outside(self, values: np.ndarray) -> float:
        """Which part of the values would be cut off, 0 to 1."""
        return float(np.mean((values < self.low) | (values > self.high)))


def placed(window: Sequence[float], span: Sequence[float] | None, *, option: str) -> tuple[float, float]:
    """Where a window [center, width] lies in [0, 1] of a range; a part outside the range is cut off.

    Raises:
        ValueError: If there is no range, or nothing of the window lies in it.
    """
    if span is None:
        raise ValueError(f"{option}={list(window)} needs data.range=[LOW,HIGH], in whose unit it is")
    whole, part = Span.of(span, option="data.range"), Span.of_window(window, option=option)
    low, high = ((end - whole.low) / (whole.high - whole.low) for end in (part.low, part.high))
    low, high = max(low, 0.0), min(high, 1.0)
    if low >= high:
        raise ValueError(
            f"{option}={list(window)}: the window ({part.low:g} to {part.high:g}) lies outside "
            f"data.range={whole.as_list()}"
        )
    return low, high


def as_whole(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Values rounded half up to an integer dtype and kept inside it; of a floating dtype, converted."""
    if not np.issubdtype(dtype, np.integer):
        return values.astype(dtype)
    ends = np.iinfo(dtype)
    return np.clip(np.floor(values + 0.5), ends.min, ends.max).astype(dtype)
