"""PatchGAN: one logit for each overlapping patch of the image.

Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017, arXiv:1611.07004,
section 3.2.2 and appendix 6.1.2 (C64-C128-C256-C512: patches of 70 x 70 pixels). Keys are those of the
authors' release (``model.0``, ``model.2``, ...). Initialisation: N(0, 0.02) for weights (appendix 6.2) and
zero for biases.

Deviations: normalisation is an option, and there is no sigmoid, because the losses take logits.
"""

from torch import Tensor, nn

from sr_experiments.nets.discriminators.base import SLOPE, Discriminator, Norm, Opinion, norm_layer
from sr_experiments.nets.discriminators.spectral import normalised

_WIDEST = 8  # times the first width


class PatchGAN(Discriminator):
    """4x4 convolutions only, so nearly any size fits. Logits are (B, 1, h, w)."""

    alternative = "fewer discriminator.layers"

    def __init__(
        self,
        *,
        in_channels: int,
        width: int = 64,
        layers: int = 3,
        norm: Norm = "batch",
        spectral_norm: bool = False,
        conditional: bool = False,
    ) -> None:
        """Build the discriminator.

        Args:
            in_channels: Channels of the image.
            width: Channels of the first layer; they double in each further one, up to eight times as many.
            layers: Convolutions with stride 2. A logit sees 16, 34, 70 or 142 pixels across at 1, 2, 3 or 4.
            norm: Normalisation after every convolution but the first and the last.
            spectral_norm: Normalise every weight by its largest singular value.
            conditional: Whether it sees ``lq`` too.

        Raises:
            ValueError: if a value is out of range.
        """
        super().__init__(in_channels=in_channels, conditional=conditional, minimum=smallest_patch(layers))
        self.model = patch_layers(
            self.channels, width=width, layers=layers, norm=norm, spectral_norm=spectral_norm
        )

    def judge(self, x: Tensor) -> Opinion:
        """Judge (B, channels, H, W); features are those after each activation."""
        logits, features = run_layers(self.model, x)
        return Opinion((logits,), features)


def smallest_patch(layers: int) -> int:
    """The smallest H and W that leave one logit.

    `layers` halvings, rounded down, then two 4x4 convolutions that take one pixel each.

    Raises:
        ValueError: if there is no layer.
    """
    if layers < 1:
        raise ValueError(f"layers={layers}: PatchGAN takes 1 or more")
    smallest: int = 3 * 2**layers
    return smallest


def patch_layers(channels: int, *, width: int, layers: int, norm: Norm, spectral_norm: bool) -> nn.Sequential:
    """The layers of a PatchGAN, numbered as in the authors' release.

    Raises:
        ValueError: if `width` is not positive, or there is no such `norm`.
    """
    if width < 1:
        raise ValueError(f"width={width}: PatchGAN takes 1 or more")
    widths = [width * min(2**level, _WIDEST) for level in range(layers + 1)]
    model = nn.Sequential(_conv(channels, width, stride=2, spectral_norm=spectral_norm), nn.LeakyReLU(SLOPE))
    for level, after in enumerate(widths[1:], start=1):
        stride = 2 if level < layers else 1
        conv = _conv(
            widths[level - 1], after, stride=stride, bias=norm == "none", spectral_norm=spectral_norm
        )
        model.extend([conv, norm_layer(norm, after), nn.LeakyReLU(SLOPE)])
    return model.append(_conv(widths[-1], 1, stride=1, spectral_norm=spectral_norm))


def run_layers(model: nn.Sequential, x: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The logits of a PatchGAN's layers, and what comes out of each activation."""
    features = []
    for layer in model:
        x = layer(x)
        if isinstance(layer, nn.LeakyReLU):
            features.append(x)
    return x, tuple(features)


def _conv(before: int, after: int, *, stride: int, bias: bool = True, spectral_norm: bool) -> nn.Conv2d:
    conv = nn.Conv2d(before, after, 4, stride, padding=1, bias=bias)
    nn.init.normal_(conv.weight, std=0.02)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return normalised(conv, on=spectral_norm)
