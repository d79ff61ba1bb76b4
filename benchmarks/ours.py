"""A training of ours that goes on only while it has its turn, for benchmarks/step.py."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

import torch
from omegaconf import DictConfig
from pytorch_lightning import Callback, LightningModule, Trainer
from rich.console import Console

from sr_experiments.build import build_data, build_model, build_trainer
from sr_experiments.callbacks.progress import ProgressBar
from sr_experiments.tuning.choices import settle

Found = TypeVar("Found")


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
    """The training of a config, as `task=train` builds it.

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
        self._gate, self._nowhere = _Gate(), open(os.devnull, "w")  # noqa: SIM115 - closed after training
        callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]  # set without declaring it
        for callback in callbacks:
            if isinstance(callback, ProgressBar):  # draw it, as in a terminal
                callback.console = Console(file=self._nowhere, force_terminal=True)
        callbacks.append(self._gate)
        self._trainer, self._data = trainer, build_data(config)

    def during(self, work: Callable[[], Found]) -> Found:
        """Train, in this thread, as a run does; what is to be done meanwhile says from another one when.

        Args:
            work: Takes turns.

        Raises:
            BaseException: What ended the training, or the work.
        """
        found: list[Found] = []
        wrong: list[BaseException] = []

        def guide() -> None:
            try:
                self._wait()
                found.append(work())
            except BaseException as error:
                wrong.append(error)
            self._gate.asked.put(0)

        thread = threading.Thread(target=guide, name="guide", daemon=True)
        thread.start()
        try:
            self._trainer.fit(self.model, datamodule=self._data)
        except _Over:
            thread.join()
        except BaseException as error:
            self._gate.done.put(error)
            thread.join()
        self._nowhere.close()
        if wrong:
            raise wrong[0]
        return found[0]

    def __call__(self, steps: int) -> None:
        """Take some steps.

        Raises:
            BaseException: What ended the training.
        """
        self._gate.asked.put(steps)
        self._wait()

    def beside(self, call: Callable[[], object]) -> None:
        """Do something else in the training's thread: torch keeps workers and graphs for each.

        Raises:
            BaseException: What ended it.
        """
        self._gate.asked.put(call)
        self._wait()

    def _wait(self) -> None:
        error = self._gate.done.get()
        if error is not None:
            raise error
