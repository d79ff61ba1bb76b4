"""The loss that a model trains on: a sum of named, weighted terms.

A term's name is its log name (`train/loss/<name>`) and its handle on the command line
(`loss.terms.<name>.weight=0.1`). A term of weight 0 is watched: computed and logged, and never trained on.
"""

import math
import re
from collections.abc import Mapping
from typing import TypedDict

import torch
from torch import Tensor, nn

_NAME = re.compile(r"[a-z][a-z0-9_]*")

Weighted = Mapping[str, tuple[float, Tensor]]
"""Name of a term -> (weight, value before weighting)."""


class Term(TypedDict):
    """One term: how much it counts, and the module that computes it from (sr, gt)."""

    weight: float
    loss: nn.Module


class WeightedSum(nn.Module):
    """Sum of `weight * loss(sr, gt)` over named terms.

    Computed with autocast off and at least in float32, whatever the precision of the net: images of half
    precision are promoted first (float64 stays), because the differences of nearly equal pixels drown in
    bf16.
    """

    def __init__(self, terms: Mapping[str, Term]) -> None:
        """Check and keep the terms.

        Args:
            terms: Name -> {weight, loss}. A name has lower-case letters, digits and `_`; a weight is finite
                and at least 0, and one of them is above 0.

        Raises:
            ValueError: No terms, a name that cannot be logged, a term that is not a weight and a loss, a
                weight that is negative or no number, or nothing but weights of 0.
        """
        super().__init__()
        checked = {name: _checked(name, term) for name, term in terms.items()}
        if not checked:
            raise ValueError("loss.terms is empty: give at least one term, NAME: {weight: 1.0, loss: ...}")
        if all(weight == 0 for weight, _ in checked.values()):
            raise ValueError(
                f"every weight in loss.terms is 0 ({', '.join(checked)}): with nothing but watched terms "
                "there is nothing to train on; give one a weight above 0"
            )
        self.weights = {name: weight for name, (weight, _) in checked.items()}
        # A list, because a ModuleDict refuses the names of its own methods ("type", "half") as keys.
        self.losses = nn.ModuleList(loss for _, loss in checked.values())

    def forward(self, sr: Tensor, gt: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the weighted total, and every term's value before weighting.

        Args:
            sr: Restored images (B, C, H, W).
            gt: True images of the same shape.

        Returns:
            The total, a scalar with a gradient; and name -> scalar without one, still on the images' device,
            so that nothing here waits for it.

        Raises:
            ValueError: The shapes differ; they would be broadcast without a word.
        """
        weighted = self.weighted(sr, gt)
        return weighted_total(weighted), {name: value.detach() for name, (_, value) in weighted.items()}

    def weighted(self, sr: Tensor, gt: Tensor) -> dict[str, tuple[float, Tensor]]:
        """Name -> (weight, value before weighting), the value a scalar with a gradient if it has a weight.

        Args:
            sr: Restored images (B, C, H, W).
            gt: True images of the same shape.

        Raises:
            ValueError: The shapes differ; they would be broadcast without a word.
        """
        if sr.shape != gt.shape:
            raise ValueError(
                f"the loss compares images of one shape, and sr is {tuple(sr.shape)}, gt {tuple(gt.shape)}: "
                "check the net's scale and channels against the data's"
            )
        weighted: dict[str, tuple[float, Tensor]] = {}
        with torch.autocast(sr.device.type, enabled=False):
            sr, gt = (image.to(torch.promote_types(image.dtype, torch.float32)) for image in (sr, gt))
            for (name, weight), loss in zip(self.weights.items(), self.losses, strict=True):
                with torch.set_grad_enabled(weight > 0 and torch.is_grad_enabled()):
                    value = loss(sr, gt)
                assert value.ndim == 0, f"{name} returned {tuple(value.shape)}, not a scalar"
                weighted[name] = (weight, value)
        return weighted


def weighted_total(weighted: Weighted) -> Tensor:
    """The sum of weight * value over what is trained on: a scalar.

    Args:
        weighted: At least one weight above 0. Values without one are watched, and not left to the product:
            0 * nan is nan.
    """
    first, *rest = (weight * value for weight, value in weighted.values() if weight > 0)
    return sum(rest, start=first)


def _checked(name: str, term: Term) -> tuple[float, nn.Module]:
    """The term's weight and loss, or a ValueError that says what is wrong with it."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(
            f"loss.terms.{name}: a term is logged as train/loss/NAME, so NAME starts with a lower-case "
            "letter and goes on with lower-case letters, digits and _"
        )
    if not isinstance(term, Mapping) or set(term) != {"weight", "loss"}:
        given = ", ".join(map(str, term)) if isinstance(term, Mapping) else repr(term)
        raise ValueError(f"loss.terms.{name} must have the keys weight and loss; it has {given or 'none'}")
    weight, loss = term["weight"], term["loss"]
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight < math.inf:
        raise ValueError(f"loss.terms.{name}.weight={weight}: must be a number of 0 (watched) or more")
    if not isinstance(loss, nn.Module):
        raise ValueError(f"loss.terms.{name}.loss={loss!r}: must be a loss, made by its _target_")
    return float(weight), loss
