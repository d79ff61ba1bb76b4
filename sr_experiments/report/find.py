"""Which folders hold runs."""

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from sr_experiments.nearest import nearest_path

RECORD = "run.json"
SWEEP = "sweep.json"


def find_runs(given: Sequence[str]) -> list[Path]:
    """The run folders at or below what was given, each once, in the order of their paths.

    Args:
        given: Folders (of a run, of a sweep, of many), or globs of such.

    Raises:
        ValueError: If one of them leads to no run.
    """
    found: dict[Path, None] = {}
    for text in given:
        pattern = os.path.expanduser(text)
        starts = [pattern] if os.path.isdir(pattern) else sorted(glob.glob(pattern, recursive=True))
        below = [folder for start in starts for folder in _below(start)]
        if not below:
            what = "there is no such folder" if not starts else f"no {RECORD} there or below"
            meant = nearest_path(Path(pattern), fits=Path.is_dir) if not starts else ""
            raise ValueError(
                f"runs={text}: {what}; give a run's folder, a sweep's, a folder of them, or a glob in quotes"
                f"{meant}"
            )
        found |= dict.fromkeys(below)
    return sorted(found)


def _below(start: str) -> Iterator[Path]:
    """A run's folder holds no other runs, so nothing below one is looked at."""
    for folder, inner, files in os.walk(start):
        if RECORD in files:
            inner.clear()
            yield Path(os.path.abspath(folder))
        inner[:] = sorted(name for name in inner if not name.startswith("."))
