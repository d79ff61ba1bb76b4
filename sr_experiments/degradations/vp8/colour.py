"""From RGB to luma and halved chroma, and back: BT.601 in its limited range (RFC 6386, section 9.2).

The standard names the colour space and leaves the arithmetic open. All of it here is libwebp's, in fixed
point: `src/dsp/yuv.h`, the means of chroma in `src/enc/picture_csp_enc.c`, its enlargement in
`src/dsp/upsampling.c`.
"""

import torch
from torch import Tensor

from sr_experiments.degradations.crops import Crops
from sr_experiments.imaging.onto import onto


def to_luma(red: Tensor, green: Tensor, blue: Tensor) -> Tensor:
    """float32 of int64 levels, 16 to 235."""
    return ((16839 * red + 33059 * green + 6420 * blue + (33 << 15)) >> 16).float()


def to_yuv(levels: Tensor) -> tuple[Tensor, Tensor]:
    """(B, H, W) and (B, 2, H / 2, W / 2), float32, of (B, 3, H, W) int64; H and W even.

    Chroma is of the means of 2 x 2 where light is nearly linear: a power of 0.8, by a table of 33 points.
    """
    linear = onto(levels.device, ((torch.arange(256).double() / 255).pow(0.8) * 4095 + 0.5).long())
    back = onto(levels.device, (255 * (torch.arange(33).double() * 128 / 4095).pow(1.25) + 0.5).long())
    light = linear[levels]
    total = light[..., ::2, ::2] + light[..., ::2, 1::2] + light[..., 1::2, ::2] + light[..., 1::2, 1::2]
    place, part = total >> 9, total & 511
    red, green, blue = ((back[place + 1] * part + back[place] * (512 - part) + 64) >> 7).unbind(1)
    half = 257 << 17  # 128 and a half
    blueness = (-9719 * red - 19081 * green + 28800 * blue + half) >> 18
    redness = (28800 * red - 24116 * green - 4684 * blue + half) >> 18
    return to_luma(*levels.unbind(1)), torch.stack((blueness, redness), dim=1).clamp_(0, 255).float()


def doubled(crops: Crops) -> Tensor:
    """int64; each new pixel is 9, 3, 3 and 1 sixteenths of the four old ones around it."""
    old = crops.padded(1, 1, 1, 1, mirror=False).long()
    here = old[:, :, 1:-1]
    rows = torch.stack((3 * here + old[:, :, :-2], 3 * here + old[:, :, 2:]), dim=3).flatten(2, 3)
    here = rows[..., 1:-1]
    both = torch.stack((3 * here + rows[..., :-2], 3 * here + rows[..., 2:]), dim=4).flatten(3, 4)
    return (both + 8) >> 4


def to_rgb(luma: Tensor, blueness: Tensor, redness: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """int64 levels of int64 levels."""
    light = (luma * 19077) >> 8
    red = light + ((redness * 26149) >> 8) - 14234
    green = light - ((blueness * 6419) >> 8) - ((redness * 13320) >> 8) + 8708
    blue = light + ((blueness * 33050) >> 8) - 17685
    return (red >> 6).clamp_(0, 255), (green >> 6).clamp_(0, 255), (blue >> 6).clamp_(0, 255)
