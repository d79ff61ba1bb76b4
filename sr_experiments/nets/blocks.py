"""Parts that several architectures share, with the key names of the EDSR and RCAN releases."""

import functools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

DIV2K_RGB_MEAN = (0.4488, 0.4371, 0.4040)
"""The mean colour of DIV2K's training images, in [0, 1], as EDSR and RCAN use it."""


def conv(in_channels: int, out_channels: int, *, kernel_size: int = 3) -> nn.Conv2d:
    """A convolution with bias and an odd kernel; zero padding keeps height and width."""
    return nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)


class MeanShift(nn.Module):
    """Adds a constant to each channel: a 1x1 convolution kept as buffers, under the official key names.

    It starts as an identity and a constant. The official code meant to freeze it and did not, so official
    files may carry a trained ``weight`` that mixes channels. As buffers both load, are saved and are never
    trained. Computed as multiplications and additions, not as a convolution: autocast would round values up
    to 255 to the 8 bits of a bfloat16, and TF32 to 10 bits.

    Args:
        shift: What is added to each channel.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, shift: Sequence[float]) -> None:
        """Keep an identity and the shift."""
        super().__init__()
        self.register_buffer("weight", torch.eye(len(shift))[:, :, None, None])
        self.register_buffer("bias", torch.tensor(list(shift), dtype=torch.get_default_dtype()))

    def forward(self, image: Tensor) -> Tensor:
        """Shift (B, C, H, W)."""
        channels = self.weight.shape[1]
        terms = [image[:, k : k + 1] * self.weight[:, k] for k in range(channels)]
        return functools.reduce(torch.add, terms) + self.bias[:, None, None]


def channel_means(mean: Sequence[float] | None, *, in_channels: int) -> tuple[float, ...]:
    """The mean of each channel, in [0, 1].

    Args:
        mean: One value a channel, or None: DIV2K's colour for 3 channels, else its average.
        in_channels: The number of channels.

    Raises:
        ValueError: if there is not one value a channel.
    """
    if mean is None:
        average = sum(DIV2K_RGB_MEAN) / len(DIV2K_RGB_MEAN)
        return DIV2K_RGB_MEAN if in_channels == 3 else (average,) * in_channels
    if len(mean) != in_channels:
        raise ValueError(f"mean has {len(mean)} values for {in_channels} channels: give one each, or null")
    return tuple(mean)


def shuffle_factors(scale: int) -> list[int]:
    """The steps in which a network enlarges: 8 -> [2, 2, 2], 3 -> [3]."""
    steps = scale.bit_length() - 1
    return [2] * steps if scale == 2**steps else [scale]


def pixel_shuffle_upsampler(features: int, *, scale: int) -> nn.Sequential:
    """Convolution and pixel shuffle for each factor of the scale, in EDSR's layout.

    Keys are ``0`` for scales 2 and 3, ``0`` and ``2`` for 4, and ``0``, ``2``, ``4`` for 8.
    """
    layers: list[nn.Module] = []
    for factor in shuffle_factors(scale):
        layers += [conv(features, features * factor**2), nn.PixelShuffle(factor)]
    return nn.Sequential(*layers)


def init_kaiming(*modules: nn.Module, gain: float = 0.1) -> None:
    """He initialisation times `gain` and zero biases for all convolutions inside (ESRGAN, section 3.1)."""
    for module in (inner for outer in modules for inner in outer.modules()):
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            module.weight.data.mul_(gain)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
