"""How long one waits: for `--help`, for what is said about a typo, and for the first step of training.

    python benchmarks/startup.py
    python benchmarks/startup.py --rounds 9 --write
    python benchmarks/startup.py --answers

Every line is a process of its own, as it is typed, from its start to its end; the lines take turns, and the
median of all rounds is shown with its quartiles. The first process of each is not counted: it warms the disk.
The demo is watched from inside, up to the end of its first optimizer step, where it is ended.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from written import where, write

from sr_experiments.imaging.io import write_png
from sr_experiments.profiling.clock import Times, take_turns

ANSWER, STEP = 1.5, 15.0  # seconds that are asked for
WATCHED = Path(__file__).resolve().with_name("watched.py")
FIRST = "first step of the demo"
PROGRAM = ["-m", "sr_experiments"]
# What the whole of is timed: name, arguments of Python, the exit code that it has, what is asked.
ANSWERS: dict[str, tuple[list[str], int, float | None]] = {
    "--help": ([*PROGRAM, "--help"], 0, ANSWER),
    "a typo": ([*PROGRAM, "model=rcna"], 2, ANSWER),
    "a typo below": ([*PROGRAM, "model=rcan", "net.redction=8"], 2, ANSWER),
    "-c job": ([*PROGRAM, "model=rcan", "-c", "job"], 0, None),
    "import of what is light": (["-c", "import sr_experiments.cli"], 0, None),
    "Python itself": (["-c", "pass"], 0, None),
}
IMPORTS = {
    "torch": "import torch",
    "torch and Lightning": "import pytorch_lightning",
    "task=train": "import sr_experiments.tasks.train",
    "task=evaluate": "import sr_experiments.tasks.evaluate",
    "task=upscale": "import sr_experiments.tasks.upscale",
    "task=report": "import sr_experiments.tasks.report",
}
MARKS = {
    "Python and the command line": "imported what is light",
    "composing and checking the config": "composed",
    "imports": "imported",
    "data module": "data",
    "model": "model",
    "trainer": "trainer",
    "images and what is said": "images",
    "Lightning's start, a first validation": "training",
    "the first step": "stepped",
}


def process(arguments: Sequence[str], *, folder: Path, expected: int = 0, **more: str) -> str:
    """Run Python; what it printed.

    Raises:
        RuntimeError: If it ends otherwise than it should.
    """
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=os.environ | more,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != expected:
        raise RuntimeError(f"{' '.join(arguments)} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout


def first_step(folder: Path, arguments: Sequence[str]) -> dict[str, float]:
    """A run up to its first step: seconds from the command to each mark."""
    with tempfile.TemporaryDirectory(dir=folder) as own:
        begun = time.time()
        said = process([str(WATCHED), *arguments], folder=Path(own))
    marks: dict[str, float] = json.loads(said.splitlines()[-1])
    return {name: at - begun for name, at in marks.items()}


def row(name: str, times: Times, *, asked: float | None = None) -> str:
    """A line of the table."""
    limit = "" if asked is None else f"{asked:.1f}, {'held' if times.median <= asked else 'NOT held'}"
    return f"| {name} | {times.median:.2f} | {times.low:.2f} to {times.high:.2f} | {limit} |"


def measure(options: argparse.Namespace, folder: Path) -> tuple[list[str], dict[str, Any]]:
    """All of it: the tables, and the numbers."""
    picture = folder / "picture.png"
    write_png(picture, np.random.default_rng(0).integers(256, size=(32, 32, 3), dtype=np.uint8))
    upscale = ["model=bicubic", f"input={picture}", f"output={folder / 'out'}"]
    calls: dict[str, Callable[[], object]] = {
        name: partial(process, arguments, folder=folder, expected=code)
        for name, (arguments, code, _) in ANSWERS.items()
    }
    answers = take_turns(calls, rounds=options.rounds, seconds=options.seconds)
    lines = [
        "| what | seconds, median | quartiles | asked for |",
        "|---|---:|---:|---|",
        *(row(name, times, asked=ANSWERS[name][2]) for name, times in answers.items()),
    ]
    numbers = {name: times.as_dict() for name, times in answers.items()}
    if options.answers:
        return lines, {"times": numbers}
    calls = {
        f"import for {name}": partial(process, ["-c", code], folder=folder) for name, code in IMPORTS.items()
    }
    evaluate = [*PROGRAM, "task=evaluate", "model=bicubic"]
    calls["task=evaluate of bicubic, two photographs"] = partial(process, evaluate, folder=folder)
    calls["task=upscale of 32x32 by bicubic"] = partial(
        process, [*PROGRAM, "task=upscale", *upscale], folder=folder
    )
    found: list[dict[str, float]] = []
    calls[FIRST] = lambda: found.append(first_step(folder, options.run))
    longer = take_turns(calls, rounds=options.rounds, seconds=options.seconds)
    lines += [row(name, times, asked=STEP if name == FIRST else None) for name, times in longer.items()]
    lines += ["", *broken_down(found[1:])]
    numbers |= {name: times.as_dict() for name, times in longer.items()}
    return lines, {"times": numbers, "first step": found[1:]}


def broken_down(found: Sequence[dict[str, float]]) -> list[str]:
    """Of the first step: what took how long, the median of all rounds."""
    lines = ["| from the command to the first step of the demo | seconds |", "|---|---:|"]
    before = [0.0] * len(found)
    for name, mark in MARKS.items():
        until = [one[mark] for one in found]
        taken = statistics.median(after - start for after, start in zip(until, before, strict=True))
        lines.append(f"| {name} | {taken:.2f} |")
        before = until
    return [*lines, f"| all | {statistics.median(before):.2f} |"]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=180.0, help="no further round begins after these")
    parser.add_argument("--answers", action="store_true", help="only --help, typos and their like")
    parser.add_argument("--write", action="store_true", help="into benchmarks/results/")
    parser.add_argument("run", nargs="*", help="KEY=VALUE of the run that is watched; none: the demo")
    options = parser.parse_args()
    if options.rounds < 1 or options.seconds < 0:
        parser.error("--rounds must be at least 1, --seconds at least 0")
    notes = where(torch.device("cpu"))
    with tempfile.TemporaryDirectory() as folder:
        lines, data = measure(options, Path(folder))
    print("\n".join([*lines, "", *(f"- {note}" for note in notes)]))
    if options.write:
        write("startup", lines, data, notes=notes)


if __name__ == "__main__":
    main()
