"""Several degradations one after the other."""

import math
from collections.abc import Mapping
from typing import cast

from torch import Tensor, nn

from sr_experiments.degradations.base import Degradation
from sr_experiments.degradations.quantise import to_8_bit
from sr_experiments.imaging.random import Draw


class Pipeline(Degradation):
    """Steps in their order; at the end the image is clamped and rounded to 8 bit, as a file would hold it.

    A step's draws are keyed by its name, so two steps of one kind are independent, and putting another step
    between them changes nothing in what they draw.

    Args:
        steps: Name -> degradation, in order.
        quantise: Round to 8 bit at the end.

    Raises:
        ValueError: If there is no step.
    """

    def __init__(self, *, steps: Mapping[str, Degradation], quantise: bool = True) -> None:
        """Take the steps; the scale is the product of theirs."""
        if not steps:
            raise ValueError("Pipeline: steps is empty; give at least one degradation")
        super().__init__(scale=math.prod(step.scale for step in steps.values()))
        self.names = list(steps)
        self.steps = nn.ModuleList(steps.values())  # a ModuleDict refuses names such as "pop"
        self.quantise = quantise

    def spoil(self, image: Tensor, draw: Draw) -> Tensor:
        """Every step in its turn."""
        for name, step in zip(self.names, self.steps, strict=True):
            image = cast(Degradation, step).spoil(image, draw.child(name))
        return to_8_bit(image) if self.quantise else image
