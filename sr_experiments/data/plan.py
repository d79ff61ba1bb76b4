"""Which part of which image stands where in the run's stream: a function of (seed, position) alone."""

from collections.abc import Sequence

import torch
from torch import Tensor

from sr_experiments.data.augment import Augmentation
from sr_experiments.data.blocks import Blockwise
from sr_experiments.data.order import Order
from sr_experiments.data.windows import Windows
from sr_experiments.imaging.ledger import Ledger
from sr_experiments.imaging.random import Draw


class Plan:
    """The stream of training samples.

    Args:
        sizes: (height, width) of the good images in pixels, multiples of the scale.
        seed: Any integer; another one gives another stream.
        scale: Of super-resolution.
        patch_size: Side of the `gt` crop in pixels, a multiple of the scale unless `lq` is enlarged.
        augment: Says how large crops are before they are brought to that size, and which need a partner.
        order: Of the images.
        margin: Pixels of `lq` that are read around every crop.
        enlarged: `lq` was brought back to the size of `gt`.

    Attributes:
        scale: How many times larger `gt` is than `lq` as it is read.
        side: Of the crop of `lq` in pixels.
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
        enlarged: bool = False,
    ) -> None:
        """Nothing is drawn yet."""
        self.enlarged = enlarged
        self.scale = 1 if enlarged else scale
        assert patch_size % self.scale == 0
        self.sizes = torch.tensor(sizes, dtype=torch.int64).reshape(-1, 2) // self.scale
        self.seed = seed
        self.side = patch_size // self.scale
        self.augment = augment
        self.margin = margin
        self.order = order
        self._windows_ahead = Blockwise(self._own_windows)
        self._orientations_ahead = Blockwise(self._own_orientations)

    def draw(self, positions: Tensor, *, ledger: Ledger | None = None) -> Draw:
        """The random numbers of some samples."""
        return Draw(self.seed, positions, ledger=ledger)

    def windows(self, positions: Tensor, *, ledger: Ledger | None = None) -> Windows:
        """What is read for some samples: a window for each, and behind them one for each partner.

        Args:
            positions: (B,) int64 on the CPU.
            ledger: Takes down what was decided for each sample, or prescribes it.
        """
        draw = self.draw(positions, ledger=ledger)
        found = self._windows_ahead(positions) if ledger is None else self._window(draw)
        if self.augment.mixes:
            found = tuple(map(torch.cat, zip(found, self._partners(draw), strict=True)))
        images, tops, lefts, sides = found
        return Windows(images, tops, lefts, sides, largest=int(sides.numpy().max()))

    def orientations(self, draw: Draw) -> Tensor:
        """(B, 3), as those of `Augmentation`, of samples and not of partners."""
        if draw.ledger is None:
            return self._orientations_ahead(draw.positions)[0]
        return self.augment.orientations(draw)

    def _own_windows(self, positions: Tensor) -> tuple[Tensor, ...]:
        return self._window(self.draw(positions))

    def _own_orientations(self, positions: Tensor) -> tuple[Tensor, ...]:
        return (self.augment.orientations(self.draw(positions)),)

    def _partners(self, draw: Draw) -> tuple[Tensor, ...]:
        other = draw.of(self.augment.mixed(draw)).child("partner")
        every = (0, len(self.sizes) - 1)
        images = other.decided("image", other.integers("image", 0, len(self.sizes)), within=every)
        return self._window(other, images)

    def _window(self, draw: Draw, images: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        if images is None:
            every = (0, len(self.sizes) - 1)
            images = draw.decided("image", self.order.images_at(draw.positions), within=every)
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
