"""Samples: in training a function of (seed, position) and nothing else, in evaluation whole images.

Pixels stay integers until they are on the device: a quarter of the bytes to copy, and converting is cheap
there.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch.utils.data import Dataset

from sr_experiments.data.images import Images, Together
from sr_experiments.data.plan import Plan
from sr_experiments.data.shards import Shards

Batch = dict[str, Any]
Opened = Images | Together | Shards
"""The images of a role, wherever they are."""


class TrainSet(Dataset[Batch]):
    """Crops of the run's stream, as they stand in the files.

    A loader asks for a batch at once (`__getitems__`), which is drawn and read together. What is done to
    crops is left to the device (`finish.py`).

    Args:
        plan: Says which part of which image stands at a position.
        images: With `lq`, or without where it is made from crops. None where they are on the device: then
            batches are positions only.
    """

    def __init__(self, plan: Plan, images: Opened | None) -> None:
        """Nothing is drawn yet."""
        self.plan = plan
        self.images = images

    def __getitem__(self, position: int) -> Batch:
        """The sample at a position of the stream, as a batch of one."""
        return self.__getitems__([position])

    def __getitems__(self, positions: Sequence[int]) -> Batch:
        """A batch.

        Returns:
            `position` (B,) int64 and, for each of the plan's windows, `gt` and what else there is: see
            `Store`.
        """
        batch: Batch = {"position": torch.tensor(positions, dtype=torch.int64)}
        if isinstance(self.images, Shards):
            self.images.expect(self.plan.order.images_at(batch["position"] + self.plan.order.ahead))
        if self.images is not None:
            batch |= self.images.read(self.plan.windows(batch["position"]), scale=self.plan.scale)
        return batch


class EvalSet(Dataset[Batch]):
    """Whole images, each with its `lq`.

    Args:
        images: With `lq`.
    """

    def __init__(self, images: Images) -> None:
        """Nothing is read yet."""
        self.images = images

    def __len__(self) -> int:
        """Number of images."""
        return len(self.images)

    def __getitem__(self, index: int) -> Batch:
        """One image as a batch of one.

        Returns:
            `gt` (1, H, W, C) and `lq` (1, H / scale, W / scale, C), integers or floats in [0, 1]; `index`
            (1,) int64; `name`, a list of one; `grey`, a bool: whether the file has one channel, whatever C
            is. Where there are any, `guide` and `known` of the size of `gt`.
        """
        pair = self.images[index]
        assert pair.lq is not None
        return {
            **{key: torch.from_numpy(plane)[None] for key, plane in pair.planes().items()},
            "index": torch.tensor([index]),
            "name": [self.images.items[index].name],
            "grey": pair.grey,
        }
