"""How time and memory grow: with files, runs in a report, jobs of a sweep, workers, batch and image size.

    python benchmarks/growth.py
    python benchmarks/growth.py --files 100000 --write
    python benchmarks/growth.py --only batch image --quick

Each curve is taken at n, 2n, 4n and 8n, with what is fitted to it: seconds = c n^exponent, where 1 is linear.
What is done once (a start, a report, a preview) is a process of its own, of which the peak of its resident
memory is told, and that of the same at n/8 of nothing; what is repeated takes turns in this process.

- files: `data=folder` with small PNG files, made here. The first start decodes them, the second finds them
  decoded. Seconds are those from the built data module to its first batch, imports not counted.
- report: `task=report` over made-up runs of 50 images. preview: `-m --dry-run` of a grid.
- workers: a batch of 16 crops of 96 as images are read from memory, of 1, 2, 4 and 8 threads.
- batch, patch: a training step (forward, backward, Adam) of srvgg_small; patch counts pixels of a crop.
- image: a whole image restored and measured (psnr_y, ssim_y); counted in pixels.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import growing
import numpy as np
import repeated
import torch
from matplotlib.figure import Figure
from written import RESULTS, where, write

from sr_experiments.data.memory import readable
from sr_experiments.imaging.io import whole_file

STEPS = (1, 2, 4, 8)
ALL = ("files", "report", "preview", "workers", "batch", "patch", "image")


@dataclass
class Curve:
    """What was measured at each size.

    Attributes:
        name: What grows.
        sizes: Of it.
        seconds: The median at each.
        quartiles: At each, where there were several rounds.
        peaks: Bytes that a process had at most; empty where it was this one.
        per: What `seconds` are of.
    """

    name: str
    sizes: list[int]
    seconds: list[float]
    quartiles: list[tuple[float, float]] = field(default_factory=list)
    peaks: list[int] = field(default_factory=list)
    per: str = "all of it"

    @property
    def exponent(self) -> float:
        """Of the power of n that fits best; 1 is linear."""
        slope, _ = np.polyfit(np.log(self.sizes), np.log(self.seconds), 1)
        return float(slope)

    @property
    def last(self) -> float:
        """The exponent from the last size but one to the last, where what is constant counts least."""
        (a, b), (x, y) = self.seconds[-2:], self.sizes[-2:]
        return float(np.log(b / a) / np.log(y / x))

    @property
    def memory(self) -> str:
        """Bytes that each further one takes, by the first and the last size."""
        if not self.peaks:
            return ""
        more = (self.peaks[-1] - self.peaks[0]) / (self.sizes[-1] - self.sizes[0])
        return f"{more / 1000:.1f} kB"


def apart(**given: Any) -> dict[str, Any]:
    """What `growing.py` says about one of its kinds."""
    command = [sys.executable, str(Path(growing.__file__)), json.dumps(given)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{given}: {done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def files(most: int) -> list[Curve]:
    """The first and the second start at each size; then what the second one consists of."""
    sizes = [most // 8 * step for step in STEPS]
    first, second = [], []
    with tempfile.TemporaryDirectory() as place:
        whole = Path(place) / "whole"
        growing.write_images(whole, count=sizes[-1])
        for size in sizes:
            folder, cache = Path(place) / str(size), str(Path(place) / f"{size}-cache")
            growing.link_some(whole, folder, count=size)
            first.append(apart(what="start", folder=str(folder), cache=cache))
            second.append(apart(what="start", folder=str(folder), cache=cache))
    phases = list(second[0]["phases"])
    curves = [curve("files, first start", sizes, first), curve("files, second start", sizes, second)]
    return curves + [
        curve(f"of it: {phase}", sizes, second, phase=phase)
        for phase in phases
        if phase not in ("all", "first batch")
    ]


def curve(name: str, sizes: list[int], found: Sequence[dict[str, Any]], *, phase: str = "all") -> Curve:
    """Of processes."""
    peaks = [one["bytes"] for one in found] if phase == "all" else []
    return Curve(name, sizes, [one["phases"][phase] for one in found], peaks=peaks)


def report(most: int) -> list[Curve]:
    """`task=report` at each size."""
    sizes, found = [most // 8 * step for step in STEPS], []
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            found.append(apart(what="report", runs=size, images=50, folder=folder))
    return [curve("runs in a report", sizes, found)]


def preview(most: int) -> list[Curve]:
    """`--dry-run` at each size."""
    sizes = [most // 8 * step for step in STEPS]
    return [curve("jobs previewed", sizes, [apart(what="preview", jobs=size) for size in sizes])]


def taking_turns(kind: str, *, rounds: int, small: bool) -> list[Curve]:
    """What is done in this process."""
    counted = repeated.KINDS[kind](small=small, rounds=rounds)
    times = list(counted.times.values())
    return [
        Curve(
            counted.name,
            list(counted.times),
            [one.median for one in times],
            quartiles=[(one.low, one.high) for one in times],
            per=counted.per,
        )
    ]


def table(curves: Sequence[Curve]) -> list[str]:
    """Sizes, seconds, memory and exponents."""
    lines = [
        "| what grows | n | at n | at 2n | at 4n | at 8n | exponent | from 4n to 8n | peak memory at n, 8n "
        "| each further one |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for one in curves:
        peaks = f"{readable(one.peaks[0])}, {readable(one.peaks[-1])}" if one.peaks else ""
        seconds = " | ".join(f"{value:.3g} s" for value in one.seconds)
        lines.append(
            f"| {one.name} | {one.sizes[0]:,} | {seconds} | {one.exponent:.2f} | {one.last:.2f} | {peaks} "
            f"| {one.memory} |"
        )
    return lines


def draw(curves: Sequence[Curve], path: Path) -> None:
    """Seconds against n, both logarithmic; what is linear has the slope of the grey lines."""
    figure = Figure(figsize=(10, 6), dpi=120, layout="constrained")
    axes = figure.subplots()
    for one in curves:
        across = np.array(one.sizes) / one.sizes[0]
        axes.plot(across, np.array(one.seconds) / one.seconds[0], marker="o", label=one.name)
    ideal = np.array(STEPS, dtype=float)
    axes.plot(ideal, ideal, color="0.6", linestyle="--", label="linear")
    axes.set(xscale="log", yscale="log", xlabel="n, as a multiple of the first", ylabel="seconds, likewise")
    axes.set_xticks(STEPS, [f"{step}n" for step in STEPS])
    axes.minorticks_off()
    axes.grid(color="0.9")
    axes.legend(frameon=False)
    with whole_file(path) as stream:
        figure.savefig(stream, format="png")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=int, default=100_000, help="the most")
    parser.add_argument("--runs", type=int, default=1000, help="of a report, the most")
    parser.add_argument("--jobs", type=int, default=10_000, help="previewed, the most")
    parser.add_argument("--rounds", type=int, default=15, help="of what is repeated")
    parser.add_argument("--only", nargs="+", choices=ALL, default=ALL)
    parser.add_argument("--quick", action="store_true", help="everything small, to see that it works")
    parser.add_argument("--write", action="store_true", help="into benchmarks/results/")
    options = parser.parse_args()
    if min(options.files, options.runs, options.jobs) < 8 or options.rounds < 1:
        parser.error("--files, --runs and --jobs must be at least 8, --rounds at least 1")
    if options.quick:
        options.files, options.runs, options.jobs, options.rounds = 400, 40, 80, 1
    ways: dict[str, Callable[[], list[Curve]]] = {
        "files": lambda: files(options.files),
        "report": lambda: report(options.runs),
        "preview": lambda: preview(options.jobs),
        **{
            kind: partial(taking_turns, kind, rounds=options.rounds, small=options.quick)
            for kind in repeated.KINDS
        },
    }
    notes = where(torch.device("cpu"))
    curves = [one for kind in options.only for one in ways[kind]()]
    lines = table(curves)
    print("\n".join([*lines, "", *(f"- {note}" for note in notes)]))
    if options.write:
        draw(curves, RESULTS / "growth.png")
        data = {"curves": [vars(one) | {"exponent": one.exponent} for one in curves]}
        write("growth", [*lines, "", "![growth](growth.png)"], data, notes=notes)


if __name__ == "__main__":
    main()
