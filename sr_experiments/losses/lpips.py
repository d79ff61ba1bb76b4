"""LPIPS, the learned perceptual distance (Zhang et al., arXiv:1801.03924), as a loss."""

from typing import Literal

from torch import Tensor, nn

from sr_experiments.features.lpips import LPIPSDistance


class LPIPSLoss(nn.Module):
    """Mean of LPIPS over the batch: 0 for equal pictures, seldom above 1."""

    def __init__(
        self,
        *,
        net: Literal["alex", "vgg"] = "vgg",
        weights: str | None = None,
        random_features: bool = False,
    ) -> None:
        """Build the trunk and read the heads.

        Args:
            net: The trunk: `vgg` is what the authors advise for training, `alex` what they advise for
                measuring.
            weights: A file with torchvision's VGG16 or AlexNet; None for torch hub's cache, then a download.
            random_features: Go on with random features if the cache has no weights, without going online.

        Raises:
            FileNotFoundError: `weights` names no file.
            ValueError: An unknown net, no weights to be had, or another net's file.
        """
        super().__init__()
        self.distance = LPIPSDistance(net=net, weights=weights, random_features=random_features)

    def forward(self, sr: Tensor, gt: Tensor) -> Tensor:
        """Return the distance of grey or RGB images (B, C, H, W) in [0, 1], mean over the batch, a scalar."""
        distances: Tensor = self.distance(sr, gt)
        return distances.mean()
