"""FSRCNN(d, s, m): Dong et al., "Accelerating the Super-Resolution Convolutional Neural Network".

ECCV 2016, arXiv:1608.00367, section 3. Feature extraction Conv(5, d), shrinking Conv(1, s), mapping m x
Conv(3, s), expanding Conv(1, d), and a 9x9 transposed convolution that enlarges; PReLU with a slope a
channel after each but the last. 12,464 weights without biases and slopes for luma at d = 56, s = 12, m = 4,
at every scale (table 1).

Initialisation as in section 4.1: He's for PReLU, and N(0, 0.001) for the transposed convolution. The
authors released Caffe files only; the keys are those of the common PyTorch re-implementation
(``first_part``, ``mid_part``, ``last_part``). Deviations: any number of channels (the paper trains luma);
scale 8 beside 2, 3, 4.
"""

from torch import Tensor, nn

from sr_experiments.nets.base import SRNet
from sr_experiments.nets.blocks import conv


class FSRCNN(SRNet):
    """FSRCNN: a narrow net on the small image, enlarged by its last layer."""

    def __init__(
        self, *, scale: int, in_channels: int = 3, features: int = 56, shrunk: int = 12, mappings: int = 4
    ) -> None:
        """Build the network.

        Args:
            scale: 2, 3, 4 or 8.
            in_channels: Channels in and out.
            features: d.
            shrunk: s.
            mappings: m.
        """
        super().__init__(scale=scale, in_channels=in_channels)
        self.first_part = nn.Sequential(conv(in_channels, features, kernel_size=5), nn.PReLU(features))
        middle: list[nn.Module] = [conv(features, shrunk, kernel_size=1), nn.PReLU(shrunk)]
        for _ in range(mappings):
            middle += [conv(shrunk, shrunk), nn.PReLU(shrunk)]
        self.mid_part = nn.Sequential(*middle, conv(shrunk, features, kernel_size=1), nn.PReLU(features))
        self.last_part = nn.ConvTranspose2d(
            features, in_channels, 9, stride=scale, padding=4, output_padding=scale - 1
        )
        self._initialise()

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                assert module.bias is not None
                nn.init.zeros_(module.bias)
        nn.init.normal_(self.last_part.weight, std=0.001)
        assert self.last_part.bias is not None
        nn.init.zeros_(self.last_part.bias)

    def forward(self, lq: Tensor) -> Tensor:
        """Enlarge (B, C, H, W)."""
        sr: Tensor = self.last_part(self.mid_part(self.first_part(lq)))
        return sr
