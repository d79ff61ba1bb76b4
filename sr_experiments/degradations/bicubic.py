"""The degradation of every classical benchmark: MATLAB's `imresize`.

Two rules are published. Networks that see RGB were measured from LR **files**: MATLAB shrank 8-bit images to
8-bit images, and ours are equal to them in every pixel (see `imaging.resize`), which is why a data set's own
files can take their place. Networks that see luma only (SRCNN, VDSR) were measured without a file: 8-bit luma
was shrunk in double precision, with mirrored borders, and never rounded.
"""

from typing import Literal

import torch
from torch import Tensor

from sr_experiments.degradations.base import Degradation
from sr_experiments.degradations.crops import Crops
from sr_experiments.imaging.random import Draw
from sr_experiments.imaging.resize import BORDERS, MAXIMA, Border, imresize, imresize_uint8


class Bicubic(Degradation):
    """Bicubic, antialiased; nothing is random.

    Args:
        scale: How many times smaller.
        quantise: Whether the result has the integers of a file. `auto`: unless the image has one channel, as
            the published protocols have it.
        border: `replicate` made the usual benchmark files; `symmetric` is what MATLAB does by itself. They
            differ in the outermost pixels only. `auto`: `replicate` where the result is quantised.

    Raises:
        ValueError: On an unknown border.
    """

    fixed = True

    def __init__(
        self,
        *,
        scale: int,
        quantise: bool | Literal["auto"] = "auto",
        border: Literal["auto", "replicate", "symmetric"] = "auto",
    ) -> None:
        """Remember the options."""
        super().__init__(scale=scale)
        if border not in ("auto", *BORDERS):
            raise ValueError(f"Bicubic: border={border!r} must be one of auto, {', '.join(BORDERS)}")
        self.quantise: bool | Literal["auto"] = quantise
        self.border: Literal["auto"] | Border = border

    def extra_repr(self) -> str:
        """All that decides about its pixels: decoded images are kept under this name."""
        return f"scale={self.scale}, quantise={self.quantise}, border={self.border}"

    def matches_files(self, *, channels: int) -> bool:
        """Whether it makes what published LR files hold."""
        return channels != 1 if self.quantise == "auto" else self.quantise

    def at_scale(self, scale: int) -> "Bicubic":
        """The same at another scale."""
        return Bicubic(scale=scale, quantise=self.quantise, border=self.border)

    def spoil(self, crops: Crops, draw: Draw) -> Crops:
        """The images, which are of one size; see `shrink`."""
        return crops.become(self.shrink(crops.tensor()))

    def shrink(self, image: Tensor) -> Tensor:
        """Quantised: uint8 and uint16 stay what they are, floats are taken as the 8 bits they stand for.

        Not quantised: float32 in [0, 1], computed in float64 (float32 where the device has no float64).
        """
        quantised = self.matches_files(channels=image.shape[1])
        border: Border = ("replicate" if quantised else "symmetric") if self.border == "auto" else self.border
        if quantised and not image.is_floating_point():
            return imresize_uint8(image, size=self.reduced(image), border=border)
        if quantised:
            levels = (image.clamp(0.0, 1.0) * 255.0 + 0.5).floor().to(torch.uint8)
            return imresize_uint8(levels, size=self.reduced(image), border=border).to(image.dtype) / 255.0
        white = MAXIMA.get(image.dtype, 1.0)
        precise = image.to(torch.float32 if image.device.type == "mps" else torch.float64) / white
        return imresize(precise, size=self.reduced(image), border=border).to(torch.float32)
