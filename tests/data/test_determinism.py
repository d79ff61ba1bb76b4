"""The batches of steps 0 to 50, and every value that was drawn for them, are the run's and nothing else's.

Not the workers', the devices', the cache's, or those of where the run was stopped: byte for byte.
"""

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.utils import instantiate

from sr_experiments.data.datamodule import SRData
from sr_experiments.data.sampler import PositionSampler
from sr_experiments.imaging.ledger import Ledger, Value
from tests.data.test_data_presets import composed
from tests.data.test_stream import FORKED

STEPS = 51
BATCH = 4
AUGMENT = (
    "data.augment.crop_scale=[1,1.5]",
    "data.augment.permute_rgb=0.3",
    "data.augment.mixup=0.2",
    "data.augment.cutmix=0.2",
)
Step = tuple[tuple[int, ...], str, str, tuple[tuple[tuple[str, Value], ...], ...]]


def opened(*overrides: str, batch_size: int = BATCH) -> SRData:
    fixed = ["data.patch_size=32", "data.cache=memory", f"data.steps_per_epoch={STEPS}"]
    given = [*fixed, f"data.batch_size={batch_size}", "scale=2", *AUGMENT, *overrides]
    data: SRData = instantiate(composed(*given).data)
    data.setup("fit")
    return data


def steps(
    *overrides: str, start: int = 0, count: int = STEPS, rank: int = 0, world_size: int = 1
) -> list[Step]:
    """Of each step the positions, hashes of gt and lq, and what was drawn for every sample."""
    data = opened(*overrides, batch_size=BATCH // world_size)
    loader = data.train_dataloader()
    sampler = loader.batch_sampler
    assert isinstance(sampler, PositionSampler)
    sampler.start, sampler.batches, sampler.rank, sampler.world_size = lambda: start, count, rank, world_size
    found = []
    for batch in loader:
        positions = batch["position"]
        ledger = Ledger()
        ready = data.finish(batch, positions, ledger=ledger)
        hashes = [hashlib.sha256(ready[key].numpy().tobytes()).hexdigest() for key in ("gt", "lq")]
        pages = tuple(tuple(page.items()) for page in ledger.pages)
        found.append((tuple(positions.tolist()), hashes[0], hashes[1], pages))
    return found


@lru_cache(maxsize=2)
def reference(degradation: str) -> list[Step]:
    return steps(f"degradation={degradation}", "data.workers=0")


DEGRADATIONS = ["bicubic", "real_esrgan"]


@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize("degradation", DEGRADATIONS)
def test_the_number_of_threads_changes_nothing(degradation: str, workers: int) -> None:
    assert steps(f"degradation={degradation}", f"data.workers={workers}") == reference(degradation)


@FORKED
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_the_number_of_processes_changes_nothing(workers: int) -> None:
    few = 12  # every crop decodes its image
    overrides = ["degradation=real_esrgan", "data.cache=none", f"data.workers={workers}"]
    assert steps(*overrides, count=few) == reference("real_esrgan")[:few]


@pytest.mark.parametrize("degradation", DEGRADATIONS)
def test_two_ranks_have_the_samples_of_one(degradation: str) -> None:
    """As a union: the pixels of each half are compared with those of the whole batch."""
    parts = [steps(f"degradation={degradation}", "data.workers=0", rank=r, world_size=2) for r in (0, 1)]
    for whole, first, second in zip(reference(degradation), *parts, strict=True):
        assert first[0] + second[0] == whole[0]
        assert first[3] + second[3] == whole[3]
    one, halves = opened(f"degradation={degradation}"), opened(f"degradation={degradation}", batch_size=2)
    dataset: Any = one.train_dataloader().dataset
    for step in range(STEPS):
        positions = torch.arange(BATCH * step, BATCH * step + BATCH)
        joined = one.finish(dataset.__getitems__(positions.tolist()), positions)
        two = [halves.finish(dataset.__getitems__(half.tolist()), half) for half in positions.split(2)]
        for key in ("gt", "lq"):
            assert torch.equal(torch.cat([half[key] for half in two]), joined[key])


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("degradation", DEGRADATIONS)
def test_a_run_that_was_stopped_at_step_23_goes_on_as_if_it_had_not(degradation: str, workers: int) -> None:
    overrides = [f"degradation={degradation}", f"data.workers={workers}"]
    assert steps(*overrides, start=23, count=STEPS - 23) == reference(degradation)[23:]


@pytest.mark.parametrize("cache", ["disk", "device", "none"])
def test_where_images_are_kept_changes_nothing(cache: str, tmp_path: Path) -> None:
    overrides = ["degradation=real_esrgan", "data.workers=0", f"data.cache={cache}"]
    few = 6 if cache == "none" else STEPS  # every crop decodes its image
    assert steps(*overrides, f"data.cache_dir={tmp_path}", count=few) == reference("real_esrgan")[:few]


@pytest.mark.parametrize("degradation", DEGRADATIONS)
def test_another_seed_differs_in_every_sample(degradation: str) -> None:
    zero, one = (opened(f"degradation={degradation}", f"seed={seed}") for seed in (0, 1))
    for step in range(STEPS):
        positions = torch.arange(BATCH * step, BATCH * step + BATCH)
        ledgers = Ledger(), Ledger()
        made = []
        for data, ledger in zip((zero, one), ledgers, strict=True):
            dataset: Any = data.train_dataloader().dataset
            made.append(data.finish(dataset.__getitems__(positions.tolist()), positions, ledger=ledger))
        for key in ("gt", "lq"):
            assert bool((made[0][key] != made[1][key]).flatten(1).any(dim=1).all())
        assert all(a != b for a, b in zip(ledgers[0].pages, ledgers[1].pages, strict=True))
