"""Which image stands where, where all are at hand and where they come in shards."""

import itertools
import pickle
from collections import Counter

import pytest
import torch
from torch import Tensor

from sr_experiments.data.order import Order, ShardOrder

LENGTHS = [7, 9, 8, 6, 10, 8, 9, 7, 8, 8]


def shard_order(*, seed: int = 0, window: int = 2, stripes: int = 1, global_batch: int = 8) -> ShardOrder:
    return ShardOrder(LENGTHS, seed=seed, window=window, stripes=stripes, global_batch=global_batch)


def shards(images: Tensor) -> list[int]:
    ends = torch.tensor(LENGTHS).cumsum(0)
    found: list[int] = torch.bucketize(images, ends, right=True).tolist()
    return found


def test_every_image_comes_once_a_pass_in_another_order() -> None:
    order = shard_order()
    passes = order.images_at(torch.arange(80 * 30)).view(30, 80).tolist()
    assert all(sorted(images) == list(range(80)) for images in passes)
    assert len({tuple(images) for images in passes}) == 30
    assert len({images[0] for images in passes}) > 15


def test_few_shards_are_needed_at_a_time_and_their_images_are_shuffled() -> None:
    images = shard_order().images_at(torch.arange(800))
    found = shards(images)
    for start in range(0, 800 - 12):  # two shards have 13 images and more
        assert len(set(found[start : start + 12])) <= 4
    changes = sum(first != second for first, second in itertools.pairwise(found))
    assert changes > 300, "two shards at a time take turns"


def test_a_seed_has_an_order_of_its_own() -> None:
    orders = {tuple(shard_order(seed=seed).images_at(torch.arange(80)).tolist()) for seed in range(10)}
    assert len(orders) == 10


def test_a_part_of_every_batch_needs_the_shards_of_its_stripe_only() -> None:
    order = shard_order(stripes=4, global_batch=16)
    batches = order.images_at(torch.arange(16 * 50)).view(50, 4, 4)
    for stripe in range(4):
        assert {shard % 4 for shard in shards(batches[:, stripe].flatten())} == {stripe}
    for stripe in range(4):
        own = [n for n, shard in enumerate(shards(torch.arange(80))) if shard % 4 == stripe]
        stream = batches[:, stripe].flatten()[: len(own)].tolist()
        assert sorted(stream) == own, "a stripe goes through its own images in passes"


def test_the_global_batch_decides_and_not_how_it_is_asked_for() -> None:
    order = shard_order(stripes=2, global_batch=8)
    whole = order.images_at(torch.arange(400))
    other = shard_order(stripes=2, global_batch=8)
    scattered = torch.randperm(400, generator=torch.Generator().manual_seed(0))
    assert torch.equal(other.images_at(scattered), whole[scattered])
    counts = Counter(whole.tolist())
    assert max(counts.values()) - min(counts.values()) <= 1 + 400 // 80 // 4


@pytest.mark.parametrize("order", [Order(11, seed=3), shard_order(stripes=2)])
def test_an_order_survives_being_sent_to_a_process(order: Order) -> None:
    copy = pickle.loads(pickle.dumps(order))
    positions = torch.arange(200)
    assert torch.equal(copy.images_at(positions), order.images_at(positions))
