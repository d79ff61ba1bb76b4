"""RRDBNet, the generator of ESRGAN.

Wang et al., "ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks", ECCVW 2018,
arXiv:1809.00219, section 3.1 and figure 4. Keys are those of the authors' current release (``conv_first``,
``body.N.rdb1.conv1``, ..., ``conv_last``), whose files load; so do those of both earlier ones.
Initialisation: He, times 0.1, in the dense blocks (section 3.1, "smaller initialization"); PyTorch's default
elsewhere, as in the release.

Scale 4 is the paper's. Scales 1 and 2 are Real-ESRGAN's (arXiv:2107.10833, section 3.4): pixels are
unshuffled by 4 or 2 into channels and then enlarged by 4. Scale 3 enlarges once by 3, as the authors' first
code did, and scale 8 three times by 2 (``conv_up3``): neither has published weights under these keys.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sr_experiments.nets.base import SRNet
from sr_experiments.nets.blocks import conv, init_kaiming, shuffle_factors
from sr_experiments.nets.foreign import Naming

_RESIDUAL_SCALE = 0.2  # beta of figure 4


class ResidualDenseBlock(nn.Module):
    """Five convolutions, each fed with all before it."""

    def __init__(self, features: int, *, growth: int) -> None:
        """Build the block; every convolution but the last gives `growth` channels."""
        super().__init__()
        self.conv1 = conv(features, growth)
        self.conv2 = conv(features + growth, growth)
        self.conv3 = conv(features + 2 * growth, growth)
        self.conv4 = conv(features + 3 * growth, growth)
        self.conv5 = conv(features + 4 * growth, features)
        init_kaiming(self)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, features, H, W) to the same shape."""
        dense = x
        for layer in (self.conv1, self.conv2, self.conv3, self.conv4):
            dense = torch.cat((dense, _activate(layer(dense))), dim=1)
        residual: Tensor = self.conv5(dense)
        return x + residual * _RESIDUAL_SCALE


class RRDB(nn.Module):
    """Residual in residual dense block: three dense blocks under a skip."""

    def __init__(self, features: int, *, growth: int) -> None:
        """Build the block."""
        super().__init__()
        self.rdb1 = ResidualDenseBlock(features, growth=growth)
        self.rdb2 = ResidualDenseBlock(features, growth=growth)
        self.rdb3 = ResidualDenseBlock(features, growth=growth)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, features, H, W) to the same shape."""
        residual: Tensor = self.rdb3(self.rdb2(self.rdb1(x)))
        return x + residual * _RESIDUAL_SCALE


class RRDBNet(SRNet):
    """RRDBNet: residual in residual dense blocks, nearest-neighbour enlargement with convolutions."""

    scales = (1, 2, 3, 4, 8)

    def __init__(
        self,
        *,
        scale: int,
        in_channels: int = 3,
        features: int = 64,
        blocks: int = 23,
        growth: int = 32,
        unshuffle: int | None = None,
    ) -> None:
        """Build the network.

        Args:
            scale: 1, 2, 3, 4 or 8. At 2 (and 1) H and W of ``lq`` must be multiples of 2 (4).
            in_channels: Channels in and out.
            features: Channels between the blocks.
            blocks: Number of RRDBs.
            growth: Channels that each dense convolution adds.
            unshuffle: By how much pixels are unshuffled first; None: 4, 2 and 1 at scale 1, 2 and more.
                ESRGAN's first code had 1 at scale 2 as well, and so have many published weights.
        """
        unshuffle = {1: 4, 2: 2}.get(scale, 1) if unshuffle is None else unshuffle
        if unshuffle < 1:
            raise ValueError(f"unshuffle={unshuffle}: RRDBNet needs 1 (none) or more")
        super().__init__(scale=scale, in_channels=in_channels, multiple_of=unshuffle, minimum=unshuffle)
        self.unshuffle = unshuffle
        self.factors = shuffle_factors(scale * unshuffle)
        self.conv_first = conv(in_channels * unshuffle**2, features)
        self.body = nn.Sequential(*[RRDB(features, growth=growth) for _ in range(blocks)])
        self.conv_body = conv(features, features)
        for number in range(1, len(self.factors) + 1):
            self.add_module(f"conv_up{number}", conv(features, features))
        self.conv_hr = conv(features, features)
        self.conv_last = conv(features, in_channels)

    @property
    def foreign_namings(self) -> tuple[Naming, ...]:
        """ESRGAN's first names, numbers of a flat list, and its second ones."""
        # An enlargement takes three places of the list, so what follows it is known by its number alone.
        first = {
            r"model\.0": "conv_first",
            r"model\.1\.sub\.(\d+)\.RDB(\d)\.conv(\d)\.0": r"body.\1.rdb\2.conv\3",
            r"model\.1\.sub\.\d+": "conv_body",
            r"model\.3": "conv_up1",
            r"model\.6": "conv_up2",
            r"model\.9": "conv_up3",
            r"model\.(5|8|11)": "conv_hr",
            r"model\.(7|10|13)": "conv_last",
        }
        second = {
            r"RRDB_trunk\.(\d+)\.RDB(\d)\.(conv\d)": r"body.\1.rdb\2.\3",
            "trunk_conv": "conv_body",
            r"upconv(\d)": r"conv_up\1",
            "HRconv": "conv_hr",
        }
        return Naming("ESRGAN, 2018", first), Naming("ESRGAN, 2019", second)

    def forward(self, lq: Tensor) -> Tensor:
        """Enlarge (B, C, H, W)."""
        shallow: Tensor = self.conv_first(F.pixel_unshuffle(lq, self.unshuffle))
        x: Tensor = shallow + self.conv_body(self.body(shallow))
        for number, factor in enumerate(self.factors, start=1):
            x = F.interpolate(x, scale_factor=factor, mode="nearest")
            x = _activate(self.get_submodule(f"conv_up{number}")(x))
        sr: Tensor = self.conv_last(_activate(self.conv_hr(x)))
        return sr


def _activate(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.2)
