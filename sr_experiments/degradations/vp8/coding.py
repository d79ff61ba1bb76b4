"""Macroblock after macroblock: predicted, coded and decoded (RFC 6386, sections 5 and 14.5).

What is decoded is the standard's; what is coded is chosen as libwebp does it (`src/enc/quant_enc.c`). The
standard goes along the rows. Here macroblocks on a slanted line (column + 2 rows), which do not need one
another, are coded at once, of all samples.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from sr_experiments.degradations.vp8.blocks import blocks, tiles, unblocked, untiled
from sr_experiments.degradations.vp8.diffusion import Diffusion
from sr_experiments.degradations.vp8.loop_filter import deblocked
from sr_experiments.degradations.vp8.modes import at_once
from sr_experiments.degradations.vp8.plan import Plan
from sr_experiments.degradations.vp8.prediction import Plane
from sr_experiments.degradations.vp8.sixteenths import in_16
from sr_experiments.degradations.vp8.transforms import forward, inverse, unwalsh, walsh
from sr_experiments.imaging.onto import onto


def decoded(
    luma: Tensor, chroma: Tensor | None, *, own: tuple[Tensor, Tensor], quality: Tensor
) -> tuple[Tensor, Tensor | None]:
    """Through the codec and back.

    Args:
        luma: (B, H, W) float32 levels, multiples of 16.
        chroma: (B, 2, H / 2, W / 2), or none for grey.
        own: (B,) how many rows and columns of macroblocks are each image's own.
        quality: (B,) int64 on the CPU.
    """
    of_luma, of_chroma = tiles(luma[:, None], 16), None if chroma is None else tiles(chroma, 8)
    rows, columns = (torch.arange(length, device=luma.device) for length in of_luma.shape[:2])
    high, wide = (onto(luma.device, x) for x in own)
    inside = (rows[:, None, None] < high) & (columns[:, None] < wide)
    plan = Plan.of(of_luma, of_chroma, inside, quality)
    coders: list[_Luma | _Chroma] = [_Luma(of_luma, plan, wide - 1)]
    if of_chroma is not None:
        coders.append(_Chroma(of_chroma, plan, quality))
    inner = torch.zeros_like(inside)
    for place in _lines(len(rows), len(columns), luma.device):
        inner[place] = torch.stack([coder.code(place) for coder in coders]).any(0)
    found = [deblocked(untiled(coder.plane.done), plan.strength, inner) for coder in coders]
    return found[0][:, 0], None if chroma is None else found[1]


def _lines(rows: int, columns: int, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
    """Rows and columns of the macroblocks that are coded at once."""
    for line in range(columns + 2 * rows - 2):
        y = torch.arange(max(0, (line - columns + 2) // 2), min(rows, line // 2 + 1), device=device)
        yield y, line - 2 * y


class _Luma:
    """Codes macroblocks as one or as sixteen blocks, whichever is predicted better."""

    def __init__(self, source: Tensor, plan: Plan, last: Tensor) -> None:
        self.plane, self._plan, self._last = Plane(source), plan, last

    def code(self, place: tuple[Tensor, Tensor]) -> Tensor:
        """Put what comes out into the plane; (n, B) whether inner edges are to be filtered."""
        y, x = place
        source = self.plane.source[place]
        # libwebp's exception: what is flat, at the upper or left border, is coded as one.
        flat = (source.amax((-3, -2, -1)) == source.amin((-3, -2, -1))) & ((x == 0) | (y == 0))[:, None]
        whole, busy, score = self._as_one(place, flat)
        frame = self.plane.framed(place, self._last)
        parts, of_parts = in_16(source, frame, self._plan.luma.at(place))
        finer = (of_parts.squeeze(-1) + self._plan.penalty[place] < score) & ~flat
        self.plane.put(place, torch.where(finer[..., None, None, None], parts, whole))
        return finer | busy

    def _as_one(self, place: tuple[Tensor, Tensor], flat: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What comes out, whether there is more to it than the prediction, and the prediction's score."""
        prediction, error, score = at_once(self.plane, place, flat)
        coefficients = forward(blocks(error))
        means = walsh(coefficients[..., 0]).unsqueeze(-2)
        coefficients = self._plan.luma.at(place)(coefficients)
        coefficients[..., 0] = unwalsh(self._plan.means.at(place)(means).squeeze(-2))
        return *_added(prediction, coefficients), score


class _Chroma:
    """Codes macroblocks, handing on the error of their means."""

    def __init__(self, source: Tensor, plan: Plan, quality: Tensor) -> None:
        self.plane, self._plan, self._diffusion = Plane(source), plan, Diffusion(source, quality)

    def code(self, place: tuple[Tensor, Tensor]) -> Tensor:
        """Put what comes out into the plane; (n, B) whether inner edges are to be filtered."""
        prediction, error, _ = at_once(self.plane, place)
        quantiser = self._plan.chroma.at(place)
        coefficients = forward(blocks(error))
        means = self._diffusion(place, coefficients[..., 0], quantiser.first())
        coefficients = quantiser(coefficients)
        coefficients[..., 0] = means
        result, busy = _added(prediction, coefficients)
        self.plane.put(place, result)
        return busy


def _added(prediction: Tensor, coefficients: Tensor) -> tuple[Tensor, Tensor]:
    """What comes out of (n, B, P, side, side), and (n, B) whether there is any coefficient."""
    result = prediction + unblocked(inverse(coefficients)).float()
    return result.clamp_(0.0, 255.0), (coefficients != 0).flatten(2).any(-1)
