"""EDSR and its baseline: Lim et al., "Enhanced Deep Residual Networks for Single Image Super-Resolution".

CVPRW 2017, arXiv:1707.02921; architecture in section 3 and figure 3, sizes in table 1. Keys, mean shift and
internal range of 255 are those of the authors' PyTorch release (EDSR-PyTorch), whose files load; so do those
of BasicSR. ``sub_mean`` and ``add_mean`` are buffers here; the release counts their 24 numbers as
parameters.

Deviations: any number of channels, not only RGB. Initialisation is PyTorch's default, as in the release.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from sr_experiments.nets.base import SRNet
from sr_experiments.nets.blocks import MeanShift, channel_means, conv, pixel_shuffle_upsampler
from sr_experiments.nets.foreign import Naming, basicsr_ends


class ResidualBlock(nn.Module):
    """Two convolutions without batch normalisation (figure 2c), the residual scaled (section 3.2)."""

    def __init__(self, features: int, *, res_scale: float) -> None:
        """Build the block."""
        super().__init__()
        self.body = nn.Sequential(conv(features, features), nn.ReLU(), conv(features, features))
        self.res_scale = res_scale

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, features, H, W) to the same shape."""
        residual: Tensor = self.body(x)
        return x + residual * self.res_scale


class EDSR(SRNet):
    """EDSR: residual blocks, one long skip, pixel shuffle."""

    def __init__(
        self,
        *,
        scale: int,
        in_channels: int = 3,
        features: int = 256,
        blocks: int = 32,
        res_scale: float = 0.1,
        value_range: float = 255.0,
        mean: Sequence[float] | None = None,
    ) -> None:
        """Build the network.

        Args:
            scale: 2, 3, 4 or 8.
            in_channels: Channels in and out.
            features: F of table 1.
            blocks: B of table 1.
            res_scale: What a block's residual is multiplied by: 0.1 for EDSR, 1 for the baseline.
            value_range: The white level inside the network.
            mean: Mean of each channel in [0, 1]; None: see `channel_means`.
        """
        super().__init__(scale=scale, in_channels=in_channels)
        shift = [value_range * value for value in channel_means(mean, in_channels=in_channels)]
        self.value_range = value_range
        self.blocks = blocks
        self.sub_mean = MeanShift([-value for value in shift])
        self.add_mean = MeanShift(shift)
        self.head = nn.Sequential(conv(in_channels, features))
        body = [ResidualBlock(features, res_scale=res_scale) for _ in range(blocks)]
        self.body = nn.Sequential(*body, conv(features, features))
        self.tail = nn.Sequential(pixel_shuffle_upsampler(features, scale=scale), conv(features, in_channels))

    @property
    def foreign_namings(self) -> tuple[Naming, ...]:
        """BasicSR's, whose means are numbers in the code."""
        blocks = {r"body\.(\d+)\.conv1": r"body.\1.body.0", r"body\.(\d+)\.conv2": r"body.\1.body.2"}
        layers = basicsr_ends(blocks=self.blocks) | blocks
        return (Naming("BasicSR", layers, constants=("sub_mean", "add_mean")),)

    def forward(self, lq: Tensor) -> Tensor:
        """Enlarge (B, C, H, W)."""
        x: Tensor = self.head(self.sub_mean(lq * self.value_range))
        sr: Tensor = self.add_mean(self.tail(x + self.body(x)))
        return sr / self.value_range
