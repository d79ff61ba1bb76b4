"""Where crops lie: square windows of images, several at once."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Windows:
    """One window for each sample, in pixels of `lq`; multiplied by the scale in pixels of `gt`.

    Attributes:
        images: (B,) int64 on the CPU, as all of these: number of the image.
        tops: First row.
        lefts: First column.
        sides: Length of the sides.
        largest: As much is read for every one of them; of a smaller one what is beyond its side is nobody's.
    """

    images: Tensor
    tops: Tensor
    lefts: Tensor
    sides: Tensor
    largest: int

    def __len__(self) -> int:
        """Number of windows."""
        return len(self.images)

    def of(self, rows: Tensor) -> "Windows":
        """Some of them, which are read as large as all."""
        return Windows(
            self.images[rows], self.tops[rows], self.lefts[rows], self.sides[rows], largest=self.largest
        )

    def times(self, scale: int) -> "Windows":
        """The same in pixels so many times smaller."""
        return Windows(
            self.images, self.tops * scale, self.lefts * scale, self.sides * scale, self.largest * scale
        )
