"""Which image stands where in a run's stream. It has no end: one pass through all images follows another."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sr_experiments.imaging.random import Draw


class Order:
    """All images in a new order in every pass, so each comes equally often.

    Args:
        count: Number of images.
        seed: Of the run.

    Attributes:
        ahead: So many positions further on is what must be got ready now; 0: nothing has to.
    """

    ahead = 0

    def __init__(self, count: int, *, seed: int) -> None:
        """Nothing is drawn yet."""
        self.count = count
        self.seed = seed
        self._draw = Draw(seed, torch.arange(count))
        self._remember()

    def _remember(self, passes: int = 4) -> None:
        self._kept = passes
        self._pass = lru_cache(maxsize=passes)(self._make_pass)

    def __getstate__(self) -> dict[str, Any]:
        """For a worker process that is spawned: caches stay behind."""
        return {key: value for key, value in self.__dict__.items() if key != "_pass"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """An empty cache again."""
        self.__dict__.update(state)
        self._remember(self._kept)

    def images_at(self, positions: Tensor) -> Tensor:
        """(B,) numbers of the images at (B,) positions."""
        passes, slots = np.divmod(positions.numpy(), self.count)
        images = np.empty_like(slots)
        for number in set(passes.tolist()):
            mine = passes == number
            images[mine] = self._pass(number).numpy()[slots[mine]]
        return torch.from_numpy(images)

    def _make_pass(self, number: int) -> Tensor:
        """The order of the images in a pass."""
        # Of few images there are many passes: by numpy, which is quicker for a few numbers.
        bits = self._draw.bits(f"order of pass {number}").numpy()
        return torch.from_numpy(bits.argsort(kind="stable"))


class ShardOrder(Order):
    """Shards in a new order in every pass, and the images of a few consecutive ones shuffled together.

    So that few shards are needed at a time. With `stripes` the shards are dealt out to so many groups, and
    every global batch takes an equal and consecutive part from each: a machine that trains on one such part
    needs the shards of its group only. An image then comes as often as its group's others, and groups are of
    equal size to within a shard.

    Args:
        lengths: Number of images of each shard; images are numbered through.
        seed: Of the run.
        window: How many shards are shuffled together.
        stripes: Number of groups; it divides the global batch.
        global_batch: Samples of all devices and one step.
    """

    def __init__(
        self, lengths: Sequence[int], *, seed: int, window: int, stripes: int, global_batch: int
    ) -> None:
        """Nothing is drawn yet."""
        super().__init__(sum(lengths), seed=seed)
        assert global_batch % stripes == 0
        self.window = window
        self.part = global_batch // stripes
        self.global_batch = global_batch
        shards = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
        self._stripes = [torch.nonzero(shards % stripes == number).flatten() for number in range(stripes)]
        self._shards = shards
        self.ahead = stripes * window * max(lengths)
        self._remember(4 * stripes)

    def images_at(self, positions: Tensor) -> Tensor:
        """(B,) numbers of the images at (B,) positions."""
        batches, slots = positions // self.global_batch, positions % self.global_batch
        stripes = slots // self.part
        places = batches * self.part + slots % self.part
        images = torch.empty_like(positions)
        for stripe in set(stripes.tolist()):
            mine = torch.nonzero(stripes == stripe).flatten()
            count = len(self._stripes[stripe])
            passes, within = places[mine] // count, places[mine] % count
            for number in set(passes.tolist()):
                here = passes == number
                images[mine[here]] = self._pass(number * len(self._stripes) + stripe)[within[here]]
        return images

    def _make_pass(self, number: int) -> Tensor:
        """The order of a stripe's images in a pass."""
        images = self._stripes[number % len(self._stripes)]
        shards = self._shards[images]
        names = torch.unique(shards)
        ranks = (
            Draw(self.seed, names).bits(f"order of shards in pass {number}").argsort(stable=True).argsort()
        )
        windows = ranks[torch.searchsorted(names, shards)] // self.window
        shuffled = Draw(self.seed, images).bits(f"order of pass {number}").argsort(stable=True)
        return images[shuffled[windows[shuffled].argsort(stable=True)]]
