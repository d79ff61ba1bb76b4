"""What a benchmark found, written down with the machine, the versions and the command: `--write`."""

import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from sr_experiments.imaging.io import whole_file
from sr_experiments.profiling.machine import busy, describe

RESULTS = Path(__file__).resolve().parent / "results"


def where(device: torch.device | None = None) -> list[str]:
    """On what it was measured, a line each."""
    machine = describe(device or torch.device("cpu"))
    said = [f"on {', '.join(f'{key} {value}' for key, value in machine.items())}"]
    return said + [busy()] * bool(busy())


def write(
    name: str,
    lines: Sequence[str],
    data: Mapping[str, Any],
    *,
    notes: Sequence[str],
    folder: Path = RESULTS,
) -> None:
    """Write ``<name>.md`` and ``<name>.json``.

    Args:
        name: Of the benchmark, and of the part of it that was run.
        lines: What it printed.
        data: The same as numbers.
        notes: Of `where`, taken before it was measured.
        folder: Where to.
    """
    command = shlex.join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]])
    text = "\n".join([f"`{command}`", "", *lines, "", *(f"- {note}" for note in notes)]) + "\n"
    content = json.dumps({"command": command, "notes": list(notes), **data}, indent=2) + "\n"
    for suffix, said in (("md", text), ("json", content)):
        with whole_file(folder / f"{name}.{suffix}") as stream:
            stream.write(said.encode())
