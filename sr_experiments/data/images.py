"""Decoded images: integers as the files have them, `gt` cropped to a multiple of the scale, `lq` beside it.

They are read from files each time, or once, by threads, into memory or into a file that is mapped. Worker
processes that are forked afterwards share that memory.
"""

import bisect
import itertools
import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from sr_experiments.data.headers import threads, wrong_pair
from sr_experiments.data.memory import readable
from sr_experiments.data.pack import open_or_build
from sr_experiments.data.pair import Pair
from sr_experiments.data.problems import shortened
from sr_experiments.data.sources import Item
from sr_experiments.degradations.base import Degradation
from sr_experiments.imaging.colour import to_channels
from sr_experiments.imaging.io import read_image, to_tensor
from sr_experiments.imaging.random import name_position
from sr_experiments.imaging.resize import imresize

_log = logging.getLogger(__name__)

# Of a random degradation in evaluation: not the run's seed, so that runs of other seeds have the same task.
EVALUATION_SEED = 0


class Images:
    """The images of a source, by number.

    Args:
        items: The files.
        scale: Of super-resolution.
        channels: Wanted C; grey, RGB and luma are converted.
        spoil: Makes `lq` of a whole image where there is no file of it; None where crops are spoilt later.
        enlarge: Bring `lq` back to the size of `gt` by bicubic interpolation.
    """

    def __init__(
        self,
        items: Sequence[Item],
        *,
        scale: int,
        channels: int,
        spoil: "SpoilWhole | None",
        enlarge: bool = False,
    ) -> None:
        """Nothing is read yet."""
        self.items = list(items)
        self.scale = scale
        self.channels = channels
        self._spoil = spoil
        self._enlarge = enlarge
        self._cache: Sequence[Pair] | None = None
        self.in_memory = False

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
        return self._read(self.items[index]) if self._cache is None else self._cache[index]

    def fill(self) -> None:
        """Read everything into memory.

        Raises:
            ValueError: Naming the files that cannot be used.
        """
        if self._cache is not None:
            return
        start = time.perf_counter()
        with ThreadPoolExecutor(threads()) as pool:
            results = list(pool.map(self._try, self.items))
        problems = [result for result in results if isinstance(result, str)]
        if problems:
            raise ValueError(shortened(problems, separator="\n"))
        self._cache = [result for result in results if isinstance(result, Pair)]
        self.in_memory = True
        total = readable(sum(pair.nbytes for pair in self._cache))
        _log.info("decoded %d images (%s) in %.1f s", len(self), total, time.perf_counter() - start)

    def pack(self, root: Path, *, needed: float) -> None:
        """Decode everything into a file under `root`, unless that was done before; see `pack`.

        Raises:
            ValueError: Naming a file that cannot be used.
            OSError: If the disk has not the room.
        """
        if self._cache is None:
            spoil = self._spoil.degradation if self._spoil is not None else None
            settings = f"scale {self.scale}, channels {self.channels}, lq {spoil!r}, enlarged {self._enlarge}"
            self._cache = open_or_build(root, self.items, settings=settings, read=self._read, needed=needed)

    def _try(self, item: Item) -> Pair | str:
        try:
            return self._read(item)
        except (ValueError, FileNotFoundError) as error:
            return str(error)

    def _read(self, item: Item) -> Pair:
        gt, found = self._decode(item.gt)
        small = None
        if item.lq is not None:
            small, _ = self._decode(item.lq)
            problem = wrong_pair(item.gt, item.lq, gt.shape[:2], small.shape[:2], scale=self.scale)
            if problem is not None:
                raise ValueError(problem)
        height, width = (length // self.scale * self.scale for length in gt.shape[:2])
        gt = np.ascontiguousarray(gt[:height, :width])
        if small is None and self._spoil is not None:
            small = self._spoil(gt, name=item.name)
        if small is not None and self._enlarge:
            small = _enlarged(small, size=(height, width))
        return Pair(gt=gt, lq=small, grey=found == 1)

    def _decode(self, path: Path) -> tuple[np.ndarray, int]:
        """The image in the wanted channels, and how many the file has."""
        image = read_image(path)
        try:
            return to_channels(image, channels=self.channels), image.shape[2]
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
    def in_memory(self) -> bool:
        """Whether `fill` has been called."""
        return all(part.in_memory for part in self.parts)

    @property
    def decoded(self) -> bool:
        """Whether `fill` or `pack` has been called."""
        return all(part.decoded for part in self.parts)

    def __getitem__(self, index: int) -> Pair:
        """One image; see `Images`."""
        number = bisect.bisect_right(self._ends, index)
        return self.parts[number][index - (self._ends[number] - len(self.parts[number]))]

    def fill(self) -> None:
        """Read everything into memory; see `Images`."""
        for part in self.parts:
            part.fill()

    def pack(self, root: Path, *, needed: float) -> None:
        """Decode everything into files under `root`; see `Images`."""
        for part in self.parts:
            part.pack(root, needed=needed / len(self.parts))
