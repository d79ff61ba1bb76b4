"""How training scales: measured on one and two processes here, and as a model for many GPUs.

    python benchmarks/scaling.py measure --rounds 3
    python benchmarks/scaling.py model
    python benchmarks/scaling.py sweep --copies 300

- measure: runs of the program on the CPU, a thread for each process: one process, two with the same global
  batch, two with twice of it. The three take turns, and the best of all rounds is compared. Seconds of a
  start are those of a run of one step that are not training.
- model: what a ring all-reduce of all gradients takes beside a step's computing, for 8 to 64 GPUs. Nothing
  of it is measured: counts and stated assumptions.
- sweep: what a finished toy run leaves on the disk, and how long reading many of them takes.
"""

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

TWO = ["trainer=ddp", "trainer.devices=2", "trainer.accelerator=cpu"]
TOY = ["data.cache=memory", "data.workers=0", "trainer.max_time=null", "precision=32-true"]
MODELS = ("edsr_baseline", "edsr", "rcan", "rrdbnet", "esrgan")
GPUS = (8, 16, 32, 64)
BATCH, PATCH, SCALE = 16, 192, 4  # of a device; the recipes' of EDSR and RCAN
COMPUTE = 30e12  # operations a second that a GPU keeps up with convolutions: assumed
WITHIN, BETWEEN = (
    200e9,
    50e9,
)  # bytes a second of a ring in a machine, and between: assumed
OUTPUT = 1280 * 720  # pixels for which multiply-adds are counted


def typed(folder: Path, *arguments: str) -> tuple[dict[str, Any], float]:
    """A run of the program: its record, and how long the whole of it took."""
    command = [sys.executable, "-m", "sr_experiments", *TOY, *arguments, f"hydra.run.dir={folder}"]
    started = time.perf_counter()
    done = subprocess.run(
        command, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False
    )
    took = time.perf_counter() - started
    if done.returncode:
        raise RuntimeError(done.stderr)
    record: dict[str, Any] = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    return record, took


def measure(options: argparse.Namespace) -> list[str]:
    """Rounds of three ways to train, taking turns; then two starts."""
    half, whole = options.batch // 2, options.batch
    small = [f"model={options.model}", f"data.patch_size={options.patch}", "trainer.max_epochs=1"]
    small.append(f"data.steps_per_epoch={options.steps}")
    ways = {
        f"1 process of {whole}": [f"data.batch_size={whole}"],
        f"2 processes of {half}": [f"data.batch_size={half}", *TWO],
        f"2 processes of {whole}": [f"data.batch_size={whole}", *TWO],
    }
    best = dict.fromkeys(ways, 0.0)
    with tempfile.TemporaryDirectory() as place:
        for round_ in range(options.rounds):
            for number, (way, arguments) in enumerate(ways.items()):
                own = arguments if len(arguments) > 1 else [*arguments, "trainer=cpu"]
                record, _ = typed(Path(place) / f"{round_}-{number}", *small, *own)
                best[way] = max(best[way], record["samples_per_second"])
        starts = {}
        for way, own in (("1 process", ["trainer=cpu"]), ("2 processes", TWO)):
            record, took = typed(Path(place) / way, *small, *own, "data.steps_per_epoch=1")
            starts[way] = took - record["train_seconds"]
    alone = next(iter(best.values()))
    lines = [
        f"{options.model} on crops of {options.patch}, float32, CPU, a thread a process, load "
        f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, best of {options.rounds} rounds",
        "",
        "| way | steps/s | samples/s | of twice one process |",
        "|---|---:|---:|---:|",
    ]
    for (way, speed), batch in zip(best.items(), (whole, whole, 2 * whole), strict=True):
        share = "" if way.startswith("1") else f"{speed / alone / 2:.0%}"
        lines.append(f"| {way} | {speed / batch:.2f} | {speed:.1f} | {share} |")
    told = ", ".join(f"{way} {seconds:.1f} s" for way, seconds in starts.items())
    return [*lines, "", f"start, validation, test and end of a run of one step: {told}"]


def counts(name: str) -> tuple[int, float]:
    """Parameters whose gradients are exchanged, and floating-point operations of a sample's step."""
    from hydra import compose, initialize_config_dir
    from hydra.utils import instantiate

    from sr_experiments.config import register
    from sr_experiments.models.base import count_parameters
    from sr_experiments.models.cost import multiply_adds
    from sr_experiments.paths import conf_dir
    from sr_experiments.rebuild import build_net

    register()
    overrides = (
        ["model=rrdbnet", "loss=esrgan", "data.patch_size=128"] if name == "esrgan" else [f"model={name}"]
    )
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        config = compose("config", overrides=[*overrides, f"scale={SCALE}", "name=model"])
    net = build_net(config.net)
    parameters, products = count_parameters(net), multiply_adds(net)
    assert products is not None
    if name == "esrgan":
        parameters += count_parameters(instantiate(config.discriminator))
    # Forward once, backward twice of it; a multiply-add is two operations.
    return parameters, 3 * 2 * products * PATCH**2 / OUTPUT


