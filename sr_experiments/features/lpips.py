"""LPIPS, the learned perceptual distance, image by image.

Zhang et al., arXiv:1801.03924, eq. 1, version 0.1. The linear heads are those in the lpips package's wheel,
the trunk's ImageNet weights are torchvision's. The distance is computed here and not by the package's class,
because that builds a whole classifier through deprecated arguments and takes any file in the cache for its
weights. Values and gradients are the same.

On a random trunk the heads, which weigh the trained trunk's channels, mean nothing. The distance is then the
paper's uncalibrated one: all channels weigh 1.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from sr_experiments.features.extract import FrozenFeatures
from sr_experiments.features.frozen import Frozen
from sr_experiments.features.pretrained import read_weights
from sr_experiments.features.trunks import ALEXNET, VGG16, Conv

# The layers that the paper compares, by torchvision's numbers: ReLUs, in VGG the last of every block.
_TRUNKS = {"alex": (ALEXNET, (1, 4, 7, 9, 11)), "vgg": (VGG16, (3, 8, 15, 22, 29))}
_EPS = 1e-10  # the package's


class LPIPSDistance(nn.Module):
    """LPIPS between `sr` and `gt`: 0 for equal pictures, seldom above 1."""

    def __init__(
        self,
        *,
        net: Literal["alex", "vgg"],
        weights: str | None = None,
        random_features: bool | Literal["always"] = False,
        download: bool = True,
    ) -> None:
        """Build the trunk and read the heads.

        Args:
            net: The trunk: `vgg` is what the authors advise for training, `alex` what they advise for
                measuring.
            weights: A file with torchvision's VGG16 or AlexNet; None for torch hub's cache, then a download.
            random_features: Go on with random features if the cache has no weights, without going online;
                or `always` have them.
            download: Go online if the cache has no weights.

        Raises:
            FileNotFoundError: `weights` names no file.
            NotAtHand: Nothing is named, the cache has no weights, and none may be downloaded or drawn.
            ValueError: An unknown net, no weights to be had, or another net's file.
        """
        super().__init__()
        if net not in _TRUNKS:
            raise ValueError(f"net={net}: LPIPS has {' and '.join(_TRUNKS)}")
        architecture, taps = _TRUNKS[net]
        names = [f"lin{place}" for place in range(len(taps))]
        self.features = FrozenFeatures(
            architecture,
            taps=dict(zip(names, taps, strict=True)),
            weights=weights,
            random_features=random_features,
            download=download,
        )
        convolutions = (architecture.layers[tap - 1] for tap in taps)
        channels = [layer.outputs for layer in convolutions if isinstance(layer, Conv)]
        shapes = {name: (1, count, 1, 1) for name, count in zip(names, channels, strict=True)}
        random = self.features.random
        heads = {name: torch.ones(shape) for name, shape in shapes.items()} if random else _heads(net, shapes)
        self._heads = Frozen(nn.ParameterDict(heads))

    def forward(self, sr: Tensor, gt: Tensor) -> Tensor:
        """Return the distance (B,) of grey or RGB images (B, C, H, W) in [0, 1]; no gradient goes to `gt`."""
        heads = dict(self._heads.net.named_parameters())
        total = sr.new_zeros(len(sr))
        for name, (features, wanted) in self.features.pairs(sr, gt).items():
            squares = (_unit(features) - _unit(wanted)).square()
            total = total + (heads[name] * squares).sum(dim=1).mean(dim=(1, 2))  # Eq. 1
        return total


def _unit(features: Tensor) -> Tensor:
    """Scale the vector of channels at every place to length 1; at a zero vector the gradient is finite."""
    norm: Tensor = torch.linalg.vector_norm(features, dim=1, keepdim=True)
    return features / (norm + _EPS)


def _heads(net: str, shapes: dict[str, tuple[int, int, int, int]]) -> dict[str, Tensor]:
    """Read the heads out of the lpips package's folder, without importing it and all that it imports."""
    spec = find_spec("lpips")
    assert spec is not None, "lpips is a dependency of this project"
    assert spec.origin is not None
    path = Path(spec.origin).parent / "weights" / "v0.1" / f"{net}.pth"
    keys = {f"{name}.model.1.weight": shape for name, shape in shapes.items()}
    state = read_weights(path, name=f"LPIPS ({net})", shapes=keys)
    return {name: state[f"{name}.model.1.weight"] for name in shapes}
