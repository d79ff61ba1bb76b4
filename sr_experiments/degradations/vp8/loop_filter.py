"""The loop filter, the normal one (RFC 6386, sections 15.1, 15.3 and 15.4; no sharpness), but for the order.

The standard goes through the macroblocks one by one, all edges of each, which is hundreds of steps for an
image. Here all vertical edges come first and then all horizontal ones. That differs from the standard's by
48 to 68 dB; without a filter it would be 36 to 52.
"""

import torch
from torch import Tensor


def deblocked(planes: Tensor, strength: Tensor, inner: Tensor) -> Tensor:
    """Smooth the edges of macroblocks and of blocks of 4 x 4.

    Args:
        planes: (B, P, H, W) float32; changed.
        strength: (rows, columns, B) int64, of each macroblock's left, upper and inner edges; 0 for none.
        inner: (rows, columns, B) whether its inner edges are filtered.
    """
    level = strength.permute(2, 0, 1).float()
    inside = level * inner.permute(2, 0, 1)
    side = planes.shape[-1] // level.shape[-1]
    for _ in range(2):
        spread = [x.repeat_interleave(side, dim=1)[:, None] for x in (level, inside)]
        if level.shape[-1] > 1:
            middle = side // 2
            between = planes[..., middle:-middle]
            between = between.view(*between.shape[:-1], -1, side)
            smooth(between[..., middle - 4 : middle + 4], spread[0][..., 1:], outer=True)
        tiles = planes.view(*planes.shape[:-1], -1, side)
        for edge in range(4, side, 4):
            smooth(tiles[..., edge - 4 : edge + 4], spread[1], outer=False)
        planes, level, inside = (x.transpose(-1, -2) for x in (planes, level, inside))
    return planes


def smooth(window: Tensor, level: Tensor, *, outer: bool) -> None:
    """Change the pixels on both sides of an edge, where what differs may come from the coding.

    Args:
        window: (..., 8) four pixels before it and four behind it; changed.
        level: (...) the filter's strength, 0 to 63.
        outer: An edge between macroblocks, which is filtered more.
    """
    p3, p2, p1, p0, q0, q1, q2, q3 = window.unbind(-1)
    step, around = q0 - p0, p1 - q1
    steep = torch.maximum((p1 - p0).abs(), (q1 - q0).abs())
    rough = torch.maximum((p3 - p2).abs(), (q3 - q2).abs())
    rough = torch.maximum(rough, torch.maximum((p2 - p1).abs(), (q2 - q1).abs()))
    limit = 6 * level + (9 if outer else 1)
    here = (level > 0) & (4 * step.abs() + around.abs() <= limit) & (torch.maximum(rough, steep) <= level)
    sharp = steep > (level >= 15).float() + (level >= 40).float()
    around = around.clamp(-128, 127)
    plain = 3 * step + (around if outer else around * sharp)
    plain = torch.where(here, plain, 0).clamp_(-128, 127)
    behind, before = ((plain + 4) / 8).floor_().clamp_(max=15), ((plain + 3) / 8).floor_().clamp_(max=15)
    if outer:
        wide = torch.where(sharp, 0, plain)
        far = [((weight * wide + 63) / 128).floor_() for weight in (27, 18, 9)]
        behind, before = (torch.where(sharp, x, far[0]) for x in (behind, before))
        changes = [far[2], far[1], before, -behind, -far[1], -far[2]]
    else:
        second = torch.where(sharp, 0, ((behind + 1) / 2).floor_())
        changes = [second, before, -behind, -second]
    reach = len(changes) // 2
    near = window[..., 4 - reach : 4 + reach]
    near.add_(torch.stack(changes, dim=-1)).clamp_(0.0, 255.0)
