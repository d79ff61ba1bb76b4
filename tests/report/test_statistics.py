"""Held against scipy and against what is known of made-up tables, not against what we returned before."""

from typing import Any

import numpy as np
import pytest
from scipy import integrate, optimize, stats

from sr_experiments.report.statistics import Arena, Comparison, rank_sum, signed_rank, t_interval
from sr_experiments.report.words import chance, count, number, sentence


def compared(a: np.ndarray, b: np.ndarray, *, drawn: bool = True, draws: int = 10_000) -> Comparison:
    arena = Arena(a.shape[1], draws=draws)
    found = arena.compare(arena.enter(a, drawn=drawn), arena.enter(b, drawn=drawn))
    assert found is not None
    return found


def test_the_interval_over_seeds_is_students() -> None:
    interval = t_interval(np.array([1.0, 2.0, 3.0]))
    assert interval == pytest.approx((2 - 4.302653 / 3**0.5, 2 + 4.302653 / 3**0.5), abs=1e-6)  # from a table
    values = np.random.default_rng(0).normal(30, 0.1, 7)
    expected = stats.t.interval(0.95, 6, loc=values.mean(), scale=stats.sem(values))
    assert t_interval(values) == pytest.approx(expected, abs=1e-12)
    assert t_interval(np.array([31.0])) is None, "one seed has no spread"
    assert t_interval(np.array([31.0, np.inf])) is None


def test_the_test_over_images_is_wilcoxons() -> None:
    differences = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    assert signed_rank(differences) == pytest.approx(2 / 2**6)  # all six of one sign, exactly
    several = np.random.default_rng(1).normal(0.3, 1, 40)
    assert signed_rank(several) == pytest.approx(float(stats.wilcoxon(several).pvalue))
    assert signed_rank(np.zeros(9)) == 1.0
    assert rank_sum(np.array([3.0, -1.0, -2.0])) == 0.0
    assert rank_sum(np.array([5.0, -1.0, -2.0, 0.5])) == 4 - 2 - 3 + 1


def test_over_images_alone_the_interval_is_scipys_paired_bootstrap() -> None:
    random = np.random.default_rng(2)
    level = random.normal(30, 4, 60)
    a, b = level + random.gamma(2, 0.1, 60), level
    found = compared(a[None], b[None], drawn=False)
    expected = stats.bootstrap(
        (a - b,), np.mean, n_resamples=50_000, method="percentile", rng=np.random.default_rng(3)
    ).confidence_interval
    width = expected.high - expected.low
    assert found.low == pytest.approx(expected.low, abs=0.03 * width)
    assert found.high == pytest.approx(expected.high, abs=0.03 * width)
    assert found.gain == pytest.approx((a - b).mean())
    assert found.verdict == "better"


def test_over_seeds_alone_the_interval_is_students() -> None:
    """Where all images are alike nothing is left but the seeds: against something without seeds it is t's."""
    reached = np.array([30.0, 30.3, 30.1])
    arena = Arena(8)
    a = arena.enter(np.tile(reached[:, None], (1, 8)))
    b = arena.enter(np.full((1, 8), 30.0), drawn=False)
    found = arena.compare(a, b)
    interval = t_interval(reached - 30.0)
    assert found is not None
    assert interval is not None
    width = interval[1] - interval[0]
    assert (found.low, found.high) == pytest.approx(interval, abs=0.04 * width)
    assert found.verdict == "not distinguishable", "0.13 dB over three seeds that span 0.3"


def test_seeds_on_both_sides_give_behrens_and_fishers_interval() -> None:
    """The difference of two of Student's t with two degrees of freedom each, integrated."""
    a = np.tile(np.array([[0.0], [1.0], [2.0]]), (1, 9))
    found = compared(a, a, draws=200_000)

    def below(end: float) -> float:
        return integrate.quad(lambda x: stats.t.pdf(x, 2) * stats.t.cdf(end - x, 2), -np.inf, np.inf)[0]

    quantile = optimize.brentq(lambda end: below(end) - 0.975, 1, 20) / 3**0.5
    assert found.high == pytest.approx(quantile, rel=0.03)
    assert found.low == pytest.approx(-quantile, rel=0.03)


