"""Losses that compare pixel with pixel: squared, absolute, and Charbonnier's smooth absolute difference.

Each takes `sr` and `gt` of one shape (B, C, H, W) and returns the mean over every element, so its value does
not depend on the batch, the bands or the size of the patch.
"""

import torch.nn.functional as F
from torch import Tensor, nn


class MSELoss(nn.Module):
    """Mean squared difference; minimising it maximises PSNR."""

    def forward(self, sr: Tensor, gt: Tensor) -> Tensor:
        """Return the mean of (sr - gt)^2, a scalar."""
        return F.mse_loss(sr, gt)


class L1Loss(nn.Module):
    """Mean absolute difference."""

    def forward(self, sr: Tensor, gt: Tensor) -> Tensor:
        """Return the mean of |sr - gt|, a scalar."""
        return F.l1_loss(sr, gt)


class CharbonnierLoss(nn.Module):
    """Mean of sqrt((sr - gt)^2 + eps^2): L1 with a rounded corner of width `eps`.

    The penalty of LapSRN (arXiv:1704.03915), whose eps is 1e-3. Two equal images give eps, not 0. BasicSR
    and its heirs add their `eps` without squaring it: their 1e-12 is 1e-6 here.
    """

    def __init__(self, *, eps: float = 1e-3) -> None:
        """Keep the width.

        Args:
            eps: Half-width of the rounded corner in units of the image's range [0, 1]; above 0.

        Raises:
            ValueError: eps is not above 0.
        """
        super().__init__()
        if not eps > 0:
            raise ValueError(f"eps={eps}: the Charbonnier loss needs eps above 0; for none take L1Loss")
        self.eps = eps

    def forward(self, sr: Tensor, gt: Tensor) -> Tensor:
        """Return the mean of sqrt((sr - gt)^2 + eps^2), a scalar."""
        return ((sr - gt).square() + self.eps**2).sqrt().mean()
