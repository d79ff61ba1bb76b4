"""Total variation: how much a picture changes from pixel to pixel, a prior against noise and checkerboards.

Rudin, Osher and Fatemi, Physica D 1992, in its anisotropic form, |dx| + |dy| in place of the root of their
squares, which has no singular point to smooth. It judges `sr` alone, so it belongs beside a loss that
compares it with `gt`.
"""

from torch import Tensor, nn


class TotalVariationLoss(nn.Module):
    """Sum of the absolute differences of neighbours in both directions, per element of `sr`."""

    def forward(self, sr: Tensor, gt: Tensor) -> Tensor:
        """Return the total variation of `sr` per element, a scalar; `gt` is not looked at."""
        down = (sr[..., 1:, :] - sr[..., :-1, :]).abs().sum()
        across = (sr[..., :, 1:] - sr[..., :, :-1]).abs().sum()
        return (down + across) / sr.numel()
