"""The images of every role (training, validation, a test set): opened, and kept where there is room."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from sr_experiments.data.dataset import Opened
from sr_experiments.data.images import Images, SpoilWhole, Together
from sr_experiments.data.memory import choose_cache, refuse_too_large
from sr_experiments.data.order import Order
from sr_experiments.data.shard_writer import Cut, write_shards
from sr_experiments.data.shards import PAIRS, Sharded, Shards
from sr_experiments.data.sources import Item, Source
from sr_experiments.data.stock import TRAIN, Stock, without_lq
from sr_experiments.degradations.base import Degradation
from sr_experiments.degradations.bicubic import Bicubic

if TYPE_CHECKING:
    from sr_experiments.data.datamodule import SRData


@dataclass(frozen=True)
class Keeping:
    """Where decoded images are to be kept; see `SRData`.

    Attributes:
        cache: As it was asked for.
        folder: Of files of decoded images.
        limit: Bytes of all of them.
        ranks: Processes of this machine, each of which keeps its own in memory.
        device: That trains.
    """

    cache: str
    folder: Path
    limit: float | None
    ranks: int
    device: torch.device


class Library:
    """Decoded images by role.

    Args:
        stock: The files, with checked headers.
        degradation: Makes `lq`.
        scales: That training images come at, if they come at several.
        holes: A level of 0 in an image is none: see `holes.py`.
        late: The `lq` of training images is made of crops.
    """

    def __init__(
        self, stock: Stock, *, degradation: Degradation, scales: Sequence[int], holes: bool, late: bool
    ) -> None:
        """Nothing is opened yet."""
        self.stock = stock
        self.channels = stock.channels
        self.degradation = degradation
        self.scales = list(scales)
        self.holes = holes
        self.late = late
        self._opened: dict[str, Opened] = {}

    def __getitem__(self, role: str) -> Opened:
        """The images of a role whose headers were checked."""
        if role not in self._opened:
            self._opened[role] = self._open(role)
        return self._opened[role]

    def training_sizes(self) -> list[tuple[int, int]]:
        """(height, width) of the training images, cropped to multiples of their scale."""
        return [
            (height // scale * scale, width // scale * scale)
            for scale in self.scales or [self.stock.scale]
            for height, width in self.stock.sizes[TRAIN]
        ]

    def training_order(self, *, seed: int, global_batch: int) -> Order:
        """Of the training images, which are open, in the run's stream; see `order.py`."""
        images = self[TRAIN]
        if isinstance(images, Shards):
            return images.source.order(seed=seed, global_batch=global_batch)
        return Order(len(images), seed=seed)

    def open_training(self, source: Source, keeping: Keeping) -> None:
        """Take training images from where they are.

        Raises:
            OSError: If they are in shards, and the limit can not hold what is needed of them at a time.
        """
        if isinstance(source, Sharded) and TRAIN not in self._opened:
            self._opened[TRAIN] = Shards(
                source, root=keeping.folder, limit=keeping.limit, with_lq=not self.late
            )

    def _open(self, role: str) -> Images | Together:
        items, sizes = self.stock.items[role], self.stock.sizes[role]
        if role == TRAIN and self.scales:
            return Together([self._open_enlarged(items, sizes, scale=scale) for scale in self.scales])
        from_crops = role == TRAIN and self.late
        if from_crops:
            items = without_lq(items)
        spoil = None if from_crops else SpoilWhole(self.degradation)
        return Images(
            items,
            scale=self.stock.scale,
            channels=self.channels,
            spoil=spoil,
            sizes=sizes,
            guide_channels=self.stock.guide_channels,
            holes=self.holes,
        )

    def _open_enlarged(
        self, items: Sequence[Item], sizes: Sequence[tuple[int, int]], *, scale: int
    ) -> Images:
        assert isinstance(self.degradation, Bicubic)
        # Published LR files are those of one scale, and equal to what is made here.
        spoil = SpoilWhole(self.degradation.at_scale(scale))
        alone = without_lq(items)
        return Images(alone, scale=scale, channels=self.channels, spoil=spoil, sizes=sizes, enlarge=True)

    def write_shards(self, url: str, *, tile: int, size: float) -> dict[str, Any]:
        """Write the training images; see `shard_writer`.

        Raises:
            ValueError: If a tile would hold no whole pixel of `lq`, or the images are in shards already.
        """
        images, sizes = self[TRAIN], self.stock.sizes[TRAIN]
        if not isinstance(images, Images):
            raise ValueError("shards are written from files, of one scale: choose such data=")
        cut = Cut(tile=tile, size=size, scale=self.stock.scale)
        if tile < cut.scale or size <= 0:
            raise ValueError(f"task.tile={tile} and task.shard_size={size:g}: at least {cut.scale} and 1")
        return write_shards(
            url, images, sizes, cut=cut, channels=self.channels, lq_made_by=self.stock.lq_made_by
        )

    def keep(self, keeping: Keeping) -> None:
        """Decode the images of training and validation once, into memory or, those of training, a file.

        Raises:
            ValueError: Naming a file that can not be used, or if a device has not the room.
            OSError: If a disk has not the room.
        """
        kept = [role for role in (TRAIN, "val") if not isinstance(self[role], Shards)]
        needed = {role: self._needs(role) for role in kept}
        chosen = choose_cache(
            keeping.cache,
            sum(needed.values()) * keeping.ranks,
            keeping.folder,
            files=sum(len(self.stock.items[role]) for role in kept),
            limit=keeping.limit,
        )
        if chosen == "device":
            refuse_too_large(needed[TRAIN], device=keeping.device)
        for role in kept:
            images = self[role]
            assert not isinstance(images, Shards)
            if chosen in ("memory", "device"):
                images.fill()
            if chosen == "device" and role == TRAIN:
                images.move(keeping.device)
            elif chosen == "disk" and role == TRAIN:
                images.pack(keeping.folder, needed=needed[TRAIN], limit=keeping.limit)

    def _needs(self, role: str) -> float:
        """Bytes of its decoded images, if the files have 8 bits; what is not quantised is float32."""
        lq_bytes = 1 if self.degradation.matches_files(channels=self.channels) else 4
        scale = self.stock.scale
        per_pixel = len(self.scales) * (1 + 4) if self.scales else 1 + lq_bytes / scale**2
        pixels = sum(height * width for height, width in self.stock.sizes[role])
        return pixels * (self.channels * per_pixel + self.stock.guide_channels + self.holes)


def library_of(data: "SRData") -> Library:
    """Of a data module that has kept its values; nothing is looked at."""
    fixed = data.degradation.fixed
    # Crops that are brought to another size have an lq that is not a crop of the whole image's.
    resized = data.augment.crop_scale is not None and fixed and not data.train.paired
    late = resized or not fixed
    stock = Stock(
        scale=data.scale,
        channels=data.channels,
        patch_size=data.patch_size,
        use_lq=data.degradation.matches_files(channels=data.channels),
        scales=data.scales,
        lq_made_by=None if late else PAIRS if data.train.paired else repr(data.degradation),
        guide_channels=data.guide_channels,
        memory=data.cache_dir,
    )
    return Library(stock, degradation=data.degradation, scales=data.scales, holes=data.holes, late=late)
