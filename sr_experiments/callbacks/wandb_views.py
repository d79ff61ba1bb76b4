"""What a run shows at Weights & Biases beside curves: pictures, distributions, speed, the final tables."""

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor

from sr_experiments.callbacks.panel import BACKGROUND, Shot, compare, most_different
from sr_experiments.callbacks.speed import Speed
from sr_experiments.callbacks.wandb_run import WandbRun, X
from sr_experiments.imaging.resize import imresize
from sr_experiments.models.base import SRModel, count_parameters

_HEALTH = "health/"
_CONSTANT = ("health/weight", "health/skipped")  # they have no distribution
_SIDE, _ZOOM = 96, 2
_BINS = 32


class WandbViews(Callback):
    """Gives `WandbRun` its x axis, and rows of its own after each validation and after the test.

    Pictures are of the same images and the same crops in every epoch, and in every run on the same data: the
    crop is where bicubic differs most from the truth, whatever the net.

    Args:
        logger: Takes the rows.
        net_name: What the result is called in pictures and tables.
        note: Words under the whole image, such as the scale, or that this is a demo.
    """

    def __init__(self, logger: WandbRun, *, net_name: str, note: str = "") -> None:
        """Nothing is collected yet."""
        self.logger = logger
        self.net_name = net_name
        self.note = note
        self._validations = 0
        self._pictures: dict[str, np.ndarray] = {}
        self._windows: dict[int, tuple[int, int]] = {}
        self._health: dict[str, list[float]] = {}
        self._outputs: dict[str, list[float]] = {}
        self._speed = (0, 0.0)  # samples and seconds up to the last row
        self._began = 0.0
        self._restored: dict[str, Any] | None = None

    def state_dict(self) -> dict[str, Any]:
        """How many rows there are, and what the next one will be made of."""
        self.logger.settle()
        return {
            "rows": self.logger.rows,
            "validations": self._validations,
            "health": {key: list(values) for key, values in self._health.items()},
            "outputs": {key: list(values) for key, values in self._outputs.items()},
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep it until training goes on: Lightning hands it over for a test of the best weights as well."""
        self._restored = state_dict

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Say where the run stands whenever a row is logged."""
        model, data = cast(SRModel, pl_module), trainer.datamodule  # type: ignore[attr-defined]
        each = int(data.batch_size) * trainer.world_size
        self.logger.at = lambda: {X: model.batches * each, "batches": model.batches}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Go on from the checkpoint."""
        if self._restored is not None:
            self.logger.go_on_from(int(self._restored["rows"]))
            self._validations = int(self._restored["validations"])
            self._health, self._outputs = self._restored["health"], self._restored["outputs"]
            self._restored = None

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Collect ``health/*`` as often as Lightning logs, and what the discriminator said last."""
        if not self.logger.histograms or not cast(SRModel, pl_module).logs_now:
            return
        for key, value in trainer.callback_metrics.items():
            if key.startswith(_HEALTH) and key not in _CONSTANT:
                self._health.setdefault(key.removeprefix(_HEALTH), []).append(float(value))
        said: Mapping[str, Sequence[Tensor]] = getattr(getattr(pl_module, "adversary", None), "said", {})
        self._outputs = {
            key: torch.cat([part.flatten() for part in parts]).float().tolist() for key, parts in said.items()
        }

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._began = time.perf_counter()
        self._pictures = {}

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Draw one image, if it is among the first and this validation is one that is shown."""
        shown = self._validations % self.logger.pictures_every == 0 and batch_idx < self.logger.pictures
        if shown and trainer.is_global_zero and not trainer.sanity_checking:
            self._pictures[batch["name"][0]] = self._draw(outputs, batch)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """A row with everything that belongs to this validation."""
        if trainer.state.fn != TrainerFn.FITTING or trainer.sanity_checking:
            return
        self._validations += 1
        told = {
            "speed/validation_seconds": time.perf_counter() - self._began,
            **self._samples_per_second(trainer),
        }
        pictures, spreads = self._pictures, {**self._health, **self._outputs}
        self._pictures, self._health = {}, {}
        self.logger.log_row(
            lambda wandb: {
                "epoch": trainer.current_epoch,
                **told,
                **_of_pictures(wandb, "val", list(pictures.items())),
                **{
                    f"histograms/{name}": wandb.Histogram(np_histogram=np.histogram(finite, bins=_BINS))
                    for name, values in spreads.items()
                    if (finite := [value for value in values if math.isfinite(value)])
                },
            }
        )

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """A row with the tables of the final test."""
        model = cast(SRModel, pl_module)
        means = [
            [dataset, metric, metrics["bicubic"][metric], value, value - metrics["bicubic"][metric]]
            for dataset, metrics in model.results.items()
            for metric, value in metrics.items()
            if metric != "bicubic"
        ]
        columns = list(dict.fromkeys(key for row in model.image_rows for key in row))
        images = [[row.get(column) for column in columns] for row in model.image_rows]
        self.logger.log_row(
            lambda wandb: {
                "parameters": count_parameters(model.net),
                **_of_pictures(wandb, "test", self.logger.shown),
                **{f"gain/{dataset}/{metric}": gain for dataset, metric, _, _, gain in means},
            }
        )
        heads = ["data set", "metric", "bicubic", self.net_name, "gain"]
        # A row of their own: online wandb asks its server about tables, which may be away.
        self.logger.log_row(
            lambda wandb: {
                "results/table": wandb.Table(columns=heads, data=means),
                "results/per_image": wandb.Table(columns=columns, data=images),
            }
        )

    def _draw(self, outputs: Mapping[str, Any], batch: Mapping[str, Any]) -> np.ndarray:
        sr, gt = (image[0].float().clamp(0, 1).cpu() for image in (outputs["sr"], batch["gt"]))
        lq = batch["lq"].double().cpu()
        bicubic = imresize(lq, size=(gt.shape[-2], gt.shape[-1]))[0].float().clamp(0, 1)
        side, index = min(_SIDE, *gt.shape[-2:]), int(batch["index"])
        if index not in self._windows:
            self._windows[index] = most_different(gt, bicubic, side=side)
        metric, value = next((key, v) for key, v in outputs["metrics"].items() if key.startswith("psnr"))
        shots = [
            Shot(bicubic, "bicubic", ""),
            Shot(sr, self.net_name, f"{metric} {float(value):.2f} dB"),
            Shot(gt, "ground truth", ""),
        ]
        whole = Shot(gt, batch["name"][0], self.note)
        return compare(whole, shots, window=self._windows[index], side=side, zoom=_ZOOM * _SIDE // side)

    def _samples_per_second(self, trainer: Trainer) -> dict[str, float]:
        """Since the last row; nothing where no batch was timed."""
        callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]  # set without declaring it
        clock = next(callback for callback in callbacks if isinstance(callback, Speed))
        samples, seconds = clock.samples - self._speed[0], clock.seconds - self._speed[1]
        self._speed = (clock.samples, clock.seconds)
        return {"speed/samples_per_second": samples / seconds} if seconds > 0 else {}


def _of_pictures(wandb: Any, role: str, drawn: Sequence[tuple[str, np.ndarray]]) -> dict[str, Any]:
    """A list under one key, the same whatever the images are called; all are as large as the largest."""
    if not drawn:
        return {}
    height, width = (max(picture.shape[axis] for _, picture in drawn) for axis in (0, 1))
    shown = []
    for name, picture in drawn:
        whole = np.full((height, width, 3), BACKGROUND, np.uint8)
        whole[: picture.shape[0], : picture.shape[1]] = picture
        shown.append(wandb.Image(whole, caption=name))
    return {f"pictures/{role}": shown}
