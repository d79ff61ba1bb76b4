"""Decoded images: integers as the files have them, `gt` cropped to a multiple of the scale, `lq` beside it.

They are read from files each time, or once, by threads, into memory or into a file that is mapped.
"""

import bisect
import itertools
import logging
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sr_experiments.data.headers import wrong_guide, wrong_pair
from sr_experiments.data.holes import filled, measured
from sr_experiments.data.memory import readable
from sr_experiments.data.packing import open_or_build
from sr_experiments.data.pair import Pair
from sr_experiments.data.problems import shortened
from sr_experiments.data.sources import Item
from sr_experiments.data.store import Store, in_memory, in_order
from sr_experiments.data.threads import in_threads
from sr_experiments.data.windows import Windows
from sr_experiments.degradations.base import Degradation
from sr_experiments.imaging.colour import to_channels
from sr_experiments.imaging.io import to_tensor
from sr_experiments.imaging.random import name_position
from sr_experiments.imaging.resize import imresize

_log = logging.getLogger(__name__)

# Of a random degradation in evaluation: not the run's seed, so that runs of other seeds have the same task.
EVALUATION_SEED = 0
_SMALL = 1 << 18  # numbers of an image, 295 x 295 of RGB
_AT_ONCE = nullcontext()


class Images:
    """The images of a source, by number.

    Args:
        items: The files.
        scale: Of super-resolution.
        channels: Wanted C; grey, RGB and luma are converted.
        spoil: Makes `lq` of a whole image where there is no file of it; None where crops are spoilt later.
        sizes: (height, width) of the good images by their headers, by which crops are planned; None: whatever
            they have.
        enlarge: Bring `lq` back to the size of `gt` by bicubic interpolation.
        guide_channels: Wanted G of guides, where items have any.
        holes: A level of 0 is none: see `holes.py`.
    """

    def __init__(
        self,
        items: Sequence[Item],
        *,
        scale: int,
        channels: int,
        spoil: "SpoilWhole | None",
        sizes: Sequence[tuple[int, int]] | None = None,
        enlarge: bool = False,
        guide_channels: int = 0,
        holes: bool = False,
    ) -> None:
        """Nothing is read yet."""
        self.items = list(items)
        self.scale = scale
        self.channels = channels
        self._sizes = dict(zip(self.items, sizes or (), strict=False))
        self._spoil = spoil
        self._enlarge = enlarge
        self.guide_channels = guide_channels
        self.holes = holes
        self._cache: Store | None = None

    def __len__(self) -> int:
        """Number of images."""
        return len(self.items)

    @property
    def decoded(self) -> bool:
        """Whether `fill` or `pack` has been called: nothing is decoded any more."""
        return self._cache is not None

    def __getitem__(self, index: int) -> Pair:
        """One image.

        Raises:
            ValueError: If a file cannot be read or does not fit; it is named.
        """
        return self.decode(self.items[index]) if self._cache is None else self._cache[index]

    def read(self, windows: Windows, *, scale: int) -> dict[str, Tensor]:
        """Crops of a batch; see `Store.read`.

        Raises:
            ValueError: If a file cannot be read or does not fit; it is named.
        """
        if self._cache is not None:
            return self._cache.read(windows, scale=scale)
        numbers, places = torch.unique(windows.images, return_inverse=True)
        store = in_memory([self[number] for number in numbers.tolist()])
        return store.read(replace(windows, images=places), scale=scale)

    def move(self, device: torch.device) -> None:
        """Keep what was decoded on a device from now on."""
        assert self._cache is not None
        self._cache = self._cache.to(device)

    def fill(self) -> None:
        """Read everything into memory.

        Raises:
            ValueError: Naming the files that cannot be used.
        """
        if self._cache is not None:
            return
        start = time.perf_counter()
        results = list(in_threads(partial(self._try, in_turn=Lock()), self.items))
        problems = [result for result in results if isinstance(result, str)]
        if problems:
            raise ValueError(shortened(problems, separator="\n"))
        pairs = [result for result in results if isinstance(result, Pair)]
        results.clear()
        self._cache = in_memory(pairs)
        total = readable(self._cache.nbytes)
        seconds = time.perf_counter() - start
        _log.info("decoded %d images (%s) in %.1f s", len(self), total, seconds, extra={"once": True})

    def pack(self, root: Path, *, needed: float, limit: float | None = None) -> None:
        """Decode everything into a file under `root`, unless that was done before; see `pack`.

        Raises:
            ValueError: Naming a file that cannot be used.
            OSError: If the disk has not the room.
        """
        if self._cache is None:
            spoil = self._spoil.degradation if self._spoil is not None else None
            settings = f"scale {self.scale}, channels {self.channels}, lq {spoil!r}, enlarged {self._enlarge}"
            settings += f", guide channels {self.guide_channels}" if self.guide_channels else ""
            settings += ", holes filled" if self.holes else ""
            read = partial(self.decode, in_turn=Lock())
            self._cache = open_or_build(
                root, self.items, settings=settings, read=read, needed=needed, limit=limit
            )
            for item, size in zip(self.items, self._cache.sizes, strict=True):
                self._refuse_other_size(item, size, multiple=self.scale)

    def _try(self, item: Item, *, in_turn: Lock) -> Pair | str:
        try:
            return self.decode(item, in_turn=in_turn)
        except (ValueError, FileNotFoundError) as error:
            return str(error)

    def decode(self, item: Item, *, in_turn: AbstractContextManager[Any] = _AT_ONCE) -> Pair:
        """Read an image's files.

        Args:
            item: The files.
            in_turn: Entered while `lq` is made of a small image: that is many short calls, between which
                threads would hand the interpreter to and fro, in twice the time.

        Raises:
            ValueError: If one cannot be read or does not fit; it is named.
        """
        gt, found = self._decode(item, item.gt)
        self._refuse_other_size(item, gt.shape[:2])
        small = None
        if item.lq is not None:
            small, _ = self._decode(item, item.lq)
            problem = wrong_pair(item.gt, item.lq, gt.shape[:2], small.shape[:2], scale=self.scale)
            if problem is not None:
                raise ValueError(problem)
        height, width = (length // self.scale * self.scale for length in gt.shape[:2])
        guide = self._guide(item, (gt.shape[0], gt.shape[1]))
        gt = np.ascontiguousarray(gt[:height, :width])
        known = None
        if self.holes:
            known = measured(gt)
            gt = filled(gt, name=str(item.gt))
            small = filled(small, name=str(item.lq)) if small is not None else None
        with in_turn if gt.size <= _SMALL else _AT_ONCE:
            if small is None and self._spoil is not None:
                small = self._spoil(gt, name=item.name)
            if small is not None and self._enlarge:
                small = _enlarged(small, size=(height, width))
        guide = np.ascontiguousarray(guide[:height, :width]) if guide is not None else None
        return Pair(gt=gt, lq=small, grey=found == 1, guide=guide, known=known)

    def _guide(self, item: Item, size: tuple[int, int]) -> np.ndarray | None:
        if item.guide is None:
            return None
        guide, _ = self._decode(item, item.guide, channels=self.guide_channels)
        if problem := wrong_guide(item.gt, item.guide, size, guide.shape[:2]):
            raise ValueError(problem)
        return guide

    def _refuse_other_size(self, item: Item, size: tuple[int, ...], *, multiple: int = 1) -> None:
        expected = self._sizes.get(item)
        if expected is not None and size != tuple(length // multiple * multiple for length in expected):
            raise ValueError(
                f"{item.gt} was {expected[0]}x{expected[1]} (height x width) when it was checked and is "
                f"{size[0]}x{size[1]} now: it was changed meanwhile; start again"
            )

    def _decode(self, item: Item, path: Path, *, channels: int | None = None) -> tuple[np.ndarray, int]:
        """The image in the wanted channels, and how many the file has."""
        image = item.read(path)
        try:
            return to_channels(image, channels=channels or self.channels), image.shape[2]
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error


@dataclass(frozen=True)
class SpoilWhole:
    """A degradation on whole images, always the same for an image of the same name.

    Attributes:
        degradation: Fixed or random.
    """

    degradation: Degradation

    def __call__(self, gt: np.ndarray, *, name: str) -> np.ndarray:
        """(H, W, C) integers to (h, w, C): the same integers, or float32 in [0, 1]."""
        image = torch.from_numpy(gt).permute(2, 0, 1) if self.degradation.fixed else to_tensor(gt)
        positions = torch.tensor([name_position(name)])
        small = self.degradation(image[None], seed=EVALUATION_SEED, positions=positions)[0]
        return np.ascontiguousarray(small.permute(1, 2, 0).numpy())


def _enlarged(small: np.ndarray, *, size: tuple[int, int]) -> np.ndarray:
    """(h, w, C) to (H, W, C) float32, nominally in [0, 1]: bicubic, in double, not rounded."""
    white = np.iinfo(small.dtype).max if np.issubdtype(small.dtype, np.integer) else 1.0
    planes = torch.from_numpy(small.astype(np.float64) / white).permute(2, 0, 1)
    return np.ascontiguousarray(imresize(planes, size=size).permute(1, 2, 0).float().numpy())


class Together:
    """Several `Images` as one, for training at several scales.

    Args:
        parts: In their order.
    """

    def __init__(self, parts: Sequence[Images]) -> None:
        """Number the images through."""
        self.parts = list(parts)
        self.items = [item for part in parts for item in part.items]
        self._ends = list(itertools.accumulate(map(len, parts)))

    def __len__(self) -> int:
        """Number of images of all parts."""
        return self._ends[-1]

    @property
    def decoded(self) -> bool:
        """Whether `fill` or `pack` has been called."""
        return all(part.decoded for part in self.parts)

    def __getitem__(self, index: int) -> Pair:
        """One image; see `Images`."""
        number = bisect.bisect_right(self._ends, index)
        return self.parts[number][index - self._first(number)]

    def _first(self, number: int) -> int:
        return self._ends[number] - len(self.parts[number])

    def read(self, windows: Windows, *, scale: int) -> dict[str, Tensor]:
        """Crops of a batch; see `Images`."""
        numbers = torch.bucketize(windows.images, torch.tensor(self._ends), right=True)
        found = []
        for number in sorted(set(numbers.tolist())):
            rows = torch.nonzero(numbers == number).flatten()
            mine = windows.of(rows)
            mine = replace(mine, images=mine.images - self._first(number))
            found.append((rows, self.parts[number].read(mine, scale=scale)))
        return {key: in_order([(rows, crops[key]) for rows, crops in found]) for key in found[0][1]}

    def fill(self) -> None:
        """Read everything into memory; see `Images`."""
        for part in self.parts:
            part.fill()

    def pack(self, root: Path, *, needed: float, limit: float | None = None) -> None:
        """Decode everything into files under `root`; see `Images`."""
        for part in self.parts:
            part.pack(root, needed=needed / len(self.parts), limit=limit)

    def move(self, device: torch.device) -> None:
        """Keep what was decoded on a device from now on."""
        for part in self.parts:
            part.move(device)
