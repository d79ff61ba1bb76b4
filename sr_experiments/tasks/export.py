"""``task=export``: a net as files that others open; also weights between those of two nets."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from sr_experiments.export.card import Card, run_beside
from sr_experiments.export.files import Format, formats_of, places_of, write_weights
from sr_experiments.export.graphs import needed, write_onnx, write_program
from sr_experiments.export.trial import DType, converted
from sr_experiments.export.words import leaves, words_for
from sr_experiments.imaging.beside import beside
from sr_experiments.models.base import count_parameters
from sr_experiments.nets.base import SRNet
from sr_experiments.nets.blend import blend
from sr_experiments.nets.weights import Which
from sr_experiments.opening import Values, values_of
from sr_experiments.paths import shown
from sr_experiments.rebuild import Checkpoint, identify, open_checkpoint, rebuild
from sr_experiments.secret import redacted
from sr_experiments.tasks.record import RunRecord
from sr_experiments.written import config_text, write_text


def export(
    config: DictConfig,
    run_dir: Path,
    *,
    checkpoint: str | None = None,
    interpolate: Sequence[str] | None = None,
    alpha: float | None = None,
    format: str | Sequence[str] | None = None,
    dtype: DType = "float32",
    weights: Which | None = None,
    output: str | None = None,
    scale: int | None = None,
    licence: str | None = None,
    overwrite: bool = False,
) -> None:
    """Write a net's files, each read back and held against the net, and a model card. See docs/export.md.

    Args:
        config: As composed; its net is that of plain weight files, if it is not to be recognised.
        run_dir: The run's folder, which gets `run.json`.
        checkpoint: A run's folder, a checkpoint or a plain weight file.
        interpolate: Two of them in place of `checkpoint`: trained for PSNR, and then against an adversary.
        alpha: The share of the second, from 0 to 1.
        format: safetensors, pth, onnx, torch_export, or several; None: by the output's name, or safetensors.
        dtype: Of the weights and of a graph's images.
        weights: ema, the average, or raw; None: what is judged, which is the average where there is one.
        output: A file, or a folder; None for `run_dir`.
        scale: Of super-resolution; None for the run's, or the file's.
        licence: Of the weights, for the metadata and the card.
        overwrite: Replace files that there are.

    Raises:
        ValueError: if the arguments contradict one another, weights do not fit the net or one another, or the
            net can not be written so.
        OSError: if there are no such weights, or the output is there or can not be written.
    """
    sources = _sources(checkpoint, interpolate, alpha)
    formats = formats_of(format, output)
    _refuse_absent(formats, dtype)
    told = _told(sources, alpha)
    with RunRecord(run_dir / "run.json", task="export", source=told) as record:
        opened = _opened(config, sources, which=weights)
        net, at = _net(config, opened, sources, alpha=alpha, scale=scale)
        stem = f"{at.name}-x{at.scale}"
        places, card = places_of(formats, output, folder=run_dir, stem=stem, overwrite=overwrite)
        kind = opened[0].kind
        values = values_of(opened[0].known)
        facts = _facts(at, net, values, source=told, kind=kind, dtype=dtype, licence=licence)
        half, rounding = converted(net, dtype)
        differences = {name: _write(name, path, half, facts, exact=net) for name, path in places.items()}
        if any(one.config is not None and one.config.data.demo for one in opened):
            record.note("the weights are of a demo run: a few photographs and a few minutes")
        said = {name: _said(name, differences[name], dtype=dtype, rounding=rounding) for name in formats}
        only = opened[0] if alpha is None else None
        write_text(card, _card(only, net, at, facts, places, said, notes=record.content["notes"]).text())
        what = {"model": at.name, "scale": at.scale, "channels": at.channels, "alpha": alpha}
        record.update(parameters=count_parameters(net), weights=kind, dtype=dtype, **what)
        files = {name: str(path) for name, path in places.items()}
        record.update(output=files[formats[0]], files=files, differences=differences, card=str(card))
    for name, path in places.items():
        print(f"wrote    {shown(path)}: {at.name} x{at.scale}, {said[name]}")
    print(f"card     {shown(card)}\nfrom     {told}\nweights  {facts['weights']}")
    for note in record.content["notes"]:
        print(f"note     {note}")
    print(f"use      {_use(at, {name: shown(path) for name, path in places.items()})}")


def _refuse_absent(formats: Sequence[Format], dtype: DType) -> None:
    if "onnx" not in formats:
        return
    if dtype == "bfloat16":
        raise ValueError("format=onnx dtype=bfloat16: onnxruntime has no convolution for it on CPUs; float16")
    for package in ("onnx", "onnxruntime"):
        needed(package)


def _opened(config: DictConfig, sources: Sequence[str], *, which: Which | None) -> list[Checkpoint]:
    option = "checkpoint" if len(sources) == 1 else "interpolate"
    opened = [open_checkpoint(source, option=option, which=which) for source in sources]
    if all(one.config is None for one in opened):
        opened = [identify(config, one) for one in opened]
    return opened if len(sources) == 1 else _of_one_net(opened, sources)


def _net(
    config: DictConfig,
    opened: Sequence[Checkpoint],
    sources: Sequence[str],
    *,
    alpha: float | None,
    scale: int | None,
) -> tuple[SRNet, DictConfig]:
    """The net with its weights, or with those between two, and the config that belongs to it."""
    nets, at = _rebuilt(config, opened, scale=scale)
    if alpha is not None:
        states, names = [net.state_dict() for net in nets], (sources[0], sources[1])
        nets[0].load_state_dict(blend(states[0], states[1], alpha=alpha, names=names))
    return nets[0], at


def _card(
    source: Checkpoint | None,
    net: SRNet,
    at: DictConfig,
    facts: Mapping[str, str],
    places: Mapping[Format, Path],
    said: Mapping[Format, str],
    *,
    notes: Sequence[str],
) -> Card:
    """The model card; no path of this machine is in it."""
    run = source.config if source is not None else None
    trained: Any = {} if run is None else OmegaConf.to_container(run, resolve=True)
    return Card(
        facts,
        count_parameters(net),
        {path.name: said[name] for name, path in places.items()},
        run_beside(source.path) if source is not None and run is not None else {},
        trained,
        _use(at, {name: path.name for name, path in places.items()}),
        notes,
    )


def _write(name: Format, path: Path, net: SRNet, facts: dict[str, str], *, exact: SRNet) -> float | None:
    """Write a file; the largest difference of its results to the net's, where it is a graph."""
    if name in ("safetensors", "pth"):
        write_weights(path, net.state_dict(), facts)
        return None
    write = write_onnx if name == "onnx" else write_program
    with beside(path, suffix=path.suffix) as temporary:
        return write(temporary, net, facts, exact=exact)


