"""Perceptual loss: the distance of two pictures in the features of VGG19.

Johnson et al., arXiv:1603.08155; SRGAN, arXiv:1609.04802, eq. 5 (conv5_4 after the activation, squared
difference); ESRGAN, arXiv:1809.00219, section 3.3 (conv5_4 before the activation, where features are less
sparse and keep the brightness; absolute difference). The mean is taken over channels and places. SRGAN also
scales the features by 1/12.75, which is a weight of 0.006 on the squared distance; that is left to the
weights here.
"""

from collections.abc import Mapping
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from sr_experiments.features.extract import VGG19Features, used_layers

_CRITERIA = {"l1": F.l1_loss, "mse": F.mse_loss}


class PerceptualLoss(nn.Module):
    """Weighted sum over layers of the mean absolute or squared difference of VGG19's features."""

    def __init__(
        self,
        *,
        layers: Mapping[str, float],
        criterion: Literal["l1", "mse"] = "l1",
        before_activation: bool = True,
        weights: str | None = None,
        random_features: bool = False,
    ) -> None:
        """Build VGG19 down to the deepest layer that counts.

        Args:
            layers: Layer of VGG19 (conv1_1 ... conv5_4) -> weight.
            criterion: `l1` for the absolute difference, `mse` for the squared one.
            before_activation: Compare what goes into the ReLU after a layer, or what comes out of it.
            weights: A file with torchvision's VGG19; None for torch hub's cache, then a download.
            random_features: Go on with random features if the cache has no weights, without going online.

        Raises:
            FileNotFoundError: `weights` names no file.
            ValueError: An unknown layer or criterion, a negative weight, no weights to be had, or another
                net's file.
        """
        super().__init__()
        if criterion not in _CRITERIA:
            raise ValueError(f"criterion={criterion}: choose one of {', '.join(_CRITERIA)}")
        self.layers = used_layers(layers)
        self.criterion = criterion
        self.features = VGG19Features(
            tuple(self.layers),
            before_activation=before_activation,
            weights=weights,
            random_features=random_features,
        )

    def forward(self, sr: Tensor, gt: Tensor) -> Tensor:
        """Return the distance of grey or RGB images (B, C, H, W) in [0, 1], a scalar."""
        distance = _CRITERIA[self.criterion]
        total = sr.new_zeros(())
        for layer, (features, wanted) in self.features.pairs(sr, gt).items():
            total = total + self.layers[layer] * distance(features, wanted)
        return total
