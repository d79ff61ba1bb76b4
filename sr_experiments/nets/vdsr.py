"""VDSR: Kim et al., "Accurate Image Super-Resolution Using Very Deep Convolutional Networks".

CVPR 2016, arXiv:1511.04587. Twenty 3x3 convolutions learn the residual to the bicubically enlarged image
(section 3.2). One set of weights serves all scales. He initialisation (section 4.2). Keys
``convs.{0..19}``.

The authors' weights have biases (``bias=True``); popular re-implementations leave them out (``bias=False``).
"""

import itertools

from torch import Tensor, nn
from torch.nn import functional as F

from sr_experiments.nets.base import EnlargedNet


class VDSR(EnlargedNet):
    """VDSR: bicubic upscaling plus a deep residual."""

    def __init__(
        self, *, scale: int, in_channels: int = 3, features: int = 64, depth: int = 20, bias: bool = True
    ) -> None:
        """Build the network.

        Args:
            scale: 2, 3, 4 or 8. The number of parameters does not depend on it.
            in_channels: Channels in and out; the paper's is 1 (luma).
            features: Channels between the layers.
            depth: Number of convolutions, at least 2.
            bias: Whether the convolutions have biases.

        Raises:
            ValueError: if `depth` is less than 2.
        """
        super().__init__(scale=scale, in_channels=in_channels)
        if depth < 2:
            raise ValueError(f"depth={depth}: VDSR needs at least 2 convolutions")
        widths = [in_channels, *[features] * (depth - 1), in_channels]
        self.convs = nn.ModuleList(
            nn.Conv2d(before, after, 3, padding=1, bias=bias) for before, after in itertools.pairwise(widths)
        )
        for layer in self.convs:
            assert isinstance(layer, nn.Conv2d)
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

    def refine(self, enlarged: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        x = enlarged
        for layer in self.convs[:-1]:
            x = F.relu(layer(x))
        residual: Tensor = self.convs[-1](x)
        return enlarged + residual
