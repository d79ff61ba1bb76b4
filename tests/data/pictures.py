"""Image files and small data modules for the tests."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sr_experiments.data.augment import Augmentation
from sr_experiments.data.datamodule import SRData
from sr_experiments.data.demo import Demo
from sr_experiments.degradations.base import Degradation
from sr_experiments.degradations.bicubic import Bicubic
from sr_experiments.degradations.blur import Blur
from sr_experiments.degradations.noise import GaussianNoise
from sr_experiments.degradations.pipeline import Pipeline
from sr_experiments.degradations.resample import Resample
from sr_experiments.imaging.io import write_png

STILL = Augmentation(flip=False, rotate=False)
TRAIN = ("astronaut", "coffee", "rocket")


def pixels(height: int, width: int, *, channels: int = 3, seed: int = 0, deep: bool = False) -> np.ndarray:
    """Noise: no two crops of it are alike."""
    high = 65536 if deep else 256
    shape = (height, width, channels)
    return np.random.default_rng(seed).integers(0, high, shape).astype(np.uint16 if deep else np.uint8)


def write(path: Path, height: int = 64, width: int = 80, *, seed: int | None = None, **options: Any) -> Path:
    """A PNG of noise, another one for every name."""
    write_png(path, pixels(height, width, seed=sum(path.name.encode()) if seed is None else seed, **options))
    return path


def folder(root: Path, names: Sequence[str], height: int = 64, width: int = 80) -> Path:
    """A folder of PNG files of noise."""
    for name in names:
        write(root / f"{name}.png", height, width)
    return root


def cut_short(path: Path, keep: float = 0.5) -> Path:
    """Leave the beginning of a file only."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    return path


def save(path: Path, image: np.ndarray, **options: Any) -> Path:
    """By Pillow, in the format of the suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image).save(path, **options)
    return path


def blind(scale: int) -> Degradation:
    """A random chain."""
    return Pipeline(
        steps={
            "blur": Blur(kernel_size=(7, 7), kinds={"isotropic": 1}, sigma=(0.2, 2.0)),
            "downscale": Resample(scale=scale),
            "noise": GaussianNoise(sigma=(0, 15)),
        }
    )


def module(**options: Any) -> SRData:
    """A data module of demo photographs, small crops, no workers; any argument can be given instead."""
    scale = options.setdefault("scale", 4)
    ways = {"train", "root", "gt", "lq", "val_root", "val_gt", "val_lq"}
    if not ways & options.keys():
        options |= {"train": Demo(names=TRAIN), "val": Demo(names=["chelsea"])}
    defaults = {
        "name": "test",
        "degradation": Bicubic(scale=scale),
        "patch_size": 8 * scale,
        "batch_size": 4,
        "steps_per_epoch": 6,
        "workers": 0,
        "cache": "memory",
    }
    return SRData(**{**defaults, **options})
