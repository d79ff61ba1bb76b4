"""Steps, and what is left of coefficients by them.

The steps are those of RFC 6386, section 14.1. How an encoder rounds is its own affair: biases and lifts are
libwebp's (`src/enc/quant_enc.c`).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from sr_experiments.imaging.onto import onto

# Section 14.1: the steps of quantiser 0 to 127, of means and of the rest.
# fmt: off
DC_STEPS = (
    4, 5, 6, 7, 8, 9, 10, 10, 11, 12, 13, 14, 15, 16, 17, 17, 18, 19, 20, 20, 21, 21, 22, 22, 23, 23, 24, 25,
    25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 46, 47, 48,
    49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 74,
    75, 76, 76, 77, 78, 79, 80, 81, 82, 83, 84, 85, 86, 87, 88, 89, 91, 93, 95, 96, 98, 100, 101, 102, 104,
    106, 108, 110, 112, 114, 116, 118, 122, 124, 126, 128, 130, 132, 134, 136, 138, 140, 143, 145, 148, 151,
    154, 157,
)
AC_STEPS = (
    *range(4, 59), *range(60, 117, 2), *range(119, 173, 3), 173, 177, 181, 185, 189, 193, 197, 201, 205, 209,
    213, 217, 221, 225, 229, 234, 239, 245, 249, 254, 259, 264, 269, 274, 279, 284,
)
# fmt: on
# Of libwebp: what is added before a level is cut off, in 256ths of a step (means, the rest), for luma, for
# the means of luma's blocks and for chroma; and how far luma's fine coefficients are lifted, in 2048ths.
_BIASES = {"luma": (96, 110), "means": (96, 108), "chroma": (110, 115)}
_LIFTS = (0, 30, 60, 90, 30, 60, 90, 90, 60, 90, 90, 90, 90, 90, 90, 90)


@dataclass(frozen=True)
class Quantiser:
    """Steps of the 16 coefficients of a block, for every macroblock: (..., 16) float64 each."""

    step: Tensor
    reciprocal: Tensor
    bias: Tensor
    lift: Tensor

    @classmethod
    def of(cls, means: Tensor, rest: Tensor, kind: str) -> "Quantiser":
        """From the step of the first coefficient and that of the others, int64 of any shape."""
        steps = torch.cat((means[..., None], rest[..., None].expand(*rest.shape, 15)), dim=-1)
        first, others = _BIASES[kind]
        bias = onto(steps.device, torch.tensor([first] + [others] * 15)) << 9
        lifts = _LIFTS if kind == "luma" else (0,) * 16
        lift = (onto(steps.device, torch.tensor(lifts)) * steps) >> 11
        return cls(steps.double(), (2**17 // steps).double(), bias.double(), lift.double())

    def at(self, place: tuple[Tensor, Tensor]) -> "Quantiser":
        """Of some macroblocks, for blocks (n, B, P, blocks, 16)."""
        of_all = (self.step, self.reciprocal, self.lift)
        step, reciprocal, lift = (x[place][..., None, None, :] for x in of_all)
        return Quantiser(step, reciprocal, self.bias, lift)

    def first(self) -> "Quantiser":
        """For the first coefficient of one block: (n, B, P)."""
        step, reciprocal, lift = (x[..., 0, 0] for x in (self.step, self.reciprocal, self.lift))
        return Quantiser(step, reciprocal, self.bias[0], lift)

    def __call__(self, coefficients: Tensor) -> Tensor:
        """What is left of them: multiples of the steps."""
        levels = (coefficients.abs() + self.lift).mul_(self.reciprocal).add_(self.bias)
        levels = levels.mul_(2.0**-17).floor_()
        return levels.mul_(self.step).copysign_(coefficients)
