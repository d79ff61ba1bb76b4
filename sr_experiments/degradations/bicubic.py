"""The degradation of every classical benchmark: MATLAB's `imresize` on the integers of the file.

Equal in every pixel to the low-resolution files that are published (see `imaging.resize`), which is why a
data set's own files can take its place.
"""

import torch
from torch import Tensor

from sr_experiments.degradations.base import Degradation
from sr_experiments.degradations.random import Draw
from sr_experiments.imaging.resize import BORDERS, Border, imresize_uint8


class Bicubic(Degradation):
    """Bicubic, antialiased, rounded to integers; nothing is random.

    Args:
        scale: How many times smaller.
        border: `replicate` made the usual benchmark files; `symmetric` is what MATLAB does by itself. They
            differ in the outermost pixels only.

    Raises:
        ValueError: On an unknown border.
    """

    fixed = True

    def __init__(self, *, scale: int, border: Border = "replicate") -> None:
        """Remember the options."""
        super().__init__(scale=scale)
        if border not in BORDERS:
            raise ValueError(f"Bicubic: border={border!r} must be one of {', '.join(BORDERS)}")
        self.border = border

    def spoil(self, image: Tensor, draw: Draw) -> Tensor:
        """uint8 and uint16 stay what they are; floats are taken as the 8-bit images that they stand for."""
        if not image.is_floating_point():
            return imresize_uint8(image, size=self.reduced(image), border=self.border)
        levels = (image.clamp(0.0, 1.0) * 255.0 + 0.5).floor().to(torch.uint8)
        return imresize_uint8(levels, size=self.reduced(image), border=self.border).to(image.dtype) / 255.0
