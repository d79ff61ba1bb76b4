"""A network that judges and never learns, kept out of all that a run does with networks that learn.

As a submodule it would be in every checkpoint (80 MB of VGG19), in `parameters()`, where optimizers and
weight decay look, in what DDP sends around before a step and in the summary's count, and `train()` would
wake its dropout. So it is hidden from torch.nn, and one hook makes it follow the device and the precision of
the module that owns it.
"""

from collections.abc import Callable
from typing import Self

import torch
from torch import Tensor, nn


class Frozen(nn.Module):
    """Owner of a hidden network: in evaluation mode for ever, without gradients, seen by nobody else.

    It follows `.to(device)`, `.cuda()` and `.double()` of whatever module it is in, and stays in float32
    where that module goes to half precision.
    """

    def __init__(self, net: nn.Module) -> None:
        """Freeze and hide a network, which must have a parameter."""
        super().__init__()
        self._hidden = (net.eval().requires_grad_(False),)  # a tuple: torch.nn does not look into it

    @property
    def net(self) -> nn.Module:
        """The hidden network."""
        return self._hidden[0]

    @property
    def dtype(self) -> torch.dtype:
        """The precision of the hidden network's weights."""
        return next(self.net.parameters()).dtype

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Follow a change of device or precision, for which torch.nn calls this on every module."""
        weight = next(self.net.parameters())
        # Where an empty tensor ends up tells where to go, and spares the weights a way through half
        # precision.
        probe = fn(torch.empty(0, dtype=weight.dtype, device=weight.device))
        self.net.to(device=probe.device, dtype=torch.promote_types(probe.dtype, torch.float32))
        return self
