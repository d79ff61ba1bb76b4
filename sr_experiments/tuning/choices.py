"""What is chosen for a run: by rule where it is short, by what was measured here where it is not.

Every choice leaves the result what it is but for the order of sums. So it is made once: a run that continues
takes the one that it was begun with, and the same command here takes the one that is remembered.
"""

import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from omegaconf import DictConfig, open_dict
from torch.optim import Optimizer

from sr_experiments.config import GRAPHS
from sr_experiments.devices import choose_precision, first_device, refuse_absent_devices
from sr_experiments.models.base import SRModel
from sr_experiments.models.layout import lay_out
from sr_experiments.models.recompute import recompute
from sr_experiments.profiling.clock import milliseconds
from sr_experiments.ranks import by_srun, by_torchrun
from sr_experiments.tuning.budget import planned_batches, seconds_allowed
from sr_experiments.tuning.compiling import (
    GAIN,
    WORDS,
    Mode,
    best_mode,
    expected,
    modes,
    numbers,
    refuse_graphs,
)
from sr_experiments.tuning.remembered import Remembered
from sr_experiments.tuning.trial import Trial, Way

_log = logging.getLogger(__name__)

SHORT = 10_000
"""Steps. A trial takes about thirty, so 0.3 % of the shortest run that has one."""
BRIEF = 600.0
"""Seconds that a run must be allowed to last (`trainer.max_time`) to have a trial."""
SHARE = 0.02
"""Of a run's time, that trying torch.compile may take."""


@dataclass(frozen=True)
class Choices:
    """Settings of a run.

    Attributes:
        precision: As Lightning calls it.
        memory_format: ``contiguous``, or ``channels_last``: the channels of a pixel side by side.
        compile: Whether the net is trained through torch.compile, and how.
        fused: Whether an optimizer that can takes its step in one pass over all that it keeps.
        benchmark: Whether cuDNN tries its algorithms on the first crops; they have one size.
        reason: Why.
    """

    precision: str
    memory_format: str
    compile: Mode
    fused: bool
    benchmark: bool
    reason: str

    def as_dict(self) -> dict[str, Any]:
        """Text and truth values, for run.json and checkpoints."""
        return asdict(self)

    def told(self) -> str:
        """In a line."""
        words = [
            self.precision,
            self.memory_format,
            WORDS[self.compile],
            "fused optimizer" if self.fused else "plain optimizer",
            *(["cuDNN tries its algorithms"] if self.benchmark else []),
        ]
        return f"settings: {', '.join(words)} ({self.reason})"

    def into(self, config: DictConfig) -> DictConfig:
        """A config in which nothing of it is left to choose, for the other processes of the run."""
        config = config.copy()
        with open_dict(config):
            config.precision, config.memory_format = self.precision, self.memory_format
            config.compile = self.compile
        return config


def by_rule(config: DictConfig) -> Choices:
    """What needs no measuring for this run: as asked, else by the table in docs/decisions/0025."""
    device = first_device(config)
    precision = choose_precision(config.precision, device=device)
    compiled: Mode = asked if (asked := config.get("compile", "auto")) in (True, GRAPHS) else False
    layout = config.get("memory_format", "auto")
    if layout == "auto":  # a compiler lays out by itself
        good = (device.type, precision, compiled) == ("cpu", "bf16-mixed", False)
        layout = "channels_last" if good else "contiguous"
    benchmark = config.trainer.get("benchmark")
    if benchmark is None:
        benchmark = device.type == "cuda" and not config.trainer.get("deterministic")
    return Choices(
        precision=precision,
        memory_format=layout,
        compile=compiled,
        # fp16's scaler and an optimizer that unscales by itself do not let gradients be looked at before.
        fused=precision != "16-mixed" and device.type in ("cpu", "cuda"),
        benchmark=bool(benchmark),
        reason="as asked",
    )


def settle(config: DictConfig, *, recorded: Mapping[str, Any] | None = None) -> Choices:
    """All choices of a run, told in a line.

    Args:
        config: Composed and checked. What it fixes stays.
        recorded: The choices that the run was begun with; None: it begins.

    Raises:
        ValueError: If a device is not there: nothing is tried on another one. If it has no CUDA graphs, and
            they are asked for.
    """
    refuse_absent_devices(config)
    refuse_graphs(config, first_device(config))
    plain = by_rule(config)
    open_ones = _open(config)
    if recorded is not None:
        kept = {key: recorded[key] for key in (*open_ones, "reason") if key in recorded}
        if kept.get("compile") == GRAPHS and GRAPHS not in modes(config, first_device(config)):
            kept["compile"] = True  # continued elsewhere, or with sums of gradients: the same kernels
        return replace(plain, **kept)
    if not open_ones:
        return plain
    if (why := _not_tried(config)) is not None:
        return replace(plain, reason=why)
    return _by_measurement(config, plain, open_ones)


