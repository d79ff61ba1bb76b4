"""From weights on disk to a net: what a run, a checkpoint or a plain weight file holds, and what it fits."""

import importlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf, open_dict
from torch import Tensor

from sr_experiments import nets
from sr_experiments.imaging.shortage import is_shortage
from sr_experiments.models.base import CHECKPOINT_KEY, count_parameters
from sr_experiments.nets.base import SRNet
from sr_experiments.nets.weights import WeightsMisfit, load_exactly, load_matching, read_state_dict

_log = logging.getLogger(__name__)


def weights_of(source: str, *, option: str) -> Path:
    """The weight file that a run's folder, a checkpoint or a plain file means.

    Args:
        source: As it was given.
        option: The option that it was given by, for messages.

    Raises:
        FileNotFoundError: if there is nothing of the kind.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        for name in ("best.ckpt", "last.ckpt"):
            if (path / "checkpoints" / name).is_file():
                return path / "checkpoints" / name
        raise FileNotFoundError(
            f"{option}={source}: a folder without checkpoints/best.ckpt or last.ckpt, so not a run of ours"
        )
    if not path.is_file():
        raise FileNotFoundError(f"{option}={source}: there is no such run, checkpoint or weight file")
    return path


def start_from(net: SRNet, source: str) -> None:
    """Take over the weights that fit, and say what was taken, what was not, and why."""
    report = load_matching(net, read_state_dict(weights_of(source, option="init_from")))
    if not report.loaded:
        first = next(iter(report.skipped.items()), ("no tensors", "the file is empty"))
        raise ValueError(
            f"init_from={source}: nothing in it fits this net; for example {first[0]}: {first[1]}"
        )
    lines = [f"init_from={source}: {len(report.loaded)} tensors loaded"]
    if report.renamed:
        lines.append(f"  {len(report.renamed)} of them under other names than the net's")
    lines += [f"  skipped {key}: {reason}" for key, reason in report.skipped.items()]
    lines += [f"  kept as initialised {key}: not in the file" for key in report.missing]
    _log.info("\n".join(lines))


@dataclass(frozen=True)
class Checkpoint:
    """Weights, and the config of the run that made them.

    Attributes:
        path: The file.
        state: Key -> tensor, by the net's own key names.
        config: Of the run, resolved; None for a plain weight file.
    """

    path: Path
    state: dict[str, Tensor]
    config: DictConfig | None


def open_checkpoint(source: str) -> Checkpoint:
    """Read a run's, a checkpoint's or a plain file's weights, and the run's config where there is one.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it can not be opened safely or holds no state dict.
    """
    path = weights_of(source, option="checkpoint")
    state = read_state_dict(path)
    return Checkpoint(path=path, state=state, config=_config_in(path))


def _config_in(path: Path) -> DictConfig | None:
    if path.suffix != ".ckpt":
        return None
    content: Any = torch.load(path, map_location="cpu", weights_only=True)
    entry = content.get(CHECKPOINT_KEY) if isinstance(content, dict) else None
    text = entry.get("config") if isinstance(entry, dict) else None
    if text is None or (isinstance(text, str) and not text):
        return None
    try:
        saved = cast(DictConfig, OmegaConf.create(text))
        net = OmegaConf.to_container(saved.net)
    except Exception as error:  # whatever a text of anybody's makes YAML and OmegaConf raise
        said = (str(error) or type(error).__name__).splitlines()[0]
        raise ValueError(
            f"{path}: the config of the run inside it can not be read: {said}; take another checkpoint of "
            "the run, or save its weights as a plain file and give model= beside it"
        ) from error
    _refuse_strange_code(path, net)
    return saved


def build_net(node: DictConfig) -> SRNet:
    """The net that a config describes.

    Raises:
        ValueError: If its values do not make one, or it is none.
    """
    try:
        net = instantiate(node)
    except InstantiationException as error:
        cause = error.__cause__
        if not isinstance(cause, RuntimeError | ZeroDivisionError) or is_shortage(cause):
            raise  # a ValueError of ours says it better
        given = ", ".join(f"{key!s}={value}" for key, value in node.items() if not str(key).startswith("_"))
        raise ValueError(f"net can not be built with {given}: {str(cause).splitlines()[0]}") from error
    if not isinstance(net, SRNet):
        raise ValueError(
            f"net._target_={node.get('_target_')}: it makes a {type(net).__name__}, and a net is a class "
            "derived from sr_experiments.nets.base.SRNet, which says what it must keep"
        )
    return net


def _refuse_strange_code(path: Path, node: Any, *, root: bool = True) -> None:
    """A net is built from the config inside the file, which whoever made the file has written.

    Without this a checkpoint whose tensors are safe to open could name any function of the machine, also one
    that a module of ours has imported.
    """
    if isinstance(node, dict):
        target = node.get("_target_")
        if (target is not None or root) and not _is_our_net(str(target)):
            raise ValueError(
                f"{path}: its config builds {target}, and only a net of sr_experiments.nets is built from a "
                "file. If you trust it, save the state_dict of its net as a plain weight file, and give "
                "model= beside it"
            )
    for value in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        _refuse_strange_code(path, value, root=False)


def _is_our_net(target: str) -> bool:
    if not target.startswith(f"{nets.__name__}."):
        return False
    module, _, name = target.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ImportError:
        return False  # such as a class inside what a module of ours imports
    return isinstance(found, type) and issubclass(found, SRNet)


def config_at(config: DictConfig, saved: DictConfig | None, *, scale: int, channels: int) -> DictConfig:
    """The composed config at a scale and a number of channels, its net that of a run where one is given.

    Everything that is derived from them (paths of LR images, the degradation) follows.
    """
    at = OmegaConf.create(config)  # a copy that still interpolates
    with open_dict(at):
        if saved is not None:
            at.net, at.name = saved.net, saved.name
            node = at.net
            while isinstance(node.get("inner"), DictConfig):
                node = node.inner  # a net about another one has the other's scale and channels
            node.scale, node.in_channels = scale, channels
        at.scale, at.channels = scale, channels
    return at


def rebuild(
    config: DictConfig, checkpoint: Checkpoint | None, *, scale: int, channels: Sequence[int]
) -> tuple[SRNet, DictConfig]:
    """The net with the checkpoint's weights, and the config that belongs to it.

    Args:
        config: As composed.
        checkpoint: The weights; None for a net without any.
        scale: Of super-resolution.
        channels: Numbers of channels to be tried in this order: a plain file does not say how many it has.

    Raises:
        ValueError: if the weights do not fit the net, or there are none for a net that needs them.
    """
    refused: Exception | None = None
    for count in channels:
        at = config_at(config, checkpoint.config if checkpoint else None, scale=scale, channels=count)
        try:
            net = build_net(at.net)
            if checkpoint is not None:
                load_exactly(net, checkpoint.state, source=str(checkpoint.path))
            elif count_parameters(net):
                raise ValueError(
                    f"model={config.name} has weights, and none are given: "
                    "checkpoint=RUN, or checkpoint=FILE together with model="
                )
            return net.eval(), at
        except (WeightsMisfit, InstantiationException) as error:
            refused = refused or error  # the first is for what was asked for
    assert refused is not None
    raise refused
