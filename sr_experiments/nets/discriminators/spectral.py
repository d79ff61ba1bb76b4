"""Spectral normalisation: a layer's weight divided by its largest singular value.

Miyato et al., "Spectral Normalization for Generative Adversarial Networks", ICLR 2018, arXiv:1802.05957,
eq. 8; the singular value comes from a power iteration (algorithm 1) whose vectors are buffers of the layer.
The normalisation itself is PyTorch's.

The paper makes one iteration an update. PyTorch makes one each time a weight is read in training mode, and so
three in a usual GAN step (real, generated, and the generator's own pass): the function would differ between
these passes, and k small batches would not equal one large batch. So the iteration can be halted apart from
the training mode of the layers round it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar, cast

import torch
from torch import nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import spectral_norm

Layer = TypeVar("Layer", nn.Conv2d, nn.Linear)


def normalised(layer: Layer, *, on: bool = True) -> Layer:
    """The same layer with its weight normalised, or, if not `on`, as it was."""
    return cast(Layer, spectral_norm(layer)) if on else layer


def normalised_layers(module: nn.Module) -> Iterator[nn.Module]:
    """Every layer inside whose weight is normalised. Discriminators have no other parametrizations."""
    return (layer for layer in module.modules() if parametrize.is_parametrized(layer, "weight"))


def iterate(module: nn.Module, *, on: bool) -> None:
    """Make every pass from now on run a power iteration in each layer inside, or none.

    Without one the vectors stay, and the singular value is that of the present weight along them. Nothing
    else is put into another mode; a later ``train()`` or ``eval()`` of the module sets this anew.
    """
    for layer in normalised_layers(module):
        for parametrization in cast(nn.ModuleDict, layer.parametrizations).values():
            for part in cast(nn.ModuleList, parametrization):
                part.train(on)


@contextmanager
def fixed_weights(module: nn.Module, *, device: torch.device) -> Iterator[None]:
    """Within it every normalised weight is what it was at the start, computed without autocast.

    CUDA's autocast makes a matrix-vector product in half precision, which leaves 8 bits of the singular value
    and of the vectors that are kept; and a weight that is read twice would be iterated twice.
    """
    with parametrize.cached():
        with torch.autocast(device.type, enabled=False):
            for layer in normalised_layers(module):
                layer.weight  # noqa: B018 - reading it computes it, and keeps it until the end
        yield
