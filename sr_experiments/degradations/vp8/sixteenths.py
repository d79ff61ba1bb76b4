"""Luma as sixteen blocks of 4 x 4, each predicted from those decoded before it (RFC 6386, section 12.3).

The standard goes along the rows. Here blocks on a slanted line (column + 2 rows) are coded at once.
"""

from functools import lru_cache

import torch
from torch import Tensor

from sr_experiments.degradations.vp8.blocks import blocks
from sr_experiments.degradations.vp8.directions import predicted
from sr_experiments.degradations.vp8.modes import chosen, costs
from sr_experiments.degradations.vp8.quantiser import Quantiser
from sr_experiments.degradations.vp8.transforms import forward, inverse
from sr_experiments.imaging.onto import onto


def in_16(source: Tensor, frame: Tensor, quantiser: Quantiser) -> tuple[Tensor, Tensor]:
    """Code macroblocks.

    Args:
        source: (..., 16, 16).
        frame: (..., 17, 21), their border and room for them (`Plane.framed`); changed.
        quantiser: Of their blocks.

    Returns:
        What comes out, and 256 times the squared error of the predictions with the modes' costs, float64.
    """
    of_modes = costs(4, source.device)
    apart, flat = blocks(source), frame.flatten(-2)
    score = source.new_zeros(source.shape[:-2], dtype=torch.float64)
    for numbers, borders, pixels in _steps(source.device):
        wanted = apart[..., numbers, :]
        errors = wanted.unsqueeze(-2) - predicted(flat[..., borders])
        least, mode = (errors.square().sum(-1).double() * 256 + of_modes).min(-1)
        error = chosen(errors, mode, 2)
        result = wanted - error + inverse(quantiser(forward(error))).float()
        flat[..., pixels] = result.clamp_(0.0, 255.0)
        score += least.sum(-1)
    return frame[..., 1:, 1:17], score


@lru_cache(maxsize=8)
def _steps(device: torch.device) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Which of 16 blocks are predicted at once, and where in 17 x 21 pixels their borders and pixels are."""
    steps = []
    for time in range(10):
        places = [(y, time - 2 * y) for y in range(4) if 0 <= time - 2 * y < 4]
        borders, pixels = [], []
        for y, x in places:
            at = 21 * 4 * y + 4 * x
            left = [at + 21 * row for row in (4, 3, 2, 1, 0)]
            borders.append(left + [at + column for column in range(1, 9)])
            pixels.append([at + 21 * (row + 1) + column + 1 for row in range(4) for column in range(4)])
        numbers = [4 * y + x for y, x in places]
        found = [onto(device, torch.tensor(x)) for x in (numbers, borders, pixels)]
        steps.append((found[0], found[1], found[2]))
    return steps
