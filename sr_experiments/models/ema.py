"""Exponential moving average of a net's weights.

Polyak & Juditsky, "Acceleration of Stochastic Approximation by Averaging", 1992; the warm-up of the decay is
the one of TensorFlow's ``ExponentialMovingAverage``: early averages would otherwise be dominated by the
initial weights. Deviation: floating-point buffers (running statistics of batch normalisation) are averaged
too, counters are copied.
"""

from typing import Any

import torch
from torch import Tensor, nn

_Place = tuple[dict[str, Any], str]  # where a module keeps a tensor, and its name there


class Averaging:
    """Moves one net slowly after another of the same kind.

    Args:
        decay: Weight of the past per step, in [0, 1). The decay of step t = 0, 1, ... is min(decay, (1 +
        t)/(10 + t)).

    Raises:
        ValueError: if `decay` is not in [0, 1).
    """

    def __init__(self, decay: float) -> None:
        """Start with no step taken."""
        if not 0 <= decay < 1:
            raise ValueError(f"ema={decay}: the decay must be at least 0 and less than 1 (null: no average)")
        self.decay = decay
        self._steps: int | Tensor = 0  # a tensor where only the device knows
        self._of: tuple[nn.Module, nn.Module] | None = None
        self._places: list[tuple[_Place, _Place]] = []

    @property
    def steps(self) -> int:
        """Steps taken; part of a checkpoint, as the warm-up depends on it. May wait for the device."""
        return int(self._steps)

    @steps.setter
    def steps(self, steps: int) -> None:
        self._steps = steps

    @torch.no_grad()
    def update(self, average: nn.Module, net: nn.Module, *, made: Tensor | None = None) -> None:
        """Move `average` one step towards `net`.

        Args:
            average: Is moved.
            net: What it follows.
            made: Whether there was a step at all, a bool () that nobody waits for; None: there was.
        """
        pairs = self._tensors(average, net)
        floating = [pair for pair in pairs if pair[0].is_floating_point()]
        mine, theirs = [pair[0] for pair in floating], [pair[1] for pair in floating]
        counters = [pair for pair in pairs if not pair[0].is_floating_point()]
        if made is not None:
            self._update_if(made, mine, theirs, counters)
            return
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        if floating:
            torch._foreach_lerp_(mine, theirs, 1 - decay)
        for own, other in counters:
            own.copy_(other)
        self._steps += 1

    def _update_if(
        self, made: Tensor, mine: list[Tensor], theirs: list[Tensor], counters: list[tuple[Tensor, Tensor]]
    ) -> None:
        """The same, computed on the device: a step that was left out moves nothing."""
        if not isinstance(self._steps, Tensor):
            self._steps = torch.full((), self._steps, dtype=torch.float64, device=made.device)
        weight = (1 - ((1 + self._steps) / (10 + self._steps)).clamp_(max=self.decay)) * made
        if mine:
            moves = torch._foreach_sub(theirs, mine)
            torch._foreach_mul_(moves, weight.to(moves[0].dtype))
            torch._foreach_add_(mine, moves)
        for own, other in counters:
            own.copy_(torch.where(made, other, own))
        self._steps = self._steps + made

    def _tensors(self, average: nn.Module, net: nn.Module) -> list[tuple[Tensor, Tensor]]:
        """Each tensor with the one that it follows. To walk through a net of 2000 layers takes longer."""
        if self._of is None or self._of[0] is not average or self._of[1] is not net:
            self._of = (average, net)
            self._places = list(zip(_places(average), _places(net), strict=True))
        return [(mine[name], theirs[key]) for (mine, name), (theirs, key) in self._places]


def _places(net: nn.Module) -> list[_Place]:
    """Where parameters and buffers are kept, each once."""
    seen: set[int] = set()
    found: list[_Place] = []
    for module in net.modules():
        for kept in (module._parameters, module._buffers):
            for name, tensor in kept.items():
                if tensor is not None and id(tensor) not in seen:
                    seen.add(id(tensor))
                    found.append((kept, name))
    return found
