"""Samples: in training a function of (seed, position) and nothing else, in evaluation whole images.

Pixels stay integers until they are on the device: a quarter of the bytes to copy, and converting is cheap
there.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from sr_experiments.data.images import Images, Together
from sr_experiments.data.pair import Pair
from sr_experiments.imaging.random import Draw

Batch = dict[str, Any]


class TrainSet(Dataset[Batch]):
    """Random crops, flipped and turned.

    The run's stream of samples has no end. It goes through all images in a new order in every pass, so each
    image comes equally often. A loader asks for a batch at once (`__getitems__`), for which the random
    numbers are drawn together.

    Args:
        images: With `lq`, or without where it is made from crops.
        seed: Any integer; another one gives another stream.
        scale: Of super-resolution.
        patch_size: Side of the `gt` crop in pixels, a multiple of the scale.
        flip: Mirror half of the samples horizontally, and half vertically.
        rotate: Turn by 0, 1, 2 or 3 quarters. With `flip`, all eight orientations are equally frequent.
        enlarged: The images' `lq` are of the size of `gt` already; batches have them as `enlarged`, and the
            scale is 1.
    """

    def __init__(
        self,
        images: Images | Together,
        *,
        seed: int,
        scale: int,
        patch_size: int,
        flip: bool,
        rotate: bool,
        enlarged: bool = False,
    ) -> None:
        """Nothing is drawn yet."""
        assert patch_size % scale == 0
        assert scale == 1 or not enlarged
        self.images = images
        self.seed = seed
        self.scale = scale
        self.patch_size = patch_size
        self.flip = flip
        self.rotate = rotate
        self.lq_key = "enlarged" if enlarged else "lq"
        self._order = lru_cache(maxsize=4)(self._make_order)

    def __getstate__(self) -> dict[str, Any]:
        """For a worker process that is spawned: caches stay behind."""
        return {key: value for key, value in self.__dict__.items() if key != "_order"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """An empty cache again."""
        self.__dict__.update(state)
        self._order = lru_cache(maxsize=4)(self._make_order)

    def __getitem__(self, position: int) -> Batch:
        """The sample at a position of the stream, as a batch of one."""
        return self.__getitems__([position])

    def __getitems__(self, positions: Sequence[int]) -> Batch:
        """A batch.

        Returns:
            `gt` (B, patch, patch, C) uint8 or uint16, `position` (B,) int64 and, where the images have it,
            `lq` (B, patch / scale, patch / scale, C) integers or float32.
        """
        pairs = [self.images[self._image_at(position)] for position in positions]
        draw = Draw(self.seed, torch.tensor(positions, dtype=torch.int64))
        side = self.patch_size // self.scale
        room = torch.tensor([[n // self.scale - side + 1 for n in pair.gt.shape[:2]] for pair in pairs])
        tops, lefts = (draw.integers(f"crop {axis}", 0, room[:, axis]).tolist() for axis in (0, 1))
        turns = self._orientations(draw)
        batch: Batch = {"position": draw.positions}
        for key, arrays, scale in (
            ("gt", [pair.gt for pair in pairs], self.scale),
            (self.lq_key, [pair.lq for pair in pairs if pair.lq is not None], 1),
        ):
            if arrays:
                assert len(arrays) == len(pairs)
                places = [(top * scale, left * scale) for top, left in zip(tops, lefts, strict=True)]
                batch[key] = _crops(arrays, places, side=side * scale, turns=turns)
        return batch

    def _image_at(self, position: int) -> int:
        """Which image stands at a position."""
        number, slot = divmod(position, len(self.images))
        return int(self._order(number)[slot])

    def _make_order(self, number: int) -> np.ndarray:
        """The order of the images in pass `number`."""
        draw = Draw(self.seed, torch.arange(len(self.images)))
        return draw.bits(f"order of pass {number}").argsort(stable=True).numpy()

    def _orientations(self, draw: Draw) -> list[tuple[int, int, int]]:
        """Of each sample: mirrored horizontally, vertically (0 or 1), quarter turns."""
        none = torch.zeros_like(draw.positions)
        horizontal, vertical = (
            draw.integers(f"flip {axis}", 0, 2) if self.flip else none for axis in ("horizontal", "vertical")
        )
        quarters = draw.integers("quarter turns", 0, 4) if self.rotate else none
        return list(zip(horizontal.tolist(), vertical.tolist(), quarters.tolist(), strict=True))


def _crops(
    arrays: Sequence[np.ndarray],
    places: Sequence[tuple[int, int]],
    *,
    side: int,
    turns: Sequence[tuple[int, int, int]],
) -> Tensor:
    """Crops of one size as one tensor (B, side, side, C); uint16 if any array is, float32 if all are."""
    floating = arrays[0].dtype == np.float32
    assert all((array.dtype == np.float32) == floating for array in arrays)
    deep = any(array.dtype == np.uint16 for array in arrays)
    shape = (len(arrays), side, side, arrays[0].shape[2])
    batch = np.empty(shape, dtype=np.float32 if floating else np.uint16 if deep else np.uint8)
    for row, array, (top, left), (horizontal, vertical, quarters) in zip(
        batch, arrays, places, turns, strict=True
    ):
        crop = array[top : top + side, left : left + side]
        crop = crop[:: -1 if vertical else 1, :: -1 if horizontal else 1]
        row[:] = np.rot90(crop, quarters)
        if deep and array.dtype == np.uint8:
            row *= 257  # 255 becomes 65535
    return torch.from_numpy(batch)


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
            (1,) int64; `name`, a list of one; `grey` (1,) bool: whether the file has one channel, whatever C
            is.
        """
        pair: Pair = self.images[index]
        assert pair.lq is not None
        return {
            "gt": torch.from_numpy(pair.gt)[None],
            "lq": torch.from_numpy(pair.lq)[None],
            "index": torch.tensor([index]),
            "name": [self.images.items[index].name],
            "grey": torch.tensor([pair.grey]),
        }


def to_float(image: Tensor) -> Tensor:
    """(B, H, W, C) integers, or floats in [0, 1], to (B, C, H, W) float32 in [0, 1], contiguous."""
    planes = image.permute(0, 3, 1, 2)
    if planes.is_floating_point():
        return planes.clone(memory_format=torch.contiguous_format)  # the image stays in the cache
    planes = planes.contiguous()
    # Divided by a tensor: a GPU multiplies by the rounded inverse of a plain number. 257 / 65535 would then
    # differ from 1 / 255 in the last bit, and a sample's bits would depend on the depth of its neighbours.
    white = torch.tensor(float(torch.iinfo(image.dtype).max), device=image.device)
    return planes.to(torch.float32) / white
