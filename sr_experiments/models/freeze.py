"""Keeping a module's parameters out of another's step."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """No parameter of `module` gets a gradient inside; gradients pass through it to its input.

    Parameters that need one before need one again afterwards, also when something is raised inside.
    """
    learning = [parameter for parameter in module.parameters() if parameter.requires_grad]
    try:
        for parameter in learning:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter in learning:
            parameter.requires_grad_(True)
