"""What activation checkpointing saves and costs: memory and time of a training step with it and without.

    python benchmarks/checkpointing.py
    python benchmarks/checkpointing.py --nets rcan --batch 16 --patch 48
    python benchmarks/checkpointing.py --device cuda --write

A step is forward and backward in float32. On a CPU memory is what was resident at most beyond what was before
the step, with weights and no gradients; each net and way has a process of its own, and there are half as
many pixels a side. On a GPU it is what torch's allocator gave out. Times are of ways that take turns.
"""

import argparse
import copy
import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from written import where, write

from sr_experiments.models.recompute import recompute
from sr_experiments.nets.rcan import RCAN
from sr_experiments.nets.rrdbnet import RRDBNet
from sr_experiments.profiling.clock import take_turns
from sr_experiments.profiling.memory import most_memory, peak_on_gpu, resident_from_here

NETS: Mapping[str, Callable[[], nn.Module]] = {
    "rcan": lambda: RCAN(scale=4),
    "rrdbnet": lambda: RRDBNet(scale=4),
    "tiny": lambda: RCAN(scale=2, features=16, groups=3, blocks=2, reduction=4),
}
WAYS = ("kept", "computed again")


def step(net: nn.Module, lq: torch.Tensor) -> Callable[[], None]:
    """Forward and backward, without gradients from before."""

    def call() -> None:
        net.zero_grad()
        torch.autograd.backward(net(lq).square().mean())

    return call


def made(name: str, way: str, options: argparse.Namespace) -> Callable[[], None]:
    """A step of a net."""
    torch.manual_seed(0)
    device = torch.device(options.device)
    net = NETS[name]().to(device).train()
    if way != WAYS[0]:
        recompute(net)
    return step(net, torch.rand(options.batch, 3, options.patch, options.patch, device=device))


def peak(name: str, way: str, options: argparse.Namespace) -> int:
    """Bytes of a step; on a CPU in a process of its own, where no other has left memory to use again."""
    if options.device == "cuda":
        call = made(name, way, options)
        call()
        return peak_on_gpu(call, device=torch.device("cuda"))
    sizes = ["--batch", str(options.batch), "--patch", str(options.patch), "--threads", str(options.threads)]
    command = [sys.executable, str(Path(__file__).resolve()), *sizes, "--one", name, way]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(json.loads(done.stdout.splitlines()[-1]))


def one(name: str, way: str, options: argparse.Namespace) -> int:
    """What the process of its own does: a small step, for which libraries are loaded, then the real one."""
    small = copy.copy(options)
    small.batch, small.patch = 1, 8
    made(name, way, small)()
    call = made(name, way, options)
    before = resident_from_here()
    call()
    return max(0, most_memory() - before)


def rows(options: argparse.Namespace) -> list[dict[str, Any]]:
    """A row for each net."""
    wait = torch.cuda.synchronize if options.device == "cuda" else lambda: None
    found = []
    for name in options.nets:
        peaks = {way: peak(name, way, options) for way in WAYS}
        calls = {way: made(name, way, options) for way in WAYS}
        times = take_turns(calls, rounds=options.rounds, seconds=options.seconds, wait=wait)
        found.append({"net": name, "bytes": peaks, "seconds": {way: times[way].as_dict() for way in WAYS}})
    return found


def lines(found: Sequence[Mapping[str, Any]], options: argparse.Namespace) -> list[str]:
    """As a table."""
    told = [
        f"{options.batch} of {options.patch}x{options.patch}, forward and backward, float32, "
        f"{options.device}",
        "",
        "| net | memory kept, MB | computed again, MB | of it | time kept, ms | computed again, ms | times |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for row in found:
        memory, times = row["bytes"], row["seconds"]
        kept, again = (times[way] for way in WAYS)
        spans = [
            f"{1e3 * t['median']:.0f} ({1e3 * t['low']:.0f}-{1e3 * t['high']:.0f})" for t in (kept, again)
        ]
        told.append(
            f"| {row['net']} | {memory[WAYS[0]] / 1e6:.0f} | {memory[WAYS[1]] / 1e6:.0f} "
            f"| {memory[WAYS[1]] / max(1, memory[WAYS[0]]):.2f} | {spans[0]} | {spans[1]} "
            f"| {again['median'] / kept['median']:.2f} |"
        )
    return told


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nets", nargs="+", choices=list(NETS), default=["rcan", "rrdbnet"])
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--batch", type=int, help="images (4; on a GPU 16)")
    parser.add_argument("--patch", type=int, help="side of lq (24; on a GPU 48)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=60.0, help="for the rounds of a net, about")
    parser.add_argument("--write", action="store_true", help="into benchmarks/results/")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    gpu = options.device == "cuda"
    options.batch = options.batch or (16 if gpu else 4)
    options.patch = options.patch or (48 if gpu else 24)
    if min(options.batch, options.patch, options.threads, options.rounds) < 1:
        parser.error("--batch, --patch, --threads and --rounds must be at least 1")
    if gpu and not torch.cuda.is_available():
        parser.error("--device cuda: torch finds no GPU here")
    torch.set_num_threads(options.threads)
    if options.one:
        name, way = options.one
        print(one(name, way, options))
        return
    notes = where(torch.device(options.device))
    found = rows(options)
    print("\n".join([*lines(found, options), "", *notes]))
    if options.write:
        write("checkpointing", lines(found, options), {"rows": found}, notes=notes)


if __name__ == "__main__":
    main()
