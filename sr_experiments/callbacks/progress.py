"""What a person sees while a run trains: a bar in a terminal, a line per epoch elsewhere."""

import time
from collections import defaultdict
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import Timer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from torch import Tensor

from sr_experiments.callbacks.speed import Speed
from sr_experiments.metrics.protocol import PSNR

_FIRST = 5  # steps that tell nothing of the others: buffers are made, algorithms tried, nets compiled


class ProgressBar(Callback):
    """Loss, validation PSNR, samples per second and time left.

    Args:
        refresh_seconds: How often it is drawn and the numbers are read. Those of a GPU are some steps old: to
            read the newest would wait for it.
    """

    def __init__(self, *, refresh_seconds: float = 0.5) -> None:
        """Nothing is drawn before training starts."""
        self.refresh_seconds = refresh_seconds
        self.console = Console()
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._started: float | None = None
        self._drawn = 0.0
        self._done_before = 0
        self._later: dict[str, _Later] = defaultdict(_Later)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the bar where there is a terminal to draw it in."""
        self._started, self._done_before = None, self._position(trainer)
        if not trainer.is_global_zero or not self.console.is_terminal:
            return
        self._bar = Progress(
            # No more than 80 columns hold; steps of how many is what the bar shows.
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[numbers]}"),
            TextColumn("{task.fields[left]} left"),
            console=self.console,
            refresh_per_second=2,  # rich would draw ten times, in the time of training
        )
        self._task = self._bar.add_task("", total=self._total(trainer), epoch="", numbers="", left="?")
        self._bar.start()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Move the bar, not more often than a person can read."""
        now = time.perf_counter()
        if self._started is None and self._position(trainer) >= self._done_before + _FIRST:
            self._started, self._done_before = now, self._position(trainer)
        if self._bar is None or self._task is None or now - self._drawn < self.refresh_seconds:
            return
        self._drawn = now
        self._bar.update(
            self._task,
            completed=self._position(trainer),
            epoch=f"{trainer.current_epoch + 1}/{trainer.max_epochs}",
            numbers=self._numbers(trainer, waits=False),
            left=self._left(trainer),
        )

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Without a terminal, a line per epoch."""
        if self._bar is not None or not trainer.is_global_zero:
            return
        epoch = f"{trainer.current_epoch + 1}/{trainer.max_epochs}"
        numbers = self._numbers(trainer)
        self.console.print(
            f"epoch {epoch}  {numbers}  {self._left(trainer)} left", highlight=False, soft_wrap=True
        )

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close the bar with its last state."""
        if self._bar is not None and self._task is not None:
            self._bar.update(
                self._task, completed=self._position(trainer), numbers=self._numbers(trainer), left="0:00"
            )
        self._close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Give the terminal back before a message is printed."""
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _numbers(self, trainer: Trainer, *, waits: bool = True) -> str:
        # Lightning hears of a loss when a row is written; the model knows the last one.
        logged = {**trainer.callback_metrics, **getattr(trainer.lightning_module, "told", {})}
        asked = {"train/loss": "loss {:.4f}"} | {f"val/{name}": f"{name} {{:.2f}} dB" for name in PSNR}
        parts = []
        for key in (key for key in asked if key in logged):
            value = self._later[key].read(logged[key]) if not waits else float(logged[key])
            parts += [asked[key].format(value)] if value is not None else []
        speed = next((c.samples_per_second for c in _callbacks(trainer) if isinstance(c, Speed)), 0.0)
        if speed:  # of a few steps it is not known
            parts.append(f"{speed:.1f} samples/s")
        return "  ".join(parts)

    @staticmethod
    def _total(trainer: Trainer) -> int | None:
        return int(trainer.num_training_batches * trainer.max_epochs) if trainer.max_epochs else None

    @staticmethod
    def _position(trainer: Trainer) -> int:
        return trainer.fit_loop.epoch_loop.total_batch_idx + 1

    def _left(self, trainer: Trainer) -> str:
        """By the steps since the first few of this process; `?` before there are as many."""
        total, done = self._total(trainer), self._position(trainer)
        here = done - self._done_before
        if total is not None and done >= total:
            return "0:00"
        if total is None or self._started is None or here < _FIRST:
            return "?"
        seconds = (time.perf_counter() - self._started) / here * (total - done)
        timers = [one.time_remaining() for one in _callbacks(trainer) if isinstance(one, Timer)]
        seconds = min([seconds, *(max(0.0, limit) for limit in timers if limit is not None)])
        minutes, rest = divmod(round(seconds), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


class _Later:
    """Reads numbers of a GPU without waiting: each reading gives what has come of an earlier one."""

    def __init__(self) -> None:
        self._known: float | None = None
        self._coming: tuple[Tensor, torch.cuda.Event] | None = None

    def read(self, value: Tensor | float) -> float | None:
        """None: nothing has come yet."""
        if not isinstance(value, Tensor) or value.device.type != "cuda":
            return float(value)
        if self._coming is not None and self._coming[1].query():  # type: ignore[no-untyped-call]
            self._known, self._coming = float(self._coming[0]), None
        if self._coming is None:
            here = torch.empty((), dtype=value.dtype, pin_memory=True)
            here.copy_(value.detach(), non_blocking=True)
            self._coming = here, torch.cuda.current_stream(value.device).record_event()
        return self._known


class TestBar(Callback):
    """Which image of how many is being measured; drawn in a terminal only, and gone at the end."""

    __test__ = False  # pytest: no test

    def __init__(self) -> None:
        """Nothing is drawn before the test starts."""
        self.console = Console()
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the bar."""
        if not trainer.is_global_zero or not self.console.is_terminal:
            return
        columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[image]}"), TimeElapsedColumn())
        self._bar = Progress(*columns, console=self.console, transient=True)
        self._task = self._bar.add_task("", total=sum(map(int, trainer.num_test_batches)), image="")
        self._bar.start()

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """An image is done."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, advance=1, image=f"{outputs['dataset']} {outputs['name']}")

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the bar away."""
        self._close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Give the terminal back before a message is printed."""
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _callbacks(trainer: Trainer) -> list[Callback]:
    return list(trainer.callbacks)  # type: ignore[attr-defined]  # set by Lightning outside its constructor
