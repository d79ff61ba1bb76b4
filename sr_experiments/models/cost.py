"""What a net costs: multiply-adds for one output of 1280x720 pixels, as the papers' tables have them."""

import copy
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import cast

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from sr_experiments.imaging.fold import fold, unfolding
from sr_experiments.nets.base import SRNet, run_net

OUTPUT = (720, 1280)
CONVENTION = (
    "Multiply-adds: those of the convolutions, matrix products and attention for one output of 1280x720 "
    "pixels, so from an input of floor(1280 / scale) x floor(720 / scale), with the padding that the net "
    "needs; half of what torch.utils.flop_counter counts. Additions of a bias, activations, norms and "
    "interpolation are not counted."
)


def multiply_adds(net: SRNet) -> int | None:
    """Count by shapes alone: nothing is computed, whatever the size of the net.

    Args:
        net: Any; it stays as it is.

    Returns:
        Multiply-adds by `CONVENTION`; None for a net that can not run without values.
    """
    shape = copy.deepcopy(net).to("meta").eval()
    size = [max(1, side // net.scale) for side in OUTPUT]
    lq = torch.empty(1, net.in_channels, *size, device="meta")
    run: Callable[[Tensor], Tensor] = shape
    if net.guide_channels:
        guide = torch.empty(1, net.guide_channels, *(net.scale * side for side in size), device="meta")
        run, lq = (
            unfolding(shape, channels=net.in_channels, scale=net.scale),
            fold(lq, guide, scale=net.scale),
        )
    counter = FlopCounterMode(display=False)
    try:
        with torch.no_grad(), cast(AbstractContextManager[None], counter):
            run_net(net, lq, by=run)
    except (NotImplementedError, RuntimeError):
        return None  # what it does depends on values, which shapes do not have
    return int(counter.get_total_flops()) // 2
