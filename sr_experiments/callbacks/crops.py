"""The same square of every net, as plain files: what `task=report` lays over one another."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from torch import Tensor

from sr_experiments.callbacks.panel import most_detailed, shown
from sr_experiments.imaging.io import write_png

FOLDER = "crops"
SIDE = 160  # pixels; in images that are smaller, their shorter side


def write_crops(folder: Path, name: str, images: Mapping[str, Tensor]) -> None:
    """Write ``<name>.sr.png``, ``<name>.bicubic.png`` and ``<name>.gt.png``.

    The square is where bicubic interpolation left most detail. That depends on the data alone, so two nets
    that were tested on the same pair leave the same square, and equal files of the truth prove it.

    Args:
        folder: Made where it is missing.
        name: Of the data set and the image.
        images: `sr`, `bicubic` and `gt`, (C, H, W) each in [0, 1].
    """
    gt = images["gt"]
    side = min(SIDE, *gt.shape[-2:])
    top, left = most_detailed(images["bicubic"], side=side)
    folder.mkdir(parents=True, exist_ok=True)
    for what, image in images.items():
        crop = shown(image[..., top : top + side, left : left + side])
        write_png(folder / f"{name}.{what}.png", np.asarray(crop))