def test_a_difference_that_all_images_and_seeds_show_is_told_both_ways() -> None:
    random = np.random.default_rng(4)
    level = random.normal(30, 3, 20)
    a, b = (level + gain + random.normal(0, 0.02, (3, 20)) for gain in (0.5, 0.0))
    found = compared(a, b)
    assert (found.verdict, found.swapped().verdict) == ("better", "worse")
    assert found.low < 0.5 < found.high
    told = sentence("edsr", "espcn", found, metric="psnr_y")
    assert told.startswith("edsr is better than espcn in psnr_y by 0.495 dB (")
    assert told.endswith("p < 0.0001).")
    back = sentence("espcn", "edsr", found.swapped(), metric="psnr_y")
    assert back.startswith("espcn is worse than edsr in psnr_y by 0.495 dB (")
    assert back.partition("(")[2] == told.partition("(")[2], "the amount, its interval and p are the same"


def test_two_seeds_of_one_configuration_are_not_distinguishable_however_clear_the_images() -> None:
    level = np.random.default_rng(5).normal(30, 3, 100)
    found = compared(level[None] + 0.2, level[None])  # every image says the same, p is tiny
    assert found.p < 1e-10
    assert found.verdict == "not distinguishable"
    told = sentence("seed 1", "seed 2", found, metric="psnr_y")
    assert told == (
        "seed 1 and seed 2 are not distinguishable in psnr_y: one seed says nothing about the spread over "
        "seeds, so this is about two trained nets only. The first is ahead by 0.200 dB "
        "(95 % interval 0.200 to 0.200, p < 0.0001)."
    )


def test_a_net_without_parameters_needs_no_seeds() -> None:
    level = np.random.default_rng(6).normal(30, 3, 20)
    noise = np.random.default_rng(8).normal(0, 0.01, (2, 20))
    arena = Arena(20)
    trained, interpolation = arena.enter(level + 2 + noise), arena.enter(level[None], drawn=False)
    found = arena.compare(trained, interpolation)
    assert found is not None
    assert found.verdict == "better"
    one_seed = arena.compare(arena.enter(level[None] + 2), interpolation)
    assert one_seed is not None
    assert one_seed.verdict == "not distinguishable"


def test_few_images_and_contradictions_give_no_verdict() -> None:
    random = np.random.default_rng(9)
    five = random.normal(30, 3, 5)
    found = compared(five + 1 + random.normal(0, 0.001, (3, 5)), five + random.normal(0, 0.001, (3, 5)))
    assert found.reason == "5 images are too few: p could not be below 0.0625"
    assert found.verdict == "not distinguishable"
    arena = Arena(6)
    assert arena.compare(arena.enter(np.full((2, 6), np.inf)), arena.enter(np.ones((2, 6)))) is None
    assert "is not finite" in sentence("a", "b", None, metric="psnr_y")


def test_equal_configurations_are_rarely_told_apart_and_the_interval_holds() -> None:
    """200 pairs that do not differ, three seeds each: 95 % of the intervals hold 0, verdicts stay rare."""
    random = np.random.default_rng(10)
    held = verdicts = 0
    for _ in range(200):
        a, b = (
            random.normal(0, 0.05, (3, 1)) + random.normal(0, 0.1, (1, 14)) + random.normal(0, 0.05, (3, 14))
            for _ in range(2)
        )
        found = compared(a, b, draws=1000)
        held += found.low <= 0 <= found.high
        verdicts += found.verdict != "not distinguishable"
    assert held >= 186, "binomial: 95 % of 200 is 190, and below 186 in one of ten thousand at 97.5 %"
    assert verdicts <= 14


@pytest.mark.parametrize(
    ("value", "metric", "options", "text"),
    [
        (30.2049, "psnr_y", {}, "30.20"),
        (0.81128, "ssim_y", {}, "0.8113"),
        (-0.001, "psnr_y", {"signed": True}, "0.00"),
        (-0.5, "psnr_y", {"signed": True}, "-0.50"),
        (0.5, "psnr_y", {"signed": True, "more": 1}, "+0.500"),
        (None, "psnr_y", {}, "-"),
        (float("nan"), "psnr_y", {}, "-"),
        (float("inf"), "psnr_y", {}, "inf"),
    ],
)
def test_numbers_are_written_as_in_tables(
    value: float | None, metric: str, options: dict[str, Any], text: str
) -> None:
    assert number(value, metric, **options) == text


def test_large_and_small_numbers_in_words() -> None:
    assert [count(n) for n in (None, 0, 57_281, 999_999, 1_517_571, 114.2e9)] == [
        "-",
        "0",
        "57.3 k",
        "1 M",
        "1.52 M",
        "114 G",
    ]
    assert [chance(p) for p in (0.0312, 0.5, 1e-9)] == ["p = 0.031", "p = 0.5", "p < 0.0001"]
