"""Toy runs: everything is real but the sizes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf, open_dict

from sr_experiments.check import check
from sr_experiments.config import register
from sr_experiments.imaging.io import write_png
from sr_experiments.tasks.train import train
from tests.conftest import ROOT
from tests.nets.toys import TOYS


def photographs(folder: Path, count: int = 4, side: int = 40) -> Path:
    """Smooth colour images with an edge each: something that a net can learn from."""
    y, x = np.mgrid[:side, :side] / side
    for index in range(count):
        waves = [np.sin(6 * (x * np.cos(a) + y * np.sin(a))) for a in (index, index + 1, index + 2)]
        image = np.stack(waves, axis=-1) * 60 + 120 + 60 * ((x + y * (index + 1) / count) > 0.8)[..., None]
        write_png(folder / f"{index}.png", image.clip(0, 255).astype(np.uint8))
    return folder


def toy_config(root: Path, *overrides: str, model: str = "espcn") -> DictConfig:
    """A checked config that trains `model`, made small, on images in `root` for a few steps on the CPU."""
    register()
    small = [
        "name=toy",
        f"model={model}",
        "data=folder",
        f"data.root='{root}'",
        "data.patch_size=16",
        "data.batch_size=2",
        "data.steps_per_epoch=2",
        "scale=2",
        "trainer=cpu",
        "trainer.max_epochs=1",
        "trainer.log_every_n_steps=1",
    ]
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = compose("config", overrides=[*small, *overrides])
    toy = TOYS.get(model, {})
    with open_dict(config):
        for key, value in toy.items():
            OmegaConf.update(config.net, f"options.{key}" if model.startswith("spandrel/") else key, value)
    check(config)
    return config


def run(root: Path, folder: Path, *overrides: str, model: str = "espcn") -> dict[str, Any]:
    """Train a toy into `folder`; what its run.json says."""
    folder.mkdir(parents=True, exist_ok=True)
    train(toy_config(root, *overrides, model=model), folder)
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert isinstance(record, dict)
    return record
