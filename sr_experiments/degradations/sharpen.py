"""Sharpening before everything else, as Real-ESRGAN makes its low-quality images of sharpened ones."""

from dataclasses import replace

from sr_experiments.degradations.base import Degradation
from sr_experiments.degradations.crops import Crops
from sr_experiments.imaging.random import Draw
from sr_experiments.imaging.sharpen import usm_sharpen


class Sharpen(Degradation):
    """An unsharp mask (see `imaging.sharpen`), the same for every sample.

    Args:
        weight: How much of the difference from the blurred image is added.
        radius: The side of the blur's kernel in pixels.
        threshold: Of 255: differences up to it are not amplified.

    Raises:
        ValueError: If the radius is below 1.
    """

    def __init__(self, *, weight: float = 0.5, radius: int = 50, threshold: float = 10.0) -> None:
        """Remember the options."""
        super().__init__()
        if radius < 1:
            raise ValueError(f"Sharpen: radius={radius} must be 1 or more")
        self.weight, self.radius, self.threshold = weight, radius, threshold

    def spoil(self, crops: Crops, draw: Draw) -> Crops:
        """Images, which must be of one size here, sharper."""
        sharp = usm_sharpen(crops.tensor(), weight=self.weight, radius=self.radius, threshold=self.threshold)
        return replace(crops, pixels=sharp)
