"""Ending a run of a search that falls behind the others."""

import math
from typing import Protocol

from pytorch_lightning import Callback, LightningModule, Trainer


class Judge(Protocol):
    """Who knows the other runs."""

    def hopeless(self, value: float, *, epoch: int) -> bool:
        """Hear of a validation; whether the run may end."""


class Pruning(Callback):
    """After each validation, ask.

    Args:
        judge: Asked by the first process alone.
        monitor: The logged metric that it is told.
        ending: Raised where the run may end.
    """

    def __init__(self, judge: Judge | None, *, monitor: str, ending: Exception) -> None:
        """Keep them."""
        self.judge, self.monitor, self.ending = judge, monitor, ending

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Every process ends, or none.

        Raises:
            Exception: The one that was given, if the run is hopeless.
        """
        if trainer.sanity_checking:
            return
        value = trainer.callback_metrics.get(self.monitor)
        hopeless = False
        if self.judge is not None and value is not None and math.isfinite(float(value)):
            hopeless = self.judge.hopeless(float(value), epoch=trainer.current_epoch + 1)
        if trainer.strategy.reduce_boolean_decision(hopeless, all=False):
            raise self.ending
