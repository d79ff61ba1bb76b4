"""Run folders in the format of real ones, made at once; test_real_runs.py has real ones."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from sr_experiments.imaging.io import write_png


def make_run(
    folder: Path,
    values: Sequence[float],
    *,
    model: str = "espcn",
    seed: int = 0,
    status: str = "finished",
    demo: bool = False,
    dataset: str = "set5",
    scale: int = 4,
    lr: float = 1e-4,
    parameters: int = 37_200,
    started: str = "2026-01-01T00:00:00+0000",
    bicubic: float = 25.0,
    config: Mapping[str, Any] | None = None,
    pictures: int = 0,
    record: Mapping[str, Any] | None = None,
) -> Path:
    """A finished run that reached `values` dB, one for each image."""
    images = [f"image{number:03d}" for number in range(len(values))]
    rows = [
        {
            "data set": dataset,
            "image": name,
            "psnr_y": value,
            "ssim_y": 0.5 + value / 100,
            "bicubic/psnr_y": bicubic + number,
            "bicubic/ssim_y": 0.5 + (bicubic + number) / 100,
        }
        for number, (name, value) in enumerate(zip(images, values, strict=True))
    ]
    folder.mkdir(parents=True)
    facts = {
        "status": status,
        "demo": demo,
        "model": model,
        "scale": scale,
        "seed": seed,
        "started": started,
        "git": {"commit": "0123456789abcdef", "dirty": False},
        "notes": ["demo run"] if demo else [],
        "parameters": parameters,
        "multiply_adds": parameters * 57_600,
        "samples_per_second": 100.0 + seed,
        "precision": "32-true",
        **(record or {}),
    }
    (folder / "run.json").write_text(json.dumps(facts), encoding="utf-8")
    whole = {
        "task": {"_target_": "sr_experiments.tasks.train.train"},
        "net": {"_target_": f"sr_experiments.nets.{model}.X", "scale": scale},
        "degradation": {"_target_": "sr_experiments.degradations.bicubic.Bicubic", "scale": scale},
        "optimizer": {"_target_": "torch.optim.Adam", "lr": lr},
        "data": {"name": dataset, "demo": demo, "seed": seed, "workers": seed},
        "name": model,
        "scale": scale,
        "channels": 3,
        "seed": seed,
        **(config or {}),
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(whole), encoding="utf-8")
    _write_csv(folder / "per_image.csv", rows)
    steps = [
        {"epoch": 0, "step": 10 * k, "train/loss": 1 / (k + 1) + seed / 100, "val/psnr_y": ""}
        for k in range(9)
    ]
    steps += [
        {"epoch": 0, "step": 10 * k + 5, "train/loss": "", "val/psnr_y": 20 + k + seed / 9} for k in range(9)
    ]
    _write_csv(folder / "metrics.csv", steps)
    _write_crops(folder / "images" / "crops", f"{dataset}-", images[:pictures], seed=seed, of=f"{model} {lr}")
    return folder


def _write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _write_crops(folder: Path, prefix: str, images: Sequence[str], *, seed: int, of: str) -> None:
    """Truth and bicubic are the images' alone; the result is the run's."""
    for number, name in enumerate(images):
        folder.mkdir(parents=True, exist_ok=True)
        random = np.random.default_rng(number)
        own = np.random.default_rng([number, seed, len(of), ord(of[0])])
        for what, source in (("gt", random), ("bicubic", random), ("sr", own)):
            picture = source.integers(256, size=(32, 32, 3), dtype=np.uint8)
            write_png(folder / f"{prefix}{name}.{what}.png", picture)


def twelve(root: Path, *, images: int = 14, pictures: int = 2) -> Path:
    """Twelve demo runs: four configurations of three seeds, two of them alike and two far better."""
    random = np.random.default_rng(7)
    level = random.normal(30, 3, images)
    for model, lr, gain in (
        ("espcn", 1e-4, 0.0),
        ("espcn", 2e-4, 0.0),
        ("edsr", 1e-4, 1.0),
        ("rcan", 1e-4, 1.2),
    ):
        for seed in (1, 2, 3):
            values = level + gain + random.normal(0, 0.02) + random.normal(0, 0.03, images)
            folder = root / f"{model}-{lr}-{seed}"
            size = {"espcn": 37_200, "edsr": 1_517_571, "rcan": 15_592_355}[model]
            make_run(
                folder,
                list(values),
                model=model,
                seed=seed,
                lr=lr,
                demo=True,
                dataset="demo",
                parameters=size,
                pictures=pictures,
            )
    return root
