"""A folder with photographs, and the shortest sweep that there is."""

import json
import shlex
from pathlib import Path
from typing import Any

from tests.tasks.runs import photographs

SHORT = (
    "data=folder data.root=photos scale=2 model=espcn net.features=4 net.mapped_features=4 data.patch_size=16"
    " data.batch_size=1 trainer=cpu precision=32-true data.steps_per_epoch=1 trainer.max_epochs=1 "
    "trainer.log_every_n_steps=1"
)


def lay(folder: Path) -> Path:
    """Photographs of 32 pixels."""
    photographs(folder / "photos", count=6, side=32)
    return folder


def words(line: str) -> list[str]:
    """As a shell splits it."""
    return shlex.split(line)


def read(path: Path) -> dict[str, Any]:
    """A file of JSON."""
    content = json.loads(path.read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


def statuses(folder: Path) -> list[str]:
    """Of the runs of a sweep."""
    return [row["status"] for row in read(folder / "sweep.json")["jobs"]]
