"""Being asked to stop: Ctrl-C, SIGTERM, or the signal that SLURM sends before it takes a machine away."""

import logging
import signal
import threading
from types import FrameType
from typing import Any, cast

from pytorch_lightning import Callback, LightningModule, Trainer

from sr_experiments.callbacks.checkpoints import Checkpoints
from sr_experiments.models.base import SRModel

_log = logging.getLogger(__name__)
SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name)]


class Stopping(Callback):
    """Finish the step, write a checkpoint, end the run. Asked twice, it ends at once.

    Between two steps the state is whole: weights, average, optimizers and counters belong together, and no
    gradient is half accumulated. Elsewhere it is not, and a run that continued from there would not be the
    same.
    """

    def __init__(self) -> None:
        """Nothing was asked yet."""
        self.asked: str | None = None
        self._before: dict[int, Any] = {}
        self._steps: int | None = None  # as Lightning counts them for loggers

    def state_dict(self) -> dict[str, Any]:
        """Where loggers stand, if this is between two batches: Lightning takes it for the end of one."""
        return {} if self._steps is None else {"steps": self._steps}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take it up when training has begun."""
        self._steps = state_dict.get("steps")

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Listen, where this is the thread that hears signals."""
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._hear) for number in SIGNALS}

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self.asked is not None:
            self._listen_no_more()
            raise KeyboardInterrupt
        self.asked = signal.Signals(number).name
        _log.info("%s: stopping after this step, or this validation; a second one stops at once", self.asked)

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Between two steps: write, and end.

        Raises:
            KeyboardInterrupt: If it was asked for.
        """
        loop = trainer.fit_loop.epoch_loop
        if self._steps is not None:
            loop._batches_that_stepped, self._steps = self._steps, None
        model = cast(SRModel, pl_module)
        if batch_idx % model.batches_per_step:
            return
        if trainer.strategy.reduce_boolean_decision(self.asked is not None, all=False):
            checkpoints = trainer.checkpoint_callback
            assert isinstance(checkpoints, Checkpoints)
            if batch_idx > 0:
                self._steps = loop._batches_that_stepped
                checkpoints.save_last_now(trainer)
            elif (
                checkpoints.batches != model.batches and trainer.num_training_batches > model.batches_per_step
            ):
                return  # before its first batch Lightning is neither in the last epoch nor in this one
            raise KeyboardInterrupt

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """All that was trained is saved: a test can be left at once.

        Lightning's own answer to SIGTERM is to go on, after a broadcast that no other process waits for.
        """
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, _leave) for number in SIGNALS}

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """What was there before hears again."""
        self._listen_no_more()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """What was there before hears again."""
        self._listen_no_more()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """The same."""
        self._listen_no_more()

    def _listen_no_more(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}


def _leave(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
