"""JPEG compression (ITU-T T.81), every sample at a quality of its own: what the decoder gives back.

The same steps as libjpeg's at its defaults: YCbCr of JFIF in integers, chroma halved along both axes and
enlarged by its triangle filter, blocks of 8 x 8, the tables of annex K scaled by quality as the Independent
JPEG Group does it. Entropy coding loses nothing and is left out. The few pixels that differ from libjpeg's
are where its fixed-point arithmetic rounds the other way.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from sr_experiments.degradations.base import Degradation
from sr_experiments.degradations.crops import Crops
from sr_experiments.degradations.ranges import checked_whole_range
from sr_experiments.imaging.onto import onto
from sr_experiments.imaging.random import Draw

# Annex K, tables K.1 and K.2.
_LUMA = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMA = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *[(99,) * 8] * 4,
)


class JPEG(Degradation):
    """Compress and decompress. RGB loses chroma resolution (4:2:0); any other bands are coded as grey images.

    Args:
        quality: Range of the quality, 1 to 100; every whole number in it is equally likely.

    Raises:
        ValueError: On an impossible range.
    """

    def __init__(self, *, quality: Sequence[float]) -> None:
        """Check the range."""
        super().__init__()
        self.quality = checked_whole_range(quality, owner="JPEG", name="quality", lowest=1, highest=100)

    def spoil(self, crops: Crops, draw: Draw) -> Crops:
        """Images of the same sizes, in 256 levels."""
        quality = draw.integers("quality", self.quality[0], self.quality[1] + 1)
        return compress(crops, quality=draw.decided("quality", quality, within=self.quality))


def compress(crops: Crops, *, quality: Tensor) -> Crops:
    """Code and decode each image at its quality.

    Args:
        crops: Images, clamped to [0, 1] first.
        quality: (B,) int64 on the CPU, 1 to 100.
    """
    levels = _rounded(crops.pixels.clamp(0.0, 1.0) * 255.0)
    if levels.shape[1] != 3:
        decoded = _coded(replace(crops, pixels=levels), tables(_LUMA, quality))
        return replace(crops, pixels=decoded.pixels / 255.0)
    red, green, blue = levels.unbind(1)
    luma = _rounded(0.299 * red + 0.587 * green + 0.114 * blue)
    # The constants of JFIF, with all their digits.
    blueness = _rounded(-0.168735892 * red - 0.331264108 * green + 0.5 * blue + 128.0)
    redness = _rounded(0.5 * red - 0.418687589 * green - 0.081312411 * blue + 128.0)
    luma = _coded(replace(crops, pixels=luma[:, None]), tables(_LUMA, quality)).pixels[:, 0]
    chroma = _halved(replace(crops, pixels=torch.stack((blueness, redness), dim=1)))
    enlarged = _doubled(_coded(chroma, tables(_CHROMA, quality)))
    blueness, redness = (enlarged[:, :, : luma.shape[-2], : luma.shape[-1]] - 128.0).unbind(1)
    rgb = (
        luma + _rounded(1.402 * redness),
        luma - _rounded(0.344136286 * blueness + 0.714136286 * redness),
        luma + _rounded(1.772 * blueness),
    )
    return replace(crops, pixels=torch.stack(rgb, dim=1).clamp_(0.0, 255.0) / 255.0)


def tables(base: Sequence[Sequence[int]], quality: Tensor) -> Tensor:
    """(B, 8, 8) float32: the quantisation steps of each quality."""
    percent = torch.where(quality < 50, 5000 // quality, 200 - 2 * quality)[:, None, None]
    steps = (torch.tensor(base) * percent + 50) // 100
    return steps.clamp(1, 255).float()


def _rounded(x: Tensor) -> Tensor:
    return (x + 0.5).floor_()


def _coded(crops: Crops, steps: Tensor) -> Crops:
    """Blocks of 8 x 8 through the cosine transform, quantisation and back; levels in, levels out."""
    height, width = crops.pixels.shape[-2:]
    blocks = crops.padded(0, -height % 8, 0, -width % 8, mirror=False) - 128.0
    count, channels, high, wide = blocks.shape
    blocks = blocks.view(count, channels, high // 8, 8, wide // 8, 8).transpose(3, 4)
    cosines = onto(blocks.device, _cosines())
    steps = onto(blocks.device, steps)[:, None, None, None]
    coefficients = cosines @ blocks @ cosines.T
    counts = _rounded(coefficients.abs() / steps)  # halves away from zero
    coefficients = counts.mul_(steps).copysign_(coefficients)
    decoded = _rounded(cosines.T @ coefficients @ cosines).add_(128.0).clamp_(0.0, 255.0)
    image = decoded.transpose(3, 4).reshape(count, channels, high, wide)
    return replace(crops, pixels=image[:, :, :height, :width])


def _cosines() -> Tensor:
    """(8, 8): row k is the k-th cosine, of length 1 (annex A.3.3)."""
    k, n = torch.arange(8, dtype=torch.float64)[:, None], torch.arange(8, dtype=torch.float64)[None]
    scale = torch.full((8, 1), 0.5, dtype=torch.float64)
    scale[0] = math.sqrt(1 / 8)
    return (scale * torch.cos((2 * n + 1) * k * math.pi / 16)).float()


def _halved(crops: Crops) -> Crops:
    """Means of 2 x 2, rounded down and up by turns along a row as libjpeg does."""
    even = crops.padded(0, crops.pixels.shape[-2] % 2 + 1, 0, crops.pixels.shape[-1] % 2 + 1, mirror=False)
    high, wide = (-(-length // 2) for length in crops.pixels.shape[-2:])
    even = even[:, :, : 2 * high, : 2 * wide]
    total = even[:, :, ::2, ::2] + even[:, :, 1::2, ::2] + even[:, :, ::2, 1::2] + even[:, :, 1::2, 1::2]
    bias = 1.0 + torch.arange(wide, device=total.device) % 2
    halves = ((total + bias) / 4).floor_()
    return Crops(halves, (crops.heights + 1) // 2, (crops.widths + 1) // 2, crops.rows, crops.origin)


def _doubled(crops: Crops) -> Tensor:
    """Each new pixel is three quarters of the nearest old one and a quarter of the next, along both axes."""
    padded = crops.padded(1, 1, 1, 1, mirror=False)
    here = padded[:, :, 1:-1]
    rows = torch.stack((3 * here + padded[:, :, :-2], 3 * here + padded[:, :, 2:]), dim=3).flatten(2, 3)
    middle = rows[..., 1:-1]
    left = ((3 * middle + rows[..., :-2] + 8) / 16).floor_()
    right = ((3 * middle + rows[..., 2:] + 7) / 16).floor_()
    return torch.stack((left, right), dim=4).flatten(3, 4)
