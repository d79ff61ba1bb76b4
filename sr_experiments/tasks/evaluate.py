"""``task=evaluate``: measure a net on benchmarks and set its numbers beside the published ones."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from hydra.utils import instantiate
from omegaconf import DictConfig

from sr_experiments.build import build_data, build_tester, quieten_lightning
from sr_experiments.callbacks.images import Images
from sr_experiments.callbacks.progress import TestBar
from sr_experiments.devices import one_of
from sr_experiments.metrics.protocol import protocol_of_config
from sr_experiments.models.base import SRModel, count_parameters
from sr_experiments.models.cost import multiply_adds
from sr_experiments.models.inference import Inference
from sr_experiments.nets.base import SRNet
from sr_experiments.paths import shown
from sr_experiments.rebuild import Checkpoint, identify, open_checkpoint, rebuild
from sr_experiments.report.published import models, table
from sr_experiments.tasks.comparison import Measured, print_comparison, write_tables
from sr_experiments.tasks.record import RunRecord
from sr_experiments.written import config_text, write_rows, write_text

_log = logging.getLogger(__name__)


def evaluate(
    config: DictConfig,
    run_dir: Path,
    *,
    checkpoint: str | None = None,
    scales: Sequence[int] | None = None,
    self_ensemble: bool = False,
    tile: int | None = None,
    tile_overlap: int = 32,
    paper: str | None = None,
) -> None:
    """Evaluate into `run_dir`: a table, `per_image.csv`, `table.md`, `table.tex`, `run.json`, pictures.

    Args:
        config: As composed.
        run_dir: The run's folder.
        checkpoint: A run's folder, a checkpoint or a plain weight file; None for a net without weights.
        scales: Of super-resolution, one after the other; None: the checkpoint's own.
        self_ensemble: Mean over eight orientations.
        tile: Largest side of what the net gets at once, in pixels of `lq`; None: no tiles.
        tile_overlap: Context of a tile in pixels of `lq`.
        paper: The model in ``published.csv`` to compare with; None: by the net's name.

    Raises:
        ValueError: if weights do not fit the net, or images are missing.
    """
    if paper is not None and paper not in models():
        raise ValueError(f"task.paper={paper}: nothing of it is in the table; it has {', '.join(models())}")
    inference = Inference(self_ensemble=self_ensemble, tile=tile, tile_overlap=tile_overlap)
    demo = bool(config.data.demo) and not config.benchmark
    with RunRecord(run_dir / "run.json", task="evaluate", demo=demo, checkpoint=checkpoint) as record:
        weights = identify(config, open_checkpoint(checkpoint)) if checkpoint is not None else None
        found: list[Measured] = []
        rows: list[dict[str, Any]] = []
        pictures: list[Path] = []
        unmeasured: dict[str, str] = {}
        for net, at in _subjects(config, weights, scales):
            size = {"parameters": count_parameters(net), "multiply_adds": multiply_adds(net)}
            record.update(model=at.name, **size, inference=inference.options())
            model, absent = build_tester(at, net, inference=inference)
            unmeasured |= {name: f"{name} was not measured: {reason}" for name, reason in absent.items()}
            for note in unmeasured.values():
                record.note(note)
            protocol = protocol_of_config(at)
            results, drawn = _measure(model, at, run_dir, protocol=protocol)
            pictures += drawn
            for note in model.collect_notes():
                record.note(note)
            found += [
                _measured(at, dataset, means, protocol=protocol, paper=paper)
                for dataset, means in results.items()
            ]
            what = {"scale": at.scale, "protocol": protocol}
            rows += [{"data set": row["data set"], **what, **row} for row in model.image_rows]
        for note in _notes(config, weights, demo=demo):
            record.note(note)
        record.update(evaluations=[one.as_dict() for one in found], **_as_of_one_run(found))
        write_text(run_dir / "config.yaml", config_text(at))
        write_rows(run_dir / "per_image.csv", rows)
        name = at.name + ("+" if self_ensemble else "")
        write_tables(run_dir, found, name=name)
    print_comparison(found, name=name, notes=_in_brief(record.content["notes"], unmeasured), demo=demo)
    _print_places(run_dir, pictures)


def _in_brief(notes: Sequence[str], unmeasured: Mapping[str, str]) -> list[str]:
    """Notes to be printed: of several metrics without their files only which; run.json has the rest."""
    if len(unmeasured) < 2:
        return list(notes)
    one = next(iter(unmeasured))
    folded = (
        f"{', '.join(unmeasured)} were not measured, for want of their files: metric={one} (and so on) "
        "says which and where to put them; metric=[] asks for none"
    )
    return [folded, *(note for note in notes if note not in unmeasured.values())]


def _print_places(run_dir: Path, pictures: Sequence[Path]) -> None:
    """Where what was written is."""
    if pictures:
        print(f"pictures {shown(run_dir / 'images')}  ({len(pictures)})")
    print(f"table    {shown(run_dir / 'table.md')}")
    print(f"run      {shown(run_dir)}")


def _subjects(
    config: DictConfig, weights: Checkpoint | None, scales: Sequence[int] | None
) -> Iterator[tuple[SRNet, DictConfig]]:
    """Every net to be measured, with the config of its scale and protocol."""
    saved = weights.known if weights is not None else None
    own = saved.scale if saved is not None else config.scale
    first = int(config.channels)
    for scale in scales or [own]:
        if saved is not None:
            yield rebuild(config, weights, scale=scale, channels=[saved.channels])
        elif weights is not None:
            net, at = rebuild(config, weights, scale=scale, channels=list(dict.fromkeys([first, 3, 1])))
            if at.channels != first:
                first = at.channels
                _log.info("%s holds a net of %d channel(s): channels=%d", weights.path, first, first)
            yield net, at
        else:
            # Interpolation has no weights that say what it sees: both protocols of photographs.
            for channels in [1, 3] if config.channels == 3 else [config.channels]:
                yield rebuild(config, None, scale=scale, channels=[channels])


def _measure(
    model: SRModel, at: DictConfig, run_dir: Path, *, protocol: str
) -> tuple[dict[str, dict[str, Any]], list[Path]]:
    """Test on every benchmark; the means by data set, and the pictures."""
    quieten_lightning()
    _log.info("%s x%d, protocol %s", at.name, at.scale, protocol)
    images = instantiate(at.callbacks.images)(
        folder=run_dir / "images" / f"x{at.scale}-{protocol}",
        net_name=at.name,
        note=f"x{at.scale}, {protocol}",
    )
    assert isinstance(images, Images)
    trainer = pl.Trainer(
        accelerator=at.trainer.accelerator,
        devices=one_of(at.trainer.devices),
        precision="32-true",
        callbacks=[images, TestBar()],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        default_root_dir=str(run_dir),
    )
    trainer.test(model, datamodule=build_data(at), verbose=False)
    return model.results, images.written


def _measured(
    at: DictConfig, dataset: str, means: dict[str, Any], *, protocol: str, paper: str | None
) -> Measured:
    classical = at.degradation._target_.endswith(".Bicubic")
    key = (paper or at.name, dataset, int(at.scale), protocol)
    return Measured(
        dataset=dataset,
        scale=int(at.scale),
        protocol=protocol,
        degradation="" if classical else at.degradation._target_.rpartition(".")[2],
        metrics={name: mean for name, mean in means.items() if name != "bicubic"},
        bicubic=means["bicubic"],
        published=table().get(key) if classical else None,
    )


def _as_of_one_run(found: Sequence[Measured]) -> dict[str, Any]:
    """What a training's run.json has, where there is one scale and one protocol."""
    if len({(one.scale, one.protocol) for one in found}) != 1:
        return {}
    metrics = {one.dataset: {**one.metrics, "bicubic": one.bicubic} for one in found}
    return {"scale": found[0].scale, "metrics": metrics}


def _notes(config: DictConfig, weights: Checkpoint | None, *, demo: bool) -> list[str]:
    """What a reader of the numbers has to know."""
    notes = []
    if demo:
        notes.append("demo photographs: these numbers compare with nothing published; benchmark=set5 does")
    saved = weights.config if weights is not None else None
    if saved is not None and saved.data.demo:
        notes.append("the weights are of a demo run: a few photographs and a few minutes")
    if saved is not None and saved.degradation._target_ != config.degradation._target_:
        theirs, ours = (one.degradation._target_.rpartition(".")[2] for one in (saved, config))
        notes.append(f"the weights were trained for {theirs} and are measured on {ours}")
    return notes
