"""LPIPS, the learned perceptual distance (Zhang et al., arXiv:1801.03924), as a metric."""

from typing import Literal

import torch
from torch import Tensor

from sr_experiments.features.lpips import LPIPSDistance
from sr_experiments.metrics.base import ImageMetric, levels_for_network


class LPIPS(ImageMetric):
    """LPIPS, version 0.1, of the 8-bit images; 0 where they are equal.

    The whole image counts, no border is cut off. RGB goes in as it is, grey as three equal bands. It is never
    measured with random features.
    """

    higher_is_better = False

    def __init__(
        self, *, net: Literal["alex", "vgg"] = "alex", weights: str | None = None, download: bool = False
    ) -> None:
        """Build the trunk.

        Args:
            net: The trunk: `alex` is what the authors advise for measuring, and what tables mean by LPIPS
                unless they say otherwise.
            weights: A file with torchvision's AlexNet or VGG16; None for torch hub's cache.
            download: Fetch the weights if the cache has none.

        Raises:
            FileNotFoundError: `weights` names no file.
            NotAtHand: Nothing is named, the cache has no weights, and `download` is false.
            ValueError: An unknown net, another net's file, or a failed download.
        """
        super().__init__()
        self.distance = LPIPSDistance(net=net, weights=weights, download=download)

    def forward(self, sr: Tensor, gt: Tensor, *, lq: Tensor) -> Tensor:
        """Return the distance (B,) float64; `lq` is not looked at.

        Raises:
            ValueError: Neither grey nor RGB, or smaller than the trunk's deepest layer can take.
        """
        return _measured(self.distance, sr, gt)


class RandomLPIPS(ImageMetric):
    """The uncalibrated distance of LPIPS on an untrained AlexNet, always the same one; 0 for equal images.

    A stand-in that needs no weights: arXiv:1801.03924, section 4, finds that even random features of this
    kind follow people's judgement of distortions better than PSNR and SSIM do. Lower is better, and it
    compares with nothing but itself. Every band of an image is looked at as a grey picture, except that RGB
    is one picture.
    """

    higher_is_better = False

    def __init__(self) -> None:
        """Draw the trunk."""
        super().__init__()
        self.distance = LPIPSDistance(net="alex", random_features="always")

    def forward(self, sr: Tensor, gt: Tensor, *, lq: Tensor) -> Tensor:
        """Return the distance (B,) float64; `lq` is not looked at.

        Raises:
            ValueError: Images smaller than the trunk's deepest layer can take.
        """
        if sr.shape[1] not in (1, 3):
            bands = [self(sr[:, i : i + 1], gt[:, i : i + 1], lq=lq) for i in range(sr.shape[1])]
            return torch.stack(bands).mean(dim=0)
        return _measured(self.distance, sr, gt)


def _measured(distance: LPIPSDistance, sr: Tensor, gt: Tensor) -> Tensor:
    x, y = levels_for_network(sr, gt, name="LPIPS", minimum=distance.features.minimum)
    with torch.no_grad(), torch.autocast(sr.device.type, enabled=False):
        distances: Tensor = distance(x, y)
    return distances.double()
