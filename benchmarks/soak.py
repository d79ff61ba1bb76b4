"""Whether a long run stays as it is: memory, open files and speed of a toy that trains for an hour.

    python benchmarks/soak.py
    python benchmarks/soak.py --minutes 5 --runs 20

A small net trains with validation, checkpoints and a picture of its health every epoch of two seconds, and
is looked at from outside, through /proc. Printed are slopes, of lines fitted to what was seen after the first
tenth and after the first half, and what a batch took in the first and in the last third. Then short runs
follow one another, and what they leave behind is counted: processes, files that are still being written,
temporary files, shared memory. Linux only.
"""

import argparse
import csv
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sr_experiments.imaging.io import write_png

COMMON = [
    "scale=2",
    "data=folder",
    "data.root=photographs",
    "data.patch_size=16",
    "data.batch_size=2",
    "trainer=cpu",
    "model=espcn",
    "net.features=8",
]
LONG = [
    *COMMON,
    "loss=gan",
    "discriminator=patchgan",
    "discriminator.width=4",
    "discriminator.layers=1",
    "data.workers=1",
    "data.steps_per_epoch=100",
    "trainer.max_epochs=1000000",
    "run=long",
]


def photographs(folder: Path) -> None:
    """Noise, but smooth."""
    for number in range(5):
        coarse = np.random.default_rng(number).integers(0, 256, (10, 10, 3)).astype(np.uint8)
        write_png(folder / f"{number}.png", coarse.repeat(5, axis=0).repeat(5, axis=1))


def family(pid: int) -> list[int]:
    """A process and its children."""
    found = [pid]
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            continue
        if parent == pid:
            found.append(int(path.parent.name))
    return found


def seen(pid: int) -> tuple[float, int, int]:
    """Memory in MB of a process and its children, their open files, and threads."""
    memory = files = threads = 0
    for number in family(pid):
        try:
            status = Path(f"/proc/{number}/status").read_text()
            files += len(os.listdir(f"/proc/{number}/fd"))
        except OSError:
            continue
        values = {
            line.split(":")[0]: line.split()[1] for line in status.splitlines() if len(line.split()) > 1
        }
        memory += int(values.get("RssAnon", 0))
        threads += int(values.get("Threads", 0))
    return memory / 1024, files, threads


def cpu_seconds(pid: int) -> float:
    """What a process and its children have computed: unlike the clock, it does not see who else is busy."""
    total = 0
    for number in family(pid):
        try:
            fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def slope(times: Sequence[float], values: Sequence[float]) -> float:
    """Per hour."""
    return float(np.polyfit(np.array(times) / 3600, np.array(values), 1)[0])


def soak(folder: Path, *, minutes: float) -> list[str]:
    """Train, look, and say what was seen."""
    command = [sys.executable, "-m", "sr_experiments", *LONG]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    rows: list[tuple[float, float, int, int, int, float]] = []
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        while not (folder / "long" / "checkpoints" / "best.ckpt").is_file():
            if process.poll() is not None:
                raise RuntimeError(process.stderr.read() if process.stderr else "")
            time.sleep(0.5)
        start = time.monotonic()
        while time.monotonic() - start < 60 * minutes:
            time.sleep(min(2.0, minutes))
            logged = (
                (folder / "long" / "metrics.csv").read_bytes().count(b"\n")
            )  # every ten batches, and more
            look = (*seen(process.pid), logged, cpu_seconds(process.pid))
            rows.append((time.monotonic() - start, *look))
        process.terminate()
        code = process.wait(60)
    late = rows[len(rows) // 10 :]
    times = [row[0] for row in late]
    with (folder / "long" / "metrics.csv").open(encoding="utf-8") as file:
        steps = int(list(csv.DictReader(file))[-1]["step"])
    lines = [
        f"{minutes:g} minutes, {steps} steps, {steps // 100} validations and checkpoints; ended with {code}"
    ]
    for place, name in ((1, "memory, MB"), (2, "open files"), (3, "threads")):
        values = [float(row[place]) for row in late]
        ends = f"{values[0]:.1f} | {values[-1]:.1f} | {max(values):.1f}"
        half = len(late) // 2
        slopes = f"{slope(times, values):+.2f} | {slope(times[half:], values[half:]):+.2f}"
        lines.append(f"| {name} | {ends} | {slopes} |")
    third = len(late) // 3
    for name, place in (("by the clock", 0), ("of CPU", 5)):
        costs = [
            (part[-1][place] - part[0][place]) / (part[-1][4] - part[0][4]) / 10
            for part in (late[:third], late[-third:])
        ]
        lines.append(f"| ms a batch, {name} | {1000 * costs[0]:.2f} | {1000 * costs[1]:.2f} | | | |")
    return lines


SHORT = """
import os, sys
from sr_experiments import cli
import sr_experiments.tasks.train
arguments, runs = sys.argv[2:], int(sys.argv[1])
for number in range(runs):
    child = os.fork()
    if not child:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.argv = ["sr_experiments", *arguments, f"run=short-{number}"]
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = end.code or 0
        os._exit(code)
    if os.waitpid(child, 0)[1]:
        sys.exit(f"run {number} failed")
"""


def short_runs(folder: Path, *, runs: int) -> list[str]:
    """One after the other, and what is left of them."""
    more = ["data.workers=1", "data.steps_per_epoch=10", "trainer.max_epochs=1"]
    own = folder / "temporary"
    own.mkdir()
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TMPDIR": str(own)}
    shared = set(os.listdir("/dev/shm"))
    command = [sys.executable, "-c", SHORT, str(runs), *COMMON, *more]
    session = subprocess.Popen(command, cwd=folder, env=environment, start_new_session=True)
    code = session.wait()
    processes = [path for path in Path("/proc").glob("[0-9]*/stat") if _in_session(path, session.pid)]
    unfinished = list(folder.glob("short-*/**/.*.tmp"))
    temporary, memory = sorted(path.name for path in own.iterdir()), set(os.listdir("/dev/shm")) - shared
    return [
        f"{runs} short runs, exit code {code}; left behind: {len(processes)} processes, {len(unfinished)} "
        f"unfinished files, {len(temporary)} temporary files "
        f"{temporary}, {len(memory)} pieces of shared memory"
    ]


def _in_session(path: Path, session: int) -> bool:
    try:
        return int(path.read_text().rpartition(")")[2].split()[3]) == session
    except (OSError, ValueError, IndexError):
        return False


def main(arguments: Sequence[str] | None = None) -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description="Train for long, and look at memory, files and speed.")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--runs", type=int, default=200)
    options = parser.parse_args(arguments)
    if options.minutes <= 0 or options.runs < 0:
        parser.error("--minutes must be more than 0, --runs 0 or more")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photographs(folder / "photographs")
        first, *table = soak(folder, minutes=options.minutes)
        print(first, flush=True)
        print(
            "| | begin | end | most | slope per hour | of the second half |",
            "|---|---|---|---|---|---|",
            sep="\n",
        )
        print(*table, sep="\n", flush=True)
        if options.runs:
            print("\n".join(short_runs(folder, runs=options.runs)))


if __name__ == "__main__":
    main()
