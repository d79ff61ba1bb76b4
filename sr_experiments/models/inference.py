"""How a whole image goes through a net: padded to what it needs; in tiles, in eight orientations if asked."""

from dataclasses import dataclass

from torch import Tensor

from sr_experiments.imaging.ensemble import run_ensemble
from sr_experiments.imaging.pad import run_padded
from sr_experiments.imaging.tile import run_tiled
from sr_experiments.nets.base import SRNet


@dataclass(frozen=True, kw_only=True)
class Inference:
    """Calls a net on images of any size.

    Attributes:
        self_ensemble: Mean over the eight flips and quarter turns (geometric self-ensemble,
            arXiv:1707.02921): tables mark it by a plus behind the net's name. Eight times the work.
        tile: Largest side of what the net gets at once, in pixels of `lq`; None: the whole image. Bounds
            memory.
        tile_overlap: Pixels of `lq` that a tile sees beyond its part. With as many as the net's receptive
            field reaches, the result is that of the whole image.
    """

    self_ensemble: bool = False
    tile: int | None = None
    tile_overlap: int = 32

    def __call__(self, net: SRNet, lq: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, sH, sW)."""

        def padded(image: Tensor) -> Tensor:
            return run_padded(net, image, scale=net.scale, multiple_of=net.multiple_of, minimum=net.minimum)

        def tiled(image: Tensor) -> Tensor:
            if self.tile is None:
                return padded(image)
            return run_tiled(
                padded,
                image,
                scale=net.scale,
                tile=self.tile,
                overlap=self.tile_overlap,
                multiple_of=net.multiple_of,
            )

        return run_ensemble(tiled, lq) if self.self_ensemble else tiled(lq)
