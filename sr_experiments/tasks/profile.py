"""``task=profile``: what nets cost here, and which of them keep up with a video."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from hydra.errors import InstantiationException
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from sr_experiments.devices import only_device
from sr_experiments.imaging.io import write_png
from sr_experiments.models.cost import CONVENTION
from sr_experiments.nearest import nearest
from sr_experiments.paths import shown
from sr_experiments.profiling.machine import busy, describe
from sr_experiments.profiling.measure import Profile, add_peak, at_size, facts
from sr_experiments.profiling.picture import draw
from sr_experiments.profiling.realtime import OUTPUTS, film, frames, keeping_up, quick
from sr_experiments.profiling.subjects import Subject, model_names, of_model, subjects
from sr_experiments.profiling.table import (
    Grid,
    as_data,
    common_set,
    markdown,
    nets,
    ordered,
    show,
    times,
)
from sr_experiments.profiling.ways import TOLD, WAYS
from sr_experiments.tasks.record import RunRecord
from sr_experiments.tasks.tracing import TIMELINE
from sr_experiments.tasks.tracing import trace as trace_steps
from sr_experiments.written import write_json, write_text

_log = logging.getLogger(__name__)
PICTURE = "profile.png"
SEES = (
    "sees: height and width of the region of lq that an output pixel depends on; reach: how many pixels "
    "beyond its own, so the overlap with which tiles give the same as the whole image"
)
PEAK = (
    "peak MB: over the memory before the call, of the first way that works; on a CPU resident memory of a "
    "process of its own in eager float32, on a GPU what torch's allocator gave out"
)
WORTH = "dB per T: dB above bicubic for each tera-multiply-add of a 1280x720 output; nets are sorted by it"


def profile(
    config: DictConfig,
    run_dir: Path,
    *,
    models: Sequence[str] = (),
    checkpoint: str | None = None,
    runs: Sequence[str] = (),
    sizes: Sequence[Sequence[int]] = ((64, 64),),
    batch: int = 1,
    ways: Sequence[str] | None = None,
    repeats: int = 30,
    seconds: float = 10.0,
    memory: bool = True,
    quality: str | None = None,
    realtime: bool = False,
    trace: bool = False,
    steps: int = 20,
    output: str | None = None,
) -> None:
    """Write `profile.md`, `profile.json` and, but for realtime, `profile.png`; or what `trace` says.

    Args:
        config: As composed.
        run_dir: This task's folder.
        models: Choices of model=; empty: the one of model=, or with `realtime` every quick one.
        checkpoint: A run, a checkpoint or a plain weight file in place of them.
        runs: Folders of finished trainings in place of them: their quality is known.
        sizes: Height and width of lq, one after the other.
        batch: Images in a call.
        ways: Of running a net; those that do not work are listed with the reason. None: all, but that
            `realtime` compiles nothing on a CPU, where it takes minutes for each net and size.
        repeats: Calls of each way, at most.
        seconds: For all ways of a net at a size, about; three calls each are made whatever they take.
        memory: Measure the peak on a CPU, in a process for each net and size.
        quality: The data set whose PSNR is shown; None: the one that most of the nets have.
        realtime: Frames a second at the sizes of videos instead.
        trace: Where a step of the composed training goes instead: `trace.md`, `trace.json`, and what happened
            when, `timeline.json.gz`.
        steps: Of the optimizer that are counted for it.
        output: Folder; None for this task's own.

    Raises:
        ValueError: If a name or a number makes no sense, or nothing is found to profile.
    """
    device = only_device(config)
    if ways is None:
        ways = [way for way in WAYS if way != "compiled" or not realtime or device.type != "cpu"]
    _check(sizes, batch=batch, ways=ways, repeats=repeats, seconds=seconds)
    timing: dict[str, Any] = {"ways": ways, "rounds": repeats, "seconds": seconds, "device": device}
    what: dict[str, Any] = {"models": models, "checkpoint": checkpoint, "runs": runs}
    if trace:
        _check_trace({**what, "realtime": realtime}, steps=steps)
    with RunRecord(run_dir / "run.json", task="profile") as record:
        folder = Path(output).expanduser() if output else run_dir
        machine = describe(device)
        if warning := busy(turns=not trace):
            record.note(warning)
        if trace:
            result = _traced(config, folder, steps=steps)
        elif realtime:
            result = _realtime(config, what, timing)
        else:
            chosen = subjects(config, **what)
            dataset = common_set(chosen, quality)
            profiles = [_profiled(one, sizes, batch=batch, memory=memory, timing=timing) for one in chosen]
            result = _compared(profiles, dataset, ways=ways)
            write_png(folder / PICTURE, _picture(profiles, dataset, machine))
        result.notes.insert(0, f"on {', '.join(f'{key} {value}' for key, value in machine.items())}")
        result.notes += record.content["notes"]
        write_text(folder / f"{result.name}.md", markdown(result.grids, result.notes))
        content = {"machine": machine, "notes": result.notes, result.of: result.data}
        write_json(folder / f"{result.name}.json", content)
        record.update(machine=machine, nets=[config.name] if trace else [one["name"] for one in result.data])
    _tell(result, folder)


@dataclass
class _Result:
    """What is written and printed."""

    data: list[dict[str, Any]]
    grids: list[Grid]
    notes: list[str]
    name: str = "profile"  # of the files
    of: str = "nets"  # what the data are about
    more: Mapping[str, str] = field(default_factory=dict)  # files beside them, by what they are


def _check_trace(others: Mapping[str, Any], *, steps: int) -> None:
    given = [name for name, value in others.items() if value]
    if given:
        raise ValueError(
            "trace=true follows the training that model=, data= and loss= make: it does not go with "
            f"{given[0]}="
        )
    if steps < 1:
        raise ValueError(f"task.steps={steps}: must be more than 0")


def _traced(config: DictConfig, folder: Path, *, steps: int) -> _Result:
    """Where a step goes."""
    found = trace_steps(config, folder, steps=steps)
    return _Result(
        found.data, [found.grid], found.notes, name="trace", of="parts", more={"timeline": TIMELINE}
    )


def _check(
    sizes: Sequence[Sequence[int]], *, batch: int, ways: Sequence[str], repeats: int, seconds: float
) -> None:
    if not sizes or not all(
        len(size) == 2 and all(isinstance(side, int) and side > 0 for side in size) for size in sizes
    ):
        given = OmegaConf.to_container(sizes) if OmegaConf.is_config(sizes) else sizes
        raise ValueError(f"task.sizes={given}: give heights and widths of lq, as sizes=[[64,64],[180,320]]")
    if not ways:
        raise ValueError(f"task.ways is empty: choose of {', '.join(WAYS)}")
    for way in ways:
        if way not in WAYS:
            raise ValueError(f"ways={way}: no such way.{nearest(way, WAYS)} There are: {', '.join(WAYS)}")
    for name, value in {"batch": batch, "repeats": repeats, "seconds": seconds}.items():
        if not value > 0:
            raise ValueError(f"task.{name}={value}: must be more than 0")


def _profiled(
    subject: Subject, sizes: Sequence[Sequence[int]], *, batch: int, memory: bool, timing: Mapping[str, Any]
) -> Profile:
    _log.info("%s: what it is made of, and how far it looks", subject.name)
    result = facts(subject)
    for size in sizes:
        _log.info("%s: %d x %dx%d", subject.name, batch, size[1], size[0])
        at = at_size(subject, size, batch=batch, **timing)
        if memory and timing["device"].type == "cpu":
            add_peak(at, subject)
        result.sizes.append(at)
    return result


def _compared(profiles: Sequence[Profile], dataset: str | None, *, ways: Sequence[str]) -> _Result:
    """Nets in the order of what they gain for their cost."""
    profiles = ordered(profiles, dataset)
    each = [times(profiles, number) for number in range(len(profiles[0].sizes))]
    notes = _notes(profiles, ways, dataset)
    grids = [nets(profiles, dataset), *each]
    return _Result(as_data(profiles, dataset), grids, notes, more={"picture": PICTURE})


def _picture(
    profiles: Sequence[Profile], dataset: str | None, machine: Mapping[str, str | int]
) -> np.ndarray:
    title = f"Cost of {len(profiles)} net{'s' if len(profiles) > 1 else ''}"
    told = f"{machine['device']}, {machine['threads']} thread(s), torch {machine['torch']}"
    return draw(ordered(profiles, dataset), dataset=dataset, title=title, note=told)


def _realtime(config: DictConfig, what: Mapping[str, Any], timing: Mapping[str, Any]) -> _Result:
    """Frames a second of every quick net, or of those that were asked for."""
    notes = []
    if any(what.values()):
        chosen = [(one, facts(one).multiply_adds) for one in subjects(config, **what)]
    else:
        chosen, absent = _quick(config)
        if absent:
            notes.append(f"not built: {'; '.join(absent)}")
    chosen.sort(key=lambda one: one[1] or 0)
    films = [film(subject, cost, tell=_log.info, **timing) for subject, cost in chosen]
    grid = frames(films)
    notes += [
        f"{len(films)} net(s); - : not measured, because a smaller size was too slow already",
        *(f"24 frames/s at an output of {line}" for line in keeping_up(films)),
    ]
    data = [
        {
            "name": one.subject.name,
            "scale": one.subject.net.scale,
            "multiply_adds": one.multiply_adds,
            "speeds": [
                {
                    "output": [height, width],
                    "way": speed.way if speed else None,
                    "frames_per_second": speed.frames if speed else None,
                    "times": speed.times.as_dict() if speed else None,
                    "others": speed.others if speed else {},
                }
                for (height, width), speed in zip(OUTPUTS, one.speeds, strict=True)
            ],
        }
        for one in films
    ]
    return _Result(data, [grid], notes)


def _quick(config: DictConfig) -> tuple[list[tuple[Subject, int | None]], list[str]]:
    """Every choice of model= that is no hopeless case, and what could not be built."""
    found: list[tuple[Subject, int | None]] = []
    absent: dict[str, list[str]] = {}
    for name in model_names():
        try:
            subject = of_model(name, config)
        except (ValueError, InstantiationException) as error:  # not at this scale, or its package is absent
            said = str(error.__cause__ or error).splitlines()[0]
            absent.setdefault(said, []).append(name)
            continue
        cost = quick(subject)
        if cost is not None:
            found.append((subject, cost))
    return found, [f"{', '.join(names)}: {why}" for why, names in absent.items()]


def _notes(profiles: Sequence[Profile], ways: Sequence[str], dataset: str | None) -> list[str]:
    """What a reader of the tables has to know."""
    notes = [f"{way}: {TOLD[way]}" for way in ways]
    notes += [CONVENTION, SEES, PEAK]
    if dataset is not None:
        sources = [one.subject.quality[dataset].source for one in profiles if dataset in one.subject.quality]
        notes += [WORTH, f"PSNR: {', '.join(dict.fromkeys(sources))}"]
    worst = max(
        (way.differs or 0.0, name, one.subject.name)
        for one in profiles
        for at in one.sizes
        for name, way in at.ways.items()
    )
    notes.append(f"ways differ by at most {worst[0]:.1e} ({worst[1]} of {worst[2]}); images are in [0, 1]")
    notes += [f"no peak of {p.subject.name}: {at.why}" for p in profiles for at in p.sizes if at.why]
    return notes


def _tell(result: _Result, folder: Path) -> None:
    console = Console()
    console = console if console.is_terminal else Console(width=100)
    console.print()
    show(result.grids, console)
    for note in result.notes:
        console.print(note, style="dim", highlight=False, markup=False)
    console.print()
    print(f"table    {shown(folder / f'{result.name}.md')}, {shown(folder / f'{result.name}.json')}")
    for what, name in result.more.items():
        print(f"{what:8} {shown(folder / name)}")
