"""The learning rate over a run: one of torch's schedulers, with a linear warm-up before it where asked."""

from collections.abc import Callable
from typing import Any, Literal

from pytorch_lightning import Trainer
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LinearLR, LRScheduler, ReduceLROnPlateau, SequentialLR

_NEVER = 10**9  # epochs, of which there are fewer


class Schedule:
    """How the learning rate of one optimizer changes.

    Args:
        scheduler: Makes the scheduler from an optimizer (a ``_partial_`` in YAML).
        warmup: Optimizer steps in which the rate rises linearly to its full value; the scheduler starts
        after them.
        interval: Whether the scheduler counts optimizer steps or epochs.
        monitor: The logged value that a plateau scheduler watches.

    Raises:
        ValueError: if `warmup` is negative, counts epochs, or stands before a plateau scheduler.
    """

    def __init__(
        self,
        scheduler: Callable[..., LRScheduler],
        *,
        warmup: int = 0,
        interval: Literal["step", "epoch"] = "step",
        monitor: str | None = None,
    ) -> None:
        """Keep the parts until there is an optimizer."""
        if warmup < 0:
            raise ValueError(f"schedule.warmup={warmup}: must be 0 (none) or a number of optimizer steps")
        if warmup and interval == "epoch":
            raise ValueError("schedule.warmup counts optimizer steps: it needs schedule.interval=step")
        self.scheduler = scheduler
        self.warmup = warmup
        self.interval = interval
        self.monitor = monitor

    def attach(self, optimizer: Optimizer) -> dict[str, Any]:
        """Lightning's description of the scheduler of `optimizer`."""
        scheduler = self.scheduler(optimizer)
        if self.warmup:
            if isinstance(scheduler, ReduceLROnPlateau):
                raise ValueError(
                    "schedule.warmup can not stand before a plateau: choose schedule=multistep or cosine"
                )
            # The first step runs at 1/(warmup + 1) of the full rate, the one after `warmup` steps at all of
            # it.
            rise = LinearLR(optimizer, start_factor=1 / (self.warmup + 1), total_iters=self.warmup)
            scheduler = SequentialLR(optimizer, [rise, scheduler], milestones=[self.warmup])
        frequency = 1 if self.interval == "step" else _NEVER
        described = {
            "scheduler": scheduler,
            "interval": self.interval,
            "frequency": frequency,
            "strict": True,
        }
        return described | ({"monitor": self.monitor} if self.monitor else {})

    def end_epoch(self, scheduler: LRScheduler, trainer: Trainer) -> None:
        """To be called by the model at the end of each epoch; does nothing where optimizer steps are counted.

        Not left to Lightning: a run that continues would be one epoch behind, each time.
        """
        if self.interval == "step":
            return
        if not isinstance(scheduler, ReduceLROnPlateau):
            scheduler.step()
        elif self.monitor in trainer.callback_metrics and _validated(trainer):
            scheduler.step(float(trainer.callback_metrics[self.monitor]))


def _validated(trainer: Trainer) -> bool:
    every = trainer.check_val_every_n_epoch
    return every is None or (trainer.current_epoch + 1) % every == 0
