"""The orders that a few things can have, numbered, so that one can be drawn, named and found again."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

_ARROW = " > "
MOST = 12  # 13! is beyond what `Draw.integers` draws from


class Orders(Sequence[str]):
    """Every order of some names, as text such as `blur > noise > jpeg`.

    Args:
        names: At most `MOST`, none twice.
    """

    def __init__(self, names: Sequence[str]) -> None:
        """Nothing is listed: there are `len(names)!` of them."""
        self.names = list(names)

    def __len__(self) -> int:
        """How many there are."""
        return math.factorial(len(self.names))

    def places(self, numbers: Tensor) -> Tensor:
        """(B,) numbers of orders to (B, n): which name stands at each place."""
        count = len(self.names)
        left = torch.arange(count).repeat(len(numbers), 1)
        found = []
        for remaining in range(count, 0, -1):
            block = math.factorial(remaining - 1)
            chosen = (numbers // block % remaining)[:, None]
            found.append(left.gather(1, chosen))
            left = left[torch.arange(remaining) != chosen].view(len(numbers), remaining - 1)
        return torch.cat(found, dim=1)

    def __getitem__(self, number: Any) -> Any:
        """The order of a number.

        Raises:
            IndexError: Beyond the last: it is by this that iterating ends.
        """
        if not 0 <= number < len(self):
            raise IndexError(number)
        places = self.places(torch.tensor([number]))[0].tolist()
        return _ARROW.join(self.names[place] for place in places)

    def __contains__(self, value: object) -> bool:
        """Whether a text is an order of these names."""
        return isinstance(value, str) and sorted(value.split(_ARROW)) == sorted(self.names)

    def index(self, value: str, *_: Any) -> int:
        """The number of an order."""
        left, number = list(self.names), 0
        for name in value.split(_ARROW):
            place = left.index(name)
            number += place * math.factorial(len(left) - 1)
            left.pop(place)
        return number
