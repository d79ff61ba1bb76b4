"""A good image, its small one, and what else lies on its pixels, decoded."""

from dataclasses import dataclass

import numpy as np

PLANES = ("gt", "lq", "guide", "known")
"""What an image may consist of; all but `lq` have the size of `gt`."""


@dataclass(frozen=True)
class Pair:
    """One decoded image.

    Attributes:
        gt: (H, W, C) uint8 or uint16, H and W multiples of the scale.
        lq: (H / scale, W / scale, C) uint8 or uint16, or float32 in [0, 1] from a degradation that does not
            quantise; None where it is made later, from crops. Where it is enlarged again, its size is that of
            `gt`.
        grey: Whether the file is grey, whatever C is.
        guide: (H, W, G) uint8 or uint16, the same scene by another sensor; None where there is none.
        known: (H, W, 1) uint8, 255 where `gt` was measured and 0 where it was filled; None: all was measured.
    """

    gt: np.ndarray
    lq: np.ndarray | None
    grey: bool
    guide: np.ndarray | None = None
    known: np.ndarray | None = None

    @property
    def nbytes(self) -> int:
        """Of all of them."""
        return sum(plane.nbytes for plane in self.planes().values())

    def planes(self) -> dict[str, np.ndarray]:
        """Those that there are, by their keys in a batch."""
        every = ((key, getattr(self, key)) for key in PLANES)
        return {key: plane for key, plane in every if plane is not None}
