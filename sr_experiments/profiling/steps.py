"""Where the steps of a training go, measured on Lightning's own loop by what it and our models call."""

import functools
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Trainer
from pytorch_lightning.profilers import Profiler
from torch.profiler import ProfilerActivity, profile, record_function

from sr_experiments.models.base import SRModel
from sr_experiments.models.gan import GANModel
from sr_experiments.profiling.laps import REST, Laps, on_gpu

PARTS = {
    "data wait": "the loop waits for the loader's next batch",
    "transfer": "the batch goes to the device",
    "degradation": "crops are turned, made floats and spoilt, on the device; on a GPU, what waits for it",
    "forward": "the net, from lq to sr",
    "loss": "every term between sr and gt",
    "adversary": "the discriminator and its losses, for both sides",
    "backward": "gradients",
    "gradient": "their norm, whether they are finite, clipping",
    "optimizer": "the step of each optimizer, gradients cleared, learning rates",
    "average": "the moving average of the weights",
    "logging": "numbers handed to Lightning and written by loggers",
    "callbacks": "hooks of callbacks: progress, speed, health",
    REST: "Lightning's loop, and the model's lines between the parts",
}
"""Name -> what it is, in the order of tables."""

_FETCH = "train_dataloader_next"
_HOOKS = {
    _FETCH: "data wait",
    "batch_to_device": "transfer",
    "on_after_batch_transfer": "degradation",
    "training_step": REST,
    "backward": "backward",
    "on_before_optimizer_step": "gradient",
    "configure_gradient_clipping": "gradient",
    "optimizer_step": "optimizer",
    "optimizer_zero_grad": "optimizer",
    "lr_scheduler_step": "optimizer",
}  # what Lightning tells a profiler of; anything else belongs to what it happens in
_OURS = (
    ("restore_crops", "forward"),
    ("loss.forward", "loss"),
    ("loss.weighted", "loss"),
    ("update_average", "average"),
    ("log", "logging"),
    ("log_dict", "logging"),
)  # methods of our models, or of what they hold
_OF_A_GAME = (
    ("adversary.condition", "adversary"),
    ("adversary.for_generator", "adversary"),
    ("adversary.for_discriminator", "adversary"),
)  # the same, of those with two nets


class StepProfiler(Profiler):
    """Times the steps of a run from when their batch is asked for until the next one's is.

    The first steps are not counted. Those after the counted ones are watched by torch's profiler, which slows
    them down, for `write_timeline`. There must be a batch more, with which the last of them ends.

    Args:
        warm_up: Batches before the counted ones.
        counted: Batches.
        watched: Batches after them.
        device: Of the training.
    """

    def __init__(self, *, warm_up: int, counted: int, watched: int, device: torch.device) -> None:
        """Nothing is measured before the first batch is asked for."""
        super().__init__()
        self.warm_up, self.counted, self.watched = warm_up, counted, watched
        self._host = Laps()
        self._gpu = on_gpu(device) if device.type == "cuda" else None
        self._spans: list[AbstractContextManager[Any] | None] = []
        self._fetched = 0
        self._watching = False
        os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # it reports that there is no GPU as an error
        activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * (device.type == "cuda")
        self._watch = profile(activities=activities)

    def attach(self, trainer: Trainer, model: SRModel) -> None:
        """Follow a run that has not begun.

        Raises:
            AttributeError: If a method was renamed: its part would be missing without a word.
        """
        trainer.profiler = self  # type: ignore[attr-defined]  # set by Lightning outside its constructor
        for name, part in _OURS + (_OF_A_GAME if isinstance(model, GANModel) else ()):
            held, _, method = name.rpartition(".")
            self._around(getattr(model, held) if held else model, method, part)
        # Of a model that steps by itself Lightning says nothing.
        self._around(trainer.strategy, "backward", "backward")
        self._around(trainer.strategy, "optimizer_step", "optimizer")
        for logger in trainer.loggers:
            self._around(logger, "log_metrics", "logging")
            self._around(logger, "save", "logging")

    def _around(self, owner: object, method: str, part: str) -> None:
        inner: Callable[..., Any] = getattr(owner, method)

        @functools.wraps(inner)
        def timed(*args: Any, **kwargs: Any) -> Any:
            self._enter(part)
            try:
                return inner(*args, **kwargs)
            finally:
                self._leave()

        setattr(owner, method, timed)

    def start(self, action_name: str) -> None:
        """Lightning begins something."""
        hook = action_name.rpartition(".")[2]
        if hook == _FETCH:
            self._next_batch()
        self._enter("callbacks" if action_name.startswith("[Callback]") else _HOOKS.get(hook))

    def stop(self, action_name: str) -> None:
        """It has ended, and all that began within."""
        self._leave()

    def _next_batch(self) -> None:
        before = self.warm_up + self.counted
        if self._fetched == before + self.watched:
            self.watch_no_more()
        for laps in self._all():
            laps.begin()
        if self._fetched == before and self.watched:
            self._watch.start()
            self._watching = True
        self._fetched += 1

    def watch_no_more(self) -> None:
        """The watched steps are over, or the run is."""
        if self._watching:
            self._watching = False
            self._watch.stop()

    def _enter(self, part: str | None) -> None:
        name = part or self._host.inside()
        span = record_function(name) if self._watching and part else None
        if span is not None:
            span.__enter__()  # type: ignore[no-untyped-call]
        self._spans.append(span)
        for laps in self._all():
            laps.enter(name)

    def _leave(self) -> None:
        for laps in self._all():
            laps.leave()
        span = self._spans.pop()
        if span is not None:
            span.__exit__(None, None, None)

    def _all(self) -> list[Laps]:
        return [self._host] if self._gpu is None else [self._host, self._gpu]

    def steps(self, batches: int) -> list[dict[str, float]]:
        """Of each counted step: part -> seconds of this process.

        Args:
            batches: Of a step.
        """
        return self._counted(self._host, batches)

    def steps_of_gpu(self, batches: int) -> list[dict[str, float]] | None:
        """The same of the GPU, its waiting included; None on a CPU."""
        if self._gpu is None:
            return None
        torch.cuda.synchronize()
        return self._counted(self._gpu, batches)

    def _counted(self, laps: Laps, batches: int) -> list[dict[str, float]]:
        each = laps.finished()[self.warm_up : self.warm_up + self.counted]
        return [
            {part: sum(lap.get(part, 0.0) for lap in each[first : first + batches]) for part in PARTS}
            for first in range(0, len(each), batches)
        ]

    def write_timeline(self, path: Path) -> None:
        """What happened when in the watched steps, for https://ui.perfetto.dev or chrome://tracing.

        Args:
            path: Ends in .json.gz.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._watch.export_chrome_trace(str(path))
