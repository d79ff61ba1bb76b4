"""How a net's weights lie in memory."""

import torch
from torch import Tensor, nn
from torch.optim import Optimizer


def lay_out(net: nn.Module, memory_format: str) -> None:
    """Put the weights of convolutions into a layout, in place; what they give to one another follows.

    Args:
        net: What it computes changes in the order of its sums only.
        memory_format: ``contiguous``, or ``channels_last``: the channels of a pixel side by side.
    """
    wanted = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}[memory_format]
    for parameter in net.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=wanted)


def follow_layout(optimizer: Optimizer) -> None:
    """Lay out what an optimizer remembers as its weights are, in place.

    torch's fused steps on a CPU walk through both side by side without a look at their strides: with moments
    of another layout the step is wrong, and nothing is said.
    """
    for parameter, kept in optimizer.state.items():
        for key, value in kept.items():
            like = isinstance(value, Tensor) and value.shape == parameter.shape
            if like and value.stride() != parameter.stride():
                kept[key] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
