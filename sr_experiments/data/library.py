"""The images of every role (training, validation, a test set): opened, and kept where there is room."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from sr_experiments.data.images import Images, SpoilWhole, Together
from sr_experiments.data.memory import choose_cache, refuse_too_large
from sr_experiments.data.sources import Item
from sr_experiments.data.stock import TRAIN, Stock
from sr_experiments.degradations.base import Degradation
from sr_experiments.degradations.bicubic import Bicubic


@dataclass(frozen=True)
class Place:
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
        late: The `lq` of training images is made of crops.
    """

    def __init__(self, stock: Stock, *, degradation: Degradation, scales: Sequence[int], late: bool) -> None:
        """Nothing is opened yet."""
        self.stock = stock
        self.channels = stock.channels
        self.degradation = degradation
        self.scales = list(scales)
        self.late = late
        self._opened: dict[str, Images | Together] = {}

    def __getitem__(self, role: str) -> Images | Together:
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

    def _open(self, role: str) -> Images | Together:
        items, sizes = self.stock.items[role], self.stock.sizes[role]
        if role == TRAIN and self.scales:
            return Together([self._open_enlarged(items, sizes, scale=scale) for scale in self.scales])
        from_crops = role == TRAIN and self.late
        if from_crops:
            items = [replace(item, lq=None) for item in items]
        spoil = None if from_crops else SpoilWhole(self.degradation)
        return Images(items, scale=self.stock.scale, channels=self.channels, spoil=spoil, sizes=sizes)

    def _open_enlarged(
        self, items: Sequence[Item], sizes: Sequence[tuple[int, int]], *, scale: int
    ) -> Images:
        assert isinstance(self.degradation, Bicubic)
        # Published LR files are those of one scale, and equal to what is made here.
        spoil = SpoilWhole(self.degradation.at_scale(scale))
        alone = [replace(item, lq=None) for item in items]
        return Images(alone, scale=scale, channels=self.channels, spoil=spoil, sizes=sizes, enlarge=True)

    def keep(self, place: Place) -> None:
        """Decode the images of training and validation once, into memory or, those of training, a file.

        Raises:
            ValueError: Naming a file that can not be used, or if a device has not the room.
            OSError: If a disk has not the room.
        """
        needed = {role: self._needs(role) for role in (TRAIN, "val")}
        chosen = choose_cache(place.cache, sum(needed.values()) * place.ranks, place.folder)
        if chosen == "device":
            refuse_too_large(needed[TRAIN], device=place.device)
        if chosen in ("memory", "device"):
            self[TRAIN].fill()
            self["val"].fill()
        if chosen == "device":
            self[TRAIN].move(place.device)
        elif chosen == "disk":
            self[TRAIN].pack(place.folder, needed=needed[TRAIN], limit=place.limit)

    def _needs(self, role: str) -> float:
        """Bytes of its decoded images, if the files have 8 bits; what is not quantised is float32."""
        lq_bytes = 1 if self.degradation.matches_files(channels=self.channels) else 4
        scale = self.stock.scale
        per_pixel = len(self.scales) * (1 + 4) if self.scales else 1 + lq_bytes / scale**2
        pixels = sum(height * width for height, width in self.stock.sizes[role])
        return pixels * self.channels * per_pixel
