"""What a training step costs: our whole run beside a bare loop of PyTorch, and what makes that loop faster.

    python benchmarks/step.py
    python benchmarks/step.py --nets srcnn gan --seconds 60
    python benchmarks/step.py --device cuda --write
    python benchmarks/step.py --nets edsr_baseline --combinations

The bare loops are in benchmarks/bare.py, 25 lines each. They get the first batches of our own loader, made
ready before; ours makes its batches itself, and does all that `task=train` does from the first step of an
epoch to its last: loader, mirrors and turns, degradation, gradient norm, average, schedule, metrics.csv,
progress bar in a terminal. Validation and start-up are no part of a step. Each way does some steps, then the
next one does, in one process; the median of all rounds is compared.

- cost: bare and ours at the same settings, eager in float32; the loader by itself beside them.
- ways: the bare loop with channels_last, bfloat16, a fused optimizer, torch.compile, and several of them;
  beside it ours with what it chooses by itself for a long run, which it measures first if it has not yet.
"""

import argparse
import itertools
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from bare import How, adversarial, restoration
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import DictConfig
from ours import Ours
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode
from written import where, write

from sr_experiments.build import build_data
from sr_experiments.config import register
from sr_experiments.paths import conf_dir
from sr_experiments.profiling.clock import Times, take_turns, waiting_for
from sr_experiments.rebuild import build_net

READY = 8  # batches that the bare loops go round
TURN = 1.0  # seconds that a turn lasts at least, or `MOST` steps
MOST = {"cpu": 20, "cuda": 50}  # where a GPU begins anew each turn, which counts as well
LEAST = 4  # the first step after another's turn finds nothing of its own in the caches
SAME = ("precision=32-true", "memory_format=contiguous", "compile=false", "optimizer.fused=false")
"""What makes ours a run in eager float32."""


@dataclass(frozen=True)
class Case:
    """What is trained; batch and side of the crop of `gt` on a CPU and on a GPU; the ratio asked of ours."""

    overrides: tuple[str, ...]
    cpu: tuple[int, int]
    cuda: tuple[int, int]
    asked: float | None = None


CASES = {
    "edsr_baseline": Case(("model=edsr_baseline",), (8, 192), (16, 192), 1.03),
    "rcan": Case(("model=rcan", "net.groups=2", "net.blocks=4"), (8, 192), (16, 192)),
    "rrdbnet": Case(("model=rrdbnet",), (2, 64), (16, 256)),
    "srcnn": Case(("model=srcnn",), (16, 36), (16, 192), 1.05),
    "gan": Case(("model=edsr_baseline", "loss=gan"), (4, 96), (16, 192), 1.05),
    "toy": Case(("model=espcn",), (2, 32), (2, 32)),
    "toy_gan": Case(("model=espcn", "loss=gan", "discriminator.width=4"), (2, 48), (2, 48)),
}
DEFAULT = list(CASES)[:5]
WAYS = (
    How(channels_last=True),
    How(bfloat16=True),
    How(fused=True),
    How(compiled=True),
    How(channels_last=True, bfloat16=True),
    How(channels_last=True, bfloat16=True, fused=True),
    How(bfloat16=True, compiled=True, fused=True),
)
ON_GPU = (*WAYS, How(bfloat16=True, compiled=True, fused=True, graphs=True))
UNCOMPILED = ("rrdbnet", "gan", "toy", "toy_gan")
"""Not compiled on a CPU unless all combinations are asked for: it takes longer than all the rest."""


class Measured(NamedTuple):
    """Seconds of a step, by way; and its floating-point operations."""

    times: dict[str, Times]
    operations: int


def sizes(case: Case, options: argparse.Namespace) -> tuple[int, int]:
    """Samples of a batch, and the side of their crops of `gt`."""
    batch, patch = case.cuda if options.device.type == "cuda" else case.cpu
    return options.batch or batch, options.patch or patch


def composed(case: Case, options: argparse.Namespace, *more: str) -> DictConfig:
    """The config of a run that nobody stops."""
    batch, patch = sizes(case, options)
    register()
    overrides = [
        *case.overrides,
        "scale=4",
        "name=benchmark",
        f"data.batch_size={batch}",
        f"data.patch_size={patch}",
        "data.steps_per_epoch=1000000",
        "data.cache=memory",
        "trainer.max_time=null",
        f"trainer={'gpu' if options.device.type == 'cuda' else 'cpu'}",
        *more,
    ]
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        return compose("config", overrides=overrides)


def batches_of(config: DictConfig, device: torch.device) -> Iterator[dict[str, Tensor]]:
    """Batches as a run has them."""
    data = build_data(config)
    data.setup("fit")
    for batch in data.train_dataloader():
        yield data.on_after_batch_transfer(data.transfer_batch_to_device(batch, device, 0), 0)


