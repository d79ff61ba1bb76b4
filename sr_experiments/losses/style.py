"""Style loss: the distance of two pictures in which features occur together, wherever they occur.

Gatys, Ecker and Bethge, "Image Style Transfer Using Convolutional Neural Networks", CVPR 2016, eq. 3 to 5.
As there, features are taken after the activation; unlike there, VGG19 keeps its maximum pooling and its
weights as they were trained (Gatys averages, and rescales them), and the input is normalised to unit
variance, not to a range of 255.
"""

from collections.abc import Mapping

from torch import Tensor, nn

from sr_experiments.features.extract import VGG19Features, used_layers


class StyleLoss(nn.Module):
    """Weighted sum over layers of the squared distance of the Gram matrices of VGG19's features."""

    def __init__(
        self, *, layers: Mapping[str, float], weights: str | None = None, random_features: bool = False
    ) -> None:
        """Build VGG19 down to the deepest layer that counts.

        Args:
            layers: Layer of VGG19 (conv1_1 ... conv5_4) -> weight; Gatys has the first of every block at 0.2.
            weights: A file with torchvision's VGG19; None for torch hub's cache, then a download.
            random_features: Go on with random features if the cache has no weights, without going online.

        Raises:
            FileNotFoundError: `weights` names no file.
            ValueError: An unknown layer, a negative weight, no weights to be had, or another net's file.
        """
        super().__init__()
        self.layers = used_layers(layers)
        self.features = VGG19Features(
            tuple(self.layers), before_activation=False, weights=weights, random_features=random_features
        )

    def forward(self, sr: Tensor, gt: Tensor) -> Tensor:
        """Return the distance of grey or RGB images (B, C, H, W) in [0, 1], mean over the batch, a scalar."""
        total = sr.new_zeros(())
        for layer, (features, wanted) in self.features.pairs(sr, gt).items():
            squares = (gram(features) - gram(wanted)).square()
            total = total + self.layers[layer] * squares.sum(dim=(1, 2)).mean() / 4  # Eq. 4 and 5
        return total


def gram(features: Tensor) -> Tensor:
    """Return the Gram matrices (B, N, N) of features (B, N, H, W), divided by N * H * W.

    The division stands in Gatys's equation 4, before the square, as 1 / (4 N^2 M^2).
    """
    rows = features.flatten(2)
    return rows @ rows.transpose(1, 2) / features[0].numel()  # Eq. 3
