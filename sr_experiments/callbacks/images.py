"""Pictures of the final test: bicubic, result and truth side by side."""

import logging
import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch.distributed as dist
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.loggers import TensorBoardLogger
from torch import Tensor

from sr_experiments.callbacks.behind import Behind
from sr_experiments.callbacks.crops import FOLDER, write_crops
from sr_experiments.callbacks.panel import Shot, compare, most_detailed, selected
from sr_experiments.callbacks.wandb_run import WandbRun
from sr_experiments.imaging.io import read_image, write_png
from sr_experiments.imaging.span import placed
from sr_experiments.models.base import Restored

_log = logging.getLogger(__name__)


class _Words(NamedTuple):
    """The image's name, and what stands under its restorations."""

    image: str
    sr: str
    bicubic: str


class Images(Callback):
    """Write ``<folder>/<data set>-<image>.png`` for the first images of every test set.

    Beside them, in ``crops/``, the same square of result, bicubic and truth as plain files (`crops.py`).
    They are drawn and written while the next images are restored; when the test is over all are there.

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
        self._behind = Behind()

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
        """Have one image drawn, if it is among the first: by the process that has restored it."""
        index = outputs["index"]
        if index < self.count:
            images = {
                "sr": outputs["sr"][0].float().cpu(),
                "bicubic": outputs["bicubic"][0].float().cpu(),
                "gt": outputs["gt"][0].float().cpu(),
            }
            name = re.sub(r"[^\w.-]+", "_", f"{outputs['dataset']}-{outputs['name']}")
            words = _Words(outputs["name"], _psnr(outputs["metrics"]), _psnr(outputs["bicubic_metrics"]))
            self._behind.do(partial(self._write, name, words, images))
            self._drawn.append((dataloader_idx, index, self.folder / f"{name}.png"))
        if batch_idx + 1 == trainer.num_test_batches[dataloader_idx]:
            self._behind.finish()  # the next data set's loader may fork

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the pictures of all devices in order, and show them."""
        self._behind.finish()
        drawn = [self._drawn]
        if dist.is_available() and dist.is_initialized():
            drawn = [[]] * dist.get_world_size()
            dist.all_gather_object(drawn, self._drawn)  # files are there when the others hear of them
        new = [path for *_, path in sorted({one for some in drawn for one in some})]
        new = [path for path in new if path.is_file()]  # unless it is a folder of another machine
        if trainer.is_global_zero:
            _show(trainer, new)
        self.written += new
        self._drawn = []

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """What is being written is written to its end; no other begins."""
        self._behind.give_up()

    def _write(self, name: str, words: _Words, images: Mapping[str, Tensor]) -> None:
        """Draw and write the files of one image: tensors (C, H, W) as a net leaves them."""
        chosen = {
            key: selected(image.clamp(0, 1), bands=self.bands, window=self.window)
            for key, image in images.items()
        }
        write_png(self.folder / f"{name}.png", self._draw(words, chosen))
        write_crops(self.folder / FOLDER, name, chosen)

    def _draw(self, words: _Words, images: Mapping[str, Tensor]) -> np.ndarray:
        sr, gt, bicubic = images["sr"], images["gt"], images["bicubic"]
        side = min(self.side, *gt.shape[-2:])
        shots = [Shot(sr, self.net_name, words.sr), Shot(gt, "ground truth", "")]
        if self.net_name != "bicubic":  # beside itself there would be nothing to see
            shots.insert(0, Shot(bicubic, "bicubic", words.bicubic))
        window = most_detailed(bicubic, side=side)  # of the data alone: the same for every net
        whole = Shot(gt, words.image, self.note)
        return compare(whole, shots, window=window, side=side, zoom=self.zoom * self.side // side)


def _psnr(metrics: dict[str, Any]) -> str:
    name = next(key for key in metrics if key.startswith("psnr"))
    return f"{name} {float(metrics[name]):.2f} dB, whole image"


def _show(trainer: Trainer, paths: Sequence[Path]) -> None:
    """Show the pictures on the dashboards that can; they are read for these only."""
    able = [logger for logger in trainer.loggers if isinstance(logger, WandbRun | TensorBoardLogger)]
    for name, picture in ((path.stem, read_image(path)) for path in paths if able):
        for logger in able:
            if isinstance(logger, WandbRun):
                logger.shown.append((name, picture))
            else:
                logger.experiment.add_image(f"test/{name}", picture, trainer.global_step, dataformats="HWC")
