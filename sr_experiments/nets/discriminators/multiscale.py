"""Several PatchGANs, each on an image half the size of the one before.

Wang et al., "High-Resolution Image Synthesis and Semantic Manipulation with Conditional GANs" (pix2pixHD),
CVPR 2018, arXiv:1711.11585, section 3.2: three discriminators of one structure, which see more and more of
the image. An image is halved by the mean over 3x3 pixels with stride 2 in which the padding does not count,
as in the authors' release.

Deviations: the PatchGANs are pix2pix's, with convolutions padded by 1 instead of 2.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from sr_experiments.nets.discriminators.base import Discriminator, Norm, Opinion
from sr_experiments.nets.discriminators.patchgan import patch_layers, run_layers, smallest_patch


class MultiScaleDiscriminator(Discriminator):
    """PatchGANs on the image and its halves. Logits are (B, 1, h, w), the full size first."""

    alternative = "fewer discriminator.scales, or discriminator=patchgan, which takes nearly any size"

    def __init__(
        self,
        *,
        in_channels: int,
        scales: int = 3,
        width: int = 64,
        layers: int = 3,
        norm: Norm = "instance",
        spectral_norm: bool = False,
        conditional: bool = False,
    ) -> None:
        """Build the discriminators.

        Args:
            in_channels: Channels of the image.
            scales: Number of PatchGANs.
            width: Channels of the first layer of each.
            layers: Convolutions with stride 2 in each.
            norm: Normalisation after every convolution but the first and the last.
            spectral_norm: Normalise every weight by its largest singular value.
            conditional: Whether they see ``lq`` too; it is halved with the image.

        Raises:
            ValueError: if a value is out of range.
        """
        minimum = smallest_patch(layers)
        if scales < 1:
            raise ValueError(f"scales={scales}: MultiScaleDiscriminator takes 1 or more")
        for _ in range(scales - 1):
            minimum = 2 * minimum - 1  # an odd size is halved upwards
        super().__init__(in_channels=in_channels, conditional=conditional, minimum=minimum)
        self.scales = nn.ModuleList(
            patch_layers(self.channels, width=width, layers=layers, norm=norm, spectral_norm=spectral_norm)
            for _ in range(scales)
        )

    def judge(self, x: Tensor) -> Opinion:
        """Judge (B, channels, H, W); features are those after each activation, the full size first."""
        logits: list[Tensor] = []
        features: list[Tensor] = []
        for number, model in enumerate(self.scales):
            if number:
                x = F.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False)
            assert isinstance(model, nn.Sequential)
            seen, inner = run_layers(model, x)
            logits.append(seen)
            features += inner
        return Opinion(tuple(logits), tuple(features))