def reduction(parameters: int, gpus: int) -> float:
    """Seconds of a ring all-reduce: 2 (n - 1) / n of the gradients' bytes pass the slowest link."""
    bandwidth = WITHIN if gpus <= 8 else BETWEEN
    return 2 * (gpus - 1) / gpus * 4 * parameters / bandwidth


def model(options: argparse.Namespace) -> list[str]:
    """The table of the model."""
    lines = [
        f"x{SCALE}, {BATCH} crops of {PATCH} a GPU and step; assumed: {COMPUTE / 1e12:.0f} TFLOP/s kept up, "
        f"rings of {WITHIN / 1e9:.0f} GB/s in a machine of 8 and {BETWEEN / 1e9:.0f} GB/s between machines",
        "",
        "| model | parameters | gradients, MB | computing, ms |"
        + "".join(f" {n} GPUs, ms |" for n in GPUS)
        + " kept at 64, nothing hidden |",
        "|---|---:|---:|---:|" + "---:|" * (len(GPUS) + 1),
    ]
    for name in options.nets:
        parameters, operations = counts(name)
        computing = BATCH * operations / COMPUTE
        waits = [reduction(parameters, gpus) for gpus in GPUS]
        cells = [name, f"{parameters:,}", f"{4 * parameters / 1e6:.1f}", f"{1e3 * computing:.0f}"]
        cells += [f"{1e3 * seconds:.2f}" for seconds in waits]
        cells.append(f"{computing / (computing + waits[-1]):.1%}")
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def sweep(options: argparse.Namespace) -> list[str]:
    """What a run leaves, and reading many."""
    with tempfile.TemporaryDirectory() as place:
        first = Path(place) / "0"
        small = ["model=espcn", "trainer=cpu", "data.batch_size=2", "data.steps_per_epoch=10"]
        typed(first, *small, "trainer.max_epochs=20", "trainer.log_every_n_steps=1", "data.patch_size=32")
        files = [path for path in first.rglob("*") if path.is_file()]
        sizes = {
            "checkpoints": sum(path.stat().st_size for path in files if path.suffix == ".ckpt"),
            "pictures": sum(path.stat().st_size for path in files if path.suffix == ".png"),
        }
        rest = sum(path.stat().st_size for path in files) - sum(sizes.values())
        for number in range(1, options.copies):
            shutil.copytree(
                first, Path(place) / str(number), ignore=shutil.ignore_patterns("*.ckpt", "*.png")
            )
        rows, started = 0, time.perf_counter()
        for folder in Path(place).iterdir():
            json.loads((folder / "run.json").read_text(encoding="utf-8"))
            for name in ("metrics.csv", "per_image.csv"):
                with (folder / name).open(newline="", encoding="utf-8") as file:
                    rows += len(list(csv.DictReader(file)))
        took = time.perf_counter() - started
    each = took / options.copies
    return [
        f"a run of espcn with 200 logged steps leaves {len(files)} files: checkpoints "
        f"{sizes['checkpoints'] / 1e6:.2f} MB, pictures {sizes['pictures'] / 1e6:.2f} MB, "
        f"all else {rest / 1e3:.0f} kB",
        f"reading run.json and both tables of {options.copies} runs ({rows:,} rows): {took:.2f} s, "
        f"so {1e4 * each:.0f} s for 10,000",
    ]


def main() -> None:
    """Read the command line, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("measure", "model", "sweep"))
    for name, value in (("rounds", 3), ("steps", 30), ("batch", 4), ("patch", 64), ("copies", 300)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--nets", nargs="+", choices=MODELS, default=MODELS, help="for model")
    parser.add_argument("--model", default="edsr_baseline", help="for measure")
    options = parser.parse_args()
    if min(options.rounds, options.copies, options.patch) < 1 or options.steps < 5 or options.batch < 2:
        parser.error("--rounds, --copies and --patch must be at least 1, --steps 5, --batch 2")
    tasks = {"measure": measure, "model": model, "sweep": sweep}
    lines: Sequence[str] = tasks[options.what](options)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
