"""Pixels beyond the border of an image."""

import torch
from torch import Tensor
from torch.nn import functional as F


def repeat_border(image: Tensor, *, high: int, wide: int) -> Tensor:
    """Repeat the outermost pixels: (B, C, H, W) to (B, C, H + 2 high, W + 2 wide).

    torch.compile expects another layout of the gradient of `replication_pad2d` than its kernel returns, and
    stops (torch 2.15): for it the border is put together of pieces.
    """
    if not torch.compiler.is_compiling() or torch.compiler.is_exporting():
        return F.pad(image, (wide, wide, high, high), mode="replicate")
    for axis, reach in ((-1, wide), (-2, high)):
        first, last = image.narrow(axis, 0, 1), image.narrow(axis, -1, 1)
        image = torch.cat([first] * reach + [image] + [last] * reach, dim=axis)
    return image