def _open(config: DictConfig) -> list[str]:
    """What is left to choose."""
    asked = {key: config.get(key, "auto") for key in ("precision", "memory_format", "compile")}
    return [key for key, value in asked.items() if value == "auto"]


def _not_tried(config: DictConfig) -> str | None:
    """Why nothing is measured for this run; None: something is. No clock has a say in it."""
    if config.trainer.get("deterministic"):
        return "trainer.deterministic: nothing is chosen by a clock"
    if by_torchrun() or by_srun():
        return "its processes are started by others, and all of them must choose alike"
    if first_device(config).type not in ("cpu", "cuda"):
        return "no other was tried on this kind of device"
    steps = planned_batches(config)
    if steps < SHORT:
        return f"others are tried for runs of {SHORT} steps or more, and this one has {steps:.0f}"
    if seconds_allowed(config) < BRIEF:
        return f"others are tried for runs that may last {BRIEF / 60:.0f} minutes or more"
    return None


def _by_measurement(config: DictConfig, plain: Choices, open_ones: Sequence[str]) -> Choices:
    trial = Trial(config, device=first_device(config), benchmark=plain.benchmark)
    if not trial.trains:
        return replace(plain, reason="there is nothing to train")
    first = Way(plain.precision, plain.memory_format)
    layouts = ("contiguous", "channels_last") if "memory_format" in open_ones else (first.memory_format,)
    precisions = [first.precision]
    if "precision" in open_ones and first.precision != "32-true":
        precisions.append("32-true")
    ways = [Way(precision, layout) for precision in precisions for layout in layouts]
    known = Remembered(trial.described(ways))
    times = numbers(known.get("seconds", lambda: trial.seconds(ways)))
    best = quickest(first, ways, times)
    chosen = replace(
        plain,
        precision=best.precision,
        memory_format=best.memory_format,
        reason=told_times(best, times),
    )
    if "compile" in open_ones and str(best) in times:
        left = seconds_left(config, times[str(best)])
        if expected(trial.layers) <= SHARE * left:
            # A compiler lays out by itself, and better than it is told to.
            layout = "contiguous" if "memory_format" in open_ones else best.memory_format
            # What a precision gains on a GPU is hidden behind the launches, until a compiler joins them.
            kernels = first if trial.device.type == "cuda" else best
            way = kernels._replace(memory_format=layout)
            found = {
                mode: known.get(
                    f"{way} {WORDS[mode]}", partial(trial.compiled, way, beside=best, graphs=mode == GRAPHS)
                )
                for mode in modes(config, trial.device)
            }
            mode, more = best_mode(found, left=left)
            chosen = replace(chosen, reason=f"{chosen.reason}; {more}")
            if mode:
                chosen = replace(chosen, precision=way.precision, memory_format=layout, compile=mode)
    if known.problem:
        _log.warning(
            "what was measured can not be kept (%s): the same command may choose otherwise", known.problem
        )
    return chosen


def quickest(first: Way, ways: Sequence[Way], times: Mapping[str, float]) -> Way:
    """The way that takes least; the first one, where that gains less than `GAIN` or none works."""
    working = [way for way in ways if str(way) in times]
    if not working:
        return first
    best = min(working, key=lambda way: times[str(way)])
    if str(first) in times and times[str(best)] > (1 - GAIN) * times[str(first)]:
        return first
    return best


def told_times(best: Way, times: Mapping[str, float]) -> str:
    """What was measured, each time with its way, the chosen one first."""
    if str(best) not in times:
        return "none of them works here by itself"
    names = sorted(times, key=lambda name: name != str(best))
    told = [f"{name} {milliseconds(times[name])}" for name in names]
    return f"measured here, forward and backward: {', '.join(told)}"


def seconds_left(config: DictConfig, step: float) -> float:
    """How long a run will take, if a step takes so many seconds."""
    return min(planned_batches(config) * step, seconds_allowed(config))


def apply_choices(model: SRModel, choices: Choices, config: DictConfig) -> None:
    """Make a model what was chosen for it, in place.

    Raises:
        ValueError: If `activation_checkpointing` is asked for and the net has no blocks for it.
    """
    for net in (model.net, model.ema):
        if net is not None:
            lay_out(net, choices.memory_format)
    if config.get("activation_checkpointing", False):
        recompute(model.net)
    if choices.compile:
        model.compile_net(mode=GRAPHS if choices.compile == GRAPHS else None)
    if choices.fused:
        for name in ("make_optimizer", "discriminator_optimizer"):
            if (maker := getattr(model, name, None)) is not None:
                setattr(model, name, fused(maker))
    model.choices = choices.as_dict()


def fused(maker: Callable[..., Optimizer]) -> Callable[..., Optimizer]:
    """An optimizer's maker that asks for fused steps, where it has them and was told nothing of them."""
    takes = "fused" in inspect.signature(maker).parameters
    given = maker.keywords.get("fused") if isinstance(maker, partial) else None
    return partial(maker, fused=True) if takes and given is None else maker
