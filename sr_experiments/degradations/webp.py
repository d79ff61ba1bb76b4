"""Lossy WebP (a VP8 key frame, RFC 6386), every sample at a quality of its own: what the decoder gives back.

The decoder's side is the standard's, integer by integer: prediction from what is already decoded, both
transforms, the steps, the normal loop filter (but for the order of edges). The encoder's side follows libwebp
at its defaults: colours, four segments by how calm a macroblock is, rounding, chroma's error handed on,
prediction of 16 x 16 or of 4 x 4 pixels. Its segments, steps and filter levels are those in libwebp's files,
but where libwebp filters more because only means were coded. `vp8/` has a file for each part, which says
whose it is.

What libwebp chooses by counting bits with probabilities that adapt along the file (method 3 and up; 4 is the
default) is chosen here as its method 2 does, by the error of the prediction and a constant for each mode. So
the modes differ and the distortion hardly does: in 180 crops of 128 x 128, qualities 10 to 90, it is 0.1 to
0.3 dB more in the mean, 0.6 dB off at most where there is texture and 1 dB in a clear sky (2.3 dB in crops of
64 x 64). The pictures are as far from method 4's as those of method 2 (32 to 43 dB). Trellis quantisation
(methods 5 and 6) is not here. Entropy coding loses nothing and is left out.

Numbers are integers, in float64 where products are large, so sums have the same bits in any order and any
batch.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from sr_experiments.degradations.base import Degradation
from sr_experiments.degradations.crops import Crops
from sr_experiments.degradations.ranges import checked_whole_range
from sr_experiments.degradations.vp8.coding import decoded
from sr_experiments.degradations.vp8.colour import doubled, to_luma, to_rgb, to_yuv
from sr_experiments.imaging.random import Draw


class WebP(Degradation):
    """Compress and decompress. RGB loses chroma resolution (4:2:0); any other bands are coded as grey images.

    Args:
        quality: Range of the quality, 0 to 100; every whole number in it is equally likely.

    Raises:
        ValueError: On an impossible range.
    """

    def __init__(self, *, quality: Sequence[float]) -> None:
        """Check the range."""
        super().__init__()
        self.quality = checked_whole_range(quality, owner="WebP", name="quality", lowest=0, highest=100)

    def spoil(self, crops: Crops, draw: Draw) -> Crops:
        """Images of the same sizes, in 256 levels."""
        quality = draw.integers("quality", self.quality[0], self.quality[1] + 1)
        return compress(crops, quality=draw.decided("quality", quality, within=self.quality))


def compress(crops: Crops, *, quality: Tensor) -> Crops:
    """Code and decode each image at its quality.

    Args:
        crops: Images, clamped to [0, 1] first.
        quality: (B,) int64 on the CPU, 0 to 100.
    """
    count, bands, height, width = crops.pixels.shape
    padded = crops.padded(0, -height % 16, 0, -width % 16, mirror=False)
    levels = (padded.clamp(0.0, 1.0) * 255.0 + 0.5).long()
    heights, widths = crops.heights, crops.widths
    if bands == 3:
        luma, chroma = to_yuv(levels)
    else:  # a grey pixel's luma is 219 / 255 of it, and 16
        heights, widths, quality = (x.repeat_interleave(bands) for x in (heights, widths, quality))
        luma, chroma = to_luma(*[levels.flatten(0, 1)] * 3), None
    own = ((heights + 15) // 16, (widths + 15) // 16)
    luma, chroma = decoded(luma, chroma, own=own, quality=quality)
    luma = luma[:, :height, :width].long()
    if chroma is None:
        neutral = torch.full_like(luma, 128)
        rgb = to_rgb(luma, neutral, neutral)[1].view(count, bands, height, width)
    else:
        halves = Crops(chroma, (heights + 1) // 2, (widths + 1) // 2, crops.rows, crops.origin)
        rgb = torch.stack(to_rgb(luma, *doubled(halves)[:, :, :height, :width].unbind(1)), dim=1)
    return replace(crops, pixels=rgb.to(crops.pixels.dtype) / 255.0)
