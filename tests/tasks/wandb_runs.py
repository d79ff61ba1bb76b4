"""Reading back what a run has given to wandb offline."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sr_experiments.callbacks.wandb_file import read_records
from tests.conftest import ROOT


@dataclass
class Part:
    """One file of a run.

    Attributes:
        folder: Of wandb.
        id: Of the run.
        group: What it belongs to.
        name: What it is called.
        tags: By which it is found.
        config: As it was sent.
        rows: Number of a row -> key -> value; that of a picture, a table or a histogram is a mapping.
        axes: What is drawn over what.
        artifacts: Their types and files.
        exit_code: None where it was killed.
    """

    folder: Path
    id: str = ""
    group: str = ""
    name: str = ""
    tags: list[str] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    rows: dict[int, dict[str, Any]] = field(default_factory=dict)
    axes: dict[str, str] = field(default_factory=dict)
    artifacts: list[tuple[str, list[str]]] = field(default_factory=list)
    exit_code: int | None = None

    def of_type(self, kind: str) -> dict[str, list[dict[str, Any]]]:
        """Key -> its values, of pictures (image-file), tables (table-file) or histograms (histogram)."""
        found: dict[str, list[dict[str, Any]]] = {}
        for row in self.rows.values():
            for key, value in row.items():
                if isinstance(value, dict) and value.get("_type") == kind:
                    found.setdefault(key, []).append(value)
        return found

    @property
    def keys(self) -> set[str]:
        """Everything that was logged."""
        return {key for row in self.rows.values() for key in row}


def parts_of(run: Path) -> list[Part]:
    """The files of a run, the first one first."""
    return [_read(path) for path in sorted((run / "wandb").glob("*run-*/run-*.wandb"))]


def _read(path: Path) -> Part:
    part = Part(path.parent)
    for record in read_records(path):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            part.id, part.group, part.name = record.run.run_id, record.run.run_group, record.run.display_name
            part.tags = list(record.run.tags)
            part.config |= {entry.key: json.loads(entry.value_json) for entry in record.run.config.update}
        elif kind == "history":
            assert record.history.step.num not in part.rows, "a row is there twice"
            part.rows[record.history.step.num] = dict(_values(record.history.item))
        elif kind == "metric":
            part.axes[record.metric.name or record.metric.glob_name] = record.metric.step_metric
        elif kind == "artifact":
            files = [entry.path for entry in record.artifact.manifest.contents]
            part.artifacts.append((record.artifact.type, files))
        elif kind == "exit":
            part.exit_code = record.exit.exit_code
    return part


def _values(items: Any) -> Iterator[tuple[str, Any]]:
    gathered: dict[str, Any] = {}
    for item in items:
        key, *inner = item.nested_key or [item.key]
        if key.startswith("_"):
            continue
        value = json.loads(item.value_json)
        if inner:
            gathered.setdefault(key, {})[".".join(inner)] = value
        else:
            gathered[key] = value
    yield from gathered.items()


def documented(*, adversarial: bool) -> dict[str, re.Pattern[str]]:
    """Keys of the table in docs/wandb.md, as patterns, of one kind of run."""
    found = {}
    for line in (ROOT / "docs" / "wandb.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 5 and (cells[2] == "every run" or (adversarial and cells[2] == "adversarial")):
            for key in re.findall(r"`([^`]+)`", cells[1]):
                found[key] = re.compile(re.sub(r"<\w+>", "[^/]+", key))
    return found
