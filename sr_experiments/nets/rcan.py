"""RCAN: Zhang et al., "Image Super-Resolution Using Very Deep Residual Channel Attention Networks".

ECCV 2018, arXiv:1807.02758. Keys, mean shift and internal range of 255 are those of the authors' release,
whose files load (and spandrel opens ours); so do those of BasicSR. ``sub_mean`` and ``add_mean`` are buffers
here; the release counts their 24 numbers as parameters.

Deviations: any number of channels, not only RGB. Initialisation is PyTorch's default, as in the release.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from sr_experiments.nets.base import SRNet
from sr_experiments.nets.blocks import MeanShift, channel_means, conv, pixel_shuffle_upsampler
from sr_experiments.nets.foreign import Naming, basicsr_ends


class ChannelAttention(nn.Module):
    """Weighs every channel by a function of all channels' means (section 3.3)."""

    def __init__(self, features: int, *, reduction: int) -> None:
        """Build the gate; the channels shrink by `reduction` in between."""
        super().__init__()
        self.conv_du = nn.Sequential(
            conv(features, features // reduction, kernel_size=1),
            nn.ReLU(),
            conv(features // reduction, features, kernel_size=1),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, features, H, W) to the same shape."""
        descriptor = x.mean(dim=(2, 3), keepdim=True)  # Eq. 10
        gate: Tensor = self.conv_du(descriptor)  # Eq. 11
        return x * gate  # Eq. 12


class ResidualChannelAttentionBlock(nn.Module):
    """Two convolutions and channel attention under a short skip (figure 4)."""

    def __init__(self, features: int, *, reduction: int) -> None:
        """Build the block."""
        super().__init__()
        attention = ChannelAttention(features, reduction=reduction)
        self.body = nn.Sequential(conv(features, features), nn.ReLU(), conv(features, features), attention)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, features, H, W) to the same shape."""
        residual: Tensor = self.body(x)  # X of Eq. 14, weighed
        return x + residual  # Eq. 13


class ResidualGroup(nn.Module):
    """Blocks and a convolution under a skip (section 3.2)."""

    def __init__(self, features: int, *, blocks: int, reduction: int) -> None:
        """Build the group."""
        super().__init__()
        body = [ResidualChannelAttentionBlock(features, reduction=reduction) for _ in range(blocks)]
        self.body = nn.Sequential(*body, conv(features, features))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, features, H, W) to the same shape."""
        residual: Tensor = self.body(x)
        return x + residual  # Eq. 9


class RCAN(SRNet):
    """RCAN: residual in residual with channel attention, pixel shuffle."""

    def __init__(
        self,
        *,
        scale: int,
        in_channels: int = 3,
        features: int = 64,
        groups: int = 10,
        blocks: int = 20,
        reduction: int = 16,
        value_range: float = 255.0,
        mean: Sequence[float] | None = None,
    ) -> None:
        """Build the network.

        Args:
            scale: 2, 3, 4 or 8.
            in_channels: Channels in and out.
            features: C of section 3.
            groups: G, the number of residual groups.
            blocks: B, the number of blocks in a group.
            reduction: r, by which the attention's middle layer is narrower.
            value_range: The white level inside the network.
            mean: Mean of each channel in [0, 1]; None: see `channel_means`.

        Raises:
            ValueError: if `reduction` leaves the attention no channel.
        """
        super().__init__(scale=scale, in_channels=in_channels)
        if not 1 <= reduction <= features:
            raise ValueError(f"reduction={reduction}: RCAN with {features} features allows 1 to {features}")
        shift = [value_range * value for value in channel_means(mean, in_channels=in_channels)]
        self.value_range = value_range
        self.groups, self.blocks = groups, blocks
        self.sub_mean = MeanShift([-value for value in shift])
        self.add_mean = MeanShift(shift)
        self.head = nn.Sequential(conv(in_channels, features))
        body = [ResidualGroup(features, blocks=blocks, reduction=reduction) for _ in range(groups)]
        self.body = nn.Sequential(*body, conv(features, features))
        self.tail = nn.Sequential(pixel_shuffle_upsampler(features, scale=scale), conv(features, in_channels))

    @property
    def foreign_namings(self) -> tuple[Naming, ...]:
        """BasicSR's, whose means are numbers in the code."""
        block = r"body\.(\d+)\.residual_group\.(\d+)\.rcab"
        groups = {
            rf"{block}\.([02])": r"body.\1.body.\2.body.\3",
            rf"{block}\.3\.attention\.1": r"body.\1.body.\2.body.3.conv_du.0",
            rf"{block}\.3\.attention\.3": r"body.\1.body.\2.body.3.conv_du.2",
            r"body\.(\d+)\.conv": rf"body.\1.body.{self.blocks}",
        }
        layers = basicsr_ends(blocks=self.groups) | groups
        return (Naming("BasicSR", layers, constants=("sub_mean", "add_mean")),)

    def forward(self, lq: Tensor) -> Tensor:
        """Enlarge (B, C, H, W)."""
        x: Tensor = self.head(self.sub_mean(lq * self.value_range))  # Eq. 1
        sr: Tensor = self.add_mean(self.tail(x + self.body(x)))  # Eq. 2 to 4; the long skip is Eq. 7
        return sr / self.value_range
