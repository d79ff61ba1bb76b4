"""Exponential moving average of a net's weights.

Polyak & Juditsky, "Acceleration of Stochastic Approximation by Averaging", 1992; the warm-up of the decay is
the one of TensorFlow's ``ExponentialMovingAverage``: early averages would otherwise be dominated by the
initial weights. Deviation: floating-point buffers (running statistics of batch normalisation) are averaged
too, counters are copied.
"""

import torch
from torch import Tensor, nn


class Averaging:
    """Moves one net slowly after another of the same kind.

    Args:
        decay: Weight of the past per step, in [0, 1). The decay of step t = 0, 1, ... is min(decay, (1 +
        t)/(10 + t)).

    Attributes:
        steps: Steps taken; part of a checkpoint, as the warm-up depends on it.

    Raises:
        ValueError: if `decay` is not in [0, 1).
    """

    def __init__(self, decay: float) -> None:
        """Start with no step taken."""
        if not 0 <= decay < 1:
            raise ValueError(f"ema={decay}: the decay must be at least 0 and less than 1 (null: no average)")
        self.decay = decay
        self.steps = 0

    @torch.no_grad()
    def update(self, average: nn.Module, net: nn.Module) -> None:
        """Move `average` one step towards `net`."""
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        mine, theirs = _tensors(average), _tensors(net)
        floating = [key for key, tensor in mine.items() if tensor.is_floating_point()]
        if floating:
            torch._foreach_lerp_(
                [mine[key] for key in floating], [theirs[key] for key in floating], 1 - decay
            )
        for key in mine.keys() - set(floating):
            mine[key].copy_(theirs[key])
        self.steps += 1


def _tensors(net: nn.Module) -> dict[str, Tensor]:
    return dict(net.named_parameters()) | dict(net.named_buffers())
