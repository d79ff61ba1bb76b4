"""ESPCN, the efficient sub-pixel convolutional network.

Shi et al., "Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel Convolutional
Neural Network", CVPR 2016, arXiv:1609.05158, section 3.2: (f1, n1) = (5, 64), (f2, n2) = (3, 32), f3 = 3,
then the pixel shuffle that the paper introduced (Eq. 4). tanh instead of ReLU. The authors
released no weights; keys are those of the common PyTorch re-implementation (``first_part``, ``last_part``).
The paper says nothing of initialisation: PyTorch's default. Deviations: any number of channels (the paper
trains luma).
"""

from torch import Tensor, nn

from sr_experiments.nets.base import SRNet
from sr_experiments.nets.blocks import conv


class ESPCN(SRNet):
    """ESPCN: three convolutions on the small image and a pixel shuffle."""

    def __init__(
        self, *, scale: int, in_channels: int = 3, features: int = 64, mapped_features: int = 32
    ) -> None:
        """Build the network.

        Args:
            scale: 2, 3, 4 or 8.
            in_channels: Channels in and out.
            features: n1.
            mapped_features: n2.
        """
        super().__init__(scale=scale, in_channels=in_channels)
        self.first_part = nn.Sequential(
            conv(in_channels, features, kernel_size=5),
            nn.Tanh(),
            conv(features, mapped_features),
            nn.Tanh(),
        )
        self.last_part = nn.Sequential(conv(mapped_features, in_channels * scale**2), nn.PixelShuffle(scale))

    def forward(self, lq: Tensor) -> Tensor:
        """Enlarge (B, C, H, W)."""
        sr: Tensor = self.last_part(self.first_part(lq))  # Eq. 1 to 4
        return sr
