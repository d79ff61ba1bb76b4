"""SRVGGNetCompact: a plain VGG-like network, light enough for video.

From Real-ESRGAN's release (Wang et al., arXiv:2107.10833; the network itself is described only in its
code). All convolutions work at ``lq`` size, the last gives the sub-pixels, and the nearest-neighbour
enlarged image is added. Keys ``body.N`` are the release's, whose files load: 16 convolutions are
``realesr-animevideov3``, 32 are ``realesr-general-x4v3``. PyTorch's default initialisation, as there.
"""

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from sr_experiments.nets.base import SRNet
from sr_experiments.nets.blocks import conv

Activation = Literal["prelu", "relu", "leakyrelu"]


class SRVGG(SRNet):
    """SRVGGNetCompact."""

    def __init__(
        self,
        *,
        scale: int,
        in_channels: int = 3,
        features: int = 64,
        convolutions: int = 16,
        activation: Activation = "prelu",
    ) -> None:
        """Build the network.

        Args:
            scale: 2, 3, 4 or 8.
            in_channels: Channels in and out.
            features: Channels between the layers.
            convolutions: Number of convolutions between the first and the last.
            activation: Follows every convolution but the last; "prelu" has a slope a channel.
        """
        super().__init__(scale=scale, in_channels=in_channels)
        layers: list[nn.Module] = [conv(in_channels, features), _activation(activation, features)]
        for _ in range(convolutions):
            layers += [conv(features, features), _activation(activation, features)]
        self.body = nn.Sequential(*layers, conv(features, in_channels * scale**2))

    def forward(self, lq: Tensor) -> Tensor:
        """Enlarge (B, C, H, W)."""
        residual = F.pixel_shuffle(self.body(lq), self.scale)
        return residual + F.interpolate(lq, scale_factor=self.scale, mode="nearest")


def _activation(name: Activation, features: int) -> nn.Module:
    if name == "prelu":
        return nn.PReLU(features)
    return nn.ReLU() if name == "relu" else nn.LeakyReLU(0.1)
