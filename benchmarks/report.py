"""How long `task=report` takes, over made-up runs in the format of real ones.

python benchmarks/report.py --runs 500 --images 100; results stand in docs/results.md.
"""

import argparse
import cProfile
import pstats
import tempfile
import time
from pathlib import Path

import numpy as np
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from sr_experiments.config import register
from sr_experiments.paths import conf_dir
from sr_experiments.tasks.report import report
from tests.report.made import make_run


def main() -> None:
    """Make runs, five seeds of each configuration, and report on them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--profile", action="store_true", help="say where the time goes")
    asked = parser.parse_args()
    register()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        real = yaml.safe_load(OmegaConf.to_yaml(compose("config", overrides=["name=espcn"]), resolve=True))
        config = compose("config", overrides=["name=report", "task=report"])
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(asked.runs):
            rate, seed = (number // 5 + 1) * 1e-5, number % 5
            whole = real | {"seed": seed, "optimizer": real["optimizer"] | {"lr": rate}}
            values = list(random.normal(30 + rate, 2, asked.images))
            make_run(Path(folder) / "runs" / str(number), values, seed=seed, config=whole)
        profile = cProfile.Profile()
        start = time.perf_counter()
        if asked.profile:
            profile.enable()
        report(config, Path(folder) / "out", runs=[str(Path(folder) / "runs")])
        profile.disable()
        seconds = time.perf_counter() - start
        size = (Path(folder) / "out" / "report.html").stat().st_size / 1e6
    print(f"{asked.runs} runs of {asked.images} images: {seconds:.1f} s, page of {size:.1f} MB")
    if asked.profile:
        pstats.Stats(profile).sort_stats("cumulative").print_stats(25)


if __name__ == "__main__":
    main()
