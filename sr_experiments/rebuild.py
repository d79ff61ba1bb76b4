"""From weights on disk to a net: what a run, a checkpoint or a plain weight file holds, and what it fits."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf, open_dict
from torch import Tensor

from sr_experiments.imaging.shortage import is_shortage
from sr_experiments.models.base import CHECKPOINT_KEY, count_parameters
from sr_experiments.nearest import nearest_path
from sr_experiments.nets.base import SRNet
from sr_experiments.nets.weights import (
    WeightsMisfit,
    Which,
    load_exactly,
    load_matching,
    read_state_dict,
    read_weights,
)
from sr_experiments.recognised import describe, hint, is_of_a_file, refuse_strange_code

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
        several = "; for several, a run for each of them, add -m" if "," in source else ""
        meant = several or nearest_path(path, fits=_may_hold_weights)
        raise FileNotFoundError(f"{option}={source}: there is no such run, checkpoint or weight file{meant}")
    return path


def _may_hold_weights(path: Path) -> bool:
    return path.is_file() or (path / "checkpoints").is_dir()


def start_from(net: SRNet, source: str, *, node: DictConfig) -> None:
    """Take over the weights that fit, and say what was taken, what was not, and why.

    Args:
        net: Changed in place.
        source: A run's folder, a checkpoint or a plain file.
        node: The net's config.

    Raises:
        FileNotFoundError: if there is nothing of the kind.
        ValueError: if nothing fits.
    """
    path = weights_of(source, option="init_from")
    state = read_state_dict(path)
    report = load_matching(net, state)
    if not report.loaded:
        first = next(iter(report.skipped.items()), ("no tensors", "the file is empty"))
        raise ValueError(
            f"init_from={source}: nothing in it fits this net; for example {first[0]}: {first[1]}"
            f"{hint(path, state, net=node)}"
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
        kind: Whether these are the average ("ema"), "raw" weights, or of a file that does not say ("plain").
        recognised: Of a plain file `name`, `scale`, `channels` and `net`, where `identify` was to tell them.
    """

    path: Path
    state: dict[str, Tensor]
    config: DictConfig | None
    recognised: DictConfig | None = None
    kind: str = "plain"

    @property
    def known(self) -> DictConfig | None:
        """`name`, `scale`, `channels` and `net`, where they do not come from the command line."""
        return self.config if self.config is not None else self.recognised


def open_checkpoint(source: str, *, option: str = "checkpoint", which: Which | None = None) -> Checkpoint:
    """Read a run's, a checkpoint's or a plain file's weights, and the run's config where there is one.

    Args:
        source: As it was given.
        option: The option that it was given by, for messages.
        which: The average or the raw weights; None: the average where there is one.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it can not be opened safely or holds no state dict.
    """
    path = weights_of(source, option=option)
    state, kind = read_weights(path, which)
    return Checkpoint(path=path, state=state, config=_config_in(path), kind=kind)


def identify(config: DictConfig, checkpoint: Checkpoint) -> Checkpoint:
    """With ``model=recognised`` a plain file tells its net; anything else stays as it is.

    Args:
        config: As composed.
        checkpoint: As opened.

    Raises:
        ValueError: if it is not recognised.
    """
    if checkpoint.known is not None or not is_of_a_file(config):
        return checkpoint
    recognised, state = describe(config, checkpoint.path, checkpoint.state)
    _log.info(
        "%s is recognised as %s: scale=%d channels=%d",
        checkpoint.path,
        recognised.net.get("architecture") or recognised.net._target_.rpartition(".")[2],
        recognised.scale,
        recognised.channels,
    )
    return replace(checkpoint, state=state, recognised=recognised)


def with_net_of_init(config: DictConfig) -> DictConfig:
    """For training: in place of ``model=recognised`` the net of `init_from`, with its scale and channels.

    What comes out is a config like any other: a run with it is continued and rebuilt without the file.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if none is given, or it is not recognised.
    """
    if not is_of_a_file(config):
        return config
    if config.init_from is None:
        build_net(config.net)  # says what is missing
    known = identify(config, open_checkpoint(config.init_from, option="init_from")).known
    assert known is not None
    return config_at(config, known, scale=known.scale, channels=known.channels)


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
    refuse_strange_code(path, net)
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


def config_at(config: DictConfig, saved: DictConfig | None, *, scale: int, channels: int) -> DictConfig:
    """The composed config at a scale and a number of channels, its net that of a run where one is given.

    Everything that is derived from them (paths of LR images, the degradation) follows.
    """
    at = OmegaConf.create(config)  # a copy that still interpolates
    with open_dict(at):
        if saved is not None:
            at.net, at.name = saved.net, saved.name
            at.guide_channels = saved.net.get("guide_channels", 0)
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
    checkpoint = identify(config, checkpoint) if checkpoint else None
    for count in channels:
        at = config_at(config, checkpoint.known if checkpoint else None, scale=scale, channels=count)
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
    if isinstance(refused, WeightsMisfit) and checkpoint is not None and checkpoint.known is None:
        asked = config_at(config, None, scale=scale, channels=channels[0])
        more = hint(checkpoint.path, checkpoint.state, net=asked.net)
        raise WeightsMisfit(f"{refused}{more}") from refused
    raise refused
