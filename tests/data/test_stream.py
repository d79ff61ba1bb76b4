"""The run's stream of samples: a function of seed and position, whatever makes the batches."""

import itertools
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from sr_experiments.data.augment import Augmentation
from sr_experiments.data.dataset import Batch, EvalSet, TrainSet
from sr_experiments.data.finish import Finisher, to_float
from sr_experiments.data.images import Images, SpoilWhole
from sr_experiments.data.order import Order
from sr_experiments.data.plan import Plan
from sr_experiments.data.sampler import EvenSampler, PositionSampler
from sr_experiments.data.sources import Item
from sr_experiments.degradations.bicubic import Bicubic
from sr_experiments.imaging.io import image_size, read_image
from sr_experiments.imaging.ledger import Ledger
from sr_experiments.imaging.resize import imresize_uint8
from tests.data.pictures import STILL, blind, module, save, write

FORKED = pytest.mark.filterwarnings(
    "ignore:This process .* is multi-threaded, use of fork:DeprecationWarning",
    "ignore:This DataLoader will create",
)


@dataclass
class Stream:
    """A run's samples, read and made ready."""

    plan: Plan
    data: TrainSet
    finish: Finisher

    def __getitem__(self, positions: Sequence[int]) -> dict[str, Tensor]:
        batch = self.data.__getitems__(list(positions))
        read = {key: image for key, image in batch.items() if key != "position"}
        return self.finish(read, batch["position"])


def stream(folder: Path, count: int = 5, **options: Any) -> Stream:
    """Of small images of noise: every crop can be told from every other."""
    items = [
        Item(name=str(i), gt=write(folder / f"{i}.png", 40 + 4 * i, 64 - 4 * i, seed=i)) for i in range(count)
    ]
    return stream_of(items, **options)


def stream_of(items: list[Item], *, scale: int = 4, **options: Any) -> Stream:
    degradation = Bicubic(scale=scale)
    images = Images(items, scale=scale, channels=3, spoil=SpoilWhole(degradation))
    images.fill()
    defaults: dict[str, Any] = {"seed": 0, "patch_size": 16, "augment": Augmentation()}
    sizes = [image_size(item.gt) for item in items]
    given = {**defaults, **options}
    plan = Plan(sizes, scale=scale, order=Order(len(sizes), seed=given["seed"]), **given)
    return Stream(plan, TrainSet(plan, images), Finisher(plan, degradation=degradation))


def integers(image: Tensor) -> Tensor:
    """(B, C, H, W) floats back to 8 bit (B, H, W, C)."""
    return (image * 255).round().to(torch.uint8).permute(0, 2, 3, 1)


def batches(count: int = 6, *, start: int = 0, **options: Any) -> list[Batch]:
    """The first batches of a data module's loader, as they arrive at the model."""
    data = module(steps_per_epoch=count, **options)
    data.setup("fit")
    loader = data.train_dataloader()
    sampler = loader.batch_sampler
    assert isinstance(sampler, PositionSampler)
    sampler.start = lambda: start
    return [data.on_after_batch_transfer(batch, 0) for batch in loader]


def same(first: list[Batch], second: list[Batch]) -> bool:
    assert len(first) == len(second) > 0
    return all(
        torch.equal(x[key], y[key])
        for x, y in zip(first, second, strict=True)
        for key in ("gt", "lq", "position")
    )


# ---- which image, which crop


def test_every_image_comes_once_a_pass_in_another_order(tmp_path: Path) -> None:
    passes = stream(tmp_path).plan.order.images_at(torch.arange(200)).view(40, 5).tolist()
    assert all(sorted(order) == [0, 1, 2, 3, 4] for order in passes)
    assert len({tuple(order) for order in passes}) > 25
    first = np.bincount([order[0] for order in passes], minlength=5)
    assert stats.chisquare(first).pvalue > 0.01


def test_orders_depend_on_the_seed(tmp_path: Path) -> None:
    orders = {tuple(stream(tmp_path, seed=seed).plan.order._pass(0).tolist()) for seed in range(20)}
    assert len(orders) > 12


