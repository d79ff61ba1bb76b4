"""How often the report's interval holds the truth, and how often it sees a difference where there is none.

python benchmarks/report_coverage.py; it takes about two minutes on one core. Results stand in
docs/decisions/0017-statistics-of-a-report.md.
"""

import argparse

import numpy as np

from sr_experiments.report.statistics import Arena

DRAWS = 2000
SEEDS_SPREAD, IMAGES_SPREAD, REST = 0.05, 0.10, 0.05  # dB: of a net's level, of a net on an image, of both


def made(random: np.random.Generator, *, seeds: int, images: int) -> np.ndarray:
    """A configuration whose true mean is 0: (seeds, images)."""
    level = random.normal(0, SEEDS_SPREAD, (seeds, 1))
    taste = random.normal(0, IMAGES_SPREAD, (1, images))
    return level + taste + random.normal(0, REST, (seeds, images))


def resampled(random: np.random.Generator, a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """The plain hierarchical bootstrap: seeds and images drawn again."""
    seeds, images = a.shape
    counts = random.multinomial(images, np.full(images, 1 / images), size=DRAWS) / images
    means = [
        ((random.multinomial(seeds, np.full(seeds, 1 / seeds), size=DRAWS) / seeds @ one) * counts).sum(
            axis=1
        )
        for one in (a, b)
    ]
    low, high = np.quantile(means[0] - means[1], [0.025, 0.975])
    return float(low), float(high)


def main() -> None:
    """Print a line per number of seeds and images."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=1000)
    repeats = parser.parse_args().repeats
    random = np.random.default_rng(1)
    print("seeds  images  covers: ours  resampled seeds  images alone   'better' or 'worse' though equal")
    for seeds in (2, 3, 5):
        for images in (14, 100):
            held, false = np.zeros(3), 0
            for _ in range(repeats):
                a, b = (made(random, seeds=seeds, images=images) for _ in range(2))
                arena = Arena(images, draws=DRAWS)
                found = arena.compare(arena.enter(a), arena.enter(b))
                alone = arena.compare(arena.enter(a, drawn=False), arena.enter(b, drawn=False))
                assert found is not None
                assert alone is not None
                plain = resampled(random, a, b)
                ends = [(found.low, found.high), plain, (alone.low, alone.high)]
                held += [low <= 0 <= high for low, high in ends]
                false += found.verdict != "not distinguishable"
            shares = "  ".join(f"{share:>13.1%}" for share in held / repeats)
            print(f"{seeds:>5}  {images:>6}  {shares}   {false / repeats:.1%}", flush=True)


if __name__ == "__main__":
    main()
