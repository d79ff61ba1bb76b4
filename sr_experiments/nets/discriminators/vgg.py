"""Discriminators in VGG's manner: stages that halve the image, then two linear layers and one logit an image.

SRGAN: Ledig et al., arXiv:1609.04802, section 2.1.2 and figure 4: 3x3 convolutions of widths 64, 128, 256,
512, the second of each width with stride 2, batch normalisation everywhere but at the first, 1024 hidden
units. The sigmoid at the end is left out: the losses take logits. ESRGAN (arXiv:1809.00219) uses one like it;
the sizes and key names here are those of its authors' later code (``conv0_0``, ``conv0_1``, ``bn0_1``, ...,
``linear1``, ``linear2``): a fifth stage, 4x4 convolutions for the strides, 100 hidden units. The first code
of ESRGAN had biases before the normalisations too, 2,880 parameters without an effect, which are not here.
Initialisation: PyTorch's default.
"""

import itertools
from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from sr_experiments.nets.discriminators.base import SLOPE, Discriminator, Norm, Opinion, norm_layer
from sr_experiments.nets.discriminators.spectral import normalised


class VGGDiscriminator(Discriminator):
    """Convolutions, halvings and two linear layers: for patches of one size. Logits are (B, 1)."""

    def __init__(
        self,
        *,
        in_channels: int,
        size: int,
        widths: Sequence[int] = (64, 128, 256, 512, 512),
        down_kernel: Literal[3, 4] = 4,
        hidden: int = 100,
        norm: Norm = "batch",
        spectral_norm: bool = False,
        conditional: bool = False,
    ) -> None:
        """Build the discriminator.

        Args:
            in_channels: Channels of the image.
            size: H and W of the patches.
            widths: Channels of each stage; every stage halves the image.
            down_kernel: The kernel of the convolutions with stride 2; 4 rounds a half size down, 3 up.
            hidden: Units between the two linear layers.
            norm: Normalisation after every convolution but the first. `batch` needs batches of two or more
                where the last map is one pixel.
            spectral_norm: Normalise every weight by its largest singular value.
            conditional: Whether it sees ``lq`` too.

        Raises:
            ValueError: if a value is out of range, or nothing is left of the image after the last stage.
        """
        super().__init__(in_channels=in_channels, conditional=conditional, size=size)
        if not widths or min(widths) < 1 or hidden < 1:
            raise ValueError(
                f"widths={list(widths)}, hidden={hidden}: VGGDiscriminator takes one width or more and a "
                "number of hidden units, each at least 1"
            )
        if down_kernel not in (3, 4):
            raise ValueError(f"down_kernel={down_kernel}: VGGDiscriminator takes 3 (SRGAN) or 4 (ESRGAN)")
        side = _last_side(size, stages=len(widths), kernel=down_kernel, norm=norm)
        self.stages = len(widths)
        self.activate = nn.LeakyReLU(SLOPE)
        before = self.channels
        for stage, width in enumerate(widths):
            first = stage == 0
            self._add(f"{stage}_0", before, width, kernel=3, norm="none" if first else norm, sn=spectral_norm)
            self._add(f"{stage}_1", width, width, kernel=down_kernel, norm=norm, sn=spectral_norm)
            before = width
        self.linear1 = normalised(nn.Linear(before * side**2, hidden), on=spectral_norm)
        self.linear2 = normalised(nn.Linear(hidden, 1), on=spectral_norm)

    def judge(self, x: Tensor) -> Opinion:
        """Judge (B, channels, size, size); features are those after each stage."""
        features = []
        for stage in range(self.stages):
            for name in (f"{stage}_0", f"{stage}_1"):
                x = self.get_submodule(f"conv{name}")(x)
                if hasattr(self, f"bn{name}"):
                    x = self.get_submodule(f"bn{name}")(x)
                x = self.activate(x)
            features.append(x)
        logits: Tensor = self.linear2(F.leaky_relu(self.linear1(x.flatten(1)), SLOPE))
        return Opinion((logits,), tuple(features))

    def _add(self, name: str, before: int, after: int, *, kernel: int, norm: Norm, sn: bool) -> None:
        """Add a convolution, with stride 2 in a stage's second place, and the normalisation after it."""
        stride = 2 if name.endswith("_1") else 1
        conv = nn.Conv2d(before, after, kernel, stride, padding=1, bias=norm == "none")
        self.add_module(f"conv{name}", normalised(conv, on=sn))
        if norm != "none":
            self.add_module(f"bn{name}", norm_layer(norm, after))


def _last_side(size: int, *, stages: int, kernel: int, norm: Norm) -> int:
    """Height and width of the last feature map.

    Raises:
        ValueError: if there is none, or one pixel only where each map is normalised by itself.
    """

    def side(start: int) -> int:
        for _ in range(stages):
            start = (start + 2 - kernel) // 2 + 1
        return start

    needed = 2 if norm == "instance" else 1
    if side(size) < needed:
        smallest = next(start for start in itertools.count(1) if side(start) >= needed)
        raise ValueError(
            f"size={size}: VGGDiscriminator halves it {stages} times and needs {smallest} or more: set "
            f"data.patch_size={smallest} or more, give fewer discriminator.widths, "
            f"or choose {VGGDiscriminator.alternative}"
        )
    return side(size)
