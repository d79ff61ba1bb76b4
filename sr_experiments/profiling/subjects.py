"""Which nets are profiled, and what is known of their quality."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra import compose
from omegaconf import DictConfig, OmegaConf

from sr_experiments.metrics.protocol import PSNR, protocol_of_config
from sr_experiments.nearest import nearest
from sr_experiments.nets.base import SRNet
from sr_experiments.paths import conf_dir
from sr_experiments.rebuild import build_net, identify, open_checkpoint, rebuild
from sr_experiments.report.find import find_runs
from sr_experiments.report.published import table

_log = logging.getLogger(__name__)
_OF_PAPERS = ("luma", "rgb")  # protocols by which their benchmarks are measured
_OTHERS = ("noisy", "guided", "recognised")  # round another net, of two images, told by a file


@dataclass(frozen=True)
class Quality:
    """On one data set.

    Attributes:
        psnr: Mean over its images, in dB.
        bicubic: Of bicubic interpolation there.
        source: A run's folder, or a paper.
    """

    psnr: float
    bicubic: float | None
    source: str


@dataclass
class Subject:
    """A net to be profiled.

    Attributes:
        name: As tables have it.
        net: In evaluation mode, on the CPU. Without a checkpoint its weights are random: they change no time.
        node: The config that builds it, resolved.
        quality: By data set.
    """

    name: str
    net: SRNet
    node: dict[str, Any]
    quality: dict[str, Quality] = field(default_factory=dict)


def model_names() -> list[str]:
    """What can be chosen by model=, but for what is no net by itself."""
    folder = conf_dir() / "model"
    names = [path.relative_to(folder).with_suffix("").as_posix() for path in sorted(folder.rglob("*.yaml"))]
    return [name for name in names if name not in ("restoration", *_OTHERS)]


def subjects(
    config: DictConfig, *, models: Sequence[str], checkpoint: str | None, runs: Sequence[str]
) -> list[Subject]:
    """The nets that were asked for; of none of the three the one of ``model=``.

    Raises:
        ValueError: If more than one of the three is given, a name is no model, or nothing is found.
        OSError: If there is no such checkpoint.
    """
    given = {"models": models, "checkpoint": checkpoint, "runs": runs}
    named = [name for name, value in given.items() if value]
    if len(named) > 1:
        raise ValueError(f"{' and '.join(f'{name}=' for name in named)}: give one of them")
    if models:
        return [of_model(name, config) for name in dict.fromkeys(models)]
    if checkpoint is not None:
        return [_of_weights(config, checkpoint)]
    if runs:
        return _of_runs(config, runs)
    return [_of_config(config)]


def of_model(name: str, config: DictConfig) -> Subject:
    """A choice of model=, at the config's scale and channels, in its own size."""
    known = [*model_names(), *_OTHERS]
    if name not in known:
        raise ValueError(f"models={name}: no such model.{nearest(name, known)} There are: {', '.join(known)}")
    words = [f"model={name}", f"scale={config.scale}", f"channels={config.channels}"]
    return _of_config(compose("config", overrides=[f"name={name.replace('/', '-')}", *words]))


def _of_config(config: DictConfig) -> Subject:
    return _subject(config.name, build_net(config.net).eval(), _node(config), _published(config))


def _subject(name: str, net: SRNet, node: dict[str, Any], quality: dict[str, Quality]) -> Subject:
    if net.guide_channels:
        raise ValueError(
            f"{name} is given a second image, its guide: task=profile times nets of one image only"
        )
    return Subject(name, net, node, quality)


def _node(config: DictConfig) -> dict[str, Any]:
    node = OmegaConf.to_container(config.net, resolve=True)
    assert isinstance(node, dict)
    return {str(key): value for key, value in node.items()}


def _published(config: DictConfig) -> dict[str, Quality]:
    """What papers report of it; bicubic's own figures are there by the protocol of luma alone."""
    protocol = protocol_of_config(config)
    if protocol not in _OF_PAPERS:
        return {}
    found = {}
    for (model, benchmark, scale, kind), row in table().items():
        if (model, scale) == (config.name, config.scale) and (kind == protocol or model == "bicubic"):
            plain = table().get(("bicubic", benchmark, scale, "luma"))
            found[benchmark] = Quality(row.psnr_y, plain.psnr_y if plain else None, row.source)
    return found


def _of_weights(config: DictConfig, source: str) -> Subject:
    weights = identify(config, open_checkpoint(source))
    saved = weights.known
    scale = int(saved.scale if saved is not None else config.scale)
    channels = [saved.channels] if saved is not None else list(dict.fromkeys([config.channels, 3, 1]))
    net, at = rebuild(config, weights, scale=scale, channels=channels)
    folder = Path(source).expanduser()
    folder = folder if folder.is_dir() else folder.parent.parent
    quality = _measured(folder) if weights.config is not None else _published(at)
    return _subject(str(at.name), net, _node(at), quality)


def _of_runs(config: DictConfig, runs: Sequence[str]) -> list[Subject]:
    """Finished trainings; what is none is told."""
    found = []
    for folder in find_runs(runs):
        try:
            record = _record(folder)
            if record.get("task", "train") != "train" or record.get("status") != "finished":
                raise ValueError("no finished training")
            subject = _of_weights(config, str(folder))
        except (OSError, ValueError) as error:
            _log.info("left out: %s: %s", folder, str(error).splitlines()[0])
            continue
        subject.name = f"{subject.name} ({folder.name})"
        found.append(subject)
    if not found:
        raise ValueError(f"runs={','.join(runs)}: none of them is a finished training with its checkpoints")
    return found


def _record(folder: Path) -> dict[str, Any]:
    content = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise ValueError("run.json is no record of a run")
    return content


def _measured(folder: Path) -> dict[str, Quality]:
    """What a run measured at its end; nothing where it says nothing."""
    try:
        metrics = _record(folder).get("metrics", {})
    except (OSError, ValueError):
        return {}
    found = {}
    for dataset, means in metrics.items() if isinstance(metrics, Mapping) else ():
        for key in PSNR:
            if isinstance(means.get(key), int | float):
                plain = means.get("bicubic", {}).get(key)
                found[str(dataset)] = Quality(float(means[key]), plain, str(folder))
                break
    return found