def bare(config: DictConfig, ready: Sequence[dict[str, Tensor]], how: How) -> Iterator[None]:
    """A loop of benchmarks/bare.py with the config's nets and weights."""
    torch.manual_seed(0)
    device = ready[0]["lq"].device
    net = build_net(config.net).to(device)
    if config.adversary is None:
        return restoration(net, ready, how=how, ema=config.model.ema)
    judge = instantiate(config.discriminator).to(device)
    return adversarial(net, judge, ready, how=how, ema=config.model.ema, weight=config.adversary.weight)


def steps_of(loop: Iterator[object], count: int) -> Callable[[], None]:
    """A turn of a loop."""

    def turn() -> None:
        for _ in range(count):
            next(loop)

    return turn


def measure(name: str, kind: str, options: argparse.Namespace) -> Measured:
    """All ways of a net, a turn each after the other; seconds are those of a step."""
    case, device = CASES[name], options.device
    tried = () if may_compile(name, options) else ("compile=false",)
    config = composed(case, options, *(SAME if kind == "cost" else tried), *options.more)
    fetched = batches_of(config, device)
    ready = [next(fetched) for _ in range(READY)]
    hows = {str(how): bare(config, ready, how) for how in (How(), *chosen_ways(name, kind, options))}
    first = next(iter(hows.values()))
    with FlopCounterMode(display=False) as counter:
        next(first)
    wait = waiting_for(device)
    alone = take_turns({"bare": lambda: next(first)}, rounds=3, seconds=0, wait=wait)["bare"]
    count = max(LEAST, min(MOST[device.type], round(TURN / alone.median)))
    with tempfile.TemporaryDirectory() as folder:
        ours = Ours(config, Path(folder))
        calls: dict[str, Callable[[], object]] = {how: steps_of(loop, count) for how, loop in hows.items()}
        if kind == "cost":
            calls["loader"] = steps_of(fetched, count)
        turns = {way: flagged(partial(ours.beside, call), cudnn_tries=False) for way, call in calls.items()}
        turns["ours"] = flagged(lambda: ours(count), cudnn_tries=ours.benchmark)
        clock = time.process_time if options.clock == "cpu" else time.perf_counter
        limits = {"rounds": options.rounds, "seconds": options.seconds}
        times = ours.during(lambda: take_turns(turns, **limits, wait=wait, clock=clock))
    if kind == "ways":  # not before: within a training the progress bar has the output
        print(f"ours, {name}: {ours.settings}", flush=True)
    each = {way: taken.over(count) for way, taken in times.items()}
    return Measured(each, counter.get_total_flops())


def flagged(call: Callable[[], object], *, cudnn_tries: bool) -> Callable[[], object]:
    """A turn with the process's settings that belong to it: Lightning sets them for all that follow."""

    def turn() -> None:
        torch.backends.cudnn.benchmark = cudnn_tries
        call()

    return turn


def chosen_ways(name: str, kind: str, options: argparse.Namespace) -> list[How]:
    """What is tried beside eager float32."""
    if kind == "cost":
        return []
    if options.hows:
        return list(options.hows)
    if options.combinations:
        return [How(*on) for on in itertools.product((False, True), repeat=4) if any(on)]
    tried = ON_GPU if options.device.type == "cuda" else WAYS
    return [how for how in tried if may_compile(name, options) or not how.compiled]


def how(text: str) -> How:
    """Of its parts, as `bfloat16+fused`."""
    return How(**dict.fromkeys(text.split("+"), True))


def may_compile(name: str, options: argparse.Namespace) -> bool:
    """Whether torch.compile is tried, by hand and by ours."""
    return options.combinations or options.device.type == "cuda" or name not in UNCOMPILED


def told(seconds: Times) -> str:
    """Median and quartiles in ms."""
    return f"{1e3 * seconds.median:.4g} ({1e3 * seconds.low:.4g} to {1e3 * seconds.high:.4g})"


