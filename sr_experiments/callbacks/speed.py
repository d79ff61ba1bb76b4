"""How fast a run trains, validation and start-up not counted."""

import time
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

_WARM_UP = 3  # batches whose time says more about allocation and compilation than about training


class Speed(Callback):
    """Samples per second of training, over the whole run.

    Attributes:
        samples_per_second: Up to now; 0.0 before there is anything to tell.
        train_seconds: Time inside training epochs, validation left out.
    """

    def __init__(self) -> None:
        """Start from nothing."""
        self.samples = 0
        self.seconds = 0.0
        self.train_seconds = 0.0
        self._batches = 0
        self._since: float | None = None

    @property
    def samples_per_second(self) -> float:
        """Samples of all devices per second."""
        return self.samples / self.seconds if self.seconds else 0.0

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._since = time.perf_counter()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count a batch; the first few start the clock anew."""
        now = time.perf_counter()
        elapsed = now - (self._since or now)
        self._since = now
        self.train_seconds += elapsed
        self._batches += 1
        if self._batches > _WARM_UP:
            self.samples += len(batch["gt"]) * trainer.world_size
            self.seconds += elapsed

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Validation happens inside an epoch: its time does not count."""
        self._since = time.perf_counter()
