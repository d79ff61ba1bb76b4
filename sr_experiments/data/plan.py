"""Which part of which image stands where in the run's stream: a function of (seed, position) alone."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from sr_experiments.data.augment import Augmentation
from sr_experiments.data.windows import Windows
from sr_experiments.imaging.random import Draw


class Plan:
    """The stream of training samples. It has no end.

    It goes through all images in a new order in every pass, so each image comes equally often.

    Args:
        sizes: (height, width) of the good images in pixels, multiples of the scale.
        seed: Any integer; another one gives another stream.
        scale: Of super-resolution.
        patch_size: Side of the `gt` crop in pixels, a multiple of the scale.
        augment: Says how large crops are before they are brought to that size, and which need a partner.
        margin: Pixels of `lq` that are read around every crop.
    """

    def __init__(
        self,
        sizes: Sequence[tuple[int, int]],
        *,
        seed: int,
        scale: int,
        patch_size: int,
        augment: Augmentation,
        margin: int = 0,
    ) -> None:
        """Nothing is drawn yet."""
        assert patch_size % scale == 0
        self.sizes = torch.tensor(sizes, dtype=torch.int64).reshape(-1, 2) // scale
        self.seed = seed
        self.scale = scale
        self.side = patch_size // scale
        self.augment = augment
        self.margin = margin
        self._order = lru_cache(maxsize=4)(self._make_order)

    def __getstate__(self) -> dict[str, Any]:
        """For a worker process that is spawned: caches stay behind."""
        return {key: value for key, value in self.__dict__.items() if key != "_order"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """An empty cache again."""
        self.__dict__.update(state)
        self._order = lru_cache(maxsize=4)(self._make_order)

    def draw(self, positions: Tensor) -> Draw:
        """The random numbers of some samples."""
        return Draw(self.seed, positions)

    def windows(self, draw: Draw) -> Windows:
        """What is read for some samples: a window for each, and behind them one for each partner.

        Args:
            draw: Of these samples.
        """
        every = (0, len(self.sizes) - 1)
        images = draw.decided("image", self._images_at(draw.positions), within=every)
        partners = self.augment.mixed(draw)
        other = draw.of(partners).child("partner")
        second = other.decided("image", other.integers("image", 0, len(self.sizes)), within=every)
        first, last = (self._window(*pair) for pair in ((draw, images), (other, second)))
        images, tops, lefts, sides = (torch.cat(both) for both in zip(first, last, strict=True))
        return Windows(images, tops, lefts, sides, largest=int(sides.max()))

    def _window(self, draw: Draw, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        room = self.sizes[images]
        sides = self.augment.sides(draw, self.side + 2 * self.margin, most=room.min(dim=1).values)
        tops, lefts = (
            draw.decided(name, draw.integers(name, 0, room[:, axis] - sides + 1))
            for axis, name in enumerate(("top", "left"))
        )
        last = torch.stack((tops, lefts), dim=1) + sides[:, None]
        if bool((torch.stack((tops, lefts), dim=1) < 0).any() or (last > room).any()):
            raise ValueError("a prescribed crop does not lie in its image")
        return images, tops, lefts, sides

    def _images_at(self, positions: Tensor) -> Tensor:
        """(B,) which image stands at each position."""
        passes, slots = positions // len(self.sizes), positions % len(self.sizes)
        images = torch.empty_like(positions)
        for number in set(passes.tolist()):
            mine = passes == number
            images[mine] = self._order(number)[slots[mine]]
        return images

    def _make_order(self, number: int) -> Tensor:
        """The order of the images in pass `number`."""
        draw = Draw(self.seed, torch.arange(len(self.sizes)))
        return draw.bits(f"order of pass {number}").argsort(stable=True)
