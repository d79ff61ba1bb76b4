"""Several degradations: one after the other, in any order, one of them, or sometimes one.

A part's draws are keyed by its name, so two parts of one kind are independent, and putting another part
between them changes nothing in what they draw.
"""

import math
from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import nn

from sr_experiments.degradations.base import Degradation
from sr_experiments.degradations.crops import Crops, joined
from sr_experiments.degradations.orders import MOST, Orders
from sr_experiments.degradations.quantise import to_8_bit
from sr_experiments.degradations.ranges import checked_probability, checked_shares
from sr_experiments.imaging.random import Draw


class Pipeline(Degradation):
    """Steps in their order; at the end the image is clamped and rounded to 8 bit, as a file would hold it.

    Args:
        steps: Name -> degradation, in order.
        quantise: Round to 8 bit at the end.
        shuffle: Names of steps that change places among each other, in every sample otherwise. Those of them
            that change the size keep their order.

    Raises:
        ValueError: If there is no step, or one to be shuffled is not there or takes one size only.
    """

    def __init__(
        self, *, steps: Mapping[str, Degradation], quantise: bool = True, shuffle: Sequence[str] = ()
    ) -> None:
        """Take the steps; the scale is the product of theirs."""
        if not steps:
            raise ValueError("Pipeline: steps is empty; give at least one degradation")
        super().__init__(scale=math.prod(step.scale for step in steps.values()))
        if strange := [name for name in shuffle if name not in steps]:
            raise ValueError(f"Pipeline: shuffle has {', '.join(strange)}, but there is {', '.join(steps)}")
        if len(set(shuffle)) != len(shuffle) or len(shuffle) > MOST:
            raise ValueError(f"Pipeline: shuffle={list(shuffle)} must be different names, at most {MOST}")
        if fast := [name for name in shuffle if steps[name].scale != 1 and not steps[name].settles]:
            raise ValueError(f"Pipeline: shuffle has {', '.join(fast)}, which must stay in its place")
        for step in steps.values():
            self.varies = not step.settles and (self.varies or step.varies)
            self.settles = self.settles or step.settles
        self.names = list(steps)
        self.steps = nn.ModuleList(steps.values())  # a ModuleDict refuses names such as "pop"
        self.quantise = quantise
        self.shuffle = list(shuffle)
        self._orders = Orders(sorted(self.shuffle, key=self.names.index))

    def spoil(self, crops: Crops, draw: Draw) -> Crops:
        """Every step in its turn."""
        groups = [crops]
        order = self._order(draw)
        for place in range(len(self.names)):
            before = [group.sizes for group in groups]
            groups = [
                self._step(group, draw.of(numbers), order[numbers, place])
                for group in groups
                for numbers in [group.rows_in(crops)]
            ]
            if [group.sizes for group in groups] != before:
                groups = joined(groups).by_size()
        whole = joined(groups)
        return whole.map(to_8_bit) if self.quantise else whole

    def _order(self, draw: Draw) -> torch.Tensor:
        """(B, steps): which step stands at each place."""
        order = torch.arange(len(self.names)).repeat(len(draw.positions), 1)
        if self.shuffle:
            places = torch.tensor(sorted(self.names.index(name) for name in self.shuffle))
            drawn = draw.integers("order", 0, len(self._orders))
            numbers = draw.decided("order", drawn, labels=self._orders)
            order[:, places] = places[self._orders.places(numbers)]
            sizing = [self.names.index(name) for name in self.shuffle if self._sizes(name)]
            mine = torch.isin(order, torch.tensor(sizing, dtype=torch.int64))
            order[mine] = torch.tensor(sorted(sizing), dtype=torch.int64).repeat(len(order))
        return order

    def _sizes(self, name: str) -> bool:
        step = cast(Degradation, self.steps[self.names.index(name)])
        return step.varies or step.settles

    def _step(self, crops: Crops, draw: Draw, steps: torch.Tensor) -> Crops:
        """Each sample through the step that stands at this place in its order."""
        named = {n: (self.names[n], cast(Degradation, self.steps[n])) for n in set(steps.tolist())}
        return chosen(crops, draw, steps, named)


class OneOf(Degradation):
    """For every sample one of several degradations.

    Args:
        choices: Name -> degradation; all of one scale.
        shares: Name -> how likely it is, relative to the others; one that is not named is never chosen.

    Raises:
        ValueError: If there is nothing to choose from, or scales differ.
    """

    def __init__(self, *, choices: Mapping[str, Degradation], shares: Mapping[str, float]) -> None:
        """Take the choices."""
        self_shares = checked_shares(shares, owner="OneOf", name="shares", known=list(choices))
        kept = {name: choices[name] for name in self_shares}
        scales = {choice.scale for choice in kept.values()}
        if len(scales) > 1:
            raise ValueError(f"OneOf: {', '.join(kept)} shrink by {sorted(scales)}; they must agree")
        super().__init__(scale=scales.pop())
        self.varies = any(choice.varies for choice in kept.values())
        self.settles = all(choice.settles for choice in kept.values())
        self.shares = self_shares
        self.choices = nn.ModuleList(kept.values())

    def spoil(self, crops: Crops, draw: Draw) -> Crops:
        """Each sample through its choice."""
        numbers = draw.one_of("choice", self.shares)
        named = dict(enumerate(zip(self.shares, self.choices, strict=True)))
        return chosen(crops, draw, numbers, cast(dict[int, tuple[str, Degradation]], named))


class Sometimes(Degradation):
    """A degradation that some samples get.

    Args:
        step: What they get; it keeps the size, or gives every sample one of its own.
        probability: How many of them.

    Raises:
        ValueError: If the step has a scale, or the probability is none.
    """

    def __init__(self, *, step: Degradation, probability: float) -> None:
        """Take the step."""
        super().__init__()
        if step.scale != 1:
            raise ValueError(f"Sometimes: the step shrinks by {step.scale}, which all samples must")
        self.step = step
        self.varies = step.varies
        self.probability = checked_probability(probability, owner="Sometimes", name="probability")

    def spoil(self, crops: Crops, draw: Draw) -> Crops:
        """Some of the samples through the step."""
        numbers = draw.happens("happens", self.probability).long()
        return chosen(crops, draw, numbers, {1: ("", self.step)})


def chosen(
    crops: Crops, draw: Draw, numbers: torch.Tensor, steps: Mapping[int, tuple[str, Degradation]]
) -> Crops:
    """Each sample through the step of its number.

    Args:
        crops: The samples.
        draw: Their random numbers.
        numbers: (B,) int64 on the CPU.
        steps: Number -> (name, step); samples of another number stay as they are.
    """
    parts = []
    for number in sorted(set(numbers.tolist())):
        mine = torch.nonzero(numbers == number).flatten()
        part, of_part = (crops, draw) if len(mine) == len(crops) else (crops.take(mine), draw.of(mine))
        name, step = steps.get(number, ("", None))
        parts.append(part if step is None else step.spoil(part, of_part.child(name)))
    return joined(parts)
