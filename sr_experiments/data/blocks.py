"""What follows from a position alone, worked out for many positions at a time: for one it takes as long."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

SIZE = 1024
KEPT = 4


class Blockwise:
    """A function of positions, of which whole blocks are kept: a stream asks for one position after another.

    Args:
        function: (B,) int64 positions -> tensors (B, ...) on the CPU, each row by its position alone.
    """

    def __init__(self, function: Callable[[Tensor], tuple[Tensor, ...]]) -> None:
        """Nothing is worked out yet."""
        self.function = function
        self._blocks: dict[int, tuple[np.ndarray, ...]] = {}

    def __call__(self, positions: Tensor) -> tuple[Tensor, ...]:
        """The rows of (B,) positions, of which there is one at least."""
        numbers, rows = np.divmod(positions.numpy(), SIZE)
        asked = set(numbers.tolist())
        if len(asked) == 1:
            return tuple(torch.from_numpy(part[rows]) for part in self._block(asked.pop()))
        places = [np.flatnonzero(numbers == number) for number in asked]
        back = np.concatenate(places).argsort()
        found = [
            [part[rows[here]] for part in self._block(number)]
            for number, here in zip(asked, places, strict=True)
        ]
        return tuple(torch.from_numpy(np.concatenate(part)[back]) for part in zip(*found, strict=True))

    def _block(self, number: int) -> tuple[np.ndarray, ...]:
        # Several threads may read batches: what one of them has dropped, another one holds still.
        block = self._blocks.get(number)
        if block is None:
            positions = torch.arange(number * SIZE, (number + 1) * SIZE)
            block = tuple(part.numpy() for part in self.function(positions))
            while len(self._blocks) >= KEPT:
                self._blocks.pop(min(self._blocks, default=number), None)
            self._blocks[number] = block
        return block
