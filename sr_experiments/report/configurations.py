"""Runs that differ only in their seed are one configuration; what tells configurations apart."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from sr_experiments.report.runs import Run

# What says where, how fast, how loud or what is measured, and not what is trained.
_ASIDE = (
    "seed",
    "data.seed",
    "data.degradation",  # this and the next three are those of the run
    "data.scale",
    "data.channels",
    "data.guide_channels",
    "task",
    "debug",
    "data_dir",
    "logger",
    "callbacks.progress",
    "callbacks.images",
    "benchmark",
    "metric",
    "data.test",
    "data.cache",
    "data.cache_dir",
    "data.cache_limit",
    "data.workers",
    "data.pin_memory",
    "trainer.enable_progress_bar",
    "trainer.log_every_n_steps",
    "trainer.benchmark",
    "memory_format",
    "compile",
    "activation_checkpointing",
    "optimizer.fused",
)
_INFERENCE = {"self_ensemble": False, "tile": None, "tile_overlap": 32}
ABSENT = "-"
# What the key `loss` says, or the model's name does.
_SAID = re.compile(r"name|net\._target_|(adversary|loss\.terms\.[^.]+)\.weight")


@dataclass
class Configuration:
    """One row of a leaderboard.

    Attributes:
        config: Flat: key with dots -> value.
        runs: Differ in the seed, or measured other data sets.
        label: Short, and different from every other's.
    """

    config: dict[str, Any]
    runs: list[Run] = field(default_factory=list)
    label: str = ""

    @property
    def name(self) -> str:
        """What the runs call themselves."""
        return str(self.runs[0].record.get("model") or self.config.get("name", "?"))

    @property
    def demo(self) -> bool:
        """Whether any of its runs is a demo."""
        return any(run.demo for run in self.runs)

    @property
    def marked(self) -> str:
        """The label, and that it is a demo where it is one."""
        return f"{self.label} (demo)" if self.demo else self.label

    @property
    def drawn(self) -> bool:
        """Whether a seed can change anything."""
        return self.runs[0].drawn

    def says(self, key: str) -> str:
        """A value as one reads it: a class by its last name, a dash where there is none."""
        text = shown(self.config.get(key, ABSENT))
        return text.rpartition(".")[2] if key.endswith("_target_") else text

    def fact(self, key: str) -> Any:
        """What the first run that says it says."""
        return next((run.record[key] for run in self.runs if run.record.get(key) is not None), None)

    @property
    def multiply_adds(self) -> float | None:
        """For one 1280x720 output; an evaluation at several scales has several, and tells none."""
        told = [run.record.get("multiply_adds") for run in self.runs if "scale" in run.record]
        return next((float(value) for value in told if value is not None), None)

    def speed(self) -> float | None:
        """Samples a second, mean over its training runs."""
        told = [float(run.record["samples_per_second"]) for run in self.runs if _trains(run)]
        return sum(told) / len(told) if told else None


def configurations(runs: Sequence[Run]) -> list[Configuration]:
    """Group runs, in the order of their first one, and give every group a label."""
    groups: dict[str, Configuration] = {}
    for run in runs:
        flat = identity(run)
        key = json.dumps(flat, sort_keys=True, default=str)
        groups.setdefault(key, Configuration(flat)).runs.append(run)
    found = list(groups.values())
    _label(found)
    return found


def identity(run: Run) -> dict[str, Any]:
    """What makes a run what it is, but its seed; flat.

    An evaluation is what it evaluated: the training run's config where that is at hand, and how its images
    went through the net if that was not the plain way.
    """
    source = run.trained or run
    flat = {key: value for key, value in _flat(source.config) if not _aside(key)}
    if not run.drawn:  # nothing was trained, so nothing of how counts
        flat = {key: value for key, value in flat.items() if key.startswith("net.") and key != "net.scale"}
    elif loss := _loss(source.config):
        flat = {"loss": loss, **flat}
    if run.drawn and "precision" in source.record:
        flat["precision"] = source.record["precision"]
    if run.record.get("task") == "evaluate":
        options = dict(run.record.get("inference") or {})
        if options.get("tile") is None:
            options.pop("tile_overlap", None)
        flat |= {f"task.{key}": value for key, value in options.items() if value != _INFERENCE.get(key)}
        weights = str(run.record.get("checkpoint") or "")
        if run.trained is None and weights:
            flat["task.checkpoint"] = weights
        elif weights.endswith(".ckpt") and not weights.endswith("best.ckpt"):
            flat["task.checkpoint"] = weights.rpartition("/")[2]
    return flat


def differences(found: Sequence[Configuration]) -> list[str]:
    """The keys in which configurations differ, those that all have first."""
    keys = list(dict.fromkeys(key for one in found for key in one.config))
    having = {key: [shown(one.config[key]) for one in found if key in one.config] for key in keys}
    several = {key for key in keys if len(set(having[key])) > 1}
    differing = [key for key in keys if key in several or len(having[key]) < len(found)]
    differing = [key for key in differing if not _SAID.fullmatch(key)]
    # What some do not have, and all others alike, follows from another: from the net, or the loss.
    chosen = [key for key in differing if key in several or key.startswith("task.")]
    if _kinds(chosen, found) < _kinds(differing, found):
        chosen = differing
    # A schedule's lengths follow from the budget, which is what somebody chose; details from the whole.
    whole = {key for key in chosen if key == "loss" or short(key) != key}
    return sorted(chosen, key=lambda key: (-len(having[key]), key.startswith("schedule."), key not in whole))


def short(key: str) -> str:
    """Of a part that was chosen as a whole its name: `optimizer` of `optimizer._target_`."""
    return key.removesuffix("._target_").removesuffix(".name")


def shown(value: Any) -> str:
    """A value as it is typed."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | dict):
        return json.dumps(value)
    return str(value)


