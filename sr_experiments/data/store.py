"""Decoded images as one array of bytes, wherever that lies: in memory, in a mapped file, on a GPU.

A crop is a number of rows, a row a number of bytes at some place of the array: all rows of all crops of a
batch are fetched by one call.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sr_experiments.data.pair import Pair
from sr_experiments.data.windows import Windows

ALIGNED = 64
"""Images in memory start at multiples of so many bytes, as any of their integers and floats may."""
_TORCH = {"|u1": torch.uint8, "<u2": torch.uint16, "<f4": torch.float32}


@dataclass(frozen=True)
class Place:
    """Where an image lies.

    Attributes:
        start: Its first byte.
        shape: (H, W, C).
        dtype: Of its numbers, as numpy abbreviates it: `|u1`, `<u2` or `<f4`.
    """

    start: int
    shape: tuple[int, int, int]
    dtype: str

    @property
    def nbytes(self) -> int:
        """Its length."""
        return int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize


class Store(Sequence[Pair]):
    """Images by number, and crops of them.

    Args:
        pixels: (N,) uint8; behind the last image at least as many bytes as the widest row has.
        tables: Key (see `PLANES`) -> where that of every image lies.
        grey: Whether the file of each had one channel.
    """

    def __init__(self, pixels: Tensor, *, tables: Mapping[str, "Table"], grey: Sequence[bool]) -> None:
        """Keep them."""
        assert all(len(table) == len(grey) for table in tables.values())
        self.pixels = pixels
        self.grey = list(grey)
        self._tables = dict(tables)

    def __len__(self) -> int:
        """Number of images."""
        return len(self.grey)

    def __getitem__(self, index: int) -> Pair:  # type: ignore[override]  # no slices
        """One image, in place: not copied."""
        arrays = {key: self._array(table[index]) for key, table in self._tables.items()}
        return Pair(
            gt=arrays["gt"],
            lq=arrays.get("lq"),
            grey=self.grey[index],
            guide=arrays.get("guide"),
            known=arrays.get("known"),
        )

    def _array(self, place: Place) -> np.ndarray:
        content = self.pixels[place.start : place.start + place.nbytes].numpy()
        return content.view(place.dtype).reshape(place.shape)

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """(height, width) of the good images."""
        table = self._tables["gt"]
        return list(zip(table.heights.tolist(), table.widths.tolist(), strict=True))

    @property
    def nbytes(self) -> int:
        """Of all images."""
        return sum(table.nbytes for table in self._tables.values())

    def to(self, device: torch.device) -> "Store":
        """The same on another device."""
        return Store(self.pixels.to(device), tables=self._tables, grey=self.grey)

    def read(self, windows: Windows, *, scale: int) -> dict[str, Tensor]:
        """Crops of a batch.

        Args:
            windows: Where, in pixels of `lq`.
            scale: How many times larger `gt` is than `lq`.

        Returns:
            `gt` (B, S * scale, S * scale, C) and, where there are any, `lq` (B, S, S, C), and `guide` and
            `known` of the size of `gt`, S being `windows.largest`: uint8, or uint16 if any of the images has
            16 bits, or float32.
        """
        return {
            key: self._crops(table, windows if key == "lq" else windows.times(scale))
            for key, table in self._tables.items()
        }

    def _crops(self, table: "Table", windows: Windows) -> Tensor:
        if len(table.names) == 1:
            return self._crops_of_kind(table, windows, table.names[0])
        kinds = table.kinds[windows.images.numpy()]
        parts = []
        for kind in sorted(set(kinds.tolist())):
            rows = torch.from_numpy(np.flatnonzero(kinds == kind))
            mine = windows if len(rows) == len(windows) else windows.of(rows)
            parts.append((rows, self._crops_of_kind(table, mine, table.names[kind])))
        return in_order(parts)

    def _crops_of_kind(self, table: "Table", windows: Windows, dtype: str) -> Tensor:
        side, channels = windows.largest, table.channels
        per_pixel = channels * np.dtype(dtype).itemsize
        images = windows.images.numpy()[:, None]
        rows = np.minimum(windows.tops.numpy()[:, None] + np.arange(side), table.heights[images] - 1)
        pixels = rows * table.widths[images] + windows.lefts.numpy()[:, None]
        starts = table.starts[images] + pixels * per_pixel
        length = side * per_pixel
        # Every run of so many bytes as a row of a matrix, of which none is copied but those asked for.
        runs = self.pixels.as_strided((len(self.pixels) - length + 1, length), (1, 1))
        at = torch.from_numpy(starts.reshape(-1)).to(self.pixels.device, non_blocking=True)
        found = runs.index_select(0, at)
        return found.view(_TORCH[dtype]).view(len(windows), side, side, channels)


class Table(Sequence[Place]):
    """The places of images as arrays: by numpy small sums do not hand the interpreter to another thread.

    Args:
        starts: First bytes, as many as there are images.
        shapes: (H, W, C), all of the same C.
        dtypes: See `Place`.
    """

    def __init__(self, starts: Sequence[int], shapes: Sequence[Sequence[int]], dtypes: Sequence[str]) -> None:
        """Tabulate them."""
        self.names = sorted(set(dtypes))
        numbers = {name: number for number, name in enumerate(self.names)}
        self.kinds = np.array([numbers[name] for name in dtypes])
        self.starts = np.array(starts)
        self.heights, self.widths, depths = np.array(shapes).reshape(-1, 3).T.copy()
        (self.channels,) = set(depths.tolist())

    def __len__(self) -> int:
        """Number of images."""
        return len(self.starts)

    def __getitem__(self, index: int) -> Place:  # type: ignore[override]  # no slices
        """Where one of them lies."""
        shape = int(self.heights[index]), int(self.widths[index]), self.channels
        return Place(int(self.starts[index]), shape, self.names[self.kinds[index]])

    @property
    def nbytes(self) -> int:
        """Of all images."""
        sizes = np.array([np.dtype(name).itemsize for name in self.names])
        return int((self.heights * self.widths * sizes[self.kinds]).sum() * self.channels)


def tabulated(places: Sequence[Place]) -> Table:
    """A table of places."""
    return Table(
        [place.start for place in places],
        [place.shape for place in places],
        [place.dtype for place in places],
    )


def in_memory(pairs: list[Pair]) -> Store:
    """A store of some images. The list is emptied on the way, so that they are not in memory twice."""
    grey = [pair.grey for pair in pairs]
    planes = [pair.planes() for pair in pairs]
    keys = [key for key in planes[0] if all(key in group for group in planes)]
    arrays = [[group[key] for key in keys] for group in planes]
    pairs.clear()
    planes.clear()
    places: list[list[Place]] = []
    end = 0
    for images in arrays:
        places.append([])
        for array in images:
            places[-1].append(Place(start=end, shape=_three(array.shape), dtype=array.dtype.str))
            end += -(-array.nbytes // ALIGNED) * ALIGNED
    # Memory that is not written to yet is not taken yet.
    pixels = torch.empty(end + widest_row(place for group in places for place in group), dtype=torch.uint8)
    for group in places:
        for place, array in zip(group, arrays.pop(0), strict=True):
            pixels[place.start : place.start + place.nbytes] = torch.from_numpy(
                np.ascontiguousarray(array).reshape(-1).view(np.uint8)
            )
    pixels[end:] = 0
    tables = {key: tabulated([group[n] for group in places]) for n, key in enumerate(keys)}
    return Store(pixels, tables=tables, grey=grey)


def widest_row(places: Iterable[Place]) -> int:
    """The widest row of some images in bytes."""
    return max(place.shape[1] * place.shape[2] * np.dtype(place.dtype).itemsize for place in places)


def in_order(parts: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """Crops that were read in several parts as one batch.

    Args:
        parts: (n,) numbers in the batch, and the crops (n, H, W, C): integers of any depth, or all float32.

    Returns:
        All of them: float32, or uint8, or uint16 if any is; what had 8 bits is then multiplied by 257.
    """
    if len(parts) == 1:
        return parts[0][1]
    tensors = [tensor for _, tensor in parts]
    dtypes = {tensor.dtype for tensor in tensors}
    assert torch.float32 not in dtypes or len(dtypes) == 1
    if len(dtypes) > 1:
        # torch can do little with uint16, but everything with the same bits as int16.
        tensors = [_as_16_bit(tensor) for tensor in tensors]
    order = torch.cat([rows for rows, _ in parts]).argsort().to(tensors[0].device)
    whole = torch.cat(tensors).index_select(0, order)
    return whole.view(torch.uint16) if len(dtypes) > 1 else whole


def _as_16_bit(crops: Tensor) -> Tensor:
    if crops.dtype == torch.uint8:
        return (crops.to(torch.int32) * 257).to(torch.int16)  # 255 becomes 65535; what is too large wraps
    return crops.view(torch.int16)


def _three(shape: Sequence[int]) -> tuple[int, int, int]:
    height, width, channels = shape
    return height, width, channels
