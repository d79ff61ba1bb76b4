"""From a quality to the steps and the filter level of each segment (RFC 6386, sections 9.3, 9.6 and 14.1).

What the steps of a quantiser are is the standard's. Which quantiser, and how much filter, is libwebp's
(`src/enc/quant_enc.c`) at its defaults: four segments, `sns_strength` 50, `filter_strength` 60 and
`filter_sharpness` 0.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from sr_experiments.degradations.vp8.quantiser import AC_STEPS, DC_STEPS, Quantiser
from sr_experiments.degradations.vp8.segments import quotient, segments, unrest
from sr_experiments.imaging.onto import onto

# All of libwebp.
_SPREAD = 0.9 * 50 / 100 / 128
"""How much a segment's exponent changes with how calm it is."""
_FILTER = 5 * 60
"""The filter's level in 256ths of a quarter of a step, where nothing is calmer."""
_FAINTEST = 2
"""The lowest level of the filter that is not left out."""
_PENALTY = 1000.0
"""What sixteen predictions must gain over one, per squared step."""


@dataclass(frozen=True)
class Plan:
    """How each macroblock is coded: (rows, columns, B) each."""

    luma: Quantiser
    means: Quantiser
    chroma: Quantiser
    penalty: Tensor
    strength: Tensor

    @classmethod
    def of(cls, luma: Tensor, chroma: Tensor | None, inside: Tensor, quality: Tensor) -> "Plan":
        """For macroblocks (rows, columns, B, P, side, side).

        Args:
            luma: Of one plane.
            chroma: Of two, or none for grey.
            inside: (rows, columns, B) whether a macroblock is one of its image.
            quality: (B,) int64 on the CPU.
        """
        in_luma = unrest(luma)
        in_chroma = unrest(chroma) if chroma is not None else torch.zeros_like(in_luma)
        calm = (255 - ((3 * in_luma + in_chroma + 2) >> 2)).clamp_(0, 255)  # libwebp's shares
        calmer, above, segment = segments(calm, inside)
        number = torch.arange(len(quality), device=calm.device)
        index = onto(calm.device, quantiser_indices()[quality]).gather(1, calmer + 127)[number, segment]
        ac, dc = (onto(calm.device, torch.tensor(steps))[index] for steps in (AC_STEPS, DC_STEPS))
        strength = ((ac >> 2).clamp_(max=63) * _FILTER // (256 + above[number, segment])).clamp_(max=63)
        return cls(
            luma=Quantiser.of(dc, ac, "luma"),
            means=Quantiser.of(2 * dc, (ac * 155 // 100).clamp_(min=8), "means"),
            chroma=_of_chroma(index, (in_chroma * inside).sum(dim=(0, 1)) // inside.sum(dim=(0, 1))),
            penalty=_PENALTY * ((dc + 15 * ac + 8) >> 4).double().square(),
            strength=torch.where(strength < _FAINTEST, 0, strength) * inside,
        )


def _of_chroma(index: Tensor, mean: Tensor) -> Quantiser:
    """By luma's quantiser, (rows, columns, B), and an image's mean unrest in chroma, (B,)."""
    ac, dc = (onto(index.device, torch.tensor(steps)) for steps in (AC_STEPS, DC_STEPS))
    # Of libwebp, halved as `sns_strength` is 50: -4 for the means, and 10 for each 70 of unrest beyond 64.
    # Of the standard: the means' steps end at number 117.
    shift = quotient(quotient((mean - 64) * 10, 70), 2).clamp_(-4, 6)
    return Quantiser.of(dc[(index - 2).clamp_(0, 117)], ac[(index + shift).clamp_(0, 127)], "chroma")


@lru_cache(maxsize=1)
def quantiser_indices() -> Tensor:
    """(101, 255) int64, 0 to 127, for a quality and how much calmer its segment is, -127 to 127.

    Made at once, on the CPU: the last bit of a power may depend on its place in a tensor.
    """
    share = torch.arange(101).double() / 100
    linear = torch.where(share < 0.75, share * (2 / 3), 2 * share - 1)
    calmer = torch.arange(-127, 128).double()
    compression = linear.pow(1 / 3)[:, None].pow(1.0 - _SPREAD * calmer)
    return (127.0 * (1.0 - compression)).long().clamp_(0, 127)
