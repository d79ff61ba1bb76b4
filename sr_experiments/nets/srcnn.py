"""SRCNN: Dong et al., "Image Super-Resolution Using Deep Convolutional Networks".

TPAMI 2016, arXiv:1501.00092. Three convolutions on the bicubically enlarged image: patch extraction (Eq.
1), non-linear mapping (Eq. 2), reconstruction (Eq. 3). The paper's 9-1-5 is its basic setting, 9-5-5 its
best (section 4.3.2). Weights are drawn from N(0, 0.001) and biases are zero (section 3.3). The paper trains
luma (``in_channels=1``) and, in section 4.5, RGB.

As in the authors' MATLAB code every convolution repeats the border's pixels (replicate padding): their
weights depend on it. They trained without padding, on smaller targets.
"""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from sr_experiments.nets.base import EnlargedNet
from sr_experiments.nets.border import repeat_border


class SRCNN(EnlargedNet):
    """SRCNN f1-f2-f3: bicubic upscaling and three convolutions."""

    def __init__(
        self,
        *,
        scale: int,
        in_channels: int = 3,
        kernels: Sequence[int] = (9, 5, 5),
        features: Sequence[int] = (64, 32),
        init_std: float | None = 0.001,
    ) -> None:
        """Build the network.

        Args:
            scale: 2, 3, 4 or 8. The number of parameters does not depend on it.
            in_channels: Channels in and out.
            kernels: f1, f2, f3: odd sizes.
            features: n1, n2.
            init_std: Standard deviation of the initial weights; None: the first two layers as He et al.
                (2015) draw them, from which Adam learns in minutes what takes the paper's hours.

        Raises:
            ValueError: if there are not three odd kernels and two numbers of features.
        """
        super().__init__(scale=scale, in_channels=in_channels)
        if len(kernels) != 3 or any(size % 2 == 0 for size in kernels) or len(features) != 2:
            raise ValueError(
                f"kernels={list(kernels)}, features={list(features)}: SRCNN takes three odd kernels, "
                "as [9, 5, 5], and two numbers of features, as [64, 32]"
            )
        self.conv1 = _conv(in_channels, features[0], kernel_size=kernels[0], std=init_std)
        self.conv2 = _conv(features[0], features[1], kernel_size=kernels[1], std=init_std)
        self.conv3 = _conv(features[1], in_channels, kernel_size=kernels[2], std=init_std or 0.001)

    def refine(self, enlarged: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        x = F.relu(self.conv1(enlarged))  # Eq. 1
        x = F.relu(self.conv2(x))  # Eq. 2
        sr: Tensor = self.conv3(x)  # Eq. 3
        return sr


class _RepeatingConv2d(nn.Conv2d):
    """A convolution that repeats the border."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        high, wide = (size // 2 for size in self.kernel_size)
        return F.conv2d(repeat_border(input, high=high, wide=wide), weight, bias)


def _conv(in_channels: int, out_channels: int, *, kernel_size: int, std: float | None) -> nn.Conv2d:
    """Section 3.3 says how it is initialised."""
    layer = _RepeatingConv2d(
        in_channels, out_channels, kernel_size, padding=kernel_size // 2, padding_mode="replicate"
    )
    if std is None:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    else:
        nn.init.normal_(layer.weight, std=std)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer
