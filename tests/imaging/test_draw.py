"""The rule for randomness: its bits, its distributions, and what they depend on."""

import math
import subprocess
import sys

import pytest
import torch
from scipy import special, stats
from torch import Tensor

from sr_experiments.imaging.random import Draw, _mix, _signed, _words, _words_here, name_key, name_position

MANY = torch.arange(20000)
EXPECTED_BITS = [-2612035826361697361, -2548889570430233879, -6870393404135905147]


def correlation(x: Tensor, y: Tensor) -> float:
    return float(torch.corrcoef(torch.stack([x.double(), y.double()]))[0, 1])


def test_the_mixer_is_splitmix64() -> None:
    # The first five outputs for the seed 1234567, as the reference implementation in C prints them.
    states = torch.tensor([1234567]) + torch.arange(1, 6) * _signed(0x9E3779B97F4A7C15)
    expected = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    assert [value % 2**64 for value in _mix(states).tolist()] == expected


def test_a_name_has_the_same_key_in_every_process() -> None:
    code = "from sr_experiments.imaging.random import name_key; print(name_key('sigma'))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert int(printed) == name_key("sigma")
    assert 0 <= name_position("baby") < 2**63


def test_values_stay_what_they_are() -> None:
    # A change here changes every run that anybody has made.
    draw = Draw(7, torch.tensor([0, 1, 10**12]))
    assert draw.bits("x").tolist() == EXPECTED_BITS
    assert draw.uniform("x").tolist() == [(bits % 2**64 >> 40) / 2**24 for bits in EXPECTED_BITS]


def test_a_sample_does_not_depend_on_its_batch() -> None:
    whole = Draw(3, torch.arange(16))
    for position in (0, 7, 15):
        alone = Draw(3, torch.tensor([position]))
        assert torch.equal(alone.normal("a", (2, 3)), whole.normal("a", (2, 3))[position : position + 1])
        assert torch.equal(alone.uniform("b"), whole.uniform("b")[position : position + 1])
        assert torch.equal(alone.integers("c", 0, 9), whole.integers("c", 0, 9)[position : position + 1])


def test_a_longer_field_begins_with_the_shorter_one() -> None:
    draw = Draw(0, torch.arange(4))
    assert torch.equal(draw.bits("x", (10,))[:, :4], draw.bits("x", (4,)))


@pytest.mark.parametrize("high", [1.0, 4.0])
def test_uniform_is_uniform(high: float) -> None:
    values = Draw(0, MANY).uniform("u", low=0.2, high=high)
    assert values.dtype == torch.float32
    assert values.min() >= 0.2
    assert values.max() <= high
    assert stats.kstest(values.numpy(), "uniform", (0.2, high - 0.2)).pvalue > 0.01


def test_uniform_over_the_elements_of_one_sample() -> None:
    values = Draw(0, torch.tensor([5])).uniform("u", (20000,))[0]
    assert stats.kstest(values.numpy(), "uniform").pvalue > 0.01
    assert values.max() < 1.0


@pytest.mark.parametrize("positions", [MANY, torch.tensor([5])], ids=["samples", "elements"])
def test_normal_is_normal(positions: Tensor) -> None:
    values = (
        Draw(0, positions).normal("n", (1,) if len(positions) > 1 else (20000,)).flatten().double().numpy()
    )
    assert stats.kstest(values, "norm").pvalue > 0.01
    assert abs(stats.skew(values)) < 0.05
    assert abs(stats.kurtosis(values)) < 0.1


def test_normal_tails() -> None:
    values = Draw(1, torch.arange(100)).normal("n", (20000,)).abs()
    for limit in (2.0, 3.0, 4.0):
        expected = 2 * special.ndtr(-limit) * values.numel()
        assert abs(int((values > limit).sum()) - expected) < 5 * expected**0.5
    assert values.max() < 5.5


def test_normal_is_the_quantile_of_its_bits() -> None:
    draw = Draw(2, torch.arange(50000))
    bits = draw.bits("n")
    tail = (((bits >> 41) & (2**23 - 1)).double() + 0.5) / 2**24
    expected = -torch.special.ndtri(tail) * torch.where(bits & 1 == 0, 1.0, -1.0)
    assert torch.allclose(draw.normal("n").double(), expected, rtol=1e-6, atol=2e-6)


def test_integers_are_even_and_within_each_samples_own_limit() -> None:
    draw = Draw(0, MANY)
    counts = draw.integers("i", 3, 10).bincount()
    assert counts[:3].sum() == 0
    assert stats.chisquare(counts[3:].numpy()).pvalue > 0.01
    limits = MANY % 7 + 1
    values = draw.integers("j", 0, limits)
    assert bool((values < limits).all())
    assert stats.chisquare(values[limits == 7].bincount(minlength=7).numpy()).pvalue > 0.01
    assert draw.integers("k", 0, limits, (2,)).shape == (len(MANY), 2)
    assert draw.integers("l", 0, 2**31 - 1).max() > 2**30


def test_choice_follows_its_weights() -> None:
    weights = [0.5, 0.0, 1.5, 2.0, 0.0]
    counts = Draw(0, MANY).choice("c", weights).bincount(minlength=5)
    assert counts[1] == counts[4] == 0
    expected = torch.tensor([1, 3, 4]) / 8 * len(MANY)
    assert stats.chisquare(counts[[0, 2, 3]].numpy(), expected.numpy()).pvalue > 0.01
    assert set(Draw(0, MANY[:100]).choice("c", [1.0]).tolist()) == {0}


def test_names_seeds_positions_and_children_are_independent() -> None:
    draw = Draw(0, MANY)
    one = draw.uniform("a")
    others = {
        "name": draw.uniform("b"),
        "seed": Draw(1, MANY).uniform("a"),
        "position": Draw(0, MANY + 1).uniform("a"),
        "distant position": Draw(0, MANY + 2**40).uniform("a"),
        "child": draw.child("a").uniform("a"),
        "other child": draw.child("b").uniform("a"),
        "second element": draw.uniform("a", (2,))[:, 1],
    }
    values = [one, *others.values()]
    for i, x in enumerate(values):
        for y in values[i + 1 :]:
            assert not bool((x == y).all())
            assert abs(correlation(x, y)) < 0.03


def test_neighbouring_seeds_share_no_sample() -> None:
    seen = torch.cat([Draw(seed, torch.arange(1000)).bits("a") for seed in range(-3, 20)])
    assert len(set(seen.tolist())) == len(seen)


def test_huge_seeds_are_seeds() -> None:
    assert not torch.equal(Draw(2**63 + 1, MANY).bits("a"), Draw(1, MANY).bits("a"))
    assert torch.equal(Draw(2**64 + 1, MANY).bits("a"), Draw(1, MANY).bits("a"))


@pytest.mark.parametrize("shape", [(), (3,), (2, 5), (0,)])
def test_numpy_and_torch_give_the_same_bits(shape: tuple[int, ...]) -> None:
    """On the CPU numpy computes them, elsewhere torch: a run must not depend on its device for that."""
    positions = torch.tensor([0, 1, -1, 2**62, -(2**63), 2**63 - 1, 12345])
    key = 2**64 - 3
    each = math.prod(shape)
    assert torch.equal(_words_here(positions, key, each), _words(positions, key, each))
    here = Draw(-5, positions).bits("x", shape)
    assert here.shape == (7, *shape)
    assert here.dtype == torch.int64
