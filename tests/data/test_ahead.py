"""Batches that are finished several at once and by other threads are the same to the bit."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from sr_experiments.data.ahead import MOST, Ahead, Finished, ahead_on
from sr_experiments.data.augment import Augmentation
from sr_experiments.data.dataset import Batch
from tests.data.pictures import blind, module

CPU = torch.device("cpu")


def read(batches: int, **options: Any) -> tuple[Any, Iterator[Batch]]:
    data = module(steps_per_epoch=batches, degradation=blind(4), **options)
    data.setup("fit")
    return data, iter(data.train_dataloader())


@pytest.mark.parametrize("together", [1, 3, 4, 100])
def test_a_batch_is_the_same_whoever_finishes_it(together: int) -> None:
    data, batches = read(11)
    expected = [data.on_after_batch_transfer(batch, 0) for batch in batches]
    data, batches = read(11)
    found = list(Ahead(data._ready, device=CPU, together=together)(batches))
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert isinstance(one, Finished)
        assert data.transfer_batch_to_device(one, CPU, 0) is one, "it lies there already"
        made = data.on_after_batch_transfer(one, 0)
        assert made.keys() == other.keys() == {"gt", "lq", "position"}
        for key, value in other.items():
            assert torch.equal(made[key], value), key


def test_few_are_finished_before_they_are_asked_for() -> None:
    """Whoever asks slowly must not fill the memory."""
    asked = []

    def counted(batches: Iterator[Batch]) -> Iterator[Batch]:
        for batch in batches:
            asked.append(batch)
            yield batch

    data, batches = read(1000)
    found = Ahead(data._ready, device=CPU, together=4)(counted(batches))
    for _ in range(20):
        next(found)
    assert len(asked) <= 20 + 4 * 4
    found.close()  # type: ignore[attr-defined]  # it is a generator
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("finisher")]


def test_a_mistake_in_a_thread_is_told() -> None:
    _, batches = read(5)

    def broken(batch: Batch, positions: Tensor) -> dict[str, Tensor]:
        raise ValueError("the crop is too small")

    with pytest.raises(ValueError, match="the crop is too small"):
        list(Ahead(broken, device=CPU, together=2)(batches))


def test_how_many_at_once() -> None:
    """Large ones by themselves; mixtures, too, whose partners lie behind all samples of what was read."""

    def together(samples: int = 16, patch: int = 192, **augment: Any) -> int:
        data = module(patch_size=patch, augment=Augmentation(**augment))
        data.setup("fit")
        made = ahead_on(torch.device("cuda"), data._ready, plan=data._plan(), samples=samples)
        assert made is not None
        return made.together

    assert together(16, 192) == 7, "4.2 million pixels"
    assert together(4, 32) == MOST
    assert together(4000, 192) == 1
    assert together(mixup=0.5) == together(crop_scale=[0.5, 1.0]) == 1
    data = module()
    data.setup("fit")
    assert ahead_on(CPU, data._ready, plan=data._plan(), samples=16) is None
