"""What remote sensing measures beside PSNR: the angle between spectra, and an error relative to bands' means.

SAM: F. Kruse et al., The spectral image processing system (SIPS), Remote Sensing of Environment 44 (1993).
ERGAS: L. Wald, Quality of high resolution synthesised images: is there a simple criterion?, Fusion of Earth
Data (2000). Both take images as the 16-bit files that would hold them, without `scale` pixels on every side,
and a number is the mean over images.
"""

import torch
from torch import Tensor

from sr_experiments.imaging.colour import to_levels
from sr_experiments.metrics.base import ImageMetric
from sr_experiments.metrics.border import without_border


class SpectralAngle(ImageMetric):
    """Spectral angle mapper: mean over pixels of the angle between restored and true spectrum, in degrees.

    angle = arccos(<x, y> / (|x| |y|)), which does not change where an image is only darker. Where
    `data.range` does not begin at 0 the angle is that of what is above its low end. Pixels whose true
    spectrum is zero have no direction and are left out; a restored spectrum that is zero where the true one
    is not is at 90 degrees. 0 is best.
    """

    higher_is_better = False

    def __init__(self, *, scale: int) -> None:
        """Keep the scale.

        Args:
            scale: Pixels left out on every side.
        """
        super().__init__()
        self.scale = scale

    def forward(self, sr: Tensor, gt: Tensor, *, lq: Tensor) -> Tensor:
        """Return the angle (B,) float64.

        Raises:
            ValueError: One band has no spectrum; or nothing of an image is left to be measured.
        """
        x, y = _levels(sr, gt, border=self.scale)
        if x.shape[1] < 2:
            raise ValueError("sam compares spectra, and these images have one band: leave metric=sam away")
        of_x, of_y = (image.norm(dim=1, keepdim=True) for image in (x, y))
        there = of_y[:, 0] > 0
        if not bool(there.flatten(1).any(dim=1).all()):
            raise ValueError(
                "an image is zero in all bands, so sam has no spectrum: leave it out of the data set"
            )
        u, v = x / of_x.clamp_min(1.0), y / of_y.clamp_min(1.0)
        # Kahan's form: arccos loses half of the digits near 0, where good images are.
        angle = 2 * torch.atan2((u - v).norm(dim=1), (u + v).norm(dim=1))
        missing = (of_x[:, 0] == 0) & there
        angle = torch.rad2deg(angle).masked_fill(missing, 90.0).masked_fill(~there, 0.0)
        mean: Tensor = angle.flatten(1).sum(dim=1) / there.flatten(1).sum(dim=1)
        return mean


class ERGAS(ImageMetric):
    """Erreur relative globale adimensionnelle de synthese.

    100 h / l sqrt(mean over bands of (RMSE / mean)^2), where h / l, the ratio of the pixel sizes, is
    1 / scale, and the mean of a band is the true image's. 0 is best; below 3 is good in Wald's words.
    """

    higher_is_better = False

    def __init__(self, *, scale: int) -> None:
        """Keep the scale.

        Args:
            scale: Ratio of the pixel sizes, and pixels left out on every side.
        """
        super().__init__()
        self.scale = scale

    def forward(self, sr: Tensor, gt: Tensor, *, lq: Tensor) -> Tensor:
        """Return ERGAS (B,) float64.

        Raises:
            ValueError: A band is zero throughout an image: the error relative to it is none.
        """
        x, y = _levels(sr, gt, border=self.scale)
        means = y.mean(dim=(2, 3))
        if bool((means == 0).any()):
            band = int((means == 0).nonzero()[0, 1])
            raise ValueError(
                f"band {band + 1} of an image is zero everywhere, so ergas is not defined: leave the image "
                "out of the data set, or metric=ergas away"
            )
        squared = (x - y).square().mean(dim=(2, 3)) / means.square()
        return squared.mean(dim=1).sqrt() * (100.0 / self.scale)


def _levels(sr: Tensor, gt: Tensor, *, border: int) -> tuple[Tensor, Tensor]:
    """Both in 16-bit levels, float64, without their border."""
    with torch.no_grad():
        return without_border(to_levels(sr, white=65535), to_levels(gt, white=65535), border=border)
