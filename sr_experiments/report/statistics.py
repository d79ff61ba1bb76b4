"""Intervals over seeds, and whether two configurations can be told apart.

docs/decisions/0017-statistics-of-a-report.md says why it is done so, and where it is from.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

LEVEL = 0.95
DRAWS = 10_000
FEWEST_IMAGES = 6  # with 5, all of one sign, Wilcoxon's smallest p is 2 / 2**5 = 0.0625
Verdict = Literal["better", "worse", "not distinguishable"]


def t_interval(values: np.ndarray) -> tuple[float, float] | None:
    """95 % interval of the mean of what different seeds reached, by Student's t.

    Args:
        values: (seeds,).

    Returns:
        Its ends; None with fewer than two seeds, which say nothing about their spread, or where one is not
        finite.
    """
    if len(values) < 2 or not np.isfinite(values).all():
        return None
    mean, error = float(values.mean()), float(values.std(ddof=1)) / np.sqrt(len(values))
    reach = float(stats.t.ppf((1 + LEVEL) / 2, len(values) - 1)) * error
    return mean - reach, mean + reach


@dataclass(frozen=True)
class Comparison:
    """A against B; positive means that A is better, whichever way the metric goes.

    Attributes:
        gain: Mean over images of the mean over seeds, A less B.
        low: Lower end of the 95 % interval, over images and, where both have several, over seeds.
        high: Upper end.
        p: Two-sided, Wilcoxon's signed-rank test over images.
        verdict: On A.
        images: How many.
        reason: Why there is no verdict although the numbers may look like one; empty otherwise.
    """

    gain: float
    low: float
    high: float
    p: float
    verdict: Verdict
    images: int
    reason: str

    def swapped(self) -> "Comparison":
        """B against A."""
        turned: dict[Verdict, Verdict] = {"better": "worse", "worse": "better"}
        verdict = turned.get(self.verdict, self.verdict)
        return Comparison(-self.gain, -self.high, -self.low, self.p, verdict, self.images, self.reason)


class Arena:
    """Compares what was measured on the same images.

    The images are drawn again for all configurations together, which pairs them; the seeds' error for each by
    itself. So a board needs one pass per configuration, and a pair only a difference.

    Args:
        images: How many.
        draws: Of the bootstrap.
    """

    def __init__(self, images: int, *, draws: int = DRAWS) -> None:
        """Draw how often each image counts: (draws, images)."""
        self._random = np.random.default_rng(0)
        counts = self._random.multinomial(images, np.full(images, 1 / images), size=draws)
        self._weights = counts / images
        self.images = images

    def enter(self, values: np.ndarray, *, drawn: bool = True) -> "Contestant":
        """Prepare a configuration.

        Args:
            values: (seeds, images), higher is better.
            drawn: Whether a seed changes anything; interpolation has no spread over seeds.
        """
        assert values.ndim == 2
        assert values.shape[1] == self.images
        seeds = len(values)
        by_image = values.mean(axis=0)
        if not np.isfinite(values).all():
            return Contestant(by_image, by_image[:0], known=False, finite=False)
        draws = self._weights @ by_image
        if drawn and seeds > 1:
            # Two or three seeds drawn again are too few to show their spread: the error of their mean is
            # taken from Student's t instead.
            error = values.mean(axis=1).std(ddof=1) / np.sqrt(seeds)
            draws = draws + error * self._random.standard_t(seeds - 1, size=len(draws))
        return Contestant(by_image, draws, known=not drawn or seeds > 1, finite=True)

    def compare(self, a: "Contestant", b: "Contestant") -> Comparison | None:
        """A against B; None if a value is not finite."""
        if not (a.finite and b.finite):
            return None
        difference = a.by_image - b.by_image
        low, high = np.quantile(a.draws - b.draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        p = signed_rank(difference)
        gain, reason = float(difference.mean()), ""
        if not (a.known and b.known):
            reason = (
                "one seed says nothing about the spread over seeds, so this is about two trained nets only"
            )
        elif self.images < FEWEST_IMAGES:
            reason = f"{self.images} images are too few: p could not be below {2 / 2**self.images:.4g}"
        elif p < 1 - LEVEL and rank_sum(difference) * gain < 0:
            reason = "the mean and the ranks point in opposite directions"
        clear = not reason and p < 1 - LEVEL and (low > 0 or high < 0)
        verdict: Verdict = "not distinguishable" if not clear else "better" if gain > 0 else "worse"
        return Comparison(gain, float(low), float(high), p, verdict, self.images, reason)


@dataclass(frozen=True)
class Contestant:
    """A configuration on one board and metric.

    Attributes:
        by_image: (images,) mean over seeds.
        draws: (draws,) of its mean, the images drawn alike for all.
        known: Whether the spread over seeds is.
        finite: Whether all values are.
    """

    by_image: np.ndarray
    draws: np.ndarray
    known: bool
    finite: bool


def signed_rank(differences: np.ndarray) -> float:
    """Two-sided p of Wilcoxon's signed-rank test; 1 where nothing differs."""
    if not np.any(differences):
        return 1.0
    return float(stats.wilcoxon(differences).pvalue)


def rank_sum(differences: np.ndarray) -> float:
    """Ranks of the sizes, with their signs, added: positive where most and the larger differences are."""
    return float((stats.rankdata(np.abs(differences)) * np.sign(differences)).sum())
