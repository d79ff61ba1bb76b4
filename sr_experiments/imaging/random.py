"""Randomness without state: a number is a function of (seed, position of the sample, name of the draw).

No generator is advanced, so it makes no difference which samples share a batch, on how many devices or by how
many workers the batches are made, or whether the run was stopped in between.

The function is SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA
2014), computed in int64 tensors, whose overflow wraps on CPU and GPU alike. Floats are made from its bits by
additions, multiplications, divisions and square roots, each an operation of its own: IEEE 754 defines their
results to the last bit, which it does not for the logarithm and cosine of Box and Muller.
"""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from sr_experiments.imaging.ledger import Ledger

GOLDEN = 0x9E3779B97F4A7C15
ROUNDS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))
LAST_SHIFT = 31
MASK = 2**64 - 1

Words = TypeVar("Words", Tensor, np.ndarray)


def name_key(name: str) -> int:
    """A 64-bit number for a name, the same in every process (Python's `hash` is not)."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")


def name_position(name: str) -> int:
    """A position for what is known by its name only, such as an image of a test set: 0 to 2^63 - 1."""
    return name_key(name) >> 1


class Draw:
    """The random numbers of a batch of samples.

    Two draws of one name give the same numbers; draws of different names, seeds or positions are independent.

    Args:
        seed: Any integer.
        positions: (B,) int64, each sample's place in the run's stream. Numbers appear on its device.
        ledger: Where decisions are written down (see `decided`).
    """

    def __init__(self, seed: int, positions: Tensor, *, ledger: Ledger | None = None) -> None:
        """Nothing is drawn yet."""
        assert positions.dim() == 1
        assert positions.dtype == torch.int64
        self._key = _mix_int(seed & MASK)
        self.ledger = ledger
        self._rows = torch.arange(len(positions))
        self._path = ""
        self.positions = positions

    def child(self, name: str) -> "Draw":
        """An independent family of draws for the same samples, for a part that knows no others."""
        other = copy(self)
        other._key = _mix_int(self._key ^ name_key(name))
        other._path = f"{self._path}{name}/" if name else self._path
        return other

    def of(self, rows: Tensor) -> "Draw":
        """The draws of some of the samples.

        Args:
            rows: (n,) int64, their numbers in the batch.
        """
        other = copy(self)
        other.positions = self.positions[rows.to(self.positions.device)]
        other._rows = self._rows[rows.cpu()]
        return other

    def decided(
        self,
        name: str,
        values: Tensor,
        *,
        labels: Sequence[str] | None = None,
        within: tuple[float, float] | None = None,
    ) -> Tensor:
        """Something that was drawn, in the unit that people know it by: pixels, 8-bit levels, a name.

        Where decisions are written down this one is, under the names of the parts that lead to it; where
        another value is prescribed it is taken in place of this one.

        Args:
            name: Of the decision.
            values: (B,) numbers or bools on the CPU.
            labels: What the numbers stand for.
            within: The range that was drawn from, which what is prescribed must not leave.

        Raises:
            ValueError: If what is prescribed can not be meant.
        """
        if self.ledger is None:
            return values
        name = self._path + name
        return self.ledger.settle(name, values, rows=self._rows, labels=labels, within=within)

    def generators(self, name: str, *, device: torch.device) -> Iterator[torch.Generator]:
        """For each sample in turn a generator of the library's that starts where the sample's draw says.

        For whole fields of noise: on a CPU many times quicker than `normal`, and there is one for every
        distribution. What it gives depends on the device's kind, too. It is one object, started anew for
        every sample: draw before you ask for the next.
        """
        generator = torch.Generator(device)
        for seed in self.bits(name).tolist():
            yield generator.manual_seed(seed)

    def bits(self, name: str, shape: Sequence[int] = ()) -> Tensor:
        """64 random bits each: (B, *shape) int64, so half of them negative."""
        # Output number `position` of the stream `key` is where the sample's own stream starts.
        key = _mix_int(self._key ^ name_key(name))
        each = math.prod(shape)
        bits = (_words_here if self.positions.is_cpu else _words)(self.positions, key, each)
        return bits.reshape(len(self.positions), *shape)

    def within(self, name: str, limits: tuple[float, float]) -> Tensor:
        """(B,) float32, uniform from one end to the other, and written down."""
        return self.decided(name, self.uniform(name, low=limits[0], high=limits[1]), within=limits)

    def happens(self, name: str, probability: float) -> Tensor:
        """(B,) bool, true that often, and written down."""
        return self.decided(name, self.uniform(name) < probability)

    def one_of(self, name: str, shares: Mapping[str, float]) -> Tensor:
        """(B,) int64: which of the names, each as often as its share says, and written down."""
        return self.decided(name, self.choice(name, list(shares.values())), labels=list(shares))

    def uniform(self, name: str, shape: Sequence[int] = (), *, low: float = 0.0, high: float = 1.0) -> Tensor:
        """(B, *shape) float32, uniform from `low` to `high`: 2^24 equally spaced values.

        0 to 1 never gives 1; elsewhere `high` can appear by rounding.
        """
        unit = _shift(self.bits(name, shape), 40).to(torch.float32) * 2.0**-24
        return unit * (high - low) + low

    def normal(self, name: str, shape: Sequence[int] = ()) -> Tensor:
        """(B, *shape) float32 of mean 0 and variance 1; the largest possible absolute value is 5.42."""
        bits = self.bits(name, shape)
        # The lowest bit is the sign, the highest 23 bits are the tail's probability in (0, 1/2).
        tail = (_shift(bits, 41).to(torch.float32) + 0.5) * 2.0**-24
        magnitude = _upper_quantile(tail)
        return torch.where(bits & 1 == 0, magnitude, -magnitude)

    def integers(self, name: str, low: int, high: int | Tensor, shape: Sequence[int] = ()) -> Tensor:
        """(B, *shape) int64, uniform in low <= x < high.

        Args:
            name: Of the draw.
            low: Smallest value.
            high: One more than the largest; a (B,) tensor where it differs between samples. At most
                2^31 - 1 above `low`. Values are equally likely to within (high - low) / 2^32.
            shape: Numbers of each sample.
        """
        bits = self.bits(name, shape)
        if self.positions.is_cpu:  # by numpy, as `_words_here` says
            spans = np.asarray(high - low)
            assert spans.min(initial=1) > 0
            assert spans.max(initial=1) < 2**31
            spans = spans.reshape(-1, *[1] * len(shape)) if spans.ndim else spans
            return torch.from_numpy(_shift(_shift(bits.numpy(), 32) * spans, 32) + low)
        span = torch.as_tensor(high - low)
        span = span.reshape(-1, *[1] * len(shape)) if isinstance(high, Tensor) else span
        assert bool(((span > 0) & (span < 2**31)).all())
        return _shift(_shift(bits, 32) * span, 32) + low

    def choice(self, name: str, probabilities: Sequence[float], shape: Sequence[int] = ()) -> Tensor:
        """(B, *shape) int64 in 0 to len(probabilities) - 1, each as often as its weight says."""
        total = math.fsum(probabilities)
        assert total > 0
        assert min(probabilities) >= 0
        # The last boundary is left out: whatever lies above the others belongs to the last one.
        last = max(index for index, weight in enumerate(probabilities) if weight > 0)
        steps = [math.fsum(probabilities[: index + 1]) / total for index in range(last)]
        boundaries = torch.tensor(steps, dtype=torch.float32, device=self.positions.device)
        return torch.bucketize(self.uniform(name, shape), boundaries, right=True)


def _mix_int(value: int) -> int:
    """SplitMix64's output function on a plain integer."""
    for shift, factor in ROUNDS:
        value = ((value ^ (value >> shift)) * factor) & MASK
    return value ^ (value >> LAST_SHIFT)


