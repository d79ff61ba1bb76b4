"""Chroma's error handed on: the means of 2 x 2 blocks make up for errors above and to the left of them.

Not of RFC 6386, for which an encoder may code what it likes: libwebp's, with all its constants
(`CorrectDCValues` in `src/enc/quant_enc.c`).
"""

import torch
from torch import Tensor

from sr_experiments.degradations.vp8.quantiser import Quantiser
from sr_experiments.imaging.onto import onto

_FINEST = 98
"""The highest quality at which errors are handed on."""


class Diffusion:
    """What macroblocks leave to those below and to the right of them."""

    def __init__(self, source: Tensor, quality: Tensor) -> None:
        """Nothing yet, for macroblocks (rows, columns, B, P, 8, 8) and (B,) qualities on the CPU."""
        rows, columns, *others = source.shape[:4]
        self._below = source.new_zeros(rows + 1, columns, *others, 2, dtype=torch.float64)
        self._beside = source.new_zeros(rows, columns + 1, *others, 2, dtype=torch.float64)
        self._shares = onto(source.device, (quality <= _FINEST).double())[:, None]

    def __call__(self, place: tuple[Tensor, Tensor], means: Tensor, quantiser: Quantiser) -> Tensor:
        """What is left of the means of n macroblocks, (n, B, P, 4)."""
        y, x = place

        def one(number: int, above: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
            wanted = means[..., number] + ((7 * above + 8 * before) / 8).floor_()
            kept = quantiser(wanted)
            return kept, ((wanted - kept) / 2).floor_() * self._shares

        above, before = self._below[y, x].unbind(-1), self._beside[y, x].unbind(-1)
        first, error = one(0, above[0], before[0])
        second, right = one(1, above[1], error)
        third, down = one(2, error, before[1])
        fourth, corner = one(3, right, down)
        part = (corner * 0.75).floor_()
        self._beside[y, x + 1] = torch.stack((right, part), dim=-1)
        self._below[y + 1, x] = torch.stack((down, corner - part), dim=-1)
        return torch.stack((first, second, third, fourth), dim=-1)
