"""An image and its guide as one tensor, so that whatever cuts or pads the one does the same to the other.

A guide has `scale` times the image's height and width: each pixel of the image has scale x scale of it. Put
into channels of that pixel they go where it goes, into tiles and beyond borders. What turns or mirrors an
image has to be done before.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F


def fold(lq: Tensor, guide: Tensor, *, scale: int) -> Tensor:
    """(B, C, H, W) and (B, G, sH, sW) as (B, C + G s^2, H, W).

    Raises:
        ValueError: If the guide is not `scale` times as large.
    """
    height, width = lq.shape[-2:]
    if guide.shape[-2:] != (scale * height, scale * width):
        raise ValueError(
            f"a guide of {guide.shape[-2]}x{guide.shape[-1]} (height x width) does not fit an image of "
            f"{height}x{width} at scale={scale}: {scale * height}x{scale * width} does"
        )
    return torch.cat([lq, F.pixel_unshuffle(guide.to(lq.dtype), scale)], dim=1)


def unfolding(
    function: Callable[[Tensor, Tensor], Tensor], *, channels: int, scale: int
) -> Callable[[Tensor], Tensor]:
    """A function of image and guide as one of both in one tensor.

    Args:
        function: Of (B, C, H, W) and (B, G, sH, sW).
        channels: C.
        scale: s.
    """

    def run(image: Tensor) -> Tensor:
        return function(image[:, :channels], F.pixel_shuffle(image[:, channels:], scale))

    return run
