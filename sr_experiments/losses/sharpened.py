"""A loss against the sharpened truth: Real-ESRGAN (arXiv:2107.10833, section 4.1).

There, in the variant called Real-ESRGAN+, L1 and the perceptual loss look at a sharpened `gt`, and the
adversary at `gt` as it is, so that the halos of sharpening do not count as real.
"""

import torch
from torch import Tensor, nn

from sr_experiments.imaging.sharpen import usm_sharpen


class AgainstSharpened(nn.Module):
    """Hands another loss `gt` sharpened by `imaging.sharpen.usm_sharpen`."""

    def __init__(self, loss: nn.Module) -> None:
        """Keep the loss.

        Args:
            loss: Called with (sr, sharpened gt).
        """
        super().__init__()
        self.loss = loss

    def forward(self, sr: Tensor, gt: Tensor) -> Tensor:
        """Return what the loss returns for `sr` and the sharpened `gt`; no gradient goes to `gt`.

        Args:
            sr: Restored images (B, C, H, W).
            gt: True images of the same shape in [0, 1].
        """
        with torch.no_grad():
            sharpened = usm_sharpen(gt)
        value: Tensor = self.loss(sr, sharpened)
        return value
