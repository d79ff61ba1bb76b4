"""Which prediction is taken: by its error and a constant for each mode, as libwebp's method 2 does it.

RFC 6386 leaves that to the encoder. `RefineUsingDistortion` in libwebp's `src/enc/quant_enc.c`.
"""

from functools import lru_cache

import torch
from torch import Tensor

from sr_experiments.degradations.vp8.prediction import Plane
from sr_experiments.imaging.onto import onto

# What a mode costs, in 256ths of a bit, and what that weighs beside 256 times the squared error: of 16 x 16,
# 8 x 8 and 4 x 4 pixels. DC, TrueMotion, vertical, horizontal; of 4 x 4 then RD, VR, LD, VL, HD, HU. All of
# libwebp, but the costs of 4 x 4: there it has a table for what the neighbours' modes tell; these are ours,
# about its means.
_COSTS = {
    16: (106, (663, 919, 872, 919)),
    8: (120, (302, 984, 439, 642)),
    4: (11, (350, 700, 1000, 1000, 1400, 1400, 1400, 1400, 1400, 1400)),
}


@lru_cache(maxsize=32)
def costs(side: int, device: torch.device) -> Tensor:
    """What each mode of a block of so many pixels adds to 256 times its squared error, float64."""
    weight, of_modes = _COSTS[side]
    return weight * onto(device, torch.tensor(of_modes, dtype=torch.float64))


def at_once(
    plane: Plane, place: tuple[Tensor, Tensor], flat: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """The best prediction of whole macroblocks: it, its error, and 256 times the squared error with its cost.

    Where a macroblock at the upper or left border is of one value (`flat`), it is continued along the border.
    """
    predictions = plane.predictions(place)
    errors = plane.source[place].unsqueeze(-3) - predictions
    scores = errors.square().sum(dim=(-1, -2)).double().sum(dim=-2) * 256
    least, mode = (scores + costs(errors.shape[-1], errors.device)).min(-1)
    if flat is not None:
        mode = torch.where(flat, 2 * (place[1] > 0).long()[:, None], mode)
    return chosen(predictions, mode, 3), chosen(errors, mode, 3), least


def chosen(choices: Tensor, mode: Tensor, dim: int) -> Tensor:
    """One of several, without the dimension that they are along: number `dim` from the end."""
    place = mode.view(*mode.shape, *[1] * (choices.dim() - mode.dim()))
    shape = list(choices.shape)
    shape[-dim] = 1
    return choices.gather(-dim, place.expand(shape)).squeeze(-dim)