def cost(options: argparse.Namespace) -> tuple[list[str], dict[str, Any]]:
    """The table of ours beside the bare loop."""
    lines = [
        "| net | batch x patch | bare, ms (quartiles) | ours, ms | rounds | ours / bare | asked | loader |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    found = {}
    for name in options.nets:
        case = CASES[name]
        times, _ = measure(name, "cost", options)
        plain, ours, loader = times["eager float32"], times["ours"], times["loader"]
        ratio = ours.median / plain.median
        found[name] = {"ratio": ratio, "ms": {way: t.as_dict() for way, t in times.items()}}
        batch, patch = sizes(case, options)
        asked = f"{case.asked:.2f}" if case.asked else ""
        cells = [name, f"{batch} x {patch}", told(plain), told(ours), str(ours.rounds)]
        cells += [f"{ratio:.3f}", asked, f"{1e3 * loader.median:.3g}"]
        lines.append(f"| {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    return lines, found


def ways(options: argparse.Namespace) -> tuple[list[str], dict[str, Any]]:
    """The tables of all ways."""
    lines, found = [], {}
    most = peak(options.device) if options.device.type == "cuda" else 0.0
    for name in options.nets:
        times, operations = measure(name, "ways", options)
        plain = times["eager float32"].median
        best = min(t.median for way, t in times.items() if way != "ours")
        lines += [
            f"{name}:",
            "",
            "| way | ms (quartiles) | as fast as eager float32 | TFLOP/s |" + " of peak |" * bool(most),
        ]
        lines.append("|---|---:|---:|---:|" + "---:|" * bool(most))
        for way, t in times.items():
            speed = operations / t.median
            share = f" {speed / most:.1%} |" if most else ""
            lines.append(f"| {way} | {told(t)} | {plain / t.median:.2f} | {speed / 1e12:.3g} |{share}")
        ours = times["ours"].median
        lines += ["", f"ours takes {ours / best:.3f} of the best way of the bare loop", ""]
        found[name] = {"of_best": ours / best, "ms": {way: t.as_dict() for way, t in times.items()}}
        print("\n".join(lines[-len(times) - 6 :]), flush=True)
    if most:
        lines += [f"peak: {most / 1e12:.0f} TFLOP/s, a product of bfloat16 matrices of 8192 here", ""]
    return lines + digest(found), found


def digest(found: Mapping[str, Any]) -> list[str]:
    """A table with a line for each net: what the tables of all ways come to."""
    lines = [
        "| net | eager float32, ms | the best way of the bare loop | ms | ours, ms | ours / best "
        "| as fast as eager |",
        "|---|---:|---|---:|---:|---:|---:|",
    ]
    for name, of_net in found.items():
        ms = {way: 1e3 * taken["median"] for way, taken in of_net["ms"].items()}
        plain, ours = ms["eager float32"], ms["ours"]
        best = min((way for way in ms if way != "ours"), key=lambda way: ms[way])
        cells = [name, f"{plain:.4g}", best, f"{ms[best]:.4g}", f"{ours:.4g}"]
        lines.append(f"| {' | '.join([*cells, f'{ours / ms[best]:.3f}', f'{plain / ours:.2f}'])} |")
    return lines


def peak(device: torch.device) -> float:
    """Operations a second of a large product of matrices in bfloat16: what the device can do at all."""
    a, b = (torch.randn(8192, 8192, device=device, dtype=torch.bfloat16) for _ in range(2))
    taken = take_turns({"peak": lambda: a @ b}, rounds=30, seconds=5, wait=waiting_for(device))
    return float(2 * 8192**3 / taken["peak"].median)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nets", nargs="+", choices=CASES, default=DEFAULT)
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    parser.add_argument("--batch", type=int, help="samples, in place of each net's own number")
    parser.add_argument("--patch", type=int, help="side of the crops of gt, in place of each net's own")
    parser.add_argument("--only", choices=("cost", "ways"), help="one of the two tables")
    parser.add_argument("--hows", nargs="+", type=how, help="in place of the usual ways, as bfloat16+fused")
    parser.add_argument("--more", nargs="+", default=[], help="of our command line, as compile=false")
    parser.add_argument("--combinations", action="store_true", help="all 16 of the four ways")
    parser.add_argument(
        "--clock",
        choices=("wall", "cpu"),
        default="wall",
        help="cpu: seconds of this process on the processors; other work hardly changes them",
    )
    parser.add_argument("--rounds", type=int, default=1000, help="at most")
    parser.add_argument("--seconds", type=float, default=20.0, help="of a net and table; at least 3 rounds")
    parser.add_argument("--write", action="store_true", help="to benchmarks/results/")
    options = parser.parse_args(arguments)
    least = min(options.rounds, options.batch or 1, options.patch or 1)
    if least < 1 or options.seconds < 0 or options.device.type not in ("cpu", "cuda"):
        parser.error("--rounds, --batch and --patch must be at least 1, --seconds 0, --device cpu or cuda")
    notes = where(options.device)
    print("\n".join(notes), flush=True)
    lines: list[str] = []
    content: dict[str, Any] = {}
    for kind, table in (("cost", cost), ("ways", ways)):
        if options.only in (None, kind):
            found, content[kind] = table(options)
            lines += [f"{kind}:", "", *found, ""]
    print("\n".join(lines))
    if options.write:
        parts = ("step", options.only, "cuda" if options.device.type == "cuda" else None)
        write("-".join(filter(None, parts)), lines, content, notes=notes)


if __name__ == "__main__":
    main()
