"""How far a net looks: the pixels of ``lq`` that a pixel of its output depends on, found by marking pixels.

A pixel of ``lq`` is set to NaN, and NaN is what comes out wherever the output depends on it: no arithmetic
turns it into a number again, whatever the weights. It is a forward pass over a narrow strip in float32, so
nothing fades on the way, as gradients do that are scaled by a tenth in each of three hundred layers, and no
unit is missed because it is switched off. Where gradients arrive both agree to the pixel: the tests compare
them, net by net (docs/decisions/0021-how-far-a-net-looks.md).
"""

import copy
import math
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from sr_experiments.nets.base import SRNet

LIMIT = 1024
_WINDOW = 64  # no window of a net is larger: marks begin where one begins
_MARGIN = 16  # pixels at a strip's ends, whose windows may see one another
_BATCH = 1 << 14  # pixels of lq in a call
_JUMP = 0.5


@dataclass(frozen=True)
class Reach:
    """What one pixel of the output depends on, in pixels of ``lq``.

    Attributes:
        radius: How far it looks, at most, beyond the pixel of ``lq`` that it lies in, in any direction.
        height: Of the region that it depends on, the largest of all pixels.
        width: The same across.
        step: Moved by so many pixels of ``lq`` an image gives the same, moved: 1 for plain convolutions, the
            window's side for attention in windows. Tiles agree with the whole image if they begin at
            multiples of it.
    """

    radius: int
    height: int
    width: int
    step: int


class _Strip(NamedTuple):
    """An image of one long side, and where its marks begin: in the middle, at a multiple of all windows."""

    axis: int
    length: int
    middle: int


def measure_reach(net: SRNet, *, limit: int = LIMIT) -> Reach | None:
    """Find what an output pixel depends on, exactly.

    Args:
        net: Any; it stays as it is.
        limit: Nets that look further are not followed.

    Returns:
        None for a net that sees the whole image, as channel attention does by its means, or looks further
        than `limit`.

    Raises:
        ValueError: if the net makes infinity or NaN of an ordinary image, in which no mark can be found.
    """
    probe = _prepared(net)
    found = [_by_phase(probe, strip) for strip in _strips(probe, limit=limit)]
    if len(found) < 2 or max(radius for radius, _, _ in found) > limit:
        return None
    (radius_down, height, step_down), (radius_across, width, step_across) = found
    return Reach(max(radius_down, radius_across), height, width, math.lcm(step_down, step_across))


@torch.no_grad()
def _prepared(net: SRNet) -> SRNet:
    """A copy that marks can go through."""
    probe = copy.deepcopy(net).to("cpu", torch.float32).eval()
    side = -(-max(net.minimum, 8) // net.multiple_of) * net.multiple_of
    lq = torch.rand(1, net.in_channels, side, side, generator=torch.Generator().manual_seed(0))
    if not bool(probe(lq).isfinite().all()):
        raise ValueError(
            f"{type(net).__name__} makes infinity or NaN of an ordinary image: its weights can not be used"
        )
    return probe


def _strips(net: SRNet, *, limit: int) -> list[_Strip]:
    """One of each direction, whose ends no output round the middle sees; fewer where there is none."""
    unit = math.lcm(net.multiple_of, _WINDOW)
    halves = [-(-reach // unit) * unit for reach in (1, 4 * unit, limit + _MARGIN)]
    strips: list[_Strip] = []
    for axis in (2, 3):
        for half in dict.fromkeys(halves):
            strip = _Strip(axis, 2 * half + unit, half)
            try:
                first, last = _seen(net, strip, half, half + net.multiple_of, watched=half > unit)
            except _SeesAllError:
                return []
            except RuntimeError:
                return []  # a size that it does not take; in a smaller one it saw everything
            if first >= _MARGIN and last < strip.length - _MARGIN:
                needed = max(half - first, last - half) + _MARGIN + unit
                half = min(half, -(-needed // unit) * unit)
                strips.append(_Strip(axis, 2 * half + unit, half))
                break
        else:
            return []
    return strips


def _step(net: SRNet, strip: _Strip) -> int:
    """`Reach.step`. A net that states a multiple of sides means its windows; some pad by themselves."""
    step = net.multiple_of
    while net.multiple_of == 1 and step < _WINDOW:
        marks = [(strip.middle + k * step, strip.middle + k * step + 1) for k in range(3)]
        found = _marked(net, strip, marks)
        first, *others = (one.roll(-k * step * net.scale) for k, one in enumerate(found))
        if all(torch.equal(first, other) for other in others):
            break
        step *= 2
    return step


def _by_phase(net: SRNet, strip: _Strip) -> tuple[int, int, int]:
    """Radius, extent and step, from marks at every position within a step."""
    scale, step = net.scale, _step(net, strip)
    marks = [(at, at + 1) for at in range(strip.middle, strip.middle + step)]
    found = _marked(net, strip, marks).nonzero()
    inputs, outputs = found[:, 0] + strip.middle, found[:, 1]
    radius = int((outputs.div(scale, rounding_mode="floor") - inputs).abs().max())
    # Output pixels that lie alike within their steps, laid over one another: each then has all its inputs.
    moved = inputs - step * outputs.div(scale * step, rounding_mode="floor")
    lies = outputs % (scale * step)
    extents = [int(moved[lies == one].max() - moved[lies == one].min()) + 1 for one in set(lies.tolist())]
    return radius, max(extents), step


def _seen(net: SRNet, strip: _Strip, begin: int, end: int, *, watched: bool = False) -> tuple[int, int]:
    """The first and the last pixel of ``lq`` in which an output depends on those from `begin` to `end`."""
    seen = _marked(net, strip, [(begin, end)], watched=watched)[0].nonzero().flatten()
    return int(seen[0]) // net.scale, int(seen[-1]) // net.scale


@torch.no_grad()
def _marked(net: SRNet, strip: _Strip, marks: Sequence[tuple[int, int]], *, watched: bool = False) -> Tensor:
    """For each of the marks, which output positions depend on it: (marks, scale * length)."""
    side = -(-net.minimum // net.multiple_of) * net.multiple_of
    shape = [1, net.in_channels, side, side]
    shape[strip.axis] = strip.length
    image = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    found = []
    at_once = max(1, _BATCH // (strip.length * side))
    for start in range(0, len(marks), at_once):
        some = marks[start : start + at_once]
        lq = image.repeat(len(some), 1, 1, 1)
        for one, (begin, end) in zip(lq, some, strict=True):
            one.narrow(strip.axis - 1, begin, end - begin).fill_(torch.nan)
        with _Watch(lq) if watched else nullcontext():
            sr = net(lq)
        found.append(sr.isnan().any(1).any(4 - strip.axis))
    return torch.cat(found)


class _SeesAllError(Exception):
    """One operation has spread a mark over more than half of the image."""


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Ends a pass as soon as one operation carries a mark much further than any before it.

    Convolutions and windows let a mark grow little by little; a mean over the image, or a spectrum, is
    everywhere at once. Without it a net that sees everything would be followed to the limit.

    Args:
        lq: What the net gets, marked. A tensor of fewer pixels is a part of the image.

    Attributes:
        share: Marked, at most, of the tensors so far.
    """

    def __init__(self, lq: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.whole = lq.numel() // lq.shape[1]
        self.share = float(lq.isnan().float().mean())

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor) and result.is_floating_point() and result.numel() >= self.whole:
            share = float(result.isnan().float().mean())
            if share - self.share > _JUMP:
                raise _SeesAllError
            self.share = max(share, self.share)
        return result
