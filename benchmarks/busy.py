"""What a GPU does in a training of ours: how busy it is kept, what waits for it, what is copied.

    python benchmarks/busy.py --device cuda
    python benchmarks/busy.py --device cuda --nets srcnn gan --degradation bicubic --write

A whole training (benchmarks/ours.py) is watched by torch's profiler between two rows of its log, where
nothing may wait for the device: no `.item()`, no copy from it, and copies to it from pinned memory only,
while it computes. Busy is the share of the time in which at least one kernel runs. On a CPU there are no
kernels, and what stands there is how often a tensor was asked for its value.
"""

import argparse
import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from ours import Ours
from step import CASES, composed
from torch.profiler import ProfilerActivity, profile
from written import where, write

BETWEEN = 20  # steps that are watched
WAITS = ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize")
Span = tuple[float, float]


@dataclass(frozen=True)
class Seen:
    """Of one training, all but shares for each step.

    Attributes:
        kernels: How many.
        waits: Calls by which the process waits for the device.
        values: How often a tensor was asked for its value, on a CPU too.
        from_device: Copies from it.
        pinned: Copies to it from pinned memory.
        pageable: Others.
        overlapped: Share of the time of copies to it in which it computes as well.
        busy: Share of the time, from the first kernel to the end of the last, in which a kernel runs.
    """

    kernels: float
    waits: float
    values: float
    from_device: float
    pinned: float
    pageable: float
    overlapped: float | None
    busy: float | None

    def cells(self) -> list[str]:
        """As they stand in the table."""
        counts = [self.kernels, self.waits, self.values, self.from_device, self.pinned, self.pageable]
        shares = ["-" if one is None else f"{one:.1%}" for one in (self.overlapped, self.busy)]
        return [*(f"{count:g}" for count in counts), *shares]


COLUMNS = (
    *("kernels", "waits", "values asked for", "copies from it"),
    *("to it, pinned", "to it, others", "while it computes", "busy"),
)


def seen(events: Iterable[Mapping[str, Any]], *, steps: int) -> Seen:
    """What a trace of some steps says.

    Args:
        events: Of a Chrome trace as torch's profiler writes it; `ts` and `dur` in microseconds.
        steps: How many it covers.
    """
    spans: dict[str, list[Span]] = {"kernel": [], "to": []}
    counts: Counter[str] = Counter()
    for event in events:
        kind, name = event.get("cat"), str(event.get("name", ""))
        span = float(event.get("ts", 0)), float(event.get("ts", 0)) + float(event.get("dur", 0))
        if kind == "kernel":
            spans["kernel"].append(span)
        elif kind == "gpu_memcpy" and "HtoD" in name:
            spans["to"].append(span)
            counts["pinned" if "Pinned" in name else "pageable"] += 1
        elif kind == "gpu_memcpy" and "DtoH" in name:
            counts["from"] += 1
        elif kind == "cuda_runtime" and name in WAITS:
            counts["waits"] += 1
        elif kind == "cpu_op" and name == "aten::_local_scalar_dense":
            counts["values"] += 1
    kernels, copies = joined(spans["kernel"]), joined(spans["to"])
    whole = kernels[-1][1] - kernels[0][0] if kernels else 0.0
    return Seen(
        kernels=len(spans["kernel"]) / steps,
        waits=counts["waits"] / steps,
        values=counts["values"] / steps,
        from_device=counts["from"] / steps,
        pinned=counts["pinned"] / steps,
        pageable=counts["pageable"] / steps,
        overlapped=both(kernels, copies) / length(copies) if copies else None,
        busy=length(kernels) / whole if whole else None,
    )


def joined(spans: Iterable[Span]) -> list[Span]:
    """The same time as spans that do not touch, in order."""
    found: list[Span] = []
    for begin, end in sorted(spans):
        if found and begin <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((begin, end))
    return found


def length(spans: Iterable[Span]) -> float:
    """Of spans that do not touch."""
    return sum(end - begin for begin, end in spans)


def both(some: Sequence[Span], others: Sequence[Span]) -> float:
    """The time in which spans of both kinds are."""
    return length(some) + length(others) - length(joined([*some, *others]))


def watch(name: str, options: argparse.Namespace) -> Seen:
    """Train, and look for some steps after others that are not looked at."""
    more = [f"degradation={options.degradation}", "trainer.log_every_n_steps=100", *options.more]
    config = composed(CASES[name], options, *more)
    activities = [ProfilerActivity.CPU]
    if options.device.type == "cuda":
        activities.append(ProfilerActivity.CUDA)
    profiler = profile(activities=activities)
    with tempfile.TemporaryDirectory() as folder:
        ours = Ours(config, Path(folder))

        def watched() -> None:
            ours(options.warm_up)
            ours.beside(profiler.start)
            ours(BETWEEN)
            ours.beside(profiler.stop)

        ours.during(watched)
        print(f"{name}: {ours.settings}", flush=True)
        trace = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(trace))
        events = json.loads(trace.read_text(encoding="utf-8"))["traceEvents"]
    return seen(events, steps=BETWEEN)


def main(arguments: Sequence[str] | None = None) -> None:
    """Watch and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nets", nargs="+", choices=CASES, default=["rrdbnet", "edsr_baseline", "gan"])
    parser.add_argument("--degradation", default="real_esrgan")
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    parser.add_argument("--batch", type=int, help="samples, in place of each net's own number")
    parser.add_argument("--patch", type=int, help="side of the crops of gt, in place of each net's own")
    parser.add_argument(
        "--more", nargs="*", default=[], help="of the command line of a run, as compile=false"
    )
    parser.add_argument("--warm-up", type=int, default=30, help="steps before; below 80")
    parser.add_argument("--write", action="store_true", help="to benchmarks/results/")
    options = parser.parse_args(arguments)
    if not 1 <= options.warm_up < 80 or options.device.type not in ("cpu", "cuda"):
        parser.error("--warm-up must be from 1 to 79, --device cpu or cuda")
    notes = [*where(options.device), f"{BETWEEN} steps between two rows of the log; counts are of a step"]
    lines = [f"| net | {' | '.join(COLUMNS)} |", f"|---|{'---:|' * len(COLUMNS)}"]
    content = {}
    for name in options.nets:
        found = watch(name, options)
        content[name] = asdict(found)
        lines.append(f"| {name} | {' | '.join(found.cells())} |")
    print("\n".join([*lines, "", *(f"- {note}" for note in notes)]))
    if options.write:
        write("busy-cuda" if options.device.type == "cuda" else "busy", lines, content, notes=notes)


if __name__ == "__main__":
    main()
