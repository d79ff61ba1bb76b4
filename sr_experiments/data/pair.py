"""A good image and its small one, decoded."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Pair:
    """One decoded image.

    Attributes:
        gt: (H, W, C) uint8 or uint16, H and W multiples of the scale.
        lq: (H / scale, W / scale, C) uint8 or uint16, or float32 in [0, 1] from a degradation that does not
            quantise; None where it is made later, from crops. Where it is enlarged again, its size is that of
            `gt`.
        grey: Whether the file is grey, whatever C is.
    """

    gt: np.ndarray
    lq: np.ndarray | None
    grey: bool

    @property
    def nbytes(self) -> int:
        """Of both."""
        return self.gt.nbytes + (self.lq.nbytes if self.lq is not None else 0)
