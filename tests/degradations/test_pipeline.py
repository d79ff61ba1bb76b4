"""Parts of a chain: which samples get them, in which order, and that a sample's fate is its own."""

import itertools
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from hydra.utils import instantiate
from scipy import stats

from sr_experiments.degradations.base import Degradation
from sr_experiments.degradations.crops import Crops
from sr_experiments.degradations.pipeline import OneOf, Pipeline, Sometimes
from sr_experiments.degradations.quantise import to_8_bit
from sr_experiments.degradations.resample import Rescale, Shrink
from sr_experiments.imaging.random import Draw
from sr_experiments.imaging.resize import imresize
from tests.conftest import ROOT
from tests.data.test_data_presets import composed

COUNT = 3000
POSITIONS = torch.arange(COUNT)
PRESETS = sorted(path.stem for path in (ROOT / "conf" / "degradation").glob("*.yaml"))


class Mark(Degradation):
    """Writes a digit behind those that are there."""

    def __init__(self, digit: int) -> None:
        super().__init__()
        self.digit = digit

    def spoil(self, crops: Crops, draw: Draw) -> Crops:
        return crops.map(lambda pixels: pixels * 10 + self.digit)


def marks(degradation: Degradation, count: int = COUNT) -> list[int]:
    empty = torch.zeros(count, 1, 1, 1)
    found: Sequence[int] = degradation(empty, seed=0, positions=torch.arange(count)).flatten().int().tolist()
    return list(found)


def test_one_of_several_by_its_share() -> None:
    steps = {"a": Mark(1), "b": Mark(2), "never": Mark(3)}
    found = marks(OneOf(choices=steps, shares={"a": 3, "b": 1, "never": 0}))
    assert set(found) == {1, 2}
    assert stats.binomtest(found.count(1), COUNT, 0.75).pvalue > 0.01


def test_sometimes() -> None:
    found = marks(Sometimes(step=Mark(1), probability=0.3))
    assert set(found) == {0, 1}
    assert stats.binomtest(found.count(1), COUNT, 0.3).pvalue > 0.01
    assert set(marks(Sometimes(step=Mark(1), probability=0))) == {0}
    assert set(marks(Sometimes(step=Mark(1), probability=1))) == {1}


def test_every_order_of_shuffled_steps_is_as_likely_and_the_others_stay() -> None:
    steps = {"first": Mark(9), "a": Mark(1), "b": Mark(2), "c": Mark(3), "last": Mark(8)}
    found = marks(Pipeline(steps=steps, quantise=False, shuffle=["a", "b", "c"]))
    orders = [int(f"9{a}{b}{c}8") for a, b, c in itertools.permutations((1, 2, 3))]
    assert set(found) == set(orders)
    assert stats.chisquare([found.count(order) for order in orders]).pvalue > 0.01


def test_shuffled_steps_that_change_the_size_keep_their_order() -> None:
    """A size of each sample's own after the last shrinking would leave no batch."""
    rescale = Rescale(up=(1, 1.5), down=(0.5, 1), directions={"up": 1, "down": 1}, modes={"bilinear": 1})
    steps: dict[str, Degradation] = {
        "a": Mark(1),
        "rescale": rescale,
        "b": Mark(2),
        "shrink": Shrink(scale=2, modes={"area": 1}),
        "c": Mark(3),
    }
    chain = Pipeline(steps=steps, quantise=False, shuffle=list(steps))
    assert not chain.varies
    assert chain.scale == 2
    small = chain(torch.zeros(200, 1, 8, 8), seed=0, positions=torch.arange(200))
    assert small.shape == (200, 1, 4, 4)
    orders = {round(value) for value in small.mean(dim=(1, 2, 3)).tolist()}
    assert orders == {123, 132, 213, 231, 312, 321}


def test_a_chain_that_never_comes_back_to_one_size_says_so() -> None:
    rescale = Rescale(up=(1, 1.5), down=(0.5, 1), directions={"up": 1}, modes={"bilinear": 1})
    assert Pipeline(steps={"a": rescale}).varies
    assert OneOf(choices={"a": rescale}, shares={"a": 1}).varies
    assert Sometimes(step=rescale, probability=0.5).varies
    settled = Pipeline(steps={"a": rescale, "b": Shrink(scale=4, modes={"area": 1})})
    assert not settled.varies
    assert settled.settles
    assert Pipeline(steps={"a": settled, "b": rescale}).varies


def photographs(count: int, side: int = 96) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(count, 3, side // 8, side // 8, generator=generator)
    fine = torch.rand(count, 3, side, side, generator=generator)
    return to_8_bit(0.8 * imresize(coarse, scale=8) + 0.2 * fine)


@pytest.mark.parametrize("name", PRESETS)
def test_a_sample_of_a_preset_is_the_same_in_any_batch_to_the_bit(name: str) -> None:
    """Incident: the usual implementations draw scale, noise and order once for the whole batch."""
    chain = instantiate(composed(f"degradation={name}", "scale=4").degradation)
    images, positions = photographs(12), torch.arange(500, 512)
    whole = chain(images, seed=5, positions=positions)
    assert whole.shape == (12, 3, 24, 24)
    assert torch.equal(to_8_bit(whole), whole)
    halves = [chain(images[s], seed=5, positions=positions[s]) for s in (slice(0, 5), slice(5, 12))]
    assert torch.equal(torch.cat(halves), whole)
    alone = [chain(images[i : i + 1], seed=5, positions=positions[i : i + 1]) for i in range(12)]
    assert torch.equal(torch.cat(alone), whole)
    order = torch.randperm(12, generator=torch.Generator().manual_seed(1))
    assert torch.equal(chain(images[order], seed=5, positions=positions[order]), whole[order])
    if not chain.fixed:
        other = chain(images, seed=6, positions=positions)
        assert bool((other != whole).flatten(1).any(dim=1).all())


@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize("name", PRESETS)
def test_presets_take_other_bands(name: str, channels: int) -> None:
    chain = instantiate(composed(f"degradation={name}", "scale=2", f"channels={channels}").degradation)
    images = photographs(3)[:, :1].repeat(1, channels, 1, 1)
    spoilt = chain(images, seed=0, positions=torch.arange(3))
    assert spoilt.shape == (3, channels, 48, 48)
    assert spoilt.isfinite().all()


def test_a_part_of_a_batch_keeps_its_rows() -> None:
    crops = replace(Crops.of(torch.rand(2, 3, 4, 4)), rows=torch.tensor([3, 7]))
    assert crops.become(torch.rand(2, 3, 2, 2)).rows.tolist() == [3, 7]
