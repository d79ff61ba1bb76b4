"""Pictures of the final test: bicubic, result and truth side by side."""

import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch.distributed as dist
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.loggers import TensorBoardLogger
from torch import Tensor

from sr_experiments.callbacks.crops import FOLDER, write_crops
from sr_experiments.callbacks.panel import Shot, compare, most_different, selected
from sr_experiments.callbacks.wandb_run import WandbRun
from sr_experiments.imaging.io import read_image, write_png
from sr_experiments.imaging.span import placed
from sr_experiments.models.base import Restored

_log = logging.getLogger(__name__)


class Images(Callback):
    """Write ``<folder>/<data set>-<image>.png`` for the first images of every test set.

    Beside them, in ``crops/``, the same square of result, bicubic and truth as plain files (`crops.py`).

    Args:
        folder: The run's ``images/``.
        net_name: What the result is called in the picture.
        note: Words under the whole image, such as the scale, or that this is a demo.
        count: Images per test set.
        side: Side of the square that is enlarged, in pixels; smaller where the image is.
        zoom: Its enlargement.
        bands: Which bands are shown as grey or as red, green, blue, counted from 1; None: the first three.
        window: [center, width] of what is shown from black to white, in the unit of `range`; None: all.
        range: [low, high] that 0 and 1 stand for.

    Raises:
        ValueError: If the window lies outside the range.
    """

    def __init__(
        self,
        folder: Path,
        *,
        net_name: str,
        note: str = "",
        count: int = 8,
        side: int = 96,
        zoom: int = 4,
        bands: Sequence[int] | None = None,
        window: Sequence[float] | None = None,
        range: Sequence[float] | None = None,
    ) -> None:
        """Remember what to draw."""
        self.folder = folder
        self.net_name = net_name
        self.note = note
        self.count = count
        self.side = side
        self.zoom = zoom
        self.bands = bands
        self.window = None if window is None else placed(window, range, option="callbacks.images.window")
        self.written: list[Path] = []
        self._drawn: list[tuple[int, int, Path]] = []

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """All devices write into the first one's folder."""
        self.folder = trainer.strategy.broadcast(self.folder.absolute())

    def on_test_batch_end(  # type: ignore[override]  # Lightning says that outputs may be anything
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Restored,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Draw one image, if it is among the first: on the device that has restored it."""
        index = int(batch["index"])
        if index >= self.count:
            return
        images = {
            key: selected(image[0].float().clamp(0, 1).cpu(), bands=self.bands, window=self.window)
            for key, image in (("sr", outputs["sr"]), ("bicubic", outputs["bicubic"]), ("gt", outputs["gt"]))
        }
        picture = self._draw(outputs, images)
        name = re.sub(r"[^\w.-]+", "_", f"{outputs['dataset']}-{outputs['name']}")
        path = self.folder / f"{name}.png"
        write_png(path, picture)
        write_crops(self.folder / FOLDER, name, images)
        self._drawn.append((dataloader_idx, index, path))

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the pictures of all devices in order, and show them."""
        drawn = [self._drawn]
        if dist.is_available() and dist.is_initialized():
            drawn = [[]] * dist.get_world_size()
            dist.all_gather_object(drawn, self._drawn)  # files are there when the others hear of them
        new = [path for *_, path in sorted({one for some in drawn for one in some})]
        new = [path for path in new if path.is_file()]  # unless it is a folder of another machine
        if trainer.is_global_zero:
            for path in new:
                _send(trainer, path.stem, read_image(path))
        self.written += new
        self._drawn = []

    def _draw(self, outputs: Restored, images: Mapping[str, Tensor]) -> np.ndarray:
        sr, gt, bicubic = images["sr"], images["gt"], images["bicubic"]
        side = min(self.side, *gt.shape[-2:])
        shots = [Shot(sr, self.net_name, _psnr(outputs["metrics"])), Shot(gt, "ground truth", "")]
        if self.net_name == "bicubic":  # beside itself there would be nothing to see
            window = most_different(sr, gt, side=side)
        else:
            window = most_different(sr, bicubic, side=side)
            shots.insert(0, Shot(bicubic, "bicubic", _psnr(outputs["bicubic_metrics"])))
        whole = Shot(gt, outputs["name"], self.note)
        return compare(whole, shots, window=window, side=side, zoom=self.zoom * self.side // side)


def _psnr(metrics: dict[str, Any]) -> str:
    name = next(key for key in metrics if key.startswith("psnr"))
    return f"{name} {float(metrics[name]):.2f} dB, whole image"


def _send(trainer: Trainer, name: str, picture: np.ndarray) -> None:
    """Show the picture on the dashboards that can."""
    for logger in trainer.loggers:
        if isinstance(logger, WandbRun):
            logger.shown.append((name, picture))
        elif isinstance(logger, TensorBoardLogger):
            logger.experiment.add_image(f"test/{name}", picture, trainer.global_step, dataformats="HWC")
