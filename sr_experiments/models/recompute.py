"""Activation checkpointing: what a repeated block computes is not kept for its gradient but computed again.

Chen et al., "Training Deep Nets with Sublinear Memory Cost", arXiv:1604.06174. Memory holds the inputs of all
blocks and the inside of one at a time; each block is run twice. Gradients are the same to the bit.
"""

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


def recompute(net: nn.Module) -> list[str]:
    """Make every repeated block of a net compute its inside again in the backward pass.

    Args:
        net: Changed in place; its keys stay. Without gradients it runs as before.

    Returns:
        The names of the blocks.

    Raises:
        ValueError: If it has no such blocks, or they change something whenever they are run.
    """
    found = repeated_blocks(net)
    name = type(net).__name__
    if not found:
        raise ValueError(
            f"activation_checkpointing=true: {name} has no repeated blocks of several layers whose inside "
            "could be computed again; activation_checkpointing=false"
        )
    for block in found.values():
        if any(isinstance(layer, _BatchNorm) for layer in block.modules()):
            raise ValueError(
                f"activation_checkpointing=true: the blocks of {name} have batch normalisation, whose "
                "statistics would be moved twice in a step; activation_checkpointing=false"
            )
    for block in found.values():
        block.forward = partial(_twice, block.forward)
    return list(found)


def repeated_blocks(net: nn.Module) -> dict[str, nn.Module]:
    """The outermost modules of several layers that stand beside others of their class; name -> module."""
    found: dict[str, nn.Module] = {}
    _collect(net, "", found)
    return found


def _collect(parent: nn.Module, prefix: str, found: dict[str, nn.Module]) -> None:
    children = dict(parent.named_children())
    counts = Counter(type(child) for child in children.values())
    for name, child in children.items():
        composite = any(True for _ in child.children()) and any(True for _ in child.parameters())
        if composite and counts[type(child)] > 1 and not isinstance(child, _CONTAINERS):
            found[prefix + name] = child
        else:
            _collect(child, f"{prefix}{name}.", found)


def _twice(forward: Callable[..., Any], *inputs: Any, **options: Any) -> Any:
    if not torch.is_grad_enabled():
        return forward(*inputs, **options)
    return checkpoint(forward, *inputs, use_reentrant=False, **options)
