"""What reads batches: threads, of which nothing is left, or one call for several small ones."""

import threading
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader

from sr_experiments.data import loader as loaders
from sr_experiments.data.augment import Augmentation
from tests.data.pictures import module


def loader(**options: Any) -> Any:
    data = module(cache="memory", workers=2, **options)
    data.setup("fit")
    return data.train_dataloader()


def readers() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("reader")]


def test_what_is_decoded_is_read_by_threads_and_what_is_not_by_processes() -> None:
    assert (loader().threads, loader().num_workers) == (2, 0)
    decoding = module(cache="none", workers=2)
    decoding.setup("fit")
    assert (decoding.train_dataloader().threads, decoding.train_dataloader().num_workers) == (0, 2)


def test_they_read_ahead_but_not_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    long = loader(steps_per_epoch=100)
    asked: list[int] = []
    read = long._read

    def count(positions: list[int]) -> Any:
        asked.append(positions[0])
        return read(positions)

    monkeypatch.setattr(long, "_read", count)
    stream = iter(long)
    next(stream)
    assert readers()
    stream.close()
    assert not readers()
    assert 1 <= len(asked) <= 5, "one was asked for; two for each thread may be read ahead"


def test_an_epoch_leaves_no_thread() -> None:
    assert len(list(loader(steps_per_epoch=5))) == 5
    assert not readers()


def test_what_a_thread_fails_of_is_told_in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    failing = loader(steps_per_epoch=9)
    read = failing._read

    def fail(positions: list[int]) -> Any:
        if positions[0] >= 2 * len(positions):
            raise ValueError("a.png was changed meanwhile")
        return read(positions)

    monkeypatch.setattr(failing, "_read", fail)
    stream = iter(failing)
    next(stream), next(stream)
    with pytest.raises(ValueError, match=r"^a\.png was changed meanwhile$"):
        next(stream)
    assert not readers()


def test_the_training_thread_keeps_its_number_of_threads() -> None:
    """Each reader takes one for itself, and torch hands what was set last to threads that start later."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        list(loader(steps_per_epoch=3))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def alone(**options: Any) -> Any:
    """A loader without workers, and the positions of each call that it makes."""
    data = module(cache="memory", workers=0, **options)
    data.setup("fit")
    made: Any = data.train_dataloader()
    asked: list[list[int]] = []
    read = made._read

    def counted(positions: list[int]) -> Any:
        asked.append(positions)
        return read(positions)

    made._read = counted
    return made, asked


@pytest.mark.parametrize("options", [{}, {"channels": 1}, {"scales": [2, 3]}])
def test_batches_that_are_read_together_are_those_of_one_by_one(options: dict[str, Any]) -> None:
    """The last call reads what is left of the epoch, and no more."""
    together, asked = alone(steps_per_epoch=40, batch_size=3, **options)
    found, wanted = list(together), list(DataLoader.__iter__(together))
    assert len(found) == len(wanted) == 40
    for mine, one in zip(found, wanted, strict=True):
        assert mine.keys() == one.keys()
        for key, value in one.items():
            assert torch.equal(mine[key], value)
            assert mine[key].dtype == value.dtype
    calls = [len(positions) // 3 for positions in asked]
    assert sum(calls) == 40
    assert len(calls) < 10, calls


def test_large_batches_are_read_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loaders, "FEW_BYTES", 1000)
    one_by_one, asked = alone(steps_per_epoch=5, batch_size=3)
    assert len(list(one_by_one)) == len(asked) == 5


def test_mixtures_are_read_one_by_one() -> None:
    """Partners stand behind all samples of what is read."""
    one_by_one, asked = alone(steps_per_epoch=5, batch_size=3, augment=Augmentation(mixup=1.0))
    assert [len(batch["gt"]) for batch in one_by_one] == [6] * 5
    assert asked == []
