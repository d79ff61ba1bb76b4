"""``task=train``: train, test the best weights, and leave a table and pictures."""

import csv
import logging
from pathlib import Path
from typing import Any, TypeVar

import pytorch_lightning as pl
from omegaconf import DictConfig

from sr_experiments.build import build_data, build_model, build_trainer
from sr_experiments.callbacks.checkpoints import Checkpoints
from sr_experiments.callbacks.images import Images
from sr_experiments.callbacks.speed import Speed
from sr_experiments.data.datamodule import SRData
from sr_experiments.models.base import SRModel, count_parameters
from sr_experiments.tasks.record import RunRecord
from sr_experiments.tasks.table import print_results

_log = logging.getLogger(__name__)
_C = TypeVar("_C", bound=pl.Callback)


def train(config: DictConfig, run_dir: Path) -> None:
    """Run one experiment into `run_dir` (see docs/architecture.md for what it leaves there)."""
    facts = {"demo": bool(config.data.demo), "model": config.name, "scale": config.scale, "seed": config.seed}
    with RunRecord(run_dir / "run.json", **facts) as record:
        data = build_data(config)
        model = build_model(config)
        trainer = build_trainer(config, run_dir, model=model)
        (run_dir / "config.yaml").write_text(model.config_text, encoding="utf-8")
        record.update(parameters=count_parameters(model.net), precision=str(trainer.precision), steps=0)
        _announce(config, model, data, trainer, run_dir)
        if model.trainable:
            _fit(trainer, model, data, record, config)
        else:
            record.note(
                f"{config.name} has no parameters: there was nothing to train, it was tested as it is"
            )
        best = _test_best(trainer, model, data)
        for note in model.collect_notes():
            record.note(note)
        if config.data.demo:
            record.note(
                "demo run: a few photographs and a few minutes; its numbers compare with nothing published"
            )
        record.update(metrics=model.results, best=best)
        write_per_image(run_dir / "per_image.csv", model)
    _conclude(record, trainer, config, run_dir)


def _announce(config: DictConfig, model: SRModel, data: SRData, trainer: pl.Trainer, run_dir: Path) -> None:
    demo = " (demo photographs)" if config.data.demo else ""
    _log.info(
        "%s x%d, %s parameters, %s, %s epochs of %d steps on %s%s -> %s",
        config.name,
        config.scale,
        f"{count_parameters(model.net):,}",
        trainer.precision,
        trainer.max_epochs,
        config.data.steps_per_epoch,
        config.data.name,
        demo,
        run_dir,
    )


def _fit(trainer: pl.Trainer, model: SRModel, data: SRData, record: RunRecord, config: DictConfig) -> None:
    try:
        trainer.fit(model, datamodule=data)
    except SystemExit as stop:
        # Lightning turns Ctrl-C into exit code 1 after it has called every callback.
        if not trainer.interrupted:
            raise
        saved = _callback(trainer, Checkpoints).last_path
        words = f"its weights are in {_shown(saved)}; init_from={_shown(saved)} starts from them"
        raise KeyboardInterrupt(words if saved.is_file() else "before there was anything to save") from stop
    finally:
        speed = _callback(trainer, Speed)
        record.update(
            steps=trainer.global_step,
            batches=model.batches,
            samples_per_second=round(speed.samples_per_second, 3),
            train_seconds=round(speed.train_seconds, 3),
        )
    planned = int(trainer.num_training_batches * (trainer.max_epochs or 0))
    if 0 < model.batches < planned:
        limit = (
            f"trainer.max_time={config.trainer.max_time} was reached; trainer.max_time=null trains to the end"
        )
        if config.trainer.max_time is None:
            limit = "a limit of the trainer was reached"
        record.note(f"training ended after {model.batches} of {planned} batches: {limit}")


def _test_best(trainer: pl.Trainer, model: SRModel, data: SRData) -> dict[str, Any] | None:
    checkpoints = _callback(trainer, Checkpoints)
    path = checkpoints.best_model_path if model.trainable else ""
    safely = True if path else None  # None where nothing is loaded
    trainer.test(model, datamodule=data, ckpt_path=path or None, weights_only=safely, verbose=False)
    if not path or checkpoints.best_model_score is None:
        return None
    return {"checkpoint": f"checkpoints/{Path(path).name}", "score": float(checkpoints.best_model_score)}


def write_per_image(path: Path, model: SRModel) -> None:
    """A row per image: data set, image, every metric, and bicubic's."""
    rows = model.image_rows
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=columns)
        writer.writeheader()
        writer.writerows(rows)


def _conclude(record: RunRecord, trainer: pl.Trainer, config: DictConfig, run_dir: Path) -> None:
    if not trainer.is_global_zero:
        return
    print_results(record.content, name=config.name, channels=config.channels)
    pictures = _callback(trainer, Images).written
    if pictures:
        more = f"  (and {len(pictures) - 1} more beside it)" if len(pictures) > 1 else ""
        print(f"picture  {_shown(pictures[0])}{more}")
    print(f"run      {_shown(run_dir)}")


def _shown(path: Path) -> Path:
    """Relative to where the user stands, if it lies below."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _callback(trainer: pl.Trainer, kind: type[_C]) -> _C:
    found = [callback for callback in trainer.callbacks if isinstance(callback, kind)]  # type: ignore[attr-defined]
    assert found, f"{kind.__name__} is among the callbacks of every run"
    return found[0]
