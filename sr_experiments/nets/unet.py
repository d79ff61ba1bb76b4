"""A residual U-Net with batch normalisation, on the bicubically enlarged image.

Zhang, Liu & Wang, "Road Extraction by Deep Residual U-Net", arXiv:1711.10684 (full pre-activation residual
units of batch normalisation, ReLU and 3x3 convolution; strides instead of pooling; table 1), after
Ronneberger et al., "U-Net", arXiv:1505.04597, from which the 2x2 transposed convolutions of the expanding
path are. Initialisation: PyTorch's default.

Deviations: the output is a residual that is added to the enlarged image, so there is no sigmoid. The
paper's three strides (features 64 to 512) halve the enlarged image three times: H and W of ``lq`` must be
multiples of 8 / gcd(8, scale), and at least twice that, so that batch normalisation has more than one pixel.
"""

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sr_experiments.nets.base import EnlargedNet
from sr_experiments.nets.blocks import conv


class ResidualUnit(nn.Module):
    """Twice batch normalisation, ReLU and convolution, plus a projection of the input (figure 1b)."""

    def __init__(self, in_features: int, out_features: int, *, stride: int = 1, first: bool = False) -> None:
        """Build the unit; the `first` of a network starts with its convolution (table 1, level 1)."""
        super().__init__()
        before: list[nn.Module] = [] if first else [nn.BatchNorm2d(in_features), nn.ReLU()]
        self.body = nn.Sequential(
            *before,
            nn.Conv2d(in_features, out_features, 3, stride=stride, padding=1),
            nn.BatchNorm2d(out_features),
            nn.ReLU(),
            conv(out_features, out_features),
        )
        self.projection = nn.Conv2d(in_features, out_features, 1, stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_features, H, W) to (B, out_features, H / stride, W / stride)."""
        residual: Tensor = self.body(x)
        projected: Tensor = self.projection(x)
        return projected + residual


class UNet(EnlargedNet):
    """Residual U-Net: bicubic upscaling plus a residual."""

    def __init__(
        self, *, scale: int, in_channels: int = 3, features: Sequence[int] = (64, 128, 256, 512)
    ) -> None:
        """Build the network.

        Args:
            scale: 2, 3, 4 or 8. The number of parameters does not depend on it.
            in_channels: Channels in and out.
            features: Channels at each level; every level but the first halves the image.

        Raises:
            ValueError: if there is no level below the first.
        """
        if len(features) < 2:
            raise ValueError(f"features={list(features)}: UNet needs two levels or more, as [64, 128]")
        multiple = 2 ** (len(features) - 1)
        multiple //= math.gcd(multiple, scale)
        super().__init__(scale=scale, in_channels=in_channels, multiple_of=multiple, minimum=2 * multiple)
        pairs = list(itertools.pairwise(features))
        self.first = ResidualUnit(in_channels, features[0], first=True)
        self.down = nn.ModuleList(ResidualUnit(above, below, stride=2) for above, below in pairs)
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(below, above, 2, stride=2) for above, below in reversed(pairs)
        )
        self.merge = nn.ModuleList(ResidualUnit(2 * above, above) for above, _ in reversed(pairs))
        self.last = nn.Conv2d(features[0], in_channels, 1)

    def refine(self, enlarged: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        x: Tensor = self.first(enlarged)
        skips = []
        for down in self.down:
            skips.append(x)
            x = down(x)
        for up, merge in zip(self.up, self.merge, strict=True):
            x = merge(torch.cat((up(x), skips.pop()), dim=1))
        residual: Tensor = self.last(x)
        return enlarged + residual
