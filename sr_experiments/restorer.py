"""``open_restorer``: whatever holds a trained net, ready to be called on images of any size."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from omegaconf import DictConfig
from torch import Tensor

from sr_experiments.data.memory import free_bytes
from sr_experiments.devices import only_device
from sr_experiments.imaging.tile import check_tiles
from sr_experiments.models.channels import Folded, for_channels
from sr_experiments.models.inference import Inference
from sr_experiments.models.onnx_net import OnnxNet
from sr_experiments.models.planning import Plan, bytes_per_pixel, plan
from sr_experiments.nets.base import SRNet, run_net
from sr_experiments.opening import open_net

_log = logging.getLogger(__name__)
MOST_ON_CPU = 2.0**30  # bytes for a net at work there: larger tiles would save next to nothing
SHARE = 2  # of what is free, one part in so many
BLIND = 256  # pixels: the tiles of a net into which nobody sees


class Restorer:
    """A net on its device, called on images of any size and of 1 or 3 channels (or of its own number).

    One that takes a guide gets it behind the image, and cuts both into the same tiles.

    Tiles, their overlap and how many go through the net at once are chosen by the memory that is free, once
    for each number of channels, unless they are given.

    Args:
        net: The net.
        name: What it is called.
        device: Where it works.
        bfloat16: Whether it may work in bfloat16, which has 8 bits: faster on some devices, and not exact.
        self_ensemble: Mean over eight orientations.
        tile: Side of the tiles in pixels of `lq`; None: chosen. 0: never any.
        tile_overlap: What they see around them; None: chosen.
        budget: Bytes that the net may take; None: half of what is free, and not more than 1 GiB on a CPU.

    Attributes:
        scale: How much larger images become.
        channels: Of the net; 1 is luma.
        guide_channels: Of the guide that it takes beside an image; 0: it takes none.
        range: [low, high] of the measured values that the run's images stood for (`data.range`); None: none.
        holes: Whether a level of 0 in an image was no measurement in its run (`data.holes`).
        notes: What a reader of the results has to know.
    """

    def __init__(
        self,
        net: SRNet,
        *,
        name: str,
        device: torch.device,
        bfloat16: bool = False,
        self_ensemble: bool = False,
        tile: int | None = None,
        tile_overlap: int | None = None,
        budget: float | None = None,
    ) -> None:
        """Move the net there.

        Raises:
            ValueError: If there are no such tiles.
        """
        if tile is not None and tile < 0:
            raise ValueError(
                f"tile={tile}: a side in pixels of the input; 0: no tiles, null: by the free memory"
            )
        overlap = tile_overlap or 0
        roomy = 2 * (abs(overlap) + net.multiple_of)
        check_tiles(tile=tile or roomy, overlap=overlap, multiple_of=net.multiple_of)
        self.net = net.to(device).eval()
        self.name = name
        self.device = device
        self.scale = net.scale
        self.channels = net.in_channels
        self.guide_channels = net.guide_channels
        self.range: list[float] | None = None
        self.holes = False
        self.notes: list[str] = []
        self.bfloat16 = bfloat16
        self.self_ensemble = self_ensemble
        self._tile, self._tile_overlap, self._budget = tile, tile_overlap, budget
        self._nets: dict[int, SRNet] = {}
        self._per_pixel: dict[int, float] = {}
        self._tiled: dict[int, Inference] = {}

    def __call__(self, lq: Tensor, guide: Tensor | None = None) -> Tensor:
        """Restore images.

        Args:
            lq: (B, C, H, W), floating point, white is 1, on any device; C as `takes` says.
            guide: (B, G, sH, sW) likewise, G as `guide_channels` says; None for a net that takes none.

        Returns:
            (B, C, sH, sW) float32 on the net's device, not clamped.

        Raises:
            ValueError: If the net does not take so many channels, or no such guide.
            RuntimeError: If memory does not hold the smallest tile.
        """
        net, image, beside, inference = self._ready(lq, guide)
        with self._working():
            result = inference(net, image, beside).float()
        self._collect(inference)
        return result

    def in_bands(
        self, lq: Tensor, place: Callable[[int, Tensor], None], *, guide: Tensor | None = None
    ) -> None:
        """Restore an image whose result need not be held in floats as a whole.

        Args:
            lq: As above.
            place: Gets a row's number and the rows of the result from there on, (B, C, rows, sW) float32,
                from top to bottom. Where memory runs out in between it gets them again, from row 0.
            guide: As above.

        Raises:
            ValueError: As above.
            RuntimeError: As above.
        """
        net, image, beside, inference = self._ready(lq, guide)
        with self._working():
            inference.in_bands(net, image, lambda top, rows: place(top, rows.float()), guide=beside)
        self._collect(inference)

    def takes(self, channels: int) -> bool:
        """Whether images of so many channels can be restored."""
        return channels == self.channels or {channels, self.channels} == {1, 3}

    def _ready(self, lq: Tensor, guide: Tensor | None) -> tuple[SRNet, Tensor, Tensor | None, Inference]:
        channels = lq.shape[1]
        beside = self._beside(lq, guide)
        if channels not in self._nets:
            self._nets[channels] = for_channels(self.net, channels).to(self.device).eval()
        net = self._nets[channels]
        image = lq.to(self.device, torch.float32)
        chosen = self._choose(net, image)
        if chosen.tile is None:
            whole = Inference(self_ensemble=self.self_ensemble, tile_overlap=chosen.overlap or 32)
            return net, image, beside, whole
        if channels not in self._tiled:
            self._tiled[channels] = Inference(
                self_ensemble=self.self_ensemble,
                tile=chosen.tile,
                tile_overlap=chosen.overlap,
                blend=chosen.blend,
                batch=chosen.batch,
            )
            _log.info(
                "tiles of %d pixels, %d of them overlap on each side%s, %d at once",
                chosen.tile,
                chosen.overlap,
                f", ramps of {chosen.blend}" if chosen.blend else "",
                chosen.batch,
            )
        return net, image, beside, self._tiled[channels]

    def _beside(self, lq: Tensor, guide: Tensor | None) -> Tensor | None:
        """The guide on the device; of another size it is refused where it is folded."""
        if guide is None and self.guide_channels:
            raise ValueError(f"{self.name} takes a guide of {self.guide_channels} channels beside an image")
        if guide is None:
            return None
        if not self.guide_channels:
            raise ValueError(f"{self.name} takes no guide beside an image")
        if guide.shape[:2] != (len(lq), self.guide_channels):
            raise ValueError(
                f"{self.name} takes as many guides as images, each of {self.guide_channels} channels: here "
                f"{len(lq)}, not {guide.shape[0]} of {guide.shape[1]} channels"
            )
        return guide.to(self.device, torch.float32)

    def _choose(self, net: SRNet, image: Tensor) -> Plan:
        """Whole images where there is room; else the tiles that were chosen for the first that had none."""
        count, channels, height, width = image.shape
        net = Folded(net) if net.guide_channels else net
        if self._tile == 0:
            return Plan(None, 32, 0, 1)
        if channels not in self._per_pixel:
            with self._working():
                blind = isinstance(self.net, OnnxNet)
                self._per_pixel[channels] = (
                    self._allowed() / BLIND**2 if blind else bytes_per_pixel(net, run=run_net, like=image[:1])
                )
        per_pixel = self._per_pixel[channels]
        if self._tile is None and count * height * width * per_pixel <= self._allowed():
            return Plan(None, 32, 0, 1)
        known = self._tiled.get(channels)
        if known is not None:
            return Plan(known.tile, known.tile_overlap, known.blend, known.batch)
        with self._working():
            return plan(
                net,
                image,
                run=run_net,
                budget=self._allowed(),
                per_pixel=per_pixel,
                tile=self._tile,
                overlap=self._tile_overlap,
            )

    def _allowed(self) -> float:
        """Bytes that the net may take now."""
        if self._budget is not None:
            return self._budget
        if self.device.type == "cuda":
            free, _ = torch.cuda.mem_get_info(self.device)
            reserved = torch.cuda.memory_reserved(self.device) - torch.cuda.memory_allocated(self.device)
            return (free + reserved) / SHARE
        return min(free_bytes() / SHARE, MOST_ON_CPU)

    @contextmanager
    def _working(self) -> Iterator[None]:
        """No gradients; float32 throughout, or bfloat16 where it was asked for."""
        cudnn = torch.backends.cudnn
        with (
            torch.inference_mode(),
            torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bfloat16),
            cudnn.flags(
                enabled=cudnn.enabled,
                benchmark=cudnn.benchmark,
                deterministic=cudnn.deterministic,
                allow_tf32=False,
            ),
        ):
            yield

    def _collect(self, inference: Inference) -> None:
        for note in inference.notes:
            if note not in self.notes:
                self.notes.append(note)


def open_restorer(
    config: DictConfig,
    source: str | None,
    *,
    scale: int | None = None,
    self_ensemble: bool = False,
    tile: int | None = None,
    tile_overlap: int | None = None,
    budget: float | None = None,
) -> Restorer:
    """The net of a run, a checkpoint, a weight file or an ONNX file, on the device that the config names.

    Args:
        config: As composed: its net is that of a plain weight file, ``trainer`` names the device, and
            ``precision=bf16-mixed`` lets the net work in bfloat16; ``auto`` is float32.
        source: A run's folder, a ``.ckpt``, a plain weight file, an ``.onnx`` file; None for a net without
            weights, such as model=bicubic.
        scale: Of super-resolution; None for the run's or the file's own, or else the config's.
        self_ensemble: See `Restorer`.
        tile: See `Restorer`.
        tile_overlap: See `Restorer`.
        budget: See `Restorer`.

    Raises:
        ValueError: If the weights do not fit the net, are missing, or a device is not there.
        OSError: If there is no such file.
    """
    if config.precision not in ("auto", "32-true", "bf16-mixed"):
        raise ValueError(
            f"precision={config.precision}: images are restored in float32 (auto, 32-true) or with bf16-mixed"
        )
    net, name, values = open_net(config, source, scale=scale)
    restorer = Restorer(
        net,
        name=name,
        device=torch.device("cpu") if isinstance(net, OnnxNet) else only_device(config),
        bfloat16=config.precision == "bf16-mixed" and not isinstance(net, OnnxNet),
        self_ensemble=self_ensemble,
        tile=tile,
        tile_overlap=tile_overlap,
        budget=budget,
    )
    restorer.range, restorer.holes = values
    return restorer
