"""``task=export``: write a net's weights as a plain file, or weights between those of two nets."""

import os
import re
import shlex
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from sr_experiments.models.base import count_parameters
from sr_experiments.nets.base import SRNet
from sr_experiments.nets.blend import blend
from sr_experiments.paths import conf_dir
from sr_experiments.rebuild import Checkpoint, identify, open_checkpoint, rebuild
from sr_experiments.tasks.record import RunRecord

SUFFIXES = (".safetensors", ".pth")


def export(
    config: DictConfig,
    run_dir: Path,
    *,
    checkpoint: str | None = None,
    interpolate: Sequence[str] | None = None,
    alpha: float | None = None,
    output: str | None = None,
    scale: int | None = None,
    overwrite: bool = False,
) -> None:
    """Write the judged net's weights, by its own key names, in float32. The run's folder gets `run.json`.

    A ``.safetensors`` file says what it holds: scale, channels, model, config and source. A ``.pth`` file is
    the state dict and nothing else.

    Args:
        config: As composed; its net is that of plain weight files.
        run_dir: The run's folder.
        checkpoint: A run's folder, a checkpoint or a plain weight file.
        interpolate: Two of them in place of `checkpoint`: trained for PSNR, and then against an adversary.
        alpha: The share of the second, from 0 to 1.
        output: The file; None for one in `run_dir` that is called after the net and the scale.
        scale: Of super-resolution; None for the run's, or the config's for plain files.
        overwrite: Replace an output that there is.

    Raises:
        ValueError: if the arguments contradict one another, or weights do not fit the net or one another.
        OSError: if there are no such weights, or the output is there or can not be written.
    """
    sources = _sources(checkpoint, interpolate, alpha)
    told = _told(sources, alpha)
    with RunRecord(run_dir / "run.json", task="export", source=told) as record:
        option = "checkpoint" if interpolate is None else "interpolate"
        weights = [open_checkpoint(source, option=option) for source in sources]
        if all(one.config is None for one in weights):
            weights = [identify(config, one) for one in weights]
        if interpolate is not None:
            weights = _of_one_net(weights, sources)
        nets, at = _rebuilt(config, weights, scale=scale)
        state = nets[0].state_dict()
        if alpha is not None:
            state = blend(state, nets[1].state_dict(), alpha=alpha, names=(sources[0], sources[1]))
        path = _place(output, run_dir / f"{at.name}-x{at.scale}.safetensors", overwrite=overwrite)
        write_weights(path, state, _facts(at, source=told))
        if any(one.config is not None and one.config.data.demo for one in weights):
            record.note("the weights are of a demo run: a few photographs and a few minutes")
        what = {"model": at.name, "scale": at.scale, "channels": at.channels, "alpha": alpha}
        record.update(parameters=count_parameters(nets[0]), output=str(path), **what)
    shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    print(f"wrote    {shown}: {at.name} x{at.scale}, {len(state)} tensors")
    print(f"from     {told}")
    for note in record.content["notes"]:
        print(f"note     {note}")
    command = ["python", "-m", "sr_experiments", "task=evaluate", *words_for(at, checkpoint=str(shown))]
    print(f"use      {shlex.join(command)}")


def _sources(checkpoint: str | None, interpolate: Sequence[str] | None, alpha: float | None) -> list[str]:
    """What is read, one or two."""
    if checkpoint is not None and interpolate is not None:
        raise ValueError(f"checkpoint={checkpoint} and {_typed(interpolate)}: give one of the two")
    if interpolate is None:
        if checkpoint is None:
            raise ValueError("task=export needs checkpoint=RUN, or interpolate=[A,B] together with alpha=")
        if alpha is not None:
            raise ValueError(
                f"alpha={alpha} is for interpolate=[A,B]; checkpoint= is one net, written as it is"
            )
        return [checkpoint]
    if len(interpolate) != 2:
        raise ValueError(
            f"{_typed(interpolate)}: give two, interpolate=[A,B]: A trained for PSNR, B from there against "
            "an adversary"
        )
    if alpha is None:
        raise ValueError(f"{_typed(interpolate)} needs the share of the second, from 0 to 1: alpha=0.8")
    return list(interpolate)


def _typed(interpolate: Sequence[str]) -> str:
    return f"interpolate=[{','.join(interpolate)}]"


def _told(sources: Sequence[str], alpha: float | None) -> str:
    """The sources in one line."""
    return sources[0] if alpha is None else f"{1 - alpha:.6g} of {sources[0]} + {alpha:.6g} of {sources[1]}"


def _of_one_net(weights: Sequence[Checkpoint], sources: Sequence[str]) -> list[Checkpoint]:
    """Both with the net of one that is known: a plain file must fit the other's."""
    first, second = (one.known for one in weights)
    if first is not None and second is not None:
        a, b = (dict(_leaves(OmegaConf.to_container(saved.net, resolve=True))) for saved in (first, second))
        different = [key for key in {**a, **b} if a.get(key, _ABSENT) != b.get(key, _ABSENT)]
        if different:
            lines = [
                f"  net.{key}: {a.get(key, _ABSENT)} in {sources[0]}, {b.get(key, _ABSENT)} in {sources[1]}"
                for key in different
            ]
            raise ValueError("\n".join([f"{_typed(sources)}: these are of different nets", *lines]))
    return [one if one.known is not None else replace(one, recognised=first or second) for one in weights]


