"""A shallow convolutional autoencoder, the plain ancestor of RED-Net and U-Net.

On the bicubically enlarged image: a 9x9 convolution to 64 and a 5x5 convolution to 32 features encode
(SRCNN's kernels, arXiv:1501.00092), a 5x5 and a 9x9 transposed convolution decode. ReLU follows each but
the last. There are no skips: everything passes through the code. It is no published network, so there is no
published count or file. Initialisation: He's.

``stride=2`` halves the image at each encoder layer and doubles it at each decoder layer, which makes it an
hourglass: 16 times fewer code pixels, and H and W of ``lq`` tied to a multiple.
"""

import math
from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from sr_experiments.nets.base import EnlargedNet


class Autoencoder(EnlargedNet):
    """Convolutions encode, transposed convolutions decode."""

    def __init__(
        self,
        *,
        scale: int,
        in_channels: int = 3,
        features: Sequence[int] = (64, 32),
        kernels: Sequence[int] = (9, 5),
        stride: int = 1,
    ) -> None:
        """Build the network.

        Args:
            scale: 2, 3, 4 or 8. The number of parameters does not depend on it.
            in_channels: Channels in and out.
            features: Channels after each encoder layer.
            kernels: Odd kernel size of each encoder layer.
            stride: Stride of each encoder layer.

        Raises:
            ValueError: if there is not one odd kernel for each number of features, or the stride is below 1.
        """
        if (
            len(kernels) != len(features)
            or not features
            or any(size % 2 == 0 for size in kernels)
            or stride < 1
        ):
            raise ValueError(
                f"features={list(features)}, kernels={list(kernels)}, stride={stride}: Autoencoder takes one "
                "odd kernel for each number of features, as [64, 32] and [9, 5], and a stride of 1 or more"
            )
        multiple = stride ** len(features)
        multiple //= math.gcd(multiple, scale)
        super().__init__(scale=scale, in_channels=in_channels, multiple_of=multiple, minimum=multiple)
        widths = [in_channels, *features]
        layers = list(zip(widths, widths[1:], kernels, strict=False))
        self.encoder = nn.ModuleList(
            nn.Conv2d(before, after, size, stride=stride, padding=size // 2) for before, after, size in layers
        )
        self.decoder = nn.ModuleList(
            nn.ConvTranspose2d(
                after, before, size, stride=stride, padding=size // 2, output_padding=stride - 1
            )
            for before, after, size in reversed(layers)
        )
        for layer in (*self.encoder, *self.decoder):
            assert isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)

    def refine(self, enlarged: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        x = enlarged
        for layer in (*self.encoder, *self.decoder[:-1]):
            x = F.relu(layer(x))
        sr: Tensor = self.decoder[-1](x)
        return sr
