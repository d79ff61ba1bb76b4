"""A training of ours that goes on only while it has its turn, for benchmarks/step.py."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Self

import torch
from omegaconf import DictConfig
from pytorch_lightning import Callback, LightningModule, Trainer
from rich.console import Console

from sr_experiments.build import build_data, build_model, build_trainer
from sr_experiments.callbacks.progress import ProgressBar
from sr_experiments.tuning.choices import settle


class _Over(Exception):
    """It has had its last turn."""


class _Gate(Callback):
    """Holds a training at the beginning of a step until it may go on."""

    def __init__(self) -> None:
        self.asked: SimpleQueue[int | Callable[[], object]] = SimpleQueue()
        self.done: SimpleQueue[BaseException | None] = SimpleQueue()
        self._left = 0

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        while self._left == 0:
            self.done.put(None)
            asked = self.asked.get()
            if not isinstance(asked, int):
                asked()
            elif asked == 0:
                raise _Over
            else:
                self._left = asked
        self._left -= 1


class Ours:
    """The training of a config, as `task=train` builds it, in a thread of its own.

    A turn begins where a batch is there and ends where the batch after its last step is.

    Args:
        config: Composed. Its epochs must not end.
        folder: The run's.

    Attributes:
        benchmark: Whether cuDNN tries its algorithms in it.
        model: What is trained.
        settings: What was chosen for it, and why.
    """

    def __init__(self, config: DictConfig, folder: Path) -> None:
        """Build everything."""
        choices = settle(config)
        self.settings = choices.told()
        self.model = build_model(config, choices=choices)
        trainer = build_trainer(config, folder, model=self.model)
        self.benchmark = torch.backends.cudnn.benchmark
        self._gate, self._nowhere = _Gate(), open(os.devnull, "w")  # noqa: SIM115 - closed in __exit__
        callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]  # set without declaring it
        for callback in callbacks:
            if isinstance(callback, ProgressBar):  # draw it, as in a terminal
                callback.console = Console(file=self._nowhere, force_terminal=True)
        callbacks.append(self._gate)
        data = build_data(config)

        def run() -> None:
            try:
                trainer.fit(self.model, datamodule=data)
            except _Over:
                pass
            except BaseException as error:
                self._gate.done.put(error)

        self._thread = threading.Thread(target=run, name="ours", daemon=True)

    def __enter__(self) -> Self:
        """Begin, up to the first step."""
        self._thread.start()
        self._wait()
        return self

    def __call__(self, steps: int) -> None:
        """Take some steps.

        Raises:
            BaseException: What ended the training.
        """
        self._gate.asked.put(steps)
        self._wait()

    def beside(self, call: Callable[[], object]) -> None:
        """Do something else in the same thread: torch keeps workers for each, which would be in the way.

        Raises:
            BaseException: What ended it.
        """
        self._gate.asked.put(call)
        self._wait()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        self._gate.asked.put(0)
        self._thread.join(timeout=60)
        self._nowhere.close()

    def _wait(self) -> None:
        error = self._gate.done.get()
        if error is not None:
            raise error