def _said(name: Format, difference: float | None, *, dtype: str, rounding: float) -> str:
    """What a file is, in the words of the card."""
    less = (
        ""
        if dtype == "float32"
        else f" in {dtype}, whose results differ from float32's by {rounding:.2g} at most"
    )
    if difference is None:
        return f"weights{less}"
    by = "onnxruntime" if name == "onnx" else "torch.export, loaded again"
    return f"a graph{less}; run by {by} at three other sizes: {difference:.1e} from the net at most"


def _use(at: DictConfig, places: Mapping[Format, str]) -> str:
    """The command that uses what was written."""
    path = next(iter(places.values()))
    if set(places) == {"torch_export"}:
        return f"python -c \"import torch; net = torch.export.load('{path}').module()\""
    words = words_for(at, checkpoint=path)
    if "safetensors" in places or "pth" not in places:
        words = words[:1]  # the file says which net it is
    if at.get("guide_channels"):  # and few data sets have guides
        words = ["task=upscale", *words, "input=IMAGES", "guide=GUIDES", "output=FOLDER"]
    elif {"safetensors", "pth"} & set(places):
        words = ["task=evaluate", *words]
    else:
        words = ["task=upscale", *words, "input=PHOTOS", "output=FOLDER"]
    return shlex.join(["python", "-m", "sr_experiments", *words])


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
        a, b = (dict(leaves(OmegaConf.to_container(saved.net, resolve=True))) for saved in (first, second))
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


_WEIGHTS = {
    "ema": "ema, the moving average, which is what is judged",
    "raw": "raw, as the optimizer left them",
    "plain": "as in the file",
}


def _facts(
    at: DictConfig,
    net: SRNet,
    values: Values,
    *,
    source: str,
    kind: str,
    dtype: str,
    licence: str | None,
) -> dict[str, str]:
    """What a file says of itself: what is needed to build and to feed the net, and no path of a run."""
    config: dict[str, Any] = {key: at[key] for key in ("name", "scale", "channels")}
    low, high = ("black", "white") if values.range is None else (f"{end:g}" for end in values.range)
    config["net"] = OmegaConf.to_container(at.net, resolve=True)
    if values.range is not None:
        config["data"] = {"range": values.range, **({"holes": True} if values.holes else {})}
    facts = {
        "scale": str(at.scale),
        "channels": str(at.channels),
        "multiple_of": str(net.multiple_of),
        "minimum": str(net.minimum),
        "model": str(at.name),
        "range": f"0 is {low}, 1 is {high}",
        "dtype": dtype,
        "weights": _WEIGHTS[kind],
        "config": config_text(OmegaConf.create(config)),
        "source": source,
    }
    more = {} if values.range is None else {"data_range": json.dumps(values.range)}
    if values.holes:
        more["data_holes"] = "true"
    if net.guide_channels:
        more["guide_channels"] = str(net.guide_channels)
    every = {**facts, **more, **({} if licence is None else {"licence": licence})}
    return {key: redacted(fact) for key, fact in every.items()}
