"""How much each term of a loss has to say in the gradient that a net gets."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from sr_experiments.losses.weighted import Weighted


def gradient_norms(sr: Tensor, weighted: Weighted, *, scaler: Any) -> dict[str, Tensor]:
    """Norm of each weighted term's gradient at `sr`, in float32; terms without a weight are left out.

    It is taken at the output of the net, where all terms meet: one short pass each, not one through the net.

    Args:
        sr: What the net made, with a graph. The graph stays.
        weighted: The terms of the loss.
        scaler: Of fp16's gradients, which would be zeros without it; None in any other precision.
    """
    scale = 1.0 if scaler is None else scaler.get_scale()
    norms = {}
    for name, (weight, value) in weighted.items():
        if weight > 0:
            scaled = weight * value if scaler is None else scaler.scale(weight * value)
            norms[name] = torch.autograd.grad(scaled, sr, retain_graph=True)[0].float().norm() / scale
    return norms


def shares(norms: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Each norm's part of their sum; all zero where there is no gradient at all."""
    total = torch.stack(list(norms.values())).sum().clamp_min(torch.finfo(torch.float32).tiny)
    return {name: norm / total for name, norm in norms.items()}
