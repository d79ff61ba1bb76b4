"""How long a run is, by its config alone; no torch here, so that a preview need not wait for it."""

import math
from datetime import timedelta

from omegaconf import DictConfig


def planned_steps(config: DictConfig) -> float:
    """Optimizer steps of the whole run; infinity where it has no end of its own."""
    trainer = config.trainer
    epochs = trainer.get("max_epochs")
    steps = math.inf if epochs in (None, -1) else float(epochs) * config.data.steps_per_epoch
    most = trainer.get("max_steps", -1)
    return min(steps, math.inf if most is None or most < 0 else most)


def planned_batches(config: DictConfig) -> float:
    """As many for each step as `trainer.accumulate_grad_batches` says."""
    return planned_steps(config) * int(config.trainer.get("accumulate_grad_batches") or 1)


def seconds_allowed(config: DictConfig) -> float:
    """By `trainer.max_time`, which is DD:HH:MM:SS; infinity without one."""
    given = config.trainer.get("max_time")
    if given is None:
        return math.inf
    days, hours, minutes, seconds = (int(part) for part in str(given).split(":"))
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds).total_seconds()
