"""A net through torch.compile: the whole of it, or the block that a deep one repeats.

A compiler takes a second or so for each layer. Where a net is deep because it repeats a block, the block is
compiled once, and what stands around the blocks runs as it is.
"""

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

from sr_experiments.models.recompute import repeated_blocks

DEEP = 100
"""Layers; a net of fewer is compiled whole: each call into compiled code takes a tenth of a millisecond."""


def compiled(net: nn.Module, *, mode: str | None = None) -> Callable[..., Any]:
    """What is called in place of a net in training.

    Args:
        net: If it is deep its blocks are changed in place: with gradients they run compiled, without as
            before. Its keys stay.
        mode: Of torch.compile.
    """
    blocks = _blocks(net)
    if not blocks:
        whole: Callable[..., Any] = torch.compile(net, dynamic=False, mode=mode)
        return whole
    # Of a function that is called again before its gradients are: the block, for which there are graphs each.
    warnings.filterwarnings("ignore", message="Unable to hit fast path of CUDAGraphs")
    for block in blocks:
        block.forward = partial(
            _with_gradients, torch.compile(block.forward, dynamic=False, mode=mode), block.forward
        )
    return net


def layers_to_compile(net: nn.Module) -> int:
    """Modules without others inside; of repeated blocks those of one for each size."""
    sizes = {_layers(block) for block in _blocks(net)}
    return sum(sizes) or _layers(net)


def _blocks(net: nn.Module) -> list[nn.Module]:
    """Those of a deep net that repeats most of itself."""
    layers, blocks = _layers(net), list(repeated_blocks(net).values())
    repeats = sum(_layers(block) for block in blocks) > layers / 2
    return blocks if layers > DEEP and repeats else []


def _layers(net: nn.Module) -> int:
    return sum(1 for module in net.modules() if not any(True for _ in module.children()))


def _with_gradients(
    run: Callable[..., Any], forward: Callable[..., Any], *inputs: Any, **options: Any
) -> Any:
    return (run if torch.is_grad_enabled() else forward)(*inputs, **options)
