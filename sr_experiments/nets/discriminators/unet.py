"""A U-Net with spectral normalisation: one logit a pixel.

Wang et al., "Real-ESRGAN", ICCVW 2021, arXiv:2107.10833, section 3.4 and figure 6, after Schonfeld et al., "A
U-Net Based Discriminator for GANs", CVPR 2020, arXiv:2002.12655. Layers and their names (``conv0`` to
``conv9``) are those of the authors' release. Initialisation: PyTorch's default, as there.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from sr_experiments.nets.discriminators.base import SLOPE, Discriminator, Opinion
from sr_experiments.nets.discriminators.spectral import normalised


class UNetDiscriminator(Discriminator):
    """Three halvings and three doublings with skips that are added. Logits are (B, 1, H, W)."""

    def __init__(
        self,
        *,
        in_channels: int,
        width: int = 64,
        skip: bool = True,
        spectral_norm: bool = True,
        conditional: bool = False,
    ) -> None:
        """Build the discriminator.

        Args:
            in_channels: Channels of the image.
            width: Channels of the first level; they double with every halving.
            skip: Add what comes down to what comes up.
            spectral_norm: Normalise the weights, but the first and the last layer's, by their largest
                singular value.
            conditional: Whether it sees ``lq`` too.

        Raises:
            ValueError: if `width` is not positive.
        """
        super().__init__(in_channels=in_channels, conditional=conditional, minimum=8, multiple_of=8)
        if width < 1:
            raise ValueError(f"width={width}: UNetDiscriminator takes 1 or more")

        def down(before: int, after: int) -> nn.Conv2d:
            return normalised(nn.Conv2d(before, after, 4, 2, 1, bias=False), on=spectral_norm)

        def same(before: int, after: int) -> nn.Conv2d:
            return normalised(nn.Conv2d(before, after, 3, 1, 1, bias=False), on=spectral_norm)

        self.skip = skip
        self.conv0 = nn.Conv2d(self.channels, width, 3, 1, 1)
        self.conv1 = down(width, 2 * width)
        self.conv2 = down(2 * width, 4 * width)
        self.conv3 = down(4 * width, 8 * width)
        self.conv4 = same(8 * width, 4 * width)
        self.conv5 = same(4 * width, 2 * width)
        self.conv6 = same(2 * width, width)
        self.conv7 = same(width, width)
        self.conv8 = same(width, width)
        self.conv9 = nn.Conv2d(width, 1, 3, 1, 1)

    def judge(self, x: Tensor) -> Opinion:
        """Judge (B, channels, H, W); features are those after ``conv0`` to ``conv8``, skips included."""
        features = [_activate(self.conv0(x))]
        for down in (self.conv1, self.conv2, self.conv3):
            features.append(_activate(down(features[-1])))
        for up, beside in zip((self.conv4, self.conv5, self.conv6), features[2::-1], strict=True):
            enlarged = F.interpolate(features[-1], scale_factor=2, mode="bilinear", align_corners=False)
            risen = _activate(up(enlarged))
            features.append(risen + beside if self.skip else risen)
        for last in (self.conv7, self.conv8):
            features.append(_activate(last(features[-1])))
        logits: Tensor = self.conv9(features[-1])
        return Opinion((logits,), tuple(features))


def _activate(x: Tensor) -> Tensor:
    return F.leaky_relu(x, SLOPE)
