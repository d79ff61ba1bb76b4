"""The convolutional trunks of ImageNet classifiers, as far as anybody looks into them: VGG16, VGG19, AlexNet.

VGG: Simonyan and Zisserman, arXiv:1409.1556, table 1, columns D and E. AlexNet: Krizhevsky, arXiv:1404.5997,
as torchvision has it. Keys and numbers are those of torchvision's `features`, so its weight files fit. Unlike
torchvision's, these end at the deepest layer asked for, and making one neither fills half a gigabyte of
classifier nor draws from torch's global generator.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import AlexNet_Weights, VGG16_Weights, VGG19_Weights

from sr_experiments.features.pretrained import Published

RANDOM_SEED = 2014
"""Seed of random weights: the same in every run, whatever the run's own seed."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Conv:
    """A square convolution with bias."""

    inputs: int
    outputs: int
    kernel: int = 3
    stride: int = 1
    padding: int = 1


@dataclass(frozen=True)
class Pool:
    """The maximum over square windows, without padding."""

    kernel: int = 2
    stride: int = 2


@dataclass(frozen=True)
class Activation:
    """A ReLU."""


Layer = Conv | Pool | Activation
Pooling = Literal["max", "l2"]


@dataclass(frozen=True)
class Architecture:
    """A trunk's layers, numbered as torchvision does, and where its weights are published."""

    published: Published
    layers: tuple[Layer, ...]

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Key -> shape of the whole trunk's state dict."""
        shapes: dict[str, tuple[int, ...]] = {}
        for number, layer in enumerate(self.layers):
            if isinstance(layer, Conv):
                shapes[f"features.{number}.weight"] = (
                    layer.outputs,
                    layer.inputs,
                    layer.kernel,
                    layer.kernel,
                )
                shapes[f"features.{number}.bias"] = (layer.outputs,)
        return shapes

    def smallest(self, number: int, *, pooling: Pooling = "max") -> int:
        """Side in pixels of the smallest image of which something is left after layer `number`."""
        side = 1
        for layer in reversed(self.layers[: number + 1]):
            if isinstance(layer, Pool) and pooling == "l2":
                side = 2 * side - 1  # L2Pool's output is half the side, rounded up
            elif isinstance(layer, Conv | Pool):
                padding = layer.padding if isinstance(layer, Conv) else 0
                side = max(1, (side - 1) * layer.stride + layer.kernel - 2 * padding)
        return side


class L2Pool(nn.Module):
    """Halves the sides by a weighted root mean square: anti-aliased, where a maximum is not.

    DISTS, arXiv:2004.07728, section 3.1: `sqrt(g * (x . x))` with a Hanning window g, which is (1, 2, 1)/4
    along each axis. The small number under the root is that of the authors' code; it keeps the gradient
    finite.
    """

    window: Tensor

    def __init__(self) -> None:
        """Make the window."""
        super().__init__()
        line = torch.tensor([0.25, 0.5, 0.25], dtype=torch.float32, device="cpu")
        self.register_buffer("window", torch.outer(line, line)[None, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C, ceil(H / 2), ceil(W / 2)) of (B, C, H, W); beyond the border there are zeros."""
        channels = x.shape[1]
        kernel = self.window.expand(channels, -1, -1, -1)
        power = F.conv2d(x.square(), kernel, stride=2, padding=1, groups=channels)
        return (power + 1e-12).sqrt()


class Trunk(nn.Module):
    """The layers of an architecture down to the deepest that is wanted."""

    mean: Tensor
    std: Tensor

    def __init__(
        self, architecture: Architecture, *, taps: Mapping[str, int], pooling: Pooling = "max"
    ) -> None:
        """Make the layers; the weights are unset until `load` or `randomise` is called.

        Args:
            architecture: Which network.
            taps: Name -> number of the layer whose output is wanted under this name.
            pooling: What stands where the architecture pools: `max` (over its window), or `l2`.
        """
        super().__init__()
        self._names = {number: name for name, number in taps.items()}
        self.features = nn.ModuleList(
            # In place where nobody keeps what goes in.
            _make(layer, inplace=number - 1 not in self._names, pooling=pooling)
            for number, layer in enumerate(architecture.layers[: max(self._names) + 1])
        )
        for name, value in (("mean", IMAGENET_MEAN), ("std", IMAGENET_STD)):
            tensor = torch.tensor(value, dtype=torch.float32, device="cpu").view(1, 3, 1, 1)
            self.register_buffer(name, tensor, persistent=False)

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take the weights from a state dict of the whole trunk; those below the deepest tap are left out."""
        self.load_state_dict({key: state[key] for key in self.state_dict()})

    def randomise(self) -> None:
        """Draw the weights by He's rule (arXiv:1502.01852) from a generator of its own; biases are 0.

        The rule keeps the activations' scale: on a photograph the standard deviation grows from 2.0 at
        conv1_1 of VGG19 to 2.7 at conv5_4. A layer's weights do not depend on how many layers follow it.
        """
        generator = torch.Generator("cpu").manual_seed(RANDOM_SEED)
        with torch.no_grad():
            for layer in self.features:
                if isinstance(layer, nn.Conv2d):
                    fan_in = layer.weight[0].numel()
                    layer.weight.normal_(0.0, math.sqrt(2 / fan_in), generator=generator)  # Eq. 10
                    assert layer.bias is not None
                    layer.bias.zero_()

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Return name -> features (B, channels, h, w) of RGB images (B, 3, H, W) in [0, 1]."""
        found: dict[str, Tensor] = {}
        x = (image - self.mean) / self.std
        for number, layer in enumerate(self.features):
            x = layer(x)
            if number in self._names:
                found[self._names[number]] = x
        return found


def _make(layer: Layer, *, inplace: bool, pooling: Pooling) -> nn.Module:
    """Make one layer; by way of the meta device a convolution draws no numbers that are then thrown away."""
    if isinstance(layer, Conv):
        empty = nn.Conv2d(
            layer.inputs,
            layer.outputs,
            layer.kernel,
            stride=layer.stride,
            padding=layer.padding,
            device="meta",
            dtype=torch.float32,
        )
        return empty.to_empty(device="cpu")
    if isinstance(layer, Pool):
        return L2Pool() if pooling == "l2" else nn.MaxPool2d(layer.kernel, layer.stride)
    return nn.ReLU(inplace=inplace)


def _vgg(*convolutions: int) -> tuple[Layer, ...]:
    """VGG's five blocks, with these numbers of convolutions."""
    layers: list[Layer] = []
    inputs = 3
    for outputs, count in zip((64, 128, 256, 512, 512), convolutions, strict=True):
        for _ in range(count):
            layers += [Conv(inputs, outputs), Activation()]
            inputs = outputs
        layers.append(Pool())
    return tuple(layers)


VGG16 = Architecture(Published("VGG16", VGG16_Weights.IMAGENET1K_V1.url), _vgg(2, 2, 3, 3, 3))
VGG19 = Architecture(Published("VGG19", VGG19_Weights.IMAGENET1K_V1.url), _vgg(2, 2, 4, 4, 4))
ALEXNET = Architecture(
    Published("AlexNet", AlexNet_Weights.IMAGENET1K_V1.url),
    (
        Conv(3, 64, kernel=11, stride=4, padding=2),
        Activation(),
        Pool(kernel=3),
        Conv(64, 192, kernel=5, padding=2),
        Activation(),
        Pool(kernel=3),
        Conv(192, 384),
        Activation(),
        Conv(384, 256),
        Activation(),
        Conv(256, 256),
        Activation(),
        Pool(kernel=3),
    ),
)
