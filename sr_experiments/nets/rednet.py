"""RED-Net: Mao et al., "Image Restoration Using Convolutional Auto-encoders with Symmetric Skip Connections".

arXiv:1606.08921 (NIPS 2016 as arXiv:1603.09056). As many transposed convolutions as convolutions, all 3x3
with stride 1 and followed by ReLU, on the bicubically enlarged image. Every second convolution's output is
added to the mirrored transposed convolution's, and ReLU follows the sum. The network learns the residual:
its input is added to its output.

RED30 is 15 + 15 layers of 128 channels, as in the authors' Caffe release; RED10 (``depth=5, skip_step=0``)
has no inner skips, RED20 is ``depth=10``. There are no PyTorch weights of theirs, so key names are our own.
Initialisation: He's.
"""

import itertools

from torch import Tensor, nn
from torch.nn import functional as F

from sr_experiments.nets.base import EnlargedNet


class REDNet(EnlargedNet):
    """RED-Net: a convolutional encoder, its mirror image, and skips between them."""

    def __init__(
        self,
        *,
        scale: int,
        in_channels: int = 3,
        features: int = 128,
        depth: int = 15,
        skip_step: int = 2,
    ) -> None:
        """Build the network.

        Args:
            scale: 2, 3, 4 or 8. The number of parameters does not depend on it.
            in_channels: Channels in and out.
            features: Channels between the layers.
            depth: Number of convolutions, and of transposed convolutions.
            skip_step: A skip starts at every so-many-th convolution; 0: none.

        Raises:
            ValueError: if `depth` is less than 1.
        """
        super().__init__(scale=scale, in_channels=in_channels)
        if depth < 1:
            raise ValueError(f"depth={depth}: REDNet needs at least 1 convolution")
        self.skip_step = skip_step
        widths = [in_channels, *[features] * depth]
        self.encoder = nn.ModuleList(
            nn.Conv2d(before, after, 3, padding=1) for before, after in itertools.pairwise(widths)
        )
        self.decoder = nn.ModuleList(
            nn.ConvTranspose2d(before, after, 3, padding=1)
            for before, after in itertools.pairwise(widths[::-1])
        )
        for layer in (*self.encoder, *self.decoder):
            assert isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)

    def refine(self, enlarged: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        x, skips = enlarged, {}
        for number, layer in enumerate(self.encoder, start=1):
            x = F.relu(layer(x))
            if self.skip_step and number % self.skip_step == 0:
                skips[number] = x
        for number, layer in zip(range(len(self.decoder) - 1, 0, -1), self.decoder, strict=False):
            x = F.relu(layer(x))
            if number in skips:
                x = F.relu(x + skips[number])
        residual: Tensor = self.decoder[-1](x)
        return enlarged + residual
