"""How long a step and a validation of a config take, here and now."""

import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, open_dict
from pytorch_lightning import Callback, LightningModule, Trainer

from sr_experiments.build import build_data, build_model, build_trainer
from sr_experiments.profiling.clock import waiting_for
from sr_experiments.recognised import is_of_a_file
from sr_experiments.tuning.choices import settle

_WARM_UP = 3  # batches that are about allocation and compilation
_COUNTED = 5


@dataclass(frozen=True)
class Timing:
    """Seconds.

    Attributes:
        step: Of an optimizer step; the median of a few.
        validation: Of a validation.
    """

    step: float
    validation: float


class _Clock(Callback):
    def __init__(self) -> None:
        self.batches: list[float] = []
        self.validation = 0.0
        self._since = 0.0

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        waiting_for(trainer.strategy.root_device)()
        self.batches.append(time.perf_counter())

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._since = time.perf_counter()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.validation = time.perf_counter() - self._since


def measure(config: DictConfig) -> Timing | None:
    """Train for a few steps and validate, into a folder that goes away.

    With the settings that the run will have: where a trial of several ways belongs to it, that is made here,
    and what it tells is remembered for the run.

    Args:
        config: Resolved and checked.

    Returns:
        None where there is nothing to train, it trains on several devices, or the net is that of a file.

    Raises:
        ValueError: If it can not be trained at all.
    """
    if is_of_a_file(config):  # whose scale and channels change the rest of a config that is not resolved yet
        return None
    choices = settle(config)  # as of the whole run
    config = config.copy()
    accumulate = int(config.trainer.accumulate_grad_batches)
    steps = -(-(_WARM_UP + _COUNTED) // accumulate)
    with open_dict(config):
        config.data.steps_per_epoch = steps
        config.trainer.max_epochs = 1
        config.trainer.max_time = None
        config.trainer.check_val_every_n_epoch = 1
        config.trainer.enable_checkpointing = False
        config.callbacks, config.logger = {}, {}
    model = build_model(config, choices=choices)
    if not model.trainable:
        return None
    clock = _Clock()
    with tempfile.TemporaryDirectory() as folder:
        trainer = build_trainer(config, Path(folder), model=model)
        if trainer.world_size > 1:
            return None
        trainer.callbacks.append(clock)  # type: ignore[attr-defined]
        trainer.fit(model, datamodule=build_data(config))
    between = [after - before for before, after in zip(clock.batches, clock.batches[1:], strict=False)]
    return Timing(statistics.median(between[_WARM_UP - 1 :]) * accumulate, clock.validation)
