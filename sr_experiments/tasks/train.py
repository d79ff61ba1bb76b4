"""``task=train``: train, test the best weights, and leave a table and pictures."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import pytorch_lightning as pl
from omegaconf import DictConfig, OmegaConf

from sr_experiments.build import build_data, build_model, build_trainer
from sr_experiments.callbacks.checkpoints import Checkpoints
from sr_experiments.callbacks.images import Images
from sr_experiments.callbacks.metrics_file import MetricsFile
from sr_experiments.callbacks.speed import Speed
from sr_experiments.callbacks.wandb_run import WandbRun
from sr_experiments.data.datamodule import SRData
from sr_experiments.metrics.protocol import protocol_of_config
from sr_experiments.models.base import SRModel, count_parameters
from sr_experiments.models.cost import multiply_adds
from sr_experiments.paths import shown
from sr_experiments.ranks import is_first, one_of_several
from sr_experiments.rebuild import with_net_of_init
from sr_experiments.tasks.record import RunRecord
from sr_experiments.tasks.resume import Start, alone, begun_with, find_start
from sr_experiments.tasks.table import below_bicubic, print_results, tell_results
from sr_experiments.tasks.together import together
from sr_experiments.tuning.choices import Choices, settle
from sr_experiments.written import ENDED_EARLY, read_json, write_rows, write_text

_log = logging.getLogger(__name__)
_C = TypeVar("_C", bound=pl.Callback)


def train(config: DictConfig, run_dir: Path, *, resume: bool = False) -> None:
    """Run one experiment into `run_dir` (see docs/architecture.md for what it leaves there).

    On several devices each has a process, and all of them come here; the first one alone writes.

    Args:
        config: Composed and checked.
        run_dir: The run's folder.
        resume: Continue the run that was begun there.

    Raises:
        ValueError: If another process trains there, or there is no whole checkpoint to continue from.
    """
    config = with_net_of_init(config)
    facts = {"demo": bool(config.data.demo), "model": config.name, "scale": config.scale, "seed": config.seed}
    if resume:
        config = config.copy()
        config.task.resume = False  # of a checkpoint's config, that of a run which was not stopped
    earlier = read_json(run_dir / "run.json") if resume else None
    if earlier is not None and earlier.get("status") == "finished":
        _log.info("%s is finished: nothing is left to do", shown(run_dir))
        return
    path = run_dir / "run.json" if is_first() else None
    with (
        alone(run_dir),
        RunRecord(path, earlier=earlier, **facts) as record,
        ExitStack() as endings,
    ):
        start = find_start(run_dir) if resume else Start()
        for note in start.notes:
            record.note(note)
        data = build_data(config)
        data.check("fit")  # a folder that is not there is told before minutes of measuring
        choices = settle(config, recorded=begun_with(start, earlier))
        model = build_model(config, continues=start.path is not None, choices=choices)
        trainer = build_trainer(config, run_dir, model=model)
        endings.push(_Ending(trainer, record))
        if is_first() and not (run_dir / "config.yaml").is_file():
            write_text(run_dir / "config.yaml", model.config_text)
        _announce(config, model, trainer, choices, record, run_dir)
        text = OmegaConf.to_yaml(choices.into(config), resolve=True)
        with together(trainer, config=text, run_dir=run_dir, resume=resume, on_hang=record.fail):
            if model.trainable:
                _continue_logs(trainer, start)
                _fit(trainer, model, data, record, config, start=start)
            else:
                record.note(
                    f"{config.name} has no parameters: there was nothing to train, it was tested as it is"
                )
            best = _test_best(trainer, model, data)
        for note in _notes(model, config):
            record.note(note)
        record.update(metrics=model.results, best=best)
        if is_first():
            write_rows(run_dir / "per_image.csv", model.image_rows)
    _conclude(record, trainer, config, run_dir)


def _notes(model: SRModel, config: DictConfig) -> list[str]:
    """What a reader of the results has to know."""
    notes = list(model.collect_notes())
    if config.data.demo:
        notes.append(
            "demo run: a few photographs and a few minutes; its numbers compare with nothing published"
        )
    if model.trainable and config.adversary is None:  # against one PSNR falls, as it should
        notes += below_bicubic(model.results, protocol=protocol_of_config(config))
    return notes


def _announce(
    config: DictConfig,
    model: SRModel,
    trainer: pl.Trainer,
    choices: Choices,
    record: RunRecord,
    run_dir: Path,
) -> None:
    """What begins now: into run.json, and in two lines."""
    parameters = count_parameters(model.net)
    record.update(
        parameters=parameters,
        multiply_adds=multiply_adds(model.net),
        precision=str(trainer.precision),
        steps=0,
        choices=choices.as_dict(),
        devices=trainer.world_size,
    )
    demo = " (demo photographs)" if config.data.demo else ""
    devices = f", {trainer.world_size} devices" if trainer.world_size > 1 else ""
    _log.info(
        "%s x%d, %s parameters, %s%s, %s epoch%s of %d steps on %s%s -> %s",
        config.name,
        config.scale,
        f"{parameters:,}",
        trainer.precision,
        devices,
        trainer.max_epochs,
        "s" if trainer.max_epochs != 1 else "",
        config.data.steps_per_epoch,
        config.data.name,
        demo,
        shown(run_dir),
    )
    _log.info(choices.told(), extra={"once": True})


def _continue_logs(trainer: pl.Trainer, start: Start) -> None:
    for logger in trainer.loggers:
        if isinstance(logger, MetricsFile):
            logger.continue_from(start.rows)
    if start.path is not None:
        _log.info("continuing after %d batches, from %s", start.batches, start.path.name)


def _fit(
    trainer: pl.Trainer,
    model: SRModel,
    data: SRData,
    record: RunRecord,
    config: DictConfig,
    *,
    start: Start,
) -> None:
    try:
        path = str(start.path) if start.path is not None else None
        with _interruptible(trainer):
            trainer.fit(model, datamodule=data, ckpt_path=path, weights_only=True if path else None)
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
        record.note(f"{ENDED_EARLY} {model.batches} of {planned} batches: {limit}")


@contextmanager
def _interruptible(trainer: pl.Trainer) -> Iterator[None]:
    """Lightning turns Ctrl-C into exit code 1 after it has called every callback."""
    try:
        yield
    except SystemExit as stop:
        if not trainer.interrupted:
            raise
        folder = shown(Path(trainer.default_root_dir))
        words = f"continue with: python -m sr_experiments run={folder}"
        saved = _callback(trainer, Checkpoints).last_path.is_file()
        raise KeyboardInterrupt(words if saved else f"before there was anything to save; {words}") from stop


def _test_best(trainer: pl.Trainer, model: SRModel, data: SRData) -> dict[str, Any] | None:
    checkpoints = _callback(trainer, Checkpoints)
    path = checkpoints.best_model_path if model.trainable else ""
    safely = True if path else None  # None where nothing is loaded
    with _interruptible(trainer):
        trainer.test(model, datamodule=data, ckpt_path=path or None, weights_only=safely, verbose=False)
    if not path or checkpoints.best_model_score is None:
        return None
    return {"checkpoint": f"checkpoints/{Path(path).name}", "score": float(checkpoints.best_model_score)}


def _conclude(record: RunRecord, trainer: pl.Trainer, config: DictConfig, run_dir: Path) -> None:
    if not trainer.is_global_zero:
        return
    protocol = protocol_of_config(config)
    if one_of_several():
        tell_results(record.content, protocol=protocol)
        return
    print_results(record.content, name=config.name, protocol=protocol)
    pictures = _callback(trainer, Images).written
    if pictures:
        more = f"  (and {len(pictures) - 1} more beside it)" if len(pictures) > 1 else ""
        print(f"picture  {shown(pictures[0])}{more}")
    print(f"run      {shown(run_dir)}")


class _Ending:
    """What is told to Weights & Biases when a run ends, one way or another."""

    def __init__(self, trainer: pl.Trainer, record: RunRecord) -> None:
        self.loggers = [logger for logger in trainer.loggers if isinstance(logger, WandbRun)]
        self.trainer, self.record = trainer, record

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        best = Path(_callback(self.trainer, Checkpoints).best_model_path)
        for logger in self.loggers:
            kept = best if error is None and best.is_file() else None
            logger.finish(failed=error is not None, notes=self.record.content["notes"], checkpoint=kept)
            if logger.problem is not None:
                self.record.note(logger.problem)


def _callback(trainer: pl.Trainer, kind: type[_C]) -> _C:
    found = [callback for callback in trainer.callbacks if isinstance(callback, kind)]  # type: ignore[attr-defined]
    assert found, f"{kind.__name__} is among the callbacks of every run"
    return found[0]
