"""The table of an evaluation: ours, the paper's, the difference, by a protocol that is named in every row."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from sr_experiments.metrics.protocol import PROTOCOLS, metrics_of, told_of_others
from sr_experiments.report.published import Published
from sr_experiments.report.words import number, shown_difference, tex
from sr_experiments.written import write_text

_MAIN = ("psnr", "ssim")


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The means over the images of one data set.

    Attributes:
        dataset: The benchmark.
        scale: Of super-resolution.
        protocol: A key of `PROTOCOLS`.
        degradation: What made the small images; empty for the classical bicubic one.
        metrics: Metric -> mean.
        bicubic: The same for bicubic interpolation.
        published: What the paper says, where it is known.
    """

    dataset: str
    scale: int
    protocol: str
    degradation: str
    metrics: dict[str, float]
    bicubic: dict[str, float]
    published: Published | None

    def as_dict(self) -> dict[str, Any]:
        """For run.json."""
        return asdict(self)

    def main(self, kind: str) -> tuple[str, float, float | None]:
        """The PSNR or SSIM that papers report: its name, ours, and theirs."""
        name = next(name for name in metrics_of(self.protocol) if name.startswith(kind))
        theirs: float | None = getattr(self.published, name, None)
        return name, self.metrics[name], theirs

    def others(self) -> dict[str, float]:
        """What papers' main tables do not have."""
        main = {self.main(kind)[0] for kind in _MAIN}
        return {name: value for name, value in self.metrics.items() if name not in main}


def _what(one: Measured) -> tuple[str, str]:
    protocol = f"{one.protocol}, {one.degradation}" if one.degradation else one.protocol
    return f"{one.dataset} x{one.scale}", protocol


def _cells(one: Measured) -> list[str]:
    """Ours, the paper's and the difference, of PSNR and of SSIM."""
    cells = []
    for kind in _MAIN:
        name, ours, theirs = one.main(kind)
        difference = None if theirs is None else shown_difference(ours, theirs, name)
        cells += [number(ours, name), number(theirs, name), number(difference, name, signed=True)]
    return cells


def _header(found: Sequence[Measured], name: str) -> list[str]:
    psnr, ssim = (found[0].main(kind)[0] for kind in _MAIN)
    return [
        "set",
        "protocol",
        f"{psnr} {name}".strip(),
        "paper",
        "diff",
        f"{ssim} {name}".strip(),
        "paper",
        "diff",
    ]


def _sources(found: Sequence[Measured]) -> list[str]:
    return list(dict.fromkeys(one.published.source for one in found if one.published is not None))


def _explained(found: Sequence[Measured]) -> list[str]:
    """What the numbers are, a line each."""
    protocols = dict.fromkeys(one.protocol for one in found)
    others = told_of_others(name for one in found for name in one.others())
    return [*(f"{protocol}: {PROTOCOLS[protocol]}" for protocol in protocols), *others]


def print_comparison(found: Sequence[Measured], *, name: str, notes: Sequence[str], demo: bool) -> None:
    """Print the table, then what else was measured, then what a reader has to know."""
    console = Console(highlight=False)
    main = Table(title=name + ("  DEMO" if demo else ""), title_justify="left", title_style="bold")
    for index, column in enumerate(_header(found, "")):
        main.add_column(column, justify="left" if index < 2 else "right")
    for one in found:
        main.add_row(*_what(one), *_cells(one))
    console.print()
    console.print(main)
    _print_others(console, found)
    for line in [*_explained(found), *(f"paper: {source}" for source in _sources(found))]:
        console.print(line, style="dim", markup=False)
    for note in notes:
        console.print(f"note: {note}", style="yellow", markup=False)
    console.print()


def _print_others(console: Console, found: Sequence[Measured]) -> None:
    names = list(dict.fromkeys(name for one in found for name in one.others()))
    if not names:
        return
    more = Table()
    for index, column in enumerate(["set", "protocol", *names]):
        more.add_column(column, justify="left" if index < 2 else "right")
    for one in found:
        more.add_row(*_what(one), *(number(one.others().get(name), name) for name in names))
    console.print(more)


def write_tables(folder: Path, found: Sequence[Measured], *, name: str) -> None:
    """Write ``table.md`` and ``table.tex``."""
    write_text(folder / "table.md", _markdown(found, name))
    write_text(folder / "table.tex", _latex(found, name))


def _markdown(found: Sequence[Measured], name: str) -> str:
    header = _header(found, name)
    lines = [f"| {' | '.join(header)} |", f"|{'|'.join(['---'] * 2 + ['---:'] * 6)}|"]
    lines += [f"| {' | '.join([*_what(one), *_cells(one)])} |" for one in found]
    others = list(dict.fromkeys(key for one in found for key in one.others()))
    if others:
        lines += ["", f"| set | protocol | {' | '.join(others)} |"]
        lines.append(f"|{'|'.join(['---'] * 2 + ['---:'] * len(others))}|")
        for one in found:
            cells = [number(one.others().get(key), key) for key in others]
            lines.append(f"| {' | '.join([*_what(one), *cells])} |")
    lines += ["", *(f"- {line}" for line in _explained(found))]
    lines += [f"- paper: {source}" for source in _sources(found)]
    return "\n".join(lines) + "\n"


def _latex(found: Sequence[Measured], name: str) -> str:
    """For a paper: needs the package booktabs."""
    header = [tex(cell) for cell in _header(found, name)]
    rows = [" & ".join(tex(cell) for cell in (*_what(one), *_cells(one))) + r" \\" for one in found]
    explained = [f"% {line}" for line in _explained(found)]
    explained += [f"% paper: {source}" for source in _sources(found)]
    body = [r"\begin{tabular}{llrrrrrr}", r"\toprule", " & ".join(header) + r" \\", r"\midrule", *rows]
    return "\n".join([*explained, *body, r"\bottomrule", r"\end{tabular}"]) + "\n"
