"""How a whole image goes through a net: padded to what it needs; in tiles, in eight orientations if asked."""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

from sr_experiments.imaging.ensemble import run_ensemble
from sr_experiments.imaging.fold import fold, unfolding
from sr_experiments.imaging.shortage import is_shortage
from sr_experiments.imaging.tile import run_bands, run_tiled
from sr_experiments.nets.base import SRNet, run_net

_log = logging.getLogger(__name__)
_Result = TypeVar("_Result")
_KEPT = 64  # pixels of the part of a tile that is kept, at least: below it most of the work is context


class Inference(nn.Module):
    """Calls a net on images of any size.

    Where memory does not hold an image, it is restored in tiles, the largest that memory holds, and so are
    the images after it: that is told once, and noted. (A module, so that a model finds its notes.)

    Args:
        self_ensemble: Mean over the eight flips and quarter turns (geometric self-ensemble,
            arXiv:1707.02921): tables mark it by a plus behind the net's name. Eight times the work.
        tile: Largest side of what the net gets at once, in pixels of `lq`; None: the whole image. Bounds
            memory.
        tile_overlap: Pixels of `lq` that a tile sees beyond its part. With as many as the net's receptive
            field reaches, the result is that of the whole image.
        blend: Width, in pixels of `lq`, of the ramp over which one tile takes over from the next.
        batch: Tiles that the net gets at once.

    Attributes:
        notes: What a reader of the results has to know: that memory was too small for what was asked.
    """

    def __init__(
        self,
        *,
        self_ensemble: bool = False,
        tile: int | None = None,
        tile_overlap: int = 32,
        blend: int = 0,
        batch: int = 1,
    ) -> None:
        """Nothing has run out yet."""
        super().__init__()
        self.self_ensemble = self_ensemble
        self.tile = tile
        self.tile_overlap = tile_overlap
        self.blend = blend
        self.batch = batch
        self.notes: list[str] = []
        self._held = tile  # the largest tiles that memory held so far; None: whole images

    def options(self) -> dict[str, bool | int | None]:
        """What was asked for."""
        return {"self_ensemble": self.self_ensemble, "tile": self.tile, "tile_overlap": self.tile_overlap}

    def __call__(self, net: SRNet, lq: Tensor, guide: Tensor | None = None) -> Tensor:
        """(B, C, H, W) -> (B, C, sH, sW)."""
        return cast(Tensor, super().__call__(net, lq, guide))

    def forward(self, net: SRNet, lq: Tensor, guide: Tensor | None = None) -> Tensor:
        """(B, C, H, W), and a guide (B, G, sH, sW) for a net that takes one -> (B, C, sH, sW).

        Raises:
            RuntimeError: If memory does not hold the smallest tile either.
        """
        image = _one(net, lq, guide)

        def restored(tile: int | None) -> Tensor:
            whole = self._function(net, guided=guide is not None)
            return whole(image) if tile is None else run_tiled(whole, image, **self._tiles(net, tile))

        return self._as_memory_allows(restored, lq, smallest=self._smallest(net))

    def in_bands(
        self, net: SRNet, lq: Tensor, place: Callable[[int, Tensor], None], *, guide: Tensor | None = None
    ) -> None:
        """Restore an image whose result need not be held in floats as a whole.

        Args:
            net: The net.
            lq: (B, C, H, W).
            guide: (B, G, sH, sW), for a net that takes one.
            place: Gets the first row and the rows (B, C, rows, sW) of the result from there on, from top to
                bottom. Where memory runs out in between it gets them again, from row 0.

        Raises:
            RuntimeError: If memory does not hold the smallest tile either.
        """
        image = _one(net, lq, guide)

        def restored(tile: int | None) -> None:
            whole = self._function(net, guided=guide is not None)
            top = 0
            for band in [whole(image)] if tile is None else run_bands(whole, image, **self._tiles(net, tile)):
                place(top, band)
                top += band.shape[-2]

        self._as_memory_allows(restored, lq, smallest=self._smallest(net))

    def _function(self, net: SRNet, *, guided: bool = False) -> Callable[[Tensor], Tensor]:
        """An image of any size, or a tile, through the net; with its guide folded into it."""
        scale, channels = net.scale, net.in_channels
        run = unfolding(net, channels=channels, scale=scale) if guided else net

        def padded(image: Tensor, *guide: Tensor) -> Tensor:
            whole = fold(image, *guide, scale=scale) if guide else image
            return run_net(net, whole, by=run)

        if not self.self_ensemble:
            return padded
        ensemble = partial(run_ensemble, padded)
        return unfolding(ensemble, channels=channels, scale=scale) if guided else ensemble

    def _tiles(self, net: SRNet, tile: int) -> dict[str, Any]:
        return {
            "scale": net.scale,
            "tile": tile,
            "overlap": self.tile_overlap,
            "multiple_of": net.multiple_of,
            "blend": self.blend,
            "batch": self.batch,
        }

    def _smallest(self, net: SRNet) -> int:
        """Below it most of the work is context."""
        return 2 * self.tile_overlap + self.blend + max(_KEPT, 2 * net.multiple_of, net.minimum)

    def _as_memory_allows(
        self, function: Callable[[int | None], _Result], image: Tensor, *, smallest: int
    ) -> _Result:
        """Restore with the tiles that were asked for, or else with the largest that memory holds.

        Args:
            function: Restores the image in tiles of a size; None: as a whole.
            image: (B, C, H, W).
            smallest: No smaller tiles are tried.
        """
        tile = self._held
        while True:
            try:
                result = function(tile)
                break
            except RuntimeError as error:
                if not is_shortage(error):
                    raise
                # What the calls inside hold is free only when nothing refers to their frames any more.
                problem = error.with_traceback(None)
                problem.__context__ = None
            smaller = _halved(image, tile, smallest=smallest)
            if smaller is None:
                raise RuntimeError(_nothing_left(image, tile, problem)) from problem
            tile = smaller
            if image.is_cuda:
                torch.cuda.empty_cache()  # pieces of the sizes that whole images took
        if tile != self._held:
            self._held = tile
            self._tell(image, tile)
        return result

    def _tell(self, image: Tensor, tile: int | None) -> None:
        height, width = image.shape[-2:]
        sentence = (
            f"memory ran out on an image of {height}x{width} pixels of lq ({image.device.type}): from there "
            f"on images were restored in tiles of {tile} pixels with an overlap of {self.tile_overlap}, "
            "which a net that looks further than the overlap sees"
        )
        self.notes[:] = [sentence]
        _log.warning("%s; tile=%s begins with them", sentence, tile)


def _one(net: SRNet, lq: Tensor, guide: Tensor | None) -> Tensor:
    """What is cut into tiles: the image, with its guide folded into it where there is one."""
    return lq if guide is None else fold(lq, guide, scale=net.scale)


def _halved(image: Tensor, tile: int | None, *, smallest: int) -> int | None:
    """The next smaller size of tiles; None where there is none."""
    largest = max(image.shape[-2:])
    current = largest if tile is None else min(tile, largest)
    smaller = max(-(-current // 2), smallest)
    return smaller if smaller < current else None


def _nothing_left(image: Tensor, tile: int | None, problem: RuntimeError) -> str:
    height, width = image.shape[-2:]
    manner = "as a whole, and it is too small for tiles" if tile is None else f"in tiles of {tile} pixels"
    said = str(problem).strip().splitlines() or [type(problem).__name__]
    return (
        f"out of memory: an image of {height}x{width} pixels of lq does not go through the net, not even "
        f"{manner} ({image.device.type}: {said[0]}). End what else uses the memory, choose a smaller net, or "
        "restore on the CPU: trainer=cpu"
    )
