"""What a run's folder says: how it ended, what was configured, and what was measured, image by image."""

import csv
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from sr_experiments.metrics.protocol import BICUBIC, protocol_of_config
from sr_experiments.report.find import RECORD

_CLASSICAL = "sr_experiments.degradations.bicubic.Bicubic"
TASKS = ("train", "evaluate")  # a run that says nothing of its task has trained


class Unreadable(ValueError):
    """A folder whose files are not those of a run; the message says which and why."""


@dataclass(frozen=True)
class Place:
    """Where a number was measured: numbers of two places are not compared.

    Attributes:
        dataset: As the run called it.
        scale: Of super-resolution.
        protocol: A key of `metrics.protocol.PROTOCOLS`.
        degradation: Class that made the small images; empty for MATLAB's bicubic.
    """

    dataset: str
    scale: int
    protocol: str
    degradation: str


@dataclass(frozen=True)
class Measured:
    """One net at one place.

    Attributes:
        images: Their names, sorted.
        values: Metric -> (images,) in their order.
        bicubic: The same of bicubic interpolation: a fingerprint of the inputs.
    """

    images: tuple[str, ...]
    values: dict[str, np.ndarray]
    bicubic: dict[str, np.ndarray]


@dataclass(frozen=True)
class Run:
    """One run's folder.

    Attributes:
        folder: Absolute.
        record: run.json.
        config: config.yaml, resolved.
        measured: By place.
        trained: The folder of the run that made the weights, where this one only evaluated them.
    """

    folder: Path
    record: dict[str, Any]
    config: dict[str, Any]
    measured: dict[Place, Measured] = field(default_factory=dict)
    trained: "Run | None" = None

    @property
    def status(self) -> str:
        """running, finished, interrupted or failed."""
        return str(self.record.get("status", "unknown"))

    @property
    def demo(self) -> bool:
        """Whether it is one, or its weights are of one."""
        return bool(self.record.get("demo")) or (self.trained is not None and self.trained.demo)

    @property
    def seed(self) -> int | None:
        """That the weights were trained with; None where it is not known."""
        if self.trained is not None:
            return self.trained.seed
        seed = self.record.get("seed")
        return None if seed is None else int(seed)

    @property
    def drawn(self) -> bool:
        """Whether a seed can change anything: interpolation has no parameters."""
        return (self.trained or self).record.get("parameters") != 0

    @property
    def started(self) -> str:
        """When, for the question which of two is newer."""
        return str(self.record.get("started", ""))


def read_run(folder: Path, *, cache: dict[Path, Run]) -> Run | None:
    """Read a folder; None if what ran there is neither training nor evaluation.

    Args:
        folder: Holds a run.json.
        cache: Runs that were read already; this one is added.

    Raises:
        Unreadable: If a file is not what a run leaves.
    """
    if folder in cache:
        return cache[folder]
    record = _read_json(folder / RECORD)
    task = record.get("task", "train")
    if task not in TASKS:
        return None
    finished = record.get("status") == "finished"
    config = _read_yaml(folder / "config.yaml") if finished or (folder / "config.yaml").is_file() else {}
    measured = _read_images(folder / "per_image.csv", record, config) if finished else {}
    trained = _trained(record, cache=cache) if task == "evaluate" else None
    cache[folder] = Run(folder, record, config, measured, trained)
    return cache[folder]


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Unreadable(f"{path.name} can not be read: {error}") from error
    if not isinstance(content, dict):
        raise Unreadable(f"{path.name} is no record of a run")
    return content


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        with path.open(encoding="utf-8") as file:
            content = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(file).get_single_data()
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise Unreadable(f"{path.name} can not be read: {str(error).splitlines()[0]}") from error
    if not isinstance(content, dict):
        raise Unreadable(f"{path.name} is no config of a run")
    return content


def _read_images(path: Path, record: Mapping[str, Any], config: Mapping[str, Any]) -> dict[Place, Measured]:
    rows: dict[Place, dict[str, dict[str, float]]] = {}
    try:
        own = str((config.get("degradation") or {}).get("_target_", _CLASSICAL))
        degradation = "" if own == _CLASSICAL else own.rpartition(".")[2]
        protocol = protocol_of_config(config)
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                place = Place(
                    dataset=row.pop("data set"),
                    scale=int(row.pop("scale", 0) or record["scale"]),
                    protocol=row.pop("protocol", "") or protocol,
                    degradation=degradation,
                )
                image = row.pop("image")
                numbers = {key: float(text) for key, text in row.items() if text}
                rows.setdefault(place, {})[image] = numbers
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unreadable(f"{path.name} can not be read: {error!r}") from error
    return {place: _gathered(by_image) for place, by_image in rows.items()}


def _gathered(by_image: Mapping[str, Mapping[str, float]]) -> Measured:
    """A metric that is missing of an image is no number there."""
    images = tuple(sorted(by_image))
    names = list(dict.fromkeys(name for image in images for name in by_image[image]))
    table = {
        name: np.array([by_image[image].get(name, math.nan) for image in images], dtype=float)
        for name in names
    }
    bicubic = {name.removeprefix(BICUBIC): v for name, v in table.items() if name.startswith(BICUBIC)}
    return Measured(images, {n: v for n, v in table.items() if not n.startswith(BICUBIC)}, bicubic)


def _trained(record: Mapping[str, Any], *, cache: dict[Path, Run]) -> Run | None:
    """The run whose weights were evaluated, if it is still where it was."""
    checkpoint = record.get("checkpoint")
    if not checkpoint:
        return None
    path = Path(str(checkpoint)).expanduser().absolute()
    for folder in (path, path.parent, path.parent.parent):
        if (folder / RECORD).is_file() and (folder / "config.yaml").is_file():
            try:
                return read_run(folder, cache=cache)
            except Unreadable:
                return None  # told where it is listed itself
    return None
