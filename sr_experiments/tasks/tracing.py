"""``task=profile trace=true``: where a step of the composed training goes."""

import logging
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
from omegaconf import DictConfig, open_dict

from sr_experiments.build import build_data, build_model, build_trainer
from sr_experiments.callbacks.stopping import Stopping
from sr_experiments.profiling.steps import PARTS, StepProfiler
from sr_experiments.profiling.table import Grid
from sr_experiments.rebuild import with_net_of_init
from sr_experiments.tuning.choices import settle

_log = logging.getLogger(__name__)
WARM_UP, WATCHED = 5, 3
TIMELINE = "timeline.json.gz"
LEFT_OUT = (
    "left out: validation, checkpoints and pictures, which are not in steps, and Weights & Biases, which "
    "would have a run of it"
)
Steps = Sequence[Mapping[str, float]]  # of each: part -> seconds


@dataclass
class Traced:
    """The parts as data (seconds) and as a table, and what a reader has to know."""

    data: list[dict[str, Any]]
    grid: Grid
    notes: list[str]


def trace(config: DictConfig, folder: Path, *, steps: int) -> Traced:
    """Train for some steps as `task=train` would, into a folder that goes away, and write the timeline.

    Args:
        config: As composed.
        folder: Where the timeline goes.
        steps: Of the optimizer, that are counted.

    Raises:
        ValueError: If there is nothing to train.
    """
    config = with_net_of_init(config)
    choices = settle(config, recorded=None)  # as of the whole run
    config = _shortened(config, steps=WARM_UP + steps + WATCHED + 1)
    model = build_model(config, choices=choices)
    if not model.trainable:
        raise ValueError(f"trace=true follows a training, and {config.name} has no parameters to train")
    with tempfile.TemporaryDirectory() as place:
        trainer = build_trainer(config, Path(place), model=model)
        assert trainer.world_size == 1, "`only_device` has looked"
        model.trainer = trainer  # as `fit` begins
        batches = model.batches_per_step
        profiler = StepProfiler(
            warm_up=WARM_UP * batches,
            counted=steps * batches,
            watched=WATCHED * batches,
            device=trainer.strategy.root_device,
        )
        profiler.attach(trainer, model)
        # It would save a checkpoint first.
        trainer.callbacks = [one for one in trainer.callbacks if not isinstance(one, Stopping)]  # type: ignore[attr-defined]
        _log.info("%s: %d steps, of which %d are counted", config.name, config.data.steps_per_epoch, steps)
        try:
            _fit(trainer, model, config)
        finally:
            profiler.watch_no_more()
    host, gpu = profiler.steps(batches), profiler.steps_of_gpu(batches)
    profiler.write_timeline(folder / TIMELINE)
    title = f"a step of {config.name}: {batches * config.data.batch_size} crops of {config.data.patch_size}"
    grid = _grid(f"{title}, {trainer.precision}", host, gpu)
    return Traced(_data(host, gpu), grid, [choices.told(), *_notes(host, on_gpu=gpu is not None)])


def _shortened(config: DictConfig, *, steps: int) -> DictConfig:
    """An epoch of so many steps, and nothing after it."""
    config = config.copy()
    with open_dict(config):
        config.data.steps_per_epoch = steps
        config.trainer.max_epochs, config.trainer.max_time = 1, None
        config.trainer.limit_val_batches = 0
        config.trainer.enable_checkpointing = False
        for group, name in (("callbacks", "checkpoints"), ("callbacks", "images"), ("logger", "wandb")):
            config[group].pop(name, None)
    return config


def _fit(trainer: pl.Trainer, model: pl.LightningModule, config: DictConfig) -> None:
    try:
        trainer.fit(model, datamodule=build_data(config))
    except SystemExit as stop:  # Lightning's answer to Ctrl-C
        if not trainer.interrupted:
            raise
        raise KeyboardInterrupt from stop


def _notes(steps: Steps, *, on_gpu: bool) -> list[str]:
    notes = [f"{part}: {PARTS[part]}" for part in _present(steps)]
    notes.append(f"of {len(steps)} steps after {WARM_UP} that were not counted; means add up to the step")
    notes.append(
        f"{TIMELINE}: the {WATCHED} steps after them, for https://ui.perfetto.dev; watching slows them"
    )
    if on_gpu:
        notes.append(
            "ms: of the process, which hands work to the GPU and goes on; GPU ms: between the first and the "
            "last kernel of a part there, with what the GPU waits in between"
        )
    return [*notes, LEFT_OUT]


def _summary(steps: Steps, part: str) -> dict[str, float]:
    """Of one part: seconds, and its share of all."""
    taken = [step[part] for step in steps]
    low, median, high = (float(value) for value in np.quantile(taken, (0.25, 0.5, 0.75)))
    mean, whole = float(np.mean(taken)), float(np.mean([sum(step.values()) for step in steps]))
    return {"mean": mean, "median": median, "low": low, "high": high, "share": mean / whole}


def _data(
    host: Sequence[Mapping[str, float]], gpu: Sequence[Mapping[str, float]] | None
) -> list[dict[str, Any]]:
    return [
        {"part": part, "process": _summary(host, part), "gpu": None if gpu is None else _summary(gpu, part)}
        for part in _present(host)
    ]


def _present(steps: Steps) -> list[str]:
    """The parts that a step has."""
    return [part for part in PARTS if any(step[part] > 0 for step in steps)]


def _grid(title: str, host: Sequence[Mapping[str, float]], gpu: Sequence[Mapping[str, float]] | None) -> Grid:
    columns = ["part", "ms", "share", "median", "quartiles"]
    columns += ["GPU ms", "GPU share"] if gpu is not None else []
    rows = []
    for part in _present(host):
        one = _summary(host, part)
        row = [part, _ms(one["mean"]), f"{one['share']:.1%}", _ms(one["median"])]
        row.append(f"{_ms(one['low'])}-{_ms(one['high'])}")
        if gpu is not None:
            there = _summary(gpu, part)
            row += [_ms(there["mean"]), f"{there['share']:.1%}"]
        rows.append(row)
    whole = [sum(step.values()) for step in host]
    low, median, high = (float(value) for value in np.quantile(whole, (0.25, 0.5, 0.75)))
    last = ["step", _ms(float(np.mean(whole))), "100.0%", _ms(median), f"{_ms(low)}-{_ms(high)}"]
    if gpu is not None:
        last += [_ms(float(np.mean([sum(step.values()) for step in gpu]))), "100.0%"]
    return Grid(title, columns, [*rows, last])


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.2f}"
