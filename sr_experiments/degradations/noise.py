"""Additive noise whose strength belongs to the sample."""

from collections.abc import Sequence

import torch
from torch import Tensor

from sr_experiments.degradations.base import Degradation
from sr_experiments.degradations.ranges import checked_probability, checked_range
from sr_experiments.imaging.random import Draw


class GaussianNoise(Degradation):
    """White Gaussian noise; the result is not clamped.

    Args:
        sigma: Range of its standard deviation in 8-bit levels (15 means 15/255), drawn uniformly per sample.
        grey: Probability that a sample's noise is the same in all channels.

    Raises:
        ValueError: On a negative or reversed range, or an impossible probability.
    """

    def __init__(self, *, sigma: Sequence[float], grey: float = 0.0) -> None:
        """Check the ranges."""
        super().__init__()
        self.sigma = checked_range(sigma, owner="GaussianNoise", name="sigma", lowest=0.0)
        self.grey = checked_probability(grey, owner="GaussianNoise", name="grey")

    def spoil(self, image: Tensor, draw: Draw) -> Tensor:
        """Image plus noise."""
        low, high = self.sigma
        sigma = draw.uniform("sigma", (1, 1, 1), low=low, high=high) / 255.0
        noise = draw.normal("field", tuple(image.shape[1:]))
        if self.grey > 0 and image.shape[1] > 1:
            is_grey = draw.uniform("grey", (1, 1, 1)) < self.grey
            noise = torch.where(is_grey, noise[:, :1], noise)
        return image + sigma * noise
