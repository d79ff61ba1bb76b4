"""Which part of which image stands where in the run's stream: a function of (seed, position) alone."""

from collections.abc import Sequence

import torch
from torch import Tensor

from sr_experiments.data.augment import Augmentation
from sr_experiments.data.order import Order
from sr_experiments.data.windows import Windows
from sr_experiments.imaging.random import Draw


class Plan:
    """The stream of training samples.

    Args:
        sizes: (height, width) of the good images in pixels, multiples of the scale.
        seed: Any integer; another one gives another stream.
        scale: Of super-resolution.
        patch_size: Side of the `gt` crop in pixels, a multiple of the scale.
        augment: Says how large crops are before they are brought to that size, and which need a partner.
        order: Of the images.
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
        order: Order,
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
        self.order = order

    def draw(self, positions: Tensor) -> Draw:
        """The random numbers of some samples."""
        return Draw(self.seed, positions)

    def windows(self, draw: Draw) -> Windows:
        """What is read for some samples: a window for each, and behind them one for each partner.

        Args:
            draw: Of these samples.
        """
        every = (0, len(self.sizes) - 1)
        images = draw.decided("image", self.order.images_at(draw.positions), within=every)
        found = [self._window(draw, images)]
        partners = self.augment.mixed(draw)
        if len(partners):
            other = draw.of(partners).child("partner")
            second = other.decided("image", other.integers("image", 0, len(self.sizes)), within=every)
            found.append(self._window(other, second))
        images, tops, lefts, sides = (torch.cat(parts) for parts in zip(*found, strict=True))
        return Windows(images, tops, lefts, sides, largest=int(sides.max()))

    def _window(self, draw: Draw, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        room = self.sizes[images]
        sides = self.augment.sides(draw, self.side + 2 * self.margin, most=room.min(dim=1).values)
        tops, lefts = (
            draw.decided(name, draw.integers(name, 0, room[:, axis] - sides + 1))
            for axis, name in enumerate(("top", "left"))
        )
        first = torch.stack((tops, lefts), dim=1).numpy()
        if (first < 0).any() or (first + sides.numpy()[:, None] > room.numpy()).any():
            raise ValueError("a prescribed crop does not lie in its image")
        return images, tops, lefts, sides
