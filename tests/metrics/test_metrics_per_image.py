"""The mean over images is exact on any number of devices."""

import math
import multiprocessing
import warnings
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor

from sr_experiments.metrics.per_image import PerImage


def values(count: int) -> Tensor:
    generator = torch.Generator().manual_seed(count)
    return 30 + 5 * torch.randn(count, generator=generator, dtype=torch.float64)


def filled(pairs: list[tuple[int, float]]) -> PerImage:
    metric = PerImage()
    for index, value in pairs:
        metric.update(torch.tensor([index]), torch.tensor([value], dtype=torch.float64))
    return metric


def test_mean_in_float64() -> None:
    metric = PerImage()
    data = values(7)
    metric.update(torch.arange(4), data[:4])
    metric.update(torch.arange(4, 7), data[4:])
    result = metric.compute()
    assert result.dtype == torch.float64
    assert result.shape == ()
    assert result.item() == pytest.approx(math.fsum(data.tolist()) / 7, abs=1e-14)


def test_an_image_measured_twice_counts_once() -> None:
    assert filled([(0, 30.0), (1, 32.0), (0, 30.0), (2, 31.0), (0, 30.0)]).compute().item() == 31.0


def test_the_order_of_the_images_changes_no_bit() -> None:
    data = values(100)
    pairs = list(enumerate(data.tolist()))
    order = torch.randperm(100, generator=torch.Generator().manual_seed(0)).tolist()
    assert torch.equal(filled(pairs).compute(), filled([pairs[i] for i in order]).compute())


def test_float32_values_are_added_in_float64() -> None:
    metric = PerImage()
    metric.update(torch.arange(3), torch.tensor([1e8, 1.0, 1.0]))
    assert metric.compute().item() == (1e8 + 2) / 3


def test_perfect_and_broken_images_are_not_left_out() -> None:
    assert filled([(0, 30.0), (1, math.inf)]).compute().item() == math.inf
    assert filled([(0, 30.0), (1, math.nan)]).compute().isnan()


def test_reset_and_again() -> None:
    metric = filled([(0, 1.0)])
    assert metric.compute().item() == 1.0
    metric.reset()
    metric.update(torch.tensor([0]), torch.tensor([2.0]))
    assert metric.compute().item() == 2.0
    assert metric.state_dict() == {}, "values of images have no place in a checkpoint"


@pytest.mark.filterwarnings("ignore:The ``compute`` method of metric PerImage was called before:UserWarning")
def test_no_image() -> None:
    with pytest.raises(ValueError, match="no image was measured, so there is no mean; is the data set empty"):
        PerImage().compute()


def gather_from(others: list[PerImage]) -> Callable[..., list[Tensor]]:
    """Stands for all_gather: torchmetrics asks for the states in the order in which they were added."""
    names = iter(["index", "values"])

    def gather(own: Tensor, group: object = None) -> list[Tensor]:
        name = next(names)
        return [own, *(torch.cat([torch.empty(0, dtype=own.dtype), *getattr(m, name)]) for m in others)]

    return gather


@pytest.mark.parametrize("ranks", [2, 3, 8])
@pytest.mark.parametrize("count", [5, 8, 13])
def test_shards_of_any_size(ranks: int, count: int) -> None:
    """A distributed sampler repeats the first images until every rank has as many."""
    data = values(count).tolist()
    per_rank = -(-count // ranks)
    indices = [i % count for i in range(per_rank * ranks)]
    shards = [filled([(i, data[i]) for i in indices[rank::ranks]]) for rank in range(ranks)]
    first = shards[0]
    first.dist_sync_fn = gather_from(shards[1:])
    first.distributed_available_fn = lambda: True
    expected = filled(list(enumerate(data))).compute()
    assert torch.equal(first.compute(), expected)


def mean_of_rank(rank: int, folder: str, indices: list[int]) -> float:
    dist.init_process_group(
        "gloo",
        init_method=f"file://{folder}/rendezvous",
        rank=rank,
        world_size=2,
        timeout=timedelta(seconds=120),
    )
    try:
        metric = PerImage()
        metric.to("cpu")  # as Lightning does, and torchmetrics then forgets a dtype that was set
        for index in indices:
            metric.update(torch.tensor([index]), torch.tensor([10.0**index], dtype=torch.float64))
        return float(metric.compute())
    finally:
        dist.destroy_process_group()


def rank_without_images(folder: str) -> None:
    warnings.filterwarnings(
        "ignore", "The ``compute`` method of metric PerImage was called before", UserWarning
    )
    Path(folder, "mean").write_text(repr(mean_of_rank(1, folder, [])))


@pytest.mark.skipif(not dist.is_gloo_available(), reason="torch was built without gloo")
def test_a_real_process_without_images(tmp_path: Path) -> None:
    """For it torchmetrics contributes an empty tensor, which must have the dtype of the others."""
    other = multiprocessing.get_context("spawn").Process(target=rank_without_images, args=(str(tmp_path),))
    other.start()
    own = mean_of_rank(0, str(tmp_path), [0, 1, 2, 1])
    other.join(timeout=60)
    assert other.exitcode == 0
    assert own == (1 + 10 + 100) / 3
    assert (tmp_path / "mean").read_text() == repr(own)


def images_of_rank(rank: int, folder: str) -> tuple[float, dict[int, float]]:
    """Rank 0 has a perfect image, rank 1 one image that rank 0 has too, and another."""
    dist.init_process_group(
        "gloo",
        init_method=f"file://{folder}/rendezvous",
        rank=rank,
        world_size=2,
        timeout=timedelta(seconds=120),
    )
    try:
        metric = filled([[(0, 30.0), (3, math.inf)], [(0, 30.0), (1, 29.5)]][rank])
        perfect = float(metric.compute())
        broken = filled([[(0, 30.0)], [(5, math.nan)]][rank])
        return perfect, metric.gathered() | {-1: float(broken.compute())}
    finally:
        dist.destroy_process_group()


def second_rank(folder: str) -> None:
    Path(folder, "second").write_text(repr(images_of_rank(1, folder)))


@pytest.mark.skipif(not dist.is_gloo_available(), reason="torch was built without gloo")
def test_two_real_processes_agree_on_perfect_and_broken_images(tmp_path: Path) -> None:
    other = multiprocessing.get_context("spawn").Process(target=second_rank, args=(str(tmp_path),))
    other.start()
    mean, rows = images_of_rank(0, str(tmp_path))
    other.join(timeout=60)
    assert other.exitcode == 0
    assert (tmp_path / "second").read_text() == repr((mean, rows))
    assert mean == math.inf
    assert math.isnan(rows.pop(-1)), "one NaN, on whichever device, is the mean's"
    assert rows == {0: 30.0, 1: 29.5, 3: math.inf}


def test_every_image_by_its_index() -> None:
    """What ``per_image.csv`` is written from: unordered, doubled, and from another device."""
    metric = filled([(4, 30.0), (0, 31.0), (4, 30.0)])
    assert metric.gathered() == {0: 31.0, 4: 30.0}
    metric.dist_sync_fn = gather_from([filled([(2, 29.0), (0, 31.0)])])
    metric.distributed_available_fn = lambda: True
    assert metric.gathered() == {0: 31.0, 2: 29.0, 4: 30.0}
    metric.dist_sync_fn = None
    metric.distributed_available_fn = lambda: False
    assert metric.compute().item() == 30.5, "its own images again"