def test_crops_lie_anywhere_equally_often(tmp_path: Path) -> None:
    samples = stream(tmp_path, count=1, augment=STILL)  # 40x64: 7 rows and 13 columns of places
    gt = read_image(tmp_path / "0.png")
    corners = {gt[y, x].tobytes(): (y, x) for y in range(0, 25, 4) for x in range(0, 49, 4)}
    crops = samples.data.__getitems__(range(3000))["gt"].numpy()
    places = np.array([corners[crop[0, 0].tobytes()] for crop in crops])
    for axis, count in ((0, 7), (1, 13)):
        found = np.bincount(places[:, axis] // 4, minlength=count)
        assert len(found) == count
        assert stats.chisquare(found).pvalue > 0.01


@pytest.mark.parametrize(
    ("flip", "rotate", "expected"), [(True, True, 8), (True, False, 4), (False, True, 4), (False, False, 1)]
)
def test_orientations_are_equally_frequent(tmp_path: Path, flip: bool, rotate: bool, expected: int) -> None:
    gt = write(tmp_path / "one.png", 16, 16)
    samples = stream_of([Item(name="one", gt=gt)], augment=Augmentation(flip=flip, rotate=rotate))
    original = read_image(gt)
    eight = [np.rot90(side, k) for side in (original, original[:, ::-1]) for k in range(4)]
    found = np.zeros(8, dtype=int)
    for crop in integers(samples[range(400)]["gt"]).numpy():
        found[[np.array_equal(crop, other) for other in eight].index(True)] += 1
    assert np.count_nonzero(found) == expected
    assert found[0] > 0
    assert expected == 1 or stats.chisquare(found[found > 0]).pvalue > 0.01


def test_lq_and_gt_show_the_same_place_the_same_way_up(tmp_path: Path) -> None:
    """Shrinking the crop of gt gives the crop of lq, except within the kernel's reach of its border."""
    samples = stream(tmp_path, patch_size=32)
    batch = {key: integers(image) for key, image in samples[range(64)].items()}
    small = imresize_uint8(batch["gt"].permute(0, 3, 1, 2), scale=1 / 4).permute(0, 2, 3, 1)
    # Between the passes integers are rounded, rows first: a turned crop may differ by one level.
    difference = (small.int() - batch["lq"].int()).abs()[:, 2:-2, 2:-2]
    assert int(difference.max()) <= 1
    assert float((difference > 0).float().mean()) < 0.2
    assert float((small.int() - batch["lq"].int()).abs().float().mean()) > 0  # the borders do differ


def test_alignment_without_turning_is_exact(tmp_path: Path) -> None:
    ready = stream(tmp_path, patch_size=32, augment=STILL)[range(64)]
    batch = {key: integers(image) for key, image in ready.items()}
    small = imresize_uint8(batch["gt"].permute(0, 3, 1, 2), scale=1 / 4).permute(0, 2, 3, 1)
    assert torch.equal(small[:, 2:-2, 2:-2], batch["lq"][:, 2:-2, 2:-2])


def test_one_sample_is_a_batch_of_one(tmp_path: Path) -> None:
    samples = stream(tmp_path)
    together = samples[[3, 17, 4]]
    for row, position in enumerate((3, 17, 4)):
        alone = samples[[position]]
        assert all(torch.equal(alone[key][0], together[key][row]) for key in ("gt", "lq"))


def test_the_stream_survives_being_sent_to_a_process(tmp_path: Path) -> None:
    samples = stream(tmp_path).data
    copy = pickle.loads(pickle.dumps(samples))
    assert torch.equal(copy[12]["gt"], samples[12]["gt"])


def test_images_of_two_depths_in_one_batch(tmp_path: Path) -> None:
    items = [
        Item(name="deep", gt=write(tmp_path / "deep.png", 32, 32, deep=True)),
        Item(name="flat", gt=write(tmp_path / "flat.png", 32, 32)),
    ]
    samples = stream_of(items, scale=2, patch_size=8)
    batch = samples.data.__getitems__(range(8))
    assert batch["gt"].dtype == batch["lq"].dtype == torch.uint16
    for row, image in enumerate(samples.plan.order.images_at(torch.arange(8)).tolist()):
        alone = samples.data[row]
        assert alone["gt"].dtype == (torch.uint8 if image == 1 else torch.uint16)
        for key in ("gt", "lq"):  # the neighbours' depth changes no bit
            assert torch.equal(to_float(alone[key])[0], to_float(batch[key])[row])


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16])
def test_integers_become_floats(dtype: torch.dtype) -> None:
    white = torch.iinfo(dtype).max
    image = torch.tensor([[[[0, white], [1, white // 2]]]]).to(dtype)
    expected = torch.tensor([[[[0.0, 1 / white]], [[1.0, (white // 2) / white]]]], dtype=torch.float64)
    converted = to_float(image)
    assert converted.dtype == torch.float32
    assert converted.shape == (1, 2, 1, 2)
    assert torch.equal(converted, expected.float())
    assert to_float(torch.zeros(1, 3, 5, 2)).shape == (1, 2, 3, 5)


def test_floats_are_copied_out_of_the_cache() -> None:
    cached = torch.zeros(1, 2, 2, 1)
    to_float(cached).add_(1)
    assert float(cached.sum()) == 0


# ---- what changes nothing, and what does


@FORKED
@pytest.mark.parametrize("cache", ["memory", "none"])  # threads, processes
@pytest.mark.parametrize("degradation", ["fixed", "random"])
def test_workers_change_nothing(degradation: str, cache: str) -> None:
    options: dict[str, Any] = {} if degradation == "fixed" else {"degradation": blind(4)}
    reference = batches(workers=0, **options)
    assert reference[0]["lq"].shape == (4, 3, 8, 8)
    for workers in (1, 2):
        assert same(reference, batches(workers=workers, cache=cache, **options))


def test_where_images_are_kept_changes_nothing(tmp_path: Path) -> None:
    reference = batches(2)
    assert same(reference, batches(2, cache="none"))
    for workers in (0, 2):
        assert same(reference, batches(2, cache="disk", cache_dir=str(tmp_path), workers=workers))


@pytest.mark.parametrize("degradation", ["fixed", "random"])
def test_two_ranks_make_the_batches_of_one(degradation: str) -> None:
    options: dict[str, Any] = {} if degradation == "fixed" else {"degradation": blind(4)}
    whole = batches(batch_size=4, **options)
    data = module(batch_size=2, **options)
    data.setup("fit")
    samples = data.train_dataloader().dataset
    assert isinstance(samples, TrainSet)
    positions = [
        list(PositionSampler(batch_size=2, batches=6, start=int, rank=rank, world_size=2)) for rank in (0, 1)
    ]
    for batch, first, second in zip(whole, *positions, strict=True):
        assert batch["position"].tolist() == first + second
        halves = [data.on_after_batch_transfer(samples.__getitems__(half), 0) for half in (first, second)]
        for key in ("gt", "lq"):
            assert torch.equal(batch[key], torch.cat([half[key] for half in halves]))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_that_continues_at_batch_23_has_the_batches_of_one_that_did_not_stop(workers: int) -> None:
    whole = batches(30)
    assert same(whole[23:], batches(7, start=23, workers=workers))


@pytest.mark.parametrize("degradation", ["fixed", "random"])
def test_another_seed_differs_in_every_sample(degradation: str) -> None:
    options: dict[str, Any] = {} if degradation == "fixed" else {"degradation": blind(4)}
    zero, one = batches(seed=0, **options), batches(seed=1, **options)
    for x, y in zip(zero, one, strict=True):
        for key in ("gt", "lq"):
            assert bool((x[key] != y[key]).flatten(1).any(dim=1).all())


def test_no_sample_comes_twice() -> None:
    seen: list[Tensor] = [row for batch in batches(20) for row in batch["gt"] if row.std() > 0]
    assert len(seen) > 70
    assert not any(torch.equal(x, y) for x, y in itertools.combinations(seen, 2))


# ---- samplers


def test_positions_of_batches() -> None:
    counter = [0]
    sampler = PositionSampler(batch_size=3, batches=2, start=lambda: counter[0])
    assert len(sampler) == 2
    assert list(sampler) == [[0, 1, 2], [3, 4, 5]]
    counter[0] = 5
    assert list(sampler) == [[15, 16, 17], [18, 19, 20]]
    assert len(sampler) == 2


@pytest.mark.parametrize(("length", "world_size"), [(5, 1), (5, 2), (6, 3), (2, 4), (1, 3)])
def test_whole_images_are_shared_out_evenly(length: int, world_size: int) -> None:
    shares = [list(EvenSampler(length, rank=rank, world_size=world_size)) for rank in range(world_size)]
    assert {len(share) for share in shares} == {-(-length // world_size)}
    assert all(len(share) == len(EvenSampler(length, world_size=world_size)) for share in shares)
    assert {index for share in shares for index in share} == set(range(length))


def test_evaluation_batches(tmp_path: Path) -> None:
    grey = save(tmp_path / "grey.png", write_grey())
    images = Images(
        [Item(name="grey", gt=grey), Item(name="colour", gt=write(tmp_path / "colour.png", 30, 41))],
        scale=4,
        channels=3,
        spoil=SpoilWhole(Bicubic(scale=4)),
    )
    whole = EvalSet(images)
    assert len(whole) == 2
    assert [whole[i]["name"] for i in (0, 1)] == [["grey"], ["colour"]]
    assert [whole[i]["grey"] for i in (0, 1)] == [True, False]
    assert [whole[i]["index"].tolist() for i in (0, 1)] == [[0], [1]]
    assert whole[1]["gt"].shape == (1, 28, 40, 3)
    assert whole[1]["lq"].shape == (1, 7, 10, 3)


def write_grey() -> np.ndarray:
    return np.arange(32 * 32, dtype=np.int64).reshape(32, 32, 1).astype(np.uint8)


def test_what_is_worked_out_ahead_is_what_is_written_down(tmp_path: Path) -> None:
    """Windows come from blocks of positions; with a ledger each batch is drawn by itself."""
    augment = Augmentation(mixup=0.3, cutmix=0.2, crop_scale=[0.5, 1.5])
    plan = stream(tmp_path, augment=augment, seed=3).plan
    for positions in (torch.arange(16), torch.arange(1016, 1032), torch.tensor([5000, 3, 1024, 7])):
        ahead, drawn = plan.windows(positions), plan.windows(positions, ledger=Ledger())
        for name in ("images", "tops", "lefts", "sides"):
            assert torch.equal(getattr(ahead, name), getattr(drawn, name))
        codes = plan.orientations(plan.draw(positions))
        assert torch.equal(codes, plan.orientations(plan.draw(positions, ledger=Ledger())))
        assert codes.any()
