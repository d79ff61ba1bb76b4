"""What was decided for each sample of a batch: written down as it is drawn, or prescribed beforehand."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

Value = bool | int | float | str


class Ledger:
    """A page for each sample: name of a decision -> its value, as JSON has it.

    Args:
        prescribed: A page for each sample. What stands there takes the place of what is drawn; what does not
            is drawn as ever.

    Attributes:
        pages: What was decided, in the order of the decisions.
    """

    def __init__(self, prescribed: Sequence[Mapping[str, Value]] = ()) -> None:
        """Nothing is decided yet."""
        self.prescribed = list(prescribed)
        self.pages: list[dict[str, Value]] = []

    def settle(
        self,
        name: str,
        values: Tensor,
        *,
        rows: Tensor,
        labels: Sequence[str] | None = None,
        within: tuple[float, float] | None = None,
    ) -> Tensor:
        """Write a decision down.

        Args:
            name: Of the decision, with the names of the parts that it belongs to.
            values: (n,) what was drawn.
            rows: (n,) numbers of the samples in their batch.
            labels: What the numbers stand for.
            within: What can be prescribed.

        Returns:
            `values`, but what is prescribed in their place.

        Raises:
            ValueError: If what is prescribed can not be meant.
        """
        settled = values.clone()
        for place, row in enumerate(rows.tolist()):
            if row < len(self.prescribed) and name in self.prescribed[row]:
                value = self.prescribed[row][name]
                if labels is None:
                    settled[place] = _number(name, value, values.dtype, within)
                else:
                    settled[place] = _label(name, value, labels)
        for row, value in zip(rows.tolist(), settled.tolist(), strict=True):
            self.pages += [{} for _ in range(row + 1 - len(self.pages))]
            self.pages[row][name] = value if labels is None else labels[int(value)]
        return settled

    def unknown(self) -> list[str]:
        """Names that are prescribed for a sample for which nothing of that name was decided."""
        pairs = zip(self.prescribed, self.pages, strict=False)
        return list(dict.fromkeys(name for asked, found in pairs for name in asked if name not in found))


def _label(name: str, value: Value, labels: Sequence[str]) -> int:
    if value not in labels:
        raise ValueError(f"{name}={value!r} must be one of {', '.join(labels)}")
    return labels.index(str(value))


def _number(name: str, value: Value, dtype: torch.dtype, within: tuple[float, float] | None) -> float:
    if dtype == torch.bool:
        if not isinstance(value, bool):
            raise ValueError(f"{name}={value!r} must be true or false")
        return value
    if isinstance(value, bool | str) or (not dtype.is_floating_point and value != int(value)):
        kind = "number" if dtype.is_floating_point else "whole number"
        raise ValueError(f"{name}={value!r} must be a {kind}")
    if within is not None:
        low, high = within
        slack = 1e-6 * (high - low)  # a float32 may be rounded past the end of its range
        if not low - slack <= value <= high + slack:
            raise ValueError(f"{name}={value} must lie in the range that is drawn from, {low:g} to {high:g}")
    return value