_ABSENT = "nothing"


def _rebuilt(
    config: DictConfig, weights: Sequence[Checkpoint], *, scale: int | None
) -> tuple[list[SRNet], DictConfig]:
    """A net for each of the weights, and the config that belongs to them."""
    saved = weights[0].known
    own = config if saved is None else saved
    # A plain file does not say how many channels it has; the second has as many as the first.
    channels = [saved.channels] if saved is not None else list(dict.fromkeys([config.channels, 3, 1]))
    nets: list[SRNet] = []
    at = config
    for one in weights:
        net, at = rebuild(config, one, scale=own.scale if scale is None else scale, channels=channels)
        channels = [at.channels]
        nets.append(net)
    return nets, at


def _place(output: str | None, default: Path, *, overwrite: bool) -> Path:
    """Where to write."""
    path = default if output is None else Path(output).expanduser()
    if path.is_dir():
        raise IsADirectoryError(f"output={path} is a folder; give a file: output={path / default.name}")
    if path.suffix not in SUFFIXES:
        raise ValueError(
            f"output={path}: the name must end in .safetensors or, for a state dict of PyTorch, in .pth; "
            f"{f'not in {path.suffix}' if path.suffix else 'it ends in neither'}"
        )
    if path.exists() and not overwrite:
        raise FileExistsError(f"output={path} is there already; overwrite=true replaces it")
    return path


def _facts(at: DictConfig, *, source: str) -> dict[str, str]:
    """What a .safetensors file says of its weights: what is needed to build the net, and no path of a run."""
    config: dict[str, Any] = {key: at[key] for key in ("name", "scale", "channels")}
    config["net"] = OmegaConf.to_container(at.net, resolve=True)
    return {
        "scale": str(at.scale),
        "channels": str(at.channels),
        "model": str(at.name),
        "config": OmegaConf.to_yaml(OmegaConf.create(config)),
        "source": source,
    }


def write_weights(path: Path, state: Mapping[str, Tensor], facts: Mapping[str, str]) -> None:
    """Write a weight file whole or not at all: beside its place, which it then takes. Folders are made.

    Args:
        path: Ends in .safetensors or .pth.
        state: Key -> tensor.
        facts: The metadata of a .safetensors file.

    Raises:
        OSError: if it can not be written.
    """
    assert path.suffix in SUFFIXES
    # Each tensor on its own: safetensors takes no two that share memory, and no views.
    plain = {
        key: value.detach().cpu().clone(memory_format=torch.contiguous_format) for key, value in state.items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("xb") as stream:
            if path.suffix == ".pth":
                torch.save(plain, stream)
            else:
                stream.write(safetensors.torch.save(plain, dict(facts)))
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def words_for(at: DictConfig, *, checkpoint: str) -> list[str]:
    """The arguments that make a net again on the command line: the nearest ``model=``, and what differs.

    Args:
        at: Its config.
        checkpoint: Its weights.
    """
    nearest = _words_for_net(at, OmegaConf.to_container(at.net, resolve=True))
    words = [f"checkpoint={_as_hydra_reads(checkpoint)}", *nearest, f"scale={at.scale}"]
    return [*words, *([] if at.channels == 3 else [f"channels={at.channels}"])]


def _words_for_net(at: DictConfig, net: Any, *, choose: str = "model", place: str = "net") -> list[str]:
    """The nearest choice and what differs; for a net about another one, the other's as well."""
    inner = net.pop("inner", None)
    wanted = dict(_leaves(net))
    found: list[list[str]] = []
    folder = conf_dir() / "net"
    for path in sorted(folder.rglob("*.yaml")):
        node = OmegaConf.create({key: at[key] for key in ("scale", "channels", "seed")})
        node.net = OmegaConf.load(path)  # whose interpolations look here
        node.net.pop("defaults", None)  # the net inside
        given = dict(_leaves(OmegaConf.to_container(node.net, resolve=True)))
        if given.get("_target_") != wanted["_target_"]:
            continue
        changes = [
            f"{'' if key in given else '+'}{place}.{key}={_as_hydra_reads(value)}"
            for key, value in wanted.items()
            if key not in given or given[key] != value
        ]
        changes += [f"~{place}.{key}" for key in given if key not in wanted]
        name = path.relative_to(folder).with_suffix("").as_posix()
        found.append([f"{choose}={name}", *changes])
    words = min(found, key=len, default=[f"{choose}={choose.partition('@')[0].upper()}"])
    if inner is not None:
        place = f"{place}.inner"
        words += _words_for_net(at, inner, choose=f"net@{place}", place=place)
    return words


def _leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and their values; lists are values."""
    for key, value in node.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _as_hydra_reads(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_as_hydra_reads, value))}]"
    if isinstance(value, bool) or value is None:
        return "null" if value is None else str(value).lower()
    text = str(value)
    if not isinstance(value, str) or _PLAIN_TEXT.fullmatch(text):
        return text
    return "'" + text.replace("'", r"\'") + "'"


# What Hydra's grammar takes for text without quotes, and not for a number or a word of its own.
_PLAIN_TEXT = re.compile(
    r"(?!(?:null|true|false|nan|inf)$)[a-zA-Z_/.][\w/.-]*[a-zA-Z_]|[a-zA-Z_]", re.ASCII | re.I
)
