"""Profiles as tables: on the screen, in Markdown, and as data."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from sr_experiments.profiling.clock import Times
from sr_experiments.profiling.measure import AtSize, Profile
from sr_experiments.profiling.subjects import Quality, Subject
from sr_experiments.report.words import count

DASH = "-"


@dataclass(frozen=True)
class Grid:
    """A table as text.

    Attributes:
        title: What it is about.
        columns: Their names.
        rows: Cells.
    """

    title: str
    columns: list[str]
    rows: list[list[str]]


def common_set(subjects: Sequence[Subject], asked: str | None) -> str | None:
    """The data set whose figures are shown: the one asked for, or that of which most nets have one.

    Raises:
        ValueError: If no net has a figure of the set that was asked for.
    """
    counted: dict[str, int] = {}
    for one in subjects:
        for dataset in one.quality:
            counted[dataset] = counted.get(dataset, 0) + 1
    if asked is not None and asked not in counted:
        there = f"there are those of {', '.join(sorted(counted))}" if counted else "there are none at all"
        raise ValueError(f"quality={asked}: no figure of any of these nets is known there; {there}")
    return asked or max(counted, key=lambda name: counted[name], default=None)


def worth(profile: Profile, dataset: str | None) -> float | None:
    """dB above bicubic for a tera-multiply-add of a 1280x720 output; None where one of them is not known."""
    quality = profile.subject.quality.get(dataset or "")
    if quality is None or quality.bicubic is None or not profile.multiply_adds:
        return None
    return (quality.psnr - quality.bicubic) / (profile.multiply_adds / 1e12)


def ordered(profiles: Sequence[Profile], dataset: str | None) -> list[Profile]:
    """By quality per cost, the highest first; then those without a known quality, the cheapest first."""

    def rank(one: Profile) -> tuple[bool, float, float]:
        value = worth(one, dataset)
        cost = float(one.multiply_adds) if one.multiply_adds is not None else float("inf")
        return value is None, -(value or 0.0), cost

    return sorted(profiles, key=rank)


def beaten_by(profile: Profile, profiles: Sequence[Profile], dataset: str | None) -> str | None:
    """The best net that costs no more and is better; None: nothing is known of its quality; empty: no net."""
    quality = profile.subject.quality.get(dataset or "")
    if quality is None or profile.multiply_adds is None:
        return None
    better: list[tuple[float, str]] = []
    for other in profiles:
        theirs = other.subject.quality.get(dataset or "")
        if theirs is None or other.multiply_adds is None or other is profile:
            continue
        if other.multiply_adds <= profile.multiply_adds and theirs.psnr > quality.psnr:
            better.append((theirs.psnr, other.subject.name))
    return max(better)[1] if better else ""


def nets(profiles: Sequence[Profile], dataset: str | None) -> Grid:
    """What takes no clock, and what is known of quality."""
    columns = ["net", "params", "mult-adds", "sees", "reach"]
    if dataset is not None:
        columns += [f"PSNR {dataset}", "gain", "dB per T", "beaten by"]
    rows = []
    for one in profiles:
        reach = one.reach
        row = [one.subject.name, count(one.parameters), count(one.multiply_adds)]
        row += [f"{reach.height}x{reach.width}", str(reach.radius)] if reach else ["whole image", DASH]
        if dataset is not None:
            row += _quality(one, one.subject.quality.get(dataset), dataset, profiles)
        rows.append(row)
    return Grid("nets", columns, rows)


def _quality(one: Profile, quality: Quality | None, dataset: str, profiles: Sequence[Profile]) -> list[str]:
    if quality is None:
        return [DASH] * 4
    gain = DASH if quality.bicubic is None else f"{quality.psnr - quality.bicubic:+.2f}"
    value = worth(one, dataset)
    beaten = beaten_by(one, profiles, dataset)
    return [f"{quality.psnr:.2f}", gain, DASH if value is None else f"{value:.3g}", beaten or DASH]


def times(profiles: Sequence[Profile], number: int) -> Grid:
    """Each way of each net at one size: the median, the quartiles, and how much faster than the first way."""
    first = profiles[0].sizes[number]
    scale = profiles[0].subject.net.scale
    title = f"{first.batch} of {first.width}x{first.height}"
    title += f" (x{scale}: {scale * first.width}x{scale * first.height})"
    columns = ["net", "way", "ms", "quartiles", "images/s", "Mpixel/s", "speed-up", "peak MB"]
    rows = [row for one in profiles for row in _ways(one, one.sizes[number])]
    return Grid(title, columns, rows)


def _ways(profile: Profile, at: AtSize) -> list[list[str]]:
    rows, reference = [], None
    for name, way in at.ways.items():
        peak = way.peak if way.peak is not None else at.peak if reference is None else None
        cells = [f"no: {way.why}", *[DASH] * 5]
        if way.times is not None:
            reference = reference or way.times.median
            images = at.batch / way.times.median
            pixels = images * at.height * at.width * profile.subject.net.scale**2
            cells = [*_spread(way.times), f"{images:.3g}", f"{pixels / 1e6:.3g}"]
            cells += [f"{reference / way.times.median:.2f}", DASH if peak is None else f"{peak / 1e6:.0f}"]
        rows.append([profile.subject.name, name, *cells])
    return rows


def _spread(times: Times) -> list[str]:
    """The median and the quartiles, in milliseconds."""
    low, middle, high = (1000 * value for value in (times.low, times.median, times.high))
    digits = 0 if middle >= 100 else 1 if middle >= 10 else 2
    return [f"{middle:.{digits}f}", f"{low:.{digits}f}-{high:.{digits}f}"]


def show(grids: Sequence[Grid], console: Console) -> None:
    """Print; reasons why a way does not work are told below, not in cells."""
    for grid in grids:
        drawn = Table(title=grid.title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
        for index, column in enumerate(grid.columns):
            words = index == 0 or column in ("way", "beaten by")
            drawn.add_column(column, justify="left" if words else "right", no_wrap=words)
        for row in grid.rows:
            drawn.add_row(*("no" if cell.startswith("no: ") else cell for cell in row))
        console.print(drawn)
    for line in reasons(grids):
        console.print(f"no: {line}", style="dim", highlight=False, markup=False)


def reasons(grids: Sequence[Grid]) -> list[str]:
    """Which way does not work, of which nets, and why; each once."""
    found: dict[tuple[str, str], list[str]] = {}
    for name, way, cell in ((row[0], row[1], cell) for grid in grids for row in grid.rows for cell in row):
        if cell.startswith("no: "):
            found.setdefault((way, cell.removeprefix("no: ")), []).append(name)
    return [f"{way} of {', '.join(dict.fromkeys(of))}: {why}" for (way, why), of in found.items()]


def markdown(grids: Sequence[Grid], notes: Sequence[str]) -> str:
    """The same for a page."""
    lines: list[str] = []
    for grid in grids:
        lines += [f"**{grid.title}**", "", f"| {' | '.join(grid.columns)} |"]
        lines.append(f"|{'|'.join(['---'] + ['---:'] * (len(grid.columns) - 1))}|")
        lines += [
            f"| {' | '.join('no' if cell.startswith('no: ') else cell for cell in row)} |"
            for row in grid.rows
        ]
        lines.append("")
    lines += [f"- no: {line}" for line in reasons(grids)]
    lines += [f"- {note}" for note in notes]
    return "\n".join(lines) + "\n"


def as_data(profiles: Sequence[Profile], dataset: str | None) -> list[dict[str, Any]]:
    """For profile.json: seconds, bytes, pixels of lq."""
    return [
        {
            "name": one.subject.name,
            "scale": one.subject.net.scale,
            "channels": one.subject.net.in_channels,
            "parameters": one.parameters,
            "multiply_adds": one.multiply_adds,
            "reach": asdict(one.reach) if one.reach else None,
            "quality": {name: asdict(value) for name, value in one.subject.quality.items()},
            "decibels_per_tera": worth(one, dataset),
            "beaten_by": beaten_by(one, profiles, dataset) or None,
            "sizes": [asdict(at) for at in one.sizes],
        }
        for one in profiles
    ]
