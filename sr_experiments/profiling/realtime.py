"""Which nets keep up with a video: frames a second at the sizes of videos."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch

from sr_experiments.models.base import count_parameters
from sr_experiments.models.cost import OUTPUT, multiply_adds
from sr_experiments.profiling.clock import Times
from sr_experiments.profiling.measure import at_size
from sr_experiments.profiling.subjects import Subject
from sr_experiments.profiling.table import DASH, Grid

FRAMES = 24.0  # a second
OUTPUTS = ((360, 640), (540, 960), (720, 1280), (1440, 2560))  # height and width of what comes out
QUICK = 400e9  # multiply-adds for an output of 1280x720
_SHORT = {"channels_last": "nhwc"}  # columns are narrow
_HOPELESS = 10.0  # no way is so many times faster than the first


@dataclass(frozen=True)
class Speed:
    """At one size.

    Attributes:
        way: The fastest.
        times: Of a frame.
        others: Why other ways do not work, or were not tried.
    """

    way: str
    times: Times
    others: dict[str, str] = field(default_factory=dict)

    @property
    def frames(self) -> float:
        """A second, by the median."""
        return 1 / self.times.median


@dataclass
class Film:
    """One net.

    Attributes:
        subject: The net.
        multiply_adds: For an output of 1280x720.
        speeds: For each of `OUTPUTS`; None: it was too slow at a smaller one.
    """

    subject: Subject
    multiply_adds: int | None
    speeds: list[Speed | None] = field(default_factory=list)


def quick(subject: Subject) -> int | None:
    """A net's multiply-adds where it is no hopeless case; None where it is."""
    pixels = math.prod(OUTPUT) / subject.net.scale**2
    if count_parameters(subject.net) * pixels > 2 * QUICK:  # most of them are used at every pixel of lq
        return None
    counted = multiply_adds(subject.net)
    return counted if counted is not None and counted <= QUICK else None


def inputs(scale: int) -> list[tuple[int, int]]:
    """Height and width of lq for each of `OUTPUTS`, rounded up."""
    return [(-(-height // scale), -(-width // scale)) for height, width in OUTPUTS]


def film(
    subject: Subject,
    multiply_adds: int | None,
    *,
    ways: Sequence[str],
    rounds: int,
    seconds: float,
    device: torch.device,
    tell: Callable[[str], None] = lambda text: None,
) -> Film:
    """Measure from the smallest size on, until one is too slow: more pixels are not faster."""
    result = Film(subject, multiply_adds)
    for size in inputs(subject.net.scale):
        if any(speed is None or speed.frames < FRAMES for speed in result.speeds):
            result.speeds.append(None)
            continue
        tell(f"{subject.name}: {size[1]}x{size[0]}")
        result.speeds.append(_speed(subject, size, ways=ways, rounds=rounds, seconds=seconds, device=device))
    return result


def _speed(
    subject: Subject,
    size: tuple[int, int],
    *,
    ways: Sequence[str],
    rounds: int,
    seconds: float,
    device: torch.device,
) -> Speed | None:
    given = {"batch": 1, "rounds": rounds, "seconds": seconds, "device": device}
    alone = at_size(subject, size, ways=ways[:1], **given)  # type: ignore[arg-type]
    first = alone.best()
    if first is None:
        return None
    if first[1].median > _HOPELESS / FRAMES:
        return Speed(*first, others=dict.fromkeys(ways[1:], "not tried: too slow by far"))
    every = at_size(subject, size, ways=ways, **given)  # type: ignore[arg-type]
    best = every.best()
    assert best is not None
    return Speed(*best, others={name: way.why for name, way in every.ways.items() if way.why})


def frames(films: Sequence[Film]) -> Grid:
    """Frames a second of the fastest way; a star where it keeps up."""
    scale = films[0].subject.net.scale
    sizes = [f"{small[1]}x{small[0]} to {scale * small[1]}x{scale * small[0]}" for small in inputs(scale)]
    rows = []
    for one in films:
        tera = DASH if one.multiply_adds is None else f"{one.multiply_adds / 1e9:.1f}"
        rows.append([one.subject.name, tera, *(_cell(speed) for speed in one.speeds)])
    return Grid(
        f"frames a second, * from {FRAMES:g} on (input to output, one frame at a time, the fastest way; "
        "nhwc: channels_last)",
        ["net", "G mult-adds", *sizes],
        rows,
    )


def _cell(speed: Speed | None) -> str:
    if speed is None:
        return DASH
    digits = 1 if speed.frames < 100 else 0
    star = "* " if speed.frames >= FRAMES else ""
    return f"{star}{speed.frames:.{digits}f} {_SHORT.get(speed.way, speed.way)}"


def keeping_up(films: Sequence[Film]) -> list[str]:
    """A sentence for each size: who reaches 24 frames a second."""
    lines = []
    for number, (height, width) in enumerate(OUTPUTS):
        names = [
            one.subject.name
            for one in films
            if (speed := one.speeds[number]) is not None and speed.frames >= FRAMES
        ]
        lines.append(f"{width}x{height}: {', '.join(names) or 'none'}")
    return lines
