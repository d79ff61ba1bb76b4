"""What `growth.py` times, each in a process of its own: it prints seconds and the most memory it had.

python benchmarks/growing.py '{"what": "start", "folder": "PHOTOS", "cache": "CACHE"}'
"""

import contextlib
import io
import json
import logging
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sr_experiments.profiling.memory import most_memory

SIDE = 32
SCALE = 4
Phases = dict[str, float]


def write_images(folder: Path, *, count: int, side: int = SIDE) -> None:
    """So many small PNG files, in a moment: of eight pictures, each again and again."""
    import numpy as np

    from sr_experiments.imaging.io import write_png

    folder.mkdir(parents=True)
    contents = []
    for number in range(min(8, count)):
        path = folder / f"{number:06d}.png"
        coarse = np.random.default_rng(number).integers(256, size=(8, 8, 3), dtype=np.uint8)
        write_png(path, np.kron(coarse, np.ones((side // 8, side // 8, 1), np.uint8)))
        contents.append(path.read_bytes())
    for number in range(len(contents), count):
        (folder / f"{number:06d}.png").write_bytes(contents[number % len(contents)])


def link_some(source: Path, folder: Path, *, count: int) -> None:
    """A folder with the first files of another one, which take no further room."""
    folder.mkdir()
    for path in sorted(source.iterdir())[:count]:
        os.link(path, folder / path.name)


def start(folder: str, cache: str) -> Phases:
    """What `data=folder` does before the first step, and the first batch."""
    from sr_experiments.data.datamodule import SRData
    from sr_experiments.degradations.bicubic import Bicubic

    logging.disable(logging.INFO)
    data = SRData(
        root=folder,
        degradation=Bicubic(scale=SCALE),
        name="growth",
        scale=SCALE,
        patch_size=SIDE,
        batch_size=16,
        cache_dir=cache,
    )
    begun = time.perf_counter()
    data.check("fit")
    looked = time.perf_counter()
    data.setup("fit")
    opened = time.perf_counter()
    next(iter(data.train_dataloader()))
    done = time.perf_counter()
    return {
        "files listed, headers": looked - begun,
        "pixels": opened - looked,
        "first batch": done - opened,
        "all": done - begun,
    }


def report(runs: int, images: int, folder: str) -> Phases:
    """`task=report` over made-up runs, five seeds of each configuration."""
    import numpy as np
    import yaml
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    from sr_experiments.config import register
    from sr_experiments.paths import conf_dir

    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from tests.report.made import make_run

    register()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        real = yaml.safe_load(OmegaConf.to_yaml(compose("config", overrides=["name=espcn"]), resolve=True))
        config = compose("config", overrides=["name=report", "task=report"])
    random = np.random.default_rng(0)
    for number in range(runs):
        rate, seed = (number // 5 + 1) * 1e-5, number % 5
        whole = real | {"seed": seed, "optimizer": real["optimizer"] | {"lr": rate}}
        values = list(random.normal(30 + rate, 2, images))
        make_run(Path(folder) / "runs" / str(number), values, seed=seed, config=whole)
    from sr_experiments.tasks.report import report as reported

    begun = time.perf_counter()
    reported(config, Path(folder) / "out", runs=[str(Path(folder) / "runs")])
    return {"all": time.perf_counter() - begun}


def preview(jobs: int) -> Phases:
    """``-m --dry-run`` of a grid: so many runs, of them a hundredth configurations."""
    from sr_experiments import cli

    rates = ",".join(f"{number}e-7" for number in range(1, max(1, jobs // 100) + 1))
    seeds = ",".join(map(str, range(min(100, jobs))))
    sys.argv = ["sr_experiments", "-m", "--dry-run", f"optimizer.lr={rates}", f"seed={seeds}"]
    begun = time.perf_counter()
    cli.main()
    return {"all": time.perf_counter() - begun}


KINDS: dict[str, Callable[..., Phases]] = {"start": start, "report": report, "preview": preview}


def main() -> None:
    """Do one of them, and say how long it took and how much memory."""
    given: dict[str, Any] = json.loads(sys.argv[1])
    with contextlib.redirect_stdout(io.StringIO()):
        phases = KINDS[given.pop("what")](**given)
    print(json.dumps({"phases": phases, "bytes": most_memory()}))


if __name__ == "__main__":
    main()
