"""What to say about weights that do not fit a network: what was expected, what was found, and a guess why."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from torch import Tensor

from sr_experiments.nets.base import SRNet

_SHOWN = 4
# The layers that depend on the scale, by the names that architectures give them.
_ENLARGING = re.compile(r"(^|\.)(tail\.0|upsample\w*|upconv\d*|conv_up\d*|upscale|up)\.")


@dataclass(frozen=True)
class Misfit:
    """How weights differ from what a network needs.

    Attributes:
        missing: Keys of the network that the file has not.
        unexpected: Keys of the file, as they stand there, that the network has not.
        wrong: Our key -> the network's tensor and the file's, where shape or kind differ.
        file_keys: Our key -> the file's, for those that differ.
    """

    missing: Sequence[str]
    unexpected: Sequence[str]
    wrong: Mapping[str, tuple[Tensor, Tensor]]
    file_keys: Mapping[str, str]

    def __bool__(self) -> bool:
        """Whether anything differs."""
        return bool(self.missing or self.unexpected or self.wrong)

    def describe(self, net: SRNet) -> str:
        """The first few of each kind, a line each, and a hint where one is to be had."""
        lines = [
            f"  {len(found)} {what}: {_first(found, separator)}"
            for what, found, separator in (
                ("missing", self.missing, ", "),
                ("unexpected", self.unexpected, ", "),
                ("of another shape or kind", [self._difference(key) for key in self.wrong], "; "),
            )
            if found
        ]
        return "\n".join(lines + [f"  {hint}" for hint in [self._hint(net)] if hint])

    def _difference(self, key: str) -> str:
        expected, found = self.wrong[key]
        in_file = f" ({self.file_keys[key]} in the file)" if key in self.file_keys else ""
        if expected.shape == found.shape:
            return f"{key}{in_file}: expected {_kind(expected)}, found {_kind(found)}"
        return f"{key}{in_file}: expected {tuple(expected.shape)}, found {tuple(found.shape)}"

    def _hint(self, net: SRNet) -> str | None:
        """The commonest causes, where everything that differs agrees with one of them."""
        if len(self.missing) == len(net.state_dict()):
            return "Not one name is shared: these are weights of another architecture."
        if channels := self._channels(net):
            plural = "channel" if channels == 1 else "channels"
            return (
                f"Only the number of channels differs: the file's net has {channels} {plural}. "
                f"Give channels={channels}."
            )
        if self._is_other_scale(net):
            return (
                f"Only the enlarging part differs: the file's net has another scale than scale={net.scale}."
            )
        return None

    def _channels(self, net: SRNet) -> int | None:
        """The file's number of channels, where the ends differ by that and nothing else does."""
        ours, found = net.in_channels, set()
        # As many values a channel has at an end: with a pixel shuffle the scale's square, or that of RRDBNet.
        values = {1, 4, 16, net.scale**2}
        ends = [False, False]  # whether an output and an input differ
        if self.missing or self.unexpected:
            return None
        for expected, given in self.wrong.values():
            places = _places(expected, given)
            if places is None or (len(places) > 1 and expected.shape[:2] != (ours, ours)):
                return None
            for place in places:
                if Fraction(expected.shape[place], ours) not in values:
                    return None
                found.add(Fraction(given.shape[place] * ours, expected.shape[place]))
                ends[place] |= expected.dim() > 1
        if len(found) != 1 or not all(ends):
            return None
        channels = found.pop()
        return int(channels) if channels.denominator == 1 else None

    def _is_other_scale(self, net: SRNet) -> bool:
        """Whether all differences lie in enlarging layers, but for one that differs by a square of scales.

        That one holds s^2 values a pixel: before a pixel shuffle, or behind the unshuffling of RRDBNet.
        """
        if any(not _ENLARGING.search(key) for key in (*self.missing, *self.unexpected)):
            return False
        others = {key: pair for key, pair in self.wrong.items() if not _ENLARGING.search(key)}
        squares = {Fraction(a, b) ** 2 for a in net.scales for b in net.scales if a != b}
        return len({key.rpartition(".")[0] for key in others}) <= 1 and all(
            (places := _places(expected, given)) is not None
            and len(places) == 1
            and Fraction(given.shape[places[0]], expected.shape[places[0]]) in squares
            for expected, given in others.values()
        )


def _places(expected: Tensor, given: Tensor) -> list[int] | None:
    """Which of the first two sides differ (output, input); None where anything else does as well."""
    if expected.dim() != given.dim() or 0 in expected.shape or expected.shape[2:] != given.shape[2:]:
        return None
    return [
        place for place in range(min(2, expected.dim())) if expected.shape[place] != given.shape[place]
    ] or None


def _kind(tensor: Tensor) -> str:
    """The dtype, and what else is out of the ordinary."""
    layout = "" if str(tensor.layout) == "torch.strided" else f" {tensor.layout}"
    return f"{tensor.dtype}{layout}"


def _first(found: Iterable[str], separator: str) -> str:
    """The first few, and how many more there are."""
    found = list(found)
    more = f"{separator}and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return separator.join(found[:_SHOWN]) + more
