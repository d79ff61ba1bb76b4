"""Gaussian blur with a kernel of its own for every sample.

Kernels are the density of a normal distribution at the pixels' centres, normalised to a sum of 1:
k(v) = exp(-v^T S^-1 v / 2) with S = R(angle) diag(sigma_x^2, sigma_y^2) R(angle)^T, the model of
SRMD (Zhang, Zuo, Zhang, "Learning a single convolutional super-resolution network for multiple degradations",
CVPR 2018).
"""

import math
from collections.abc import Sequence

import torch
from kornia.filters import filter2d
from torch import Tensor

from sr_experiments.degradations.base import Degradation
from sr_experiments.degradations.ranges import checked_probability, checked_range
from sr_experiments.imaging.random import Draw

SMALLEST_SIGMA = 0.05  # in pixels: the neighbours' weight is below 1e-80, which is no blur


class GaussianBlur(Degradation):
    """Isotropic or anisotropic Gaussian blur; the border is mirrored.

    Args:
        kernel_size: Side of the kernel in pixels, odd.
        sigma: Range of the standard deviation in pixels, drawn uniformly per sample.
        anisotropic: Probability that a sample's kernel has a second, independent standard deviation along the
            other axis, and an angle uniform in [0, pi).

    Raises:
        ValueError: On an even or tiny kernel, an impossible range or probability.
    """

    def __init__(self, *, kernel_size: int = 21, sigma: Sequence[float], anisotropic: float = 0.0) -> None:
        """Check the ranges."""
        super().__init__()
        if kernel_size < 3 or kernel_size % 2 == 0:
            raise ValueError(f"GaussianBlur: kernel_size={kernel_size} must be odd and at least 3")
        self.kernel_size = kernel_size
        self.sigma = checked_range(sigma, owner="GaussianBlur", name="sigma", lowest=SMALLEST_SIGMA)
        self.anisotropic = checked_probability(anisotropic, owner="GaussianBlur", name="anisotropic")

    def kernels(self, draw: Draw) -> Tensor:
        """(B, kernel_size, kernel_size) float32, each of sum 1."""
        low, high = self.sigma
        sigma_x = draw.uniform("sigma", low=low, high=high)
        sigma_y, angle = sigma_x, torch.zeros_like(sigma_x)
        if self.anisotropic > 0:
            elongated = draw.uniform("anisotropic") < self.anisotropic
            sigma_y = torch.where(elongated, draw.uniform("second sigma", low=low, high=high), sigma_x)
            angle = torch.where(elongated, draw.uniform("angle", low=0.0, high=math.pi), angle)
        return gaussian_kernels(self.kernel_size, sigma_x=sigma_x, sigma_y=sigma_y, angle=angle)

    def spoil(self, image: Tensor, draw: Draw) -> Tensor:
        """Image of the same size.

        Raises:
            ValueError: If the image is too small to be mirrored at its border.
        """
        margin = self.kernel_size // 2
        if min(image.shape[-2:]) <= margin:
            raise ValueError(
                f"GaussianBlur: a kernel of {self.kernel_size} pixels needs images of at least {margin + 1} "
                f"pixels on each side, got {image.shape[-2]}x{image.shape[-1]}; "
                "choose larger patches or a smaller kernel_size"
            )
        blurred: Tensor = filter2d(image, self.kernels(draw), border_type="reflect")
        return blurred


def gaussian_kernels(size: int, *, sigma_x: Tensor, sigma_y: Tensor, angle: Tensor) -> Tensor:
    """Kernels of sum 1.

    Args:
        size: Side in pixels, odd.
        sigma_x: (B,) standard deviation in pixels along the first principal axis.
        sigma_y: (B,) along the second.
        angle: (B,) from the image's x axis (to the right) to the first principal axis, towards y (downwards).

    Returns:
        (B, size, size).
    """
    offset = torch.arange(size, device=angle.device, dtype=angle.dtype) - size // 2
    y, x = offset[:, None], offset[None, :]
    cosine, sine = torch.cos(angle)[:, None, None], torch.sin(angle)[:, None, None]
    along = (x * cosine + y * sine) / sigma_x[:, None, None]
    across = (y * cosine - x * sine) / sigma_y[:, None, None]
    weight = torch.exp(-0.5 * (along.square() + across.square()))
    return weight / weight.sum(dim=(1, 2), keepdim=True)
