"""DISTS, deep image structure and texture similarity (Ding et al., arXiv:2004.07728), as a metric."""

import torch
from torch import Tensor

from sr_experiments.features.dists import DISTSDistance
from sr_experiments.metrics.base import ImageMetric, levels_for_network


class DISTS(ImageMetric):
    """DISTS of the 8-bit images at their own size; 0 where they are equal.

    The whole image counts, no border is cut off. RGB goes in as it is, grey as three equal bands. It is never
    measured with random features.
    """

    higher_is_better = False

    def __init__(
        self, *, weights: str | None = None, heads: str | None = None, download: bool = False
    ) -> None:
        """Build the trunk and read alpha and beta.

        Args:
            weights: A file with torchvision's VGG16; None for torch hub's cache.
            heads: The authors' file of alpha and beta; None to look for it (features/dists.py).
            download: Fetch VGG16 if the cache has none.

        Raises:
            FileNotFoundError: `weights` or `heads` names no file.
            NotAtHand: VGG16 or alpha and beta are nowhere, and `download` is false.
            ValueError: A file of something else, or a failed download.
        """
        super().__init__()
        self.distance = DISTSDistance(weights=weights, heads=heads, download=download)

    def forward(self, sr: Tensor, gt: Tensor, *, lq: Tensor) -> Tensor:
        """Return the distance (B,) float64; `lq` is not looked at.

        Raises:
            ValueError: Neither grey nor RGB.
        """
        x, y = levels_for_network(sr, gt, name="DISTS", minimum=self.distance.features.minimum)
        with torch.no_grad(), torch.autocast(sr.device.type, enabled=False):
            distances: Tensor = self.distance(x, y)
        return distances.double()
