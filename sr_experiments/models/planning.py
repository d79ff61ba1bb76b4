"""How large tiles may be, and how far they must see around them: measured with the net itself."""

import math
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from sr_experiments.nets.base import SRNet

PROBE = 48  # pixels: the side of the image that memory is measured with
LONGEST = 32  # pixels of overlap at most
RAMP = 16  # pixels over which tiles take over from one another where the overlap does not suffice
RING = 16  # pixels beyond it that are changed, to see whether it does
EQUAL = 2e-5  # a difference that nobody sees: a third of a level of 16 bit is 5e-6, one is 1.5e-5
LARGEST = 1024  # pixels: larger tiles save next to nothing
MOST = 16  # tiles at once
_SPARE = 1.5  # what libraries take in passing, which is not seen from here

Run = Callable[[SRNet, Tensor], Tensor]


@dataclass(frozen=True)
class Plan:
    """How an image goes through a net.

    Attributes:
        tile: Side of the tiles, in pixels of `lq`; None: the image as a whole.
        overlap: What they see beyond their part.
        blend: Width of the ramp between two of them.
        batch: Tiles at once.
    """

    tile: int | None
    overlap: int
    blend: int
    batch: int


def bytes_per_pixel(net: SRNet, *, run: Run, like: Tensor) -> float:
    """Memory that the net needs while it runs, for a pixel of `lq`: the most that lives at a time.

    Measured on one small image. All of ours need memory in proportion to the number of pixels.

    Args:
        net: The net, not one of an ONNX file, into which nobody sees.
        run: Calls it.
        like: Of the device and dtype of the images.
    """
    side = max(PROBE, net.minimum)
    side += -side % net.multiple_of
    lq = torch.rand(1, net.in_channels, side, side, device=like.device, dtype=like.dtype)
    with _Living() as living:
        run(net, lq)
    return float(_SPARE * living.most / side**2)


def needed_overlap(net: SRNet, *, run: Run, like: Tensor) -> int | None:
    """How far around a pixel an image may change before the net's result there does; None: further than 32.

    The centre of an image is compared with that of others whose surroundings are another noise, and darker:
    with the net's own weights, and only as far as anybody could see it.

    Args:
        net: The net.
        run: Calls it.
        like: Of the device and dtype of the images.
    """
    unit = net.multiple_of
    reach = -(-LONGEST // unit) * unit
    centre = -(-max(unit, 8) // unit) * unit
    side = max(2 * (reach + -(-RING // unit) * unit) + centre, net.minimum)
    side += -side % unit
    generator = torch.Generator().manual_seed(0)
    shape = (1, net.in_channels, side, side)
    image, other = (
        torch.rand(shape, generator=generator).to(like.device, like.dtype) * light for light in (1, 0.3)
    )
    first = (side - centre) // 2 // unit * unit
    kept = slice(net.scale * first, net.scale * (first + centre))
    truth = run(net, image)[..., kept, kept]

    def suffices(overlap: int) -> bool:
        seen = slice(first - overlap, first + centre + overlap)
        changed = other.clone()
        changed[..., seen, seen] = image[..., seen, seen]
        difference = (run(net, changed)[..., kept, kept] - truth).abs().max()
        return bool(difference <= EQUAL)

    if not suffices(LONGEST):
        return None
    if suffices(8):
        return 4 if suffices(4) else 8
    return 16 if suffices(16) else LONGEST


def largest_tile(budget: float, per_pixel: float, *, overlap: int, blend: int, net: SRNet) -> int:
    """The side of the largest square that memory has room for, and not less than what makes sense.

    Args:
        budget: Bytes.
        per_pixel: Bytes that a pixel of `lq` takes.
        overlap: Of tiles.
        blend: Of tiles.
        net: Whose multiple the side is to be.
    """
    least = 2 * overlap + blend + max(64, 2 * net.multiple_of, net.minimum)
    side = min(LARGEST, math.isqrt(int(budget / per_pixel)))
    side = max(side, least)
    return side + -side % net.multiple_of if side == least else side - side % net.multiple_of


def plan(
    net: SRNet,
    lq: Tensor,
    *,
    run: Run,
    budget: float,
    per_pixel: float,
    tile: int | None = None,
    overlap: int | None = None,
) -> Plan:
    """Choose what was not asked for.

    Args:
        net: The net.
        lq: (B, C, H, W), the image.
        run: Calls the net.
        budget: Bytes that it may take.
        per_pixel: See `bytes_per_pixel`.
        tile: Side of the tiles, if it was asked for.
        overlap: Of the tiles, if it was asked for.
    """
    count, _, height, width = lq.shape
    if tile is None and count * height * width * per_pixel <= budget:
        return Plan(None, 0 if overlap is None else overlap, 0, 1)
    needed = overlap if overlap is not None else needed_overlap(net, run=run, like=lq)
    blend = RAMP if needed is None else 0
    needed = LONGEST if needed is None else needed
    if tile is not None and overlap is None:  # small tiles were asked for: they see less
        blend = min(blend, tile // 8)
        needed = min(needed, max(tile - blend - net.multiple_of, 0) // 4)
    side = tile or largest_tile(budget / count, per_pixel, overlap=needed, blend=blend, net=net)
    at_once = int(budget / (count * per_pixel * side**2))
    return Plan(side, needed, blend, max(1, min(MOST, at_once)))


class _Living(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's
    """Counts the bytes of the tensors that are alive.

    Attributes:
        most: The most at a time.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now, self.most = 0, 0
        self._known: set[int] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for value in tree_leaves(result):
            if isinstance(value, Tensor):
                self._count(value.untyped_storage())
        return result

    def _count(self, storage: torch.UntypedStorage) -> None:
        key = id(storage)
        if key in self._known:
            return
        size = storage.nbytes()
        self._known.add(key)
        self.now += size
        self.most = max(self.most, self.now)
        weakref.finalize(storage, self._gone, key, size)

    def _gone(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.now -= size
