"""Shrinking by MATLAB's rule in floating point, as one step of a chain: nothing is rounded."""

from torch import Tensor

from sr_experiments.degradations.base import Degradation
from sr_experiments.imaging.random import Draw
from sr_experiments.imaging.resize import KERNEL_WIDTHS, Kernel, imresize


class Resample(Degradation):
    """Shrink by a whole number.

    Args:
        scale: How many times smaller.
        kernel: Interpolation kernel of `imaging.resize`.
        antialias: Widen the kernel by the scale. Without it the few pixels next to the new one decide, which
            is what is meant where a blur precedes.

    Raises:
        ValueError: On an unknown kernel.
    """

    def __init__(self, *, scale: int, kernel: Kernel = "bicubic", antialias: bool = True) -> None:
        """Remember the options."""
        super().__init__(scale=scale)
        if kernel not in KERNEL_WIDTHS:
            raise ValueError(f"Resample: kernel={kernel!r} must be one of {', '.join(KERNEL_WIDTHS)}")
        self.kernel = kernel
        self.antialias = antialias

    def spoil(self, image: Tensor, draw: Draw) -> Tensor:
        """(B, C, H, W) to (B, C, H / scale, W / scale), not clamped: bicubic overshoots."""
        return imresize(image, size=self.reduced(image), kernel=self.kernel, antialias=self.antialias)