def _trains(run: Run) -> bool:
    return run.record.get("task") != "evaluate" and bool(run.record.get("samples_per_second"))


def _flat(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(node, Mapping) and node:
        for key, value in node.items():
            yield from _flat(value, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, node


@lru_cache(maxsize=10_000)
def _aside(key: str) -> bool:
    return any(key == aside or key.startswith(f"{aside}.") for aside in _ASIDE)


def _loss(config: Mapping[str, Any]) -> str:
    """What was minimised, as a sum: l1+0.1*perceptual. Empty where the config has no named terms."""
    terms = dict((config.get("loss") or {}).get("terms") or {})
    terms |= {"adversary": config["adversary"]} if config.get("adversary") else {}
    weights = {name: term["weight"] for name, term in terms.items() if term.get("weight")}
    return "+".join(name if weight == 1 else f"{shown(weight)}*{name}" for name, weight in weights.items())


def _kinds(keys: Sequence[str], found: Sequence[Configuration]) -> int:
    """How many kinds of configurations a model's name and these keys tell apart."""
    return len({(one.name, *(shown(one.config.get(key, ABSENT)) for key in keys)) for one in found})


def _telling(keys: Sequence[str], found: Sequence[Configuration]) -> list[str]:
    """Those keys that tell apart what the ones before them do not."""
    telling: list[str] = []
    for key in keys:
        if _kinds([*telling, key], found) > _kinds(telling, found):
            telling.append(key)
    return telling


def _label(found: Sequence[Configuration]) -> None:
    """The model's name; where several share it, up to three values that tell more of them apart."""
    by_name: dict[str, list[Configuration]] = {}
    for one in found:
        by_name.setdefault(one.name, []).append(one)
    for name, same in by_name.items():
        every = {key for one in same for key in one.config}
        telling = _telling(differences(same), same)[:3]
        for one in same:
            told = [f"{_word(key, every)}={one.says(key)}" for key in telling if key in one.config]
            one.label = " ".join([name, *told]) if len(same) > 1 else name
        labels = [one.label for one in same]
        for number, one in enumerate(same):
            if labels.count(one.label) > 1:
                one.label += f" #{labels[: number + 1].count(labels[number])}"


def _word(key: str, among: Iterable[str]) -> str:
    """Its last word, or two where that is another's, too."""
    words = short(key).split(".")
    alike = sum(short(other).split(".")[-1] == words[-1] for other in among)
    return ".".join(words[-2:] if alike > 1 else words[-1:])
