"""Threads that read ahead: what they fail of arrives, what nobody asks for stops, nothing is left."""

import threading
from typing import Any

import pytest
import torch

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
