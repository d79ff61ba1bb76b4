"""Features of pretrained classifiers, for the losses and metrics that compare pictures by them.

The weights come from a file, torch hub's cache or a download, in this order (pretrained.py). Where there are
none, a demonstration may train on random features, a metric is not measured, and any other run stops.

What random features can do: convolutions with random weights still answer to edges, colours and repetition
around a place (a shallow one is enough to synthesise textures: Ustyuzhaninov et al., arXiv:1606.00021), equal
pictures have equal features, and time and memory are those of the real thing. What they cannot do: they have
learnt nothing of what people see, so no gain to the eye may be expected of them, and no number made with them
be compared with a published one.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from sr_experiments.features.frozen import Frozen
from sr_experiments.features.pretrained import NotAtHand, find_weights, read_weights
from sr_experiments.features.trunks import VGG19, Activation, Architecture, Conv, Pool, Pooling, Trunk

_log = logging.getLogger(__name__)


class FrozenFeatures(nn.Module):
    """Features of images at chosen layers of a pretrained trunk.

    Attributes:
        random: Whether the features are.
        notes: One sentence if they are for want of weights, nothing if not.
        minimum: Side in pixels of the smallest image that the deepest layer can take.
    """

    def __init__(
        self,
        architecture: Architecture,
        *,
        taps: Mapping[str, int],
        weights: str | None,
        random_features: bool | Literal["always"] = False,
        download: bool = True,
        pooling: Pooling = "max",
    ) -> None:
        """Find the weights and build the trunk.

        Args:
            architecture: Which trunk.
            taps: Name -> number of the layer whose output is wanted under this name.
            weights: A weight file; None for the cache, then a download.
            random_features: Go on with random weights if the cache has none, without going online; or
                `always` have them.
            download: Go online if the cache has none.
            pooling: How the trunk shrinks: `max` is how it was trained, `l2` how DISTS has it.

        Raises:
            FileNotFoundError: `weights` names no file.
            NotAtHand: Nothing is named, the cache has no weights, and none may be downloaded or drawn.
            ValueError: No weights are to be had, or the file is not this network's.
        """
        super().__init__()
        published = architecture.published
        self.notes: list[str] = []
        self._name = published.name
        self.minimum = architecture.smallest(max(taps.values()), pooling=pooling)
        trunk = Trunk(architecture, taps=taps, pooling=pooling)
        always = random_features == "always"
        path = None
        if not always:
            path = find_weights(published, file=weights, download=download and not random_features)
        if path is None and not random_features:
            raise NotAtHand(
                f"the ImageNet weights of {published.name} are not at hand: put {published.url} into "
                f"{published.cached.parent}, name a file with metric.NAME.weights=FILE, or let "
                "metric.NAME.download=true fetch it"
            )
        self.random = path is None
        if always:
            trunk.randomise()
        elif path is None:
            trunk.randomise()
            self.notes.append(
                f"{published.name} judged with random features, because its ImageNet weights are not at "
                f"{published.cached}: this shows that the loss runs, not what it can do"
            )
            _log.warning(self.notes[0])
        else:
            trunk.load(read_weights(path, name=published.name, shapes=architecture.shapes()))
        self._trunk = Frozen(trunk)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Return name -> features (B, channels, h, w).

        Args:
            image: (B, 1 or 3, H, W) in [0, 1]; grey is taken as three equal bands.

        Raises:
            ValueError: Another number of bands, or an image too small for the deepest layer.
        """
        bands, height, width = image.shape[-3:]
        if bands not in (1, 3):
            raise ValueError(
                f"{self._name} judges images of 1 band (grey) or 3 (RGB), and these have {bands}: take a "
                "loss without pretrained features, such as loss=l1 or loss=ssim"
            )
        if min(height, width) < self.minimum:
            raise ValueError(
                f"the chosen layers of {self._name} need images of at least {self.minimum} pixels a side, "
                f"and these are {height}x{width}: take larger patches or shallower layers"
            )
        rgb = image.to(self._trunk.dtype).expand(-1, 3, -1, -1)
        features: dict[str, Tensor] = self._trunk.net(rgb)
        return features

    def pairs(self, sr: Tensor, gt: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """Return name -> (features of sr, features of gt); those of gt are computed without a gradient."""
        with torch.no_grad():
            wanted = self(gt)
        return {name: (features, wanted[name]) for name, features in self(sr).items()}


class VGG19Features(FrozenFeatures):
    """Features of VGG19 (arXiv:1409.1556) at layers named as in the papers that use them."""

    def __init__(
        self,
        layers: Sequence[str],
        *,
        before_activation: bool,
        weights: str | None,
        random_features: bool,
    ) -> None:
        """Find the weights and build VGG19 down to the deepest layer asked for.

        Args:
            layers: Names: conv1_1, conv1_2, conv2_1, conv2_2, conv3_1 to conv3_4, conv4_1 to conv4_4,
                conv5_1 to conv5_4.
            before_activation: What the convolution returns (ESRGAN), or the ReLU after it (SRGAN, Gatys).
            weights: A weight file; None for the cache, then a download.
            random_features: Go on with random weights if the cache has none, without going online.

        Raises:
            FileNotFoundError: `weights` names no file.
            ValueError: VGG19 has no such layer, no weights are to be had, or the file is not VGG19's.
        """
        known = _vgg_names(VGG19)
        unknown = [layer for layer in layers if layer not in known]
        if unknown:
            raise ValueError(f"VGG19 has no layer {', '.join(unknown)}; it has {', '.join(known)}")
        shift = 0 if before_activation else 1
        taps = {layer: known[layer] + shift for layer in layers}
        super().__init__(VGG19, taps=taps, weights=weights, random_features=random_features)


def _vgg_names(architecture: Architecture) -> dict[str, int]:
    """conv<block>_<place> -> number of the layer."""
    names: dict[str, int] = {}
    block, place = 1, 1
    for number, layer in enumerate(architecture.layers):
        match layer:
            case Conv():
                names[f"conv{block}_{place}"] = number
            case Activation():
                place += 1
            case Pool():
                block, place = block + 1, 1
    return names


def used_layers(layers: Mapping[str, float]) -> dict[str, float]:
    """Layer -> weight of the layers that count; those of weight 0 are left out, and so not computed.

    Raises:
        ValueError: A weight is negative or infinite, or none is above 0.
    """
    wrong = [f"{layer}: {weight}" for layer, weight in layers.items() if not 0 <= weight < float("inf")]
    if wrong:
        raise ValueError(f"layers={{{', '.join(wrong)}}}: a layer's weight must be 0 or more, and finite")
    used = {layer: float(weight) for layer, weight in layers.items() if weight > 0}
    if not used:
        raise ValueError("layers: at least one layer needs a weight above 0, such as layers={conv5_4: 1.0}")
    return used
