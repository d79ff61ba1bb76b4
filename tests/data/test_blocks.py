"""What is worked out for blocks of positions is what each position says by itself."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor

from sr_experiments.data.blocks import KEPT, SIZE, Blockwise


class Counting:
    """A function of positions that knows how often it was called."""

    def __init__(self) -> None:
        """Not called yet."""
        self.calls = 0

    def __call__(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Two sorts of rows."""
        self.calls += 1
        return positions * 3, torch.stack((positions, -positions), dim=1)


@pytest.mark.parametrize(
    "positions",
    [
        [0],
        [SIZE - 1],
        list(range(16)),
        list(range(SIZE - 5, SIZE + 5)),
        [5, SIZE * 7, 4, SIZE * 7 + 1, 3],
        [SIZE * number for number in range(KEPT + 3)],
    ],
)
def test_rows_are_those_of_their_positions(positions: list[int]) -> None:
    asked = torch.tensor(positions)
    found = Blockwise(Counting())(asked)
    for part, wanted in zip(found, Counting()(asked), strict=True):
        assert torch.equal(part, wanted)


def test_a_stream_costs_one_call_a_block() -> None:
    function = Counting()
    ahead = Blockwise(function)
    for start in range(0, 3 * SIZE, 16):
        ahead(torch.arange(start, start + 16))
    assert function.calls == 3


def test_threads_and_other_processes() -> None:
    ahead = Blockwise(Counting())

    def ask(start: int) -> bool:
        asked = torch.arange(start, start + 3 * SIZE, 97)
        return torch.equal(ahead(asked)[0], asked * 3)

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(ask, range(0, 40 * SIZE, SIZE // 3)))
    sent = pickle.loads(pickle.dumps(ahead))
    assert torch.equal(sent(torch.tensor([7]))[0], torch.tensor([21]))
