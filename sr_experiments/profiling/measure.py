"""A net's costs, measured."""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor

from sr_experiments.models.base import count_parameters
from sr_experiments.models.cost import multiply_adds
from sr_experiments.models.reach import Reach, measure_reach
from sr_experiments.profiling.clock import Times, take_turns, waiting_for
from sr_experiments.profiling.memory import peak_on_cpu, peak_on_gpu
from sr_experiments.profiling.subjects import Subject
from sr_experiments.profiling.ways import Call, Unavailable, forget, prepare


@dataclass
class Way:
    """One way of running a net at one size.

    Attributes:
        times: None where it does not work; `why` then says so.
        why: Empty where it works.
        ready: Seconds until it was ready: layout, compilation, a session, and a first call.
        differs: From the first way's output, at most; images are in [0, 1].
        peak: Bytes on the GPU over those before the call; None on a CPU.
    """

    times: Times | None = None
    why: str = ""
    ready: float = 0.0
    differs: float | None = None
    peak: int | None = None


@dataclass
class AtSize:
    """What running a net at one size takes.

    Attributes:
        height: Of lq, as it was asked for; the net got more where it needs a multiple.
        width: Likewise.
        batch: Images in a call.
        ways: By name.
        peak: Bytes of resident memory over those before a call in float32; None on a GPU.
        why: Why there is no peak, if there is none.
    """

    height: int
    width: int
    batch: int
    ways: dict[str, Way] = field(default_factory=dict)
    peak: int | None = None
    why: str = ""

    def best(self) -> tuple[str, Times] | None:
        """The fastest way, and its times."""
        working = [(name, way.times) for name, way in self.ways.items() if way.times is not None]
        return min(working, key=lambda one: one[1].median, default=None)


@dataclass
class Profile:
    """All of one net."""

    subject: Subject
    parameters: int
    multiply_adds: int | None
    reach: Reach | None
    sizes: list[AtSize] = field(default_factory=list)


def facts(subject: Subject) -> Profile:
    """What takes no clock."""
    net = subject.net
    return Profile(subject, count_parameters(net), multiply_adds(net), measure_reach(net))


def at_size(
    subject: Subject,
    size: Sequence[int],
    *,
    ways: Sequence[str],
    batch: int,
    rounds: int,
    seconds: float,
    device: torch.device,
) -> AtSize:
    """Prepare every way, compare what they give, and let them take turns.

    Args:
        subject: The net.
        size: Height and width of lq.
        ways: Names of ways; the first that works is what others are compared with.
        batch: Images in a call.
        rounds: At most.
        seconds: For all rounds, about.
        device: Where.
    """
    result = AtSize(size[0], size[1], batch, {name: Way() for name in ways})
    with exact_float32():
        net = subject.net.to(device).eval()
        lq = torch.rand(taken(subject, size, batch=batch), generator=torch.Generator().manual_seed(0))
        lq = lq.to(device)
        calls: dict[str, Call] = {}
        first: Tensor | None = None
        for name, way in result.ways.items():
            since = time.perf_counter()
            try:
                calls[name] = prepare(name, net, lq)
            except Unavailable as reason:
                way.why = str(reason)
                continue
            way.ready = time.perf_counter() - since
            output = calls[name]().float().cpu()
            first = output if first is None else first
            way.differs = float((output - first).abs().max())
            if device.type == "cuda":
                way.peak = peak_on_gpu(calls[name], device=device)
        times = take_turns(calls, rounds=rounds, seconds=seconds, wait=waiting_for(device))
    for name, one in times.items():
        result.ways[name].times = one
    subject.net.cpu()
    del calls
    forget()
    return result


def add_peak(result: AtSize, subject: Subject) -> None:
    """Measure memory on the CPU, in a process of its own."""
    shape = taken(subject, (result.height, result.width), batch=result.batch)
    try:
        result.peak = peak_on_cpu(subject.node, shape=shape)
    except RuntimeError as error:
        result.why = str(error)


def taken(subject: Subject, size: Sequence[int], *, batch: int) -> tuple[int, int, int, int]:
    """The shape that the net gets: at least its minimum, and of its multiple."""
    net = subject.net
    height, width = (math.ceil(max(side, net.minimum) / net.multiple_of) * net.multiple_of for side in size)
    return batch, net.in_channels, height, width


@contextmanager
def exact_float32() -> Iterator[None]:
    """float32 is float32 on a GPU, as in task=upscale and in evaluation: no TF32."""
    cudnn = torch.backends.cudnn
    with cudnn.flags(
        enabled=cudnn.enabled,
        benchmark=cudnn.benchmark,
        deterministic=cudnn.deterministic,
        allow_tf32=False,
    ):
        yield
