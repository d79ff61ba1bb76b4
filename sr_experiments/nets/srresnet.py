"""SRResNet, the generator of SRGAN.

Ledig et al., "Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network", CVPR
2017, arXiv:1609.04802, section 2.1.1 and figure 4: batch normalisation, parametric ReLU with one slope a
layer, pixel shuffle. The authors released no PyTorch weights, so the key names are our own.

Deviations: output in [0, 1] where the paper's is in [-1, 1]; scales 2, 3 and 8 beside the paper's 4. The
paper says nothing of initialisation: PyTorch's default. Batch statistics are of the patches: train with
many, and see MSRResNet for the same without.
"""

from torch import Tensor, nn

from sr_experiments.nets.base import SRNet
from sr_experiments.nets.blocks import conv, shuffle_factors


class ResidualBlock(nn.Module):
    """k3n64s1 twice, with batch normalisation, under a skip."""

    def __init__(self, features: int) -> None:
        """Build the block."""
        super().__init__()
        self.body = nn.Sequential(
            conv(features, features),
            nn.BatchNorm2d(features),
            nn.PReLU(),
            conv(features, features),
            nn.BatchNorm2d(features),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, features, H, W) to the same shape."""
        residual: Tensor = self.body(x)
        return x + residual


class SRResNet(SRNet):
    """SRResNet: residual blocks, one long skip, pixel shuffle."""

    def __init__(self, *, scale: int, in_channels: int = 3, features: int = 64, blocks: int = 16) -> None:
        """Build the network.

        Args:
            scale: 2, 3, 4 or 8.
            in_channels: Channels in and out.
            features: Channels between the layers.
            blocks: B of section 2.1.1.
        """
        super().__init__(scale=scale, in_channels=in_channels)
        self.head = nn.Sequential(conv(in_channels, features, kernel_size=9), nn.PReLU())
        body = [ResidualBlock(features) for _ in range(blocks)]
        self.body = nn.Sequential(*body, conv(features, features), nn.BatchNorm2d(features))
        tail: list[nn.Module] = []
        for factor in shuffle_factors(scale):
            tail += [conv(features, features * factor**2), nn.PixelShuffle(factor), nn.PReLU()]
        self.tail = nn.Sequential(*tail, conv(features, in_channels, kernel_size=9))

    def forward(self, lq: Tensor) -> Tensor:
        """Enlarge (B, C, H, W)."""
        x: Tensor = self.head(lq)
        sr: Tensor = self.tail(x + self.body(x))
        return sr