def _words_here(positions: Tensor, key: int, each: int) -> Tensor:
    """(B, each) int64 on the CPU: for a few numbers numpy is quicker, and keeps the interpreter.

    Threads that read batches would else hand it to one another at every step.
    """
    start = positions.numpy().view(np.uint64) * np.uint64(GOLDEN) + np.uint64(key)
    start = _mixed(start)
    count = np.arange(1, each + 1, dtype=np.uint64) * np.uint64(GOLDEN)
    return torch.from_numpy(_mixed(start[:, None] + count).view(np.int64))


def _mixed(value: np.ndarray) -> np.ndarray:
    """SplitMix64's output function on (...) uint64."""
    for shift, factor in ROUNDS:
        value = (value ^ (value >> np.uint64(shift))) * np.uint64(factor)
    mixed: np.ndarray = value ^ (value >> np.uint64(LAST_SHIFT))
    return mixed


def _words(positions: Tensor, key: int, each: int) -> Tensor:
    """(B, each) int64, where the positions are."""
    start = _mix(positions * _signed(GOLDEN) + _signed(key))
    count = torch.arange(1, each + 1, device=positions.device)
    return _mix(start[:, None] + count * _signed(GOLDEN))


def _mix(value: Tensor) -> Tensor:
    """SplitMix64's output function on int64."""
    for shift, factor in ROUNDS:
        value = (value ^ _shift(value, shift)) * _signed(factor)
    return value ^ _shift(value, LAST_SHIFT)


def _shift(value: Words, by: int) -> Words:
    """Logical shift of int64 to the right: the usual one copies the sign into the empty places."""
    return (value >> by) & ((1 << (64 - by)) - 1)


def _signed(value: int) -> int:
    """The int64 of the same 64 bits."""
    return value - 2**64 if value >= 2**63 else value


def _upper_quantile(tail: Tensor) -> Tensor:
    """The x that a standard normal exceeds with probability `tail` in [2^-25, 1/2).

    Wichura, "Algorithm AS 241: The percentage points of the normal distribution", Applied Statistics 1988,
    routine PPND7: exact to about 7 digits. Its third branch, for rarer tails, is not needed.
    """
    q = 0.5 - tail
    r = 0.180625 - q * q
    numerator = (59.109374720, 159.29113202, 50.434271938, 3.3871327179)
    middle = q * _ratio(r, numerator, (67.187563600, 78.757757664, 17.895169469, 1.0))
    r = torch.sqrt(-_log(tail)) - 1.6
    numerator = (0.17023821103, 1.3067284816, 2.7568153900, 1.4234372777)
    outer = _ratio(r, numerator, (0.12021132975, 0.73700164250, 1.0))
    return torch.where(q <= 0.425, middle, outer)


def _ratio(x: Tensor, numerator: Sequence[float], denominator: Sequence[float]) -> Tensor:
    """Of two polynomials, highest power first."""
    values = []
    for coefficients in (numerator, denominator):
        value = torch.full_like(x, coefficients[0])
        for coefficient in coefficients[1:]:
            value = value.mul_(x).add_(coefficient)
        values.append(value)
    return values[0] / values[1]


def _log(x: Tensor) -> Tensor:
    """Natural logarithm of float32 in (0, 1/2), within 3e-7 relative."""
    mantissa, exponent = torch.frexp(x)
    t = (mantissa - 0.75) / (mantissa + 0.75)  # in [-1/5, 1/7]
    square = t * t
    series = 1.0 + square * (1 / 3 + square * (1 / 5 + square * (1 / 7 + square * (1 / 9))))
    return exponent.to(x.dtype) * math.log(2) + (2.0 * t * series + math.log(0.75))
