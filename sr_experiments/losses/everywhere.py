"""Means over the samples of all devices, for formulas that speak of the batch and not of a sample."""

import torch.distributed as dist
from torch import Tensor
from torch.distributed.nn.functional import all_reduce


def devices() -> int:
    """How many train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def mean_everywhere(values: Tensor) -> Tensor:
    """The mean over all devices of a tensor that each of them has: the same on each.

    A gradient reaches every device's values. It is that of the sum of the devices' losses; DDP takes the mean
    of the parameters' gradients, which makes it that of the mean loss.
    """
    if devices() == 1:
        return values
    total: Tensor = all_reduce(values)  # type: ignore[no-untyped-call]
    return total / devices()
