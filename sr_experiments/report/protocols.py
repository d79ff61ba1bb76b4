"""How each number was measured, in the words of what measured it."""

import importlib
import inspect
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sr_experiments.metrics.base import ImageMetric
from sr_experiments.metrics.protocol import PROTOCOLS, image_metrics
from sr_experiments.models.cost import CONVENTION
from sr_experiments.report.runs import Place, Run

_OURS = "sr_experiments.metrics."


@dataclass(frozen=True)
class Explained:
    """A paragraph of the page; words between backticks are code."""

    title: str
    text: str


def higher_is_better(metric: str, runs: Iterable[Run]) -> bool:
    """By the metric's own class, which a run's config names; PSNR and SSIM are higher."""
    found = _class_of(metric, runs)
    return found is None or found.higher_is_better


def explain(places: Iterable[Place], metrics: Iterable[str], runs: Iterable[Run]) -> list[Explained]:
    """A paragraph per protocol, degradation and metric that occurs."""
    runs, places = list(runs), list(places)
    found = [
        Explained(f"protocol {name}", text)
        for name, text in PROTOCOLS.items()
        if any(place.protocol == name for place in places)
    ]
    main = inspect.getdoc(inspect.getmodule(image_metrics)) or ""
    found.append(Explained("PSNR and SSIM", _paragraphs(main)))
    for name in dict.fromkeys(place.degradation for place in places):
        found.append(_degradation(name, runs))
    for metric in dict.fromkeys(metrics):
        measured_by = _class_of(metric, runs)
        if measured_by is not None:
            way = "higher" if measured_by.higher_is_better else "lower"
            text = _paragraphs(inspect.getdoc(measured_by) or "")
            found.append(Explained(metric, f"{text} {way.capitalize()} is better."))
    return [*found, Explained("multiply-adds", CONVENTION)]


def _degradation(name: str, runs: Iterable[Run]) -> Explained:
    title = f"small images: {name or 'bicubic'}"
    for run in runs:
        target = str((run.config.get("degradation") or {}).get("_target_", ""))
        is_meant = target.rpartition(".")[2] == (name or "Bicubic")
        if is_meant and target.startswith("sr_experiments.degradations."):
            module, _, class_name = target.rpartition(".")
            loaded = importlib.import_module(module)
            text = inspect.getdoc(loaded) if not name else inspect.getdoc(getattr(loaded, class_name))
            return Explained(title, _paragraphs(text or ""))
    return Explained(title, "see the runs' config.yaml")


def _class_of(metric: str, runs: Iterable[Run]) -> type[ImageMetric] | None:
    """Only classes of this package are imported, whatever a config says."""
    for run in runs:
        node: Mapping[str, Any] = (run.config.get("metric") or {}).get(metric) or {}
        module, _, name = str(node.get("_target_", "")).rpartition(".")
        if module.startswith(_OURS) and re.fullmatch(r"[\w.]+", module):
            try:
                found = getattr(importlib.import_module(module), name)
            except (ImportError, AttributeError):
                continue  # of another version of this package
            if isinstance(found, type) and issubclass(found, ImageMetric):
                return found
    return None


def _paragraphs(text: str) -> str:
    """A docstring without its sections of arguments, and without its line breaks."""
    text = re.split(r"\n\s*(?:Args|Attributes|Returns|Raises):\n", text)[0]
    return " ".join(text.replace("``", "`").split())
