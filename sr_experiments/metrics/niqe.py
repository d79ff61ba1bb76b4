"""NIQE, the natural image quality evaluator: how far an image's statistics are from good photographs'.

Mittal, Soundararajan and Bovik, "Making a 'Completely Blind' Image Quality Analyzer", IEEE Signal Processing
Letters 20(3), 2013; equation numbers are that paper's. Nothing is compared with `gt`: lower is more natural.

As tables of super-resolution have it since the PIRM challenge (arXiv:1809.07517): luma by BT.601 in its
limited range, rounded to 8 bit; blocks of 96x96 pixels from the top left, all of them, what is left over on
the right and below is not looked at; the second scale is half the size by MATLAB's bicubic rule. (The
authors' release takes `rgb2gray` of RGB in place of luma. PIRM cuts 4 pixels off each side first; no border
is cut off here.)

One thing is better defined than elsewhere. In a flat area the locally normalised image is 0, and others
have what their summation leaves there: noise of 1e-14 and of either sign, which the fit counts among the
negative and the positive values. BasicSR gives an image of Set14 8.49 in float32 and 8.79 in float64. Here
it is 0, as in exact arithmetic, and the number is the same on any machine.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from sr_experiments.imaging.colour import rgb_to_y, to_levels
from sr_experiments.imaging.resize import imresize
from sr_experiments.metrics.base import ImageMetric, check_colour
from sr_experiments.metrics.pristine import find_model, read_model

_SIGMA = 7 / 6
_RADIUS = 3
_ROUNDING = 1e-9
"""Below it a normalised pixel is rounding: the noise of the sums is 1e-12 at most, true values are larger."""

_SHAPES = (200, 10_000)
"""The shape parameter is sought among .2, .201, ... 10, in thousandths."""


class NIQE(ImageMetric):
    """Distance of the image's features from the pristine model, 0 or more; photographs have 2 to 6.

    RGB is measured by its luma, a grey image as it is.
    """

    higher_is_better = False

    def __init__(self, *, parameters: str | None = None, block: int = 96) -> None:
        """Find and read the pristine model.

        Args:
            parameters: The pristine model, .npz or .mat; None to look for it (metrics/pristine.py).
            block: Side of a block in pixels, even; the published model was fitted to 96.

        Raises:
            FileNotFoundError: `parameters` names no file.
            NotAtHand: The model is nowhere.
            ValueError: The file is not a model, or an odd or tiny block.
        """
        super().__init__()
        if block < 8 or block % 2:
            raise ValueError(
                f"block={block}: a block is halved, so its side must be even, and at least 8 pixels"
            )
        self.block = block
        mean, covariance = read_model(find_model(parameters))
        # In a plain tuple: no checkpoint's business, and never of lower precision.
        self._model = (torch.from_numpy(mean), torch.from_numpy(covariance))

    def forward(self, sr: Tensor, gt: Tensor, *, lq: Tensor) -> Tensor:
        """Return NIQE (B,) float64; neither `gt` nor `lq` is looked at.

        NaN where the image holds a NaN, or where fewer than two blocks have any structure: the covariance of
        the features needs two.

        Raises:
            ValueError: Neither grey nor RGB, or an image that does not hold two blocks.
        """
        check_colour(sr, name="NIQE")
        height, width = sr.shape[-2:]
        if (height // self.block) * (width // self.block) < 2:
            raise ValueError(
                f"NIQE needs two blocks of {self.block}x{self.block} pixels, and this image is "
                f"{height}x{width}: leave it out of the data set, or take another metric"
            )
        with torch.no_grad(), torch.autocast(sr.device.type, enabled=False):
            return torch.stack([self._measure(luma) for luma in eight_bit_luma(sr)])

    def _measure(self, luma: Tensor) -> Tensor:
        """NIQE of one image (1, H, W), on its device."""
        if bool(luma.isnan().any()):
            return luma.new_tensor(torch.nan)
        mean, covariance = self._model
        # 36 numbers a block: the rest is the CPU's, whose pseudo-inverse is the same everywhere.
        distance = distance_between(
            block_features(luma, block=self.block).cpu(), mean=mean, covariance=covariance
        )
        return distance.to(luma.device)


def eight_bit_luma(image: Tensor) -> Tensor:
    """Luma (B, 1, H, W) of grey or RGB in 8-bit levels, float64; NaN stays NaN."""
    levels = to_levels(image)
    if image.shape[1] == 1:
        return levels
    # Halves upwards, by whole numbers of thousandths: floats would send some exact halves down.
    thousandths = (rgb_to_y(levels / 255) * 255 * 255_000).round()
    return ((thousandths + 127_500) / 255_000).floor()


def block_features(luma: Tensor, *, block: int) -> Tensor:
    """The 36 features of every block: 18 at full size, 18 at half.

    Args:
        luma: (1, H, W) float64, levels 0 to 255.
        block: Side of a block in pixels.

    Returns:
        (blocks, 36) float64; NaN where a block has no structure to fit.
    """
    rows, columns = luma.shape[-2] // block, luma.shape[-1] // block
    image = luma[..., : rows * block, : columns * block]
    scales = []
    for side in (block, block // 2):
        structure = normalised(image)[0]
        blocks = structure.unfold(0, side, side).unfold(1, side, side).reshape(-1, side, side)
        scales.append(_features(blocks))
        image = imresize(image, scale=0.5)
    return torch.cat(scales, dim=1)


def normalised(image: Tensor) -> Tensor:
    """Mean subtracted, contrast normalised (Eq. 1 to 3): (x - mu) / (sigma + 1), borders replicated."""
    offsets = torch.arange(-_RADIUS, _RADIUS + 1, dtype=image.dtype, device=image.device)
    line = torch.exp(-offsets.square() / (2 * _SIGMA**2))
    line = line / line.sum()

    def smooth(x: Tensor) -> Tensor:
        padded = F.pad(x[None], (_RADIUS,) * 4, mode="replicate")
        return F.conv2d(F.conv2d(padded, line.view(1, 1, -1, 1)), line.view(1, 1, 1, -1))[0]

    mean = smooth(image)
    deviation = (smooth(image.square()) - mean.square()).abs().sqrt()
    structure = (image - mean) / (deviation + 1)
    return structure.where(structure.abs() > _ROUNDING, torch.zeros_like(structure))


def _features(blocks: Tensor) -> Tensor:
    """18 features of each block (N, h, w): of its values, and of the products of neighbours four ways."""
    shape, left, right = fit(blocks.flatten(1))
    found = [shape, (left + right) / 2]
    for shifts in ((0, 1), (1, 0), (1, 1), (1, -1)):  # across, down, both diagonals; round the block's edge
        shape, left, right = fit((blocks * blocks.roll(shifts, dims=(1, 2))).flatten(1))
        ratio = torch.exp(torch.lgamma(2 / shape) - torch.lgamma(1 / shape))
        found += [shape, (right - left) * ratio, left, right]  # Eq. 8
    return torch.stack(found, dim=1)


def fit(samples: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Fit asymmetric generalised Gaussians (Eq. 7) by their moments (Lasmar et al., ICIP 2009).

    Args:
        samples: (N, count) float64, a distribution a row.

    Returns:
        Shape, left and right scale, (N,) each; scales are NaN where all values are on one side of 0.
    """
    squares = samples.square()
    below, above = samples < 0, samples > 0
    left = ((squares * below).sum(dim=1) / below.sum(dim=1)).sqrt()
    right = ((squares * above).sum(dim=1) / above.sum(dim=1)).sqrt()
    gamma = left / right
    ratio = samples.abs().mean(dim=1).square() / squares.mean(dim=1)
    wanted = ratio * (gamma**3 + 1) * (gamma + 1) / (gamma.square() + 1).square()

    candidates = torch.arange(_SHAPES[0], _SHAPES[1] + 1, dtype=samples.dtype, device=samples.device) / 1000
    logs = [torch.lgamma(times / candidates) for times in (1, 2, 3)]
    curve = torch.exp(2 * logs[1] - logs[0] - logs[2])  # grows with the shape
    after = torch.searchsorted(curve, wanted.nan_to_num(0.0)).clamp(1, len(curve) - 1)
    nearer = (wanted - curve[after - 1]).abs() <= (curve[after] - wanted).abs()
    shape = candidates[torch.where(nearer | wanted.isnan(), after - 1, after)]
    scale = torch.exp(0.5 * (torch.lgamma(1 / shape) - torch.lgamma(3 / shape)))
    return shape, left * scale, right * scale


def distance_between(features: Tensor, *, mean: Tensor, covariance: Tensor) -> Tensor:
    """Distance of two Gaussians (Eq. 10): the features' of an image, and the model's.

    Args:
        features: (blocks, 36); a block that has a NaN is left out of the covariance, a NaN out of the mean.
        mean: (36,) of the model.
        covariance: (36, 36) of the model.

    Returns:
        A float64 scalar; NaN with fewer than two whole blocks.
    """
    whole = features[~features.isnan().any(dim=1)]
    if len(whole) < 2:
        return features.new_tensor(torch.nan)
    difference = mean - features.nanmean(dim=0)
    inverse = torch.linalg.pinv((covariance + whole.T.cov()) / 2, hermitian=True)
    squared: Tensor = difference @ inverse @ difference
    return squared.sqrt()
