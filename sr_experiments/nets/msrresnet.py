"""MSRResNet: SRResNet without batch normalisation, as trained for ESRGAN's comparisons.

Wang et al., "ESRGAN", ECCVW 2018, arXiv:1809.00219, after Ledig et al., arXiv:1609.04802. Keys, the
bilinear skip, the leaky ReLU of slope 0.1 and the initialisation (He, times 0.1) are those of the authors'
release (BasicSR ``MSRResNet``), whose files load, as do those with the names of its forerunner mmsr.

Deviation: scale 8 adds a third ``upconv3``; the release stops at 4.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from sr_experiments.nets.base import SRNet
from sr_experiments.nets.blocks import conv, init_kaiming, shuffle_factors
from sr_experiments.nets.foreign import Naming


class ResidualBlock(nn.Module):
    """Convolution, ReLU, convolution under a skip."""

    def __init__(self, features: int) -> None:
        """Build the block."""
        super().__init__()
        self.conv1 = conv(features, features)
        self.conv2 = conv(features, features)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, features, H, W) to the same shape."""
        residual: Tensor = self.conv2(F.relu(self.conv1(x)))
        return x + residual


class MSRResNet(SRNet):
    """MSRResNet: residual blocks, pixel shuffle, added to the bilinearly enlarged image."""

    def __init__(self, *, scale: int, in_channels: int = 3, features: int = 64, blocks: int = 16) -> None:
        """Build the network.

        Args:
            scale: 2, 3, 4 or 8.
            in_channels: Channels in and out.
            features: Channels between the layers.
            blocks: Number of residual blocks.
        """
        super().__init__(scale=scale, in_channels=in_channels)
        self.factors = shuffle_factors(scale)
        self.conv_first = conv(in_channels, features)
        self.body = nn.Sequential(*[ResidualBlock(features) for _ in range(blocks)])
        for number, factor in enumerate(self.factors, start=1):
            self.add_module(f"upconv{number}", conv(features, features * factor**2))
        self.conv_hr = conv(features, features)
        self.conv_last = conv(features, in_channels)
        init_kaiming(self)

    @property
    def foreign_namings(self) -> tuple[Naming, ...]:
        """The names of mmsr; the others are the same."""
        return (Naming("mmsr", {r"recon_trunk\.(\d+)\.(conv[12])": r"body.\1.\2", "HRconv": "conv_hr"}),)

    def forward(self, lq: Tensor) -> Tensor:
        """Enlarge (B, C, H, W)."""
        x: Tensor = self.body(_activate(self.conv_first(lq)))
        for number, factor in enumerate(self.factors, start=1):
            x = _activate(F.pixel_shuffle(self.get_submodule(f"upconv{number}")(x), factor))
        residual: Tensor = self.conv_last(_activate(self.conv_hr(x)))
        return residual + F.interpolate(lq, scale_factor=self.scale, mode="bilinear", align_corners=False)


def _activate(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.1)
