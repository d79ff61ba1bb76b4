"""A batch of images that need not have one size.

Where every sample is resized by a factor of its own, a batch is no tensor any more. Here the images lie in
the upper left corners of one tensor, what is beyond them is nobody's, and an operation that looks at
neighbours asks for the pixels of the image's own border (`padded`). So a degradation treats the whole batch
at once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from sr_experiments.imaging.onto import onto

WASTE = 1.5
"""How much higher or wider than the smallest the largest image of one tensor may be, when they are sorted."""


@dataclass(frozen=True)
class Crops:
    """Some samples of a batch.

    Attributes:
        pixels: (B, C, H, W) float32; image i fills [:heights[i], :widths[i]].
        heights: (B,) int64 on the CPU, so that nothing waits for a GPU.
        widths: The same.
        rows: (B,) int64 on the CPU, rising: the numbers of these samples in the batch that they are of.
        origin: (height, width) of `gt`, from which all of them come.
    """

    pixels: Tensor
    heights: Tensor
    widths: Tensor
    rows: Tensor
    origin: tuple[int, int]

    @classmethod
    def of(cls, image: Tensor) -> "Crops":
        """Images of one size: (B, C, H, W)."""
        count, _, height, width = image.shape
        heights, widths = torch.full((count,), height), torch.full((count,), width)
        return cls(image, heights, widths, torch.arange(count), (height, width))

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.rows)

    @property
    def device(self) -> torch.device:
        """Where the pixels are."""
        return self.pixels.device

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """(height, width) of each image."""
        return list(zip(self.heights.tolist(), self.widths.tolist(), strict=True))

    def tensor(self) -> Tensor:
        """The images as one tensor; they must be of one size."""
        assert set(self.sizes) == {(self.pixels.shape[-2], self.pixels.shape[-1])}, self.sizes
        return self.pixels

    def map(self, change: Callable[[Tensor], Tensor]) -> "Crops":
        """Change every pixel by itself."""
        return replace(self, pixels=change(self.pixels))

    def take(self, numbers: Tensor) -> "Crops":
        """Some of these samples, in a tensor that is just large enough.

        Args:
            numbers: (n,) int64 on the CPU, at least one, rising: which, counted among these samples.
        """
        heights, widths = self.heights[numbers], self.widths[numbers]
        height, width = int(heights.max()), int(widths.max())
        pixels = self.pixels[onto(self.device, numbers), :, :height, :width]
        return Crops(pixels, heights, widths, self.rows[numbers], self.origin)

    def become(self, image: Tensor) -> "Crops":
        """Other pixels for these samples, all of one size."""
        of_image = Crops.of(image)
        return replace(of_image, rows=self.rows, origin=self.origin)

    def rows_in(self, batch: "Crops") -> Tensor:
        """(B,) numbers of these samples among those of a larger group."""
        return torch.searchsorted(batch.rows, self.rows)

    def by_size(self) -> "list[Crops]":
        """Groups of about the same size, so that little is computed for nobody (see `WASTE`)."""
        longest = torch.maximum(self.heights, self.widths)
        order = torch.argsort(longest, descending=True, stable=True).tolist()
        groups: list[list[int]] = []
        for number in order:
            if not groups or longest[groups[-1][0]] > WASTE * longest[number]:
                groups.append([])
            groups[-1].append(number)
        if len(groups) == 1:
            return [self]
        return [self.take(torch.tensor(sorted(group))) for group in groups]

    def padded(self, top: int, bottom: int, left: int, right: int, *, mirror: bool) -> Tensor:
        """Pixels around every image: mirrored without repeating the outermost one, or that one repeated.

        Mirrors follow one another where an image is smaller than what is asked for.

        Returns:
            (B, C, top + H + bottom, left + W + right); of image i the first top + heights[i] + bottom rows
            and left + widths[i] + right columns count.
        """
        height, width = self.pixels.shape[-2:]
        if (
            len(set(self.sizes)) == 1
            and self.sizes[0] == (height, width)
            and (not mirror or min(height, width) > max(top, bottom, left, right))
        ):
            return F.pad(self.pixels, (left, right, top, bottom), mode="reflect" if mirror else "replicate")
        y = onto(self.device, _sources(torch.arange(-top, height + bottom), self.heights, mirror=mirror))
        x = onto(self.device, _sources(torch.arange(-left, width + right), self.widths, mirror=mirror))
        channels = self.pixels.shape[1]
        high = self.pixels.gather(2, y[:, None, :, None].expand(-1, channels, -1, width))
        return high.gather(3, x[:, None, None, :].expand(-1, channels, high.shape[2], -1))


def _sources(places: Tensor, lengths: Tensor, *, mirror: bool) -> Tensor:
    """(B, n) int64: which pixel stands at each place, for images of each length."""
    last = (lengths - 1)[:, None]
    if not mirror:
        return places[None, :].clamp(min=0).minimum(last)
    period = (2 * last).clamp(min=1)
    folded = places[None, :].remainder(period)
    return torch.minimum(folded, period - folded).minimum(last)


def joined(parts: Sequence[Crops]) -> Crops:
    """Samples from several groups, in the order of their numbers in the batch."""
    if len(parts) == 1:
        return parts[0]
    heights, widths, rows = (
        torch.cat([getattr(part, name) for part in parts]) for name in ("heights", "widths", "rows")
    )
    order = torch.argsort(rows)
    first = parts[0].pixels
    pixels = first.new_zeros(len(rows), first.shape[1], int(heights.max()), int(widths.max()))
    place = torch.argsort(order)
    start = 0
    for part in parts:
        height, width = int(part.heights.max()), int(part.widths.max())
        at = onto(first.device, place[start : start + len(part)])
        pixels[at, :, :height, :width] = part.pixels[:, :, :height, :width]
        start += len(part)
    return Crops(pixels, heights[order], widths[order], rows[order], parts[0].origin)
