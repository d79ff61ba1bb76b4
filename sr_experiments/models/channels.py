"""A net on images of another number of channels than it was made for, as a net of its own.

A net that takes a guide beside the image takes the same guide here.

So tiles, padding and the self-ensemble are the same for all of them.
"""

import torch
from torch import Tensor

from sr_experiments.imaging.colour import rgb_to_ycbcr, ycbcr_to_rgb
from sr_experiments.imaging.fold import unfolding
from sr_experiments.imaging.resize import imresize
from sr_experiments.nets.base import SRNet

_GREY = (0.299, 0.587, 0.114)  # R, G, B of a grey: luma of BT.601 in its full range


class _About(SRNet):
    """Has the sizes of the net inside, and other channels."""

    scales = range(1, 65)

    def __init__(self, net: SRNet, *, channels: int) -> None:
        super().__init__(
            scale=net.scale, in_channels=channels, multiple_of=net.multiple_of, minimum=net.minimum
        )
        self.inner = net
        self.guide_channels = net.guide_channels


class OnLuma(_About):
    """A net of one channel on colour images: it restores the luma, and bicubic the two colour differences.

    So SRCNN (arXiv:1501.00092, section 4.3.4) and VDSR (arXiv:1511.04587) were shown on colour images.
    YCbCr is that of BT.601 in its limited range, on which such nets are trained here.
    """

    def __init__(self, net: SRNet) -> None:
        """Keep the net."""
        super().__init__(net, channels=3)

    def forward(self, lq: Tensor, *guide: Tensor) -> Tensor:
        """(B, 3, H, W) RGB to the same, enlarged."""
        ycbcr = rgb_to_ycbcr(lq)
        luma = self.inner(ycbcr[:, :1], *guide)
        colours = imresize(ycbcr[:, 1:], scale=self.scale).to(luma.dtype)
        return ycbcr_to_rgb(torch.cat([luma, colours], dim=1))


class OnGrey(_About):
    """A net of three channels on grey images, which are repeated; of the result the luma is kept."""

    def __init__(self, net: SRNet) -> None:
        """Keep the net."""
        super().__init__(net, channels=1)

    def forward(self, lq: Tensor, *guide: Tensor) -> Tensor:
        """(B, 1, H, W) to the same, enlarged."""
        sr: Tensor = self.inner(lq.expand(-1, 3, -1, -1).contiguous(), *guide)
        return _GREY[0] * sr[:, 0:1] + _GREY[1] * sr[:, 1:2] + _GREY[2] * sr[:, 2:3]


class Folded(_About):
    """A net that takes a guide, as one of a single image into which the guide is folded (`imaging/fold.py`).

    For whatever tries a net on images of its own making: how much memory it takes, how far it looks.
    """

    def __init__(self, net: SRNet) -> None:
        """Keep the net."""
        super().__init__(net, channels=net.in_channels + net.scale**2 * net.guide_channels)
        self.guide_channels = 0
        self._run = unfolding(net, channels=net.in_channels, scale=net.scale)

    def forward(self, lq: Tensor) -> Tensor:
        """(B, C + G s^2, H, W) to (B, C, sH, sW)."""
        return self._run(lq)


def for_channels(net: SRNet, channels: int) -> SRNet:
    """The net for images of so many channels.

    Raises:
        ValueError: If it can not restore them.
    """
    if net.in_channels == channels:
        return net
    if (net.in_channels, channels) == (1, 3):
        return OnLuma(net)
    if (net.in_channels, channels) == (3, 1):
        return OnGrey(net)
    raise ValueError(
        f"an image of {channels} channels does not go through a net of {net.in_channels}; a net for it is "
        f"trained with channels={channels}"
    )
