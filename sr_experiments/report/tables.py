"""The leaderboards as Markdown and as LaTeX."""

from collections.abc import Sequence

from sr_experiments.metrics.protocol import PROTOCOLS
from sr_experiments.models.cost import CONVENTION
from sr_experiments.report.leaderboard import Line, Table
from sr_experiments.report.words import tex

_SEEDS = "± is half the 95 % interval of the mean over seeds, by Student's t; one seed has none"
_DEMO = "demo"


def markdown(tables: Sequence[Table], *, notes: Sequence[str]) -> str:
    """A table per board, and under them what one has to know."""
    parts = []
    for table in tables:
        shown = [place for place, column in enumerate(table.columns) if column.kind != "key"]
        head = [table.columns[place].title for place in shown]
        rule = ["---" if table.columns[place].kind == "text" else "---:" for place in shown]
        rows = [[_escaped(text) for text in _texts(line, shown)] for line in table.lines]
        lines = [f"| {' | '.join(cells)} |" for cells in (head, rule, *rows)]
        parts.append(f"## {table.board.title}, {len(table.board.images)} images\n\n" + "\n".join(lines))
    parts.append("\n".join(f"- {note}" for note in (*_notes(tables), *notes)))
    return "\n\n".join(parts) + "\n"


def latex(tables: Sequence[Table], *, notes: Sequence[str]) -> str:
    """The same for a paper; needs the package booktabs."""
    parts = ["\n".join(f"% {note}" for note in (*_notes(tables), *notes))]
    for table in tables:
        shown = [place for place, column in enumerate(table.columns) if column.kind != "key"]
        form = "".join("l" if table.columns[place].kind == "text" else "r" for place in shown)
        head = " & ".join(tex(table.columns[place].title) for place in shown)
        rows = [" & ".join(tex(text) for text in _texts(line, shown)) + r" \\" for line in table.lines]
        body = [rf"\begin{{tabular}}{{{form}}}", r"\toprule", head + r" \\", r"\midrule", *rows]
        title = f"% {table.board.title}, {len(table.board.images)} images"
        parts.append("\n".join([title, *body, r"\bottomrule", r"\end{tabular}"]))
    return "\n\n".join(parts) + "\n"


def _texts(line: Line, shown: Sequence[int]) -> list[str]:
    texts = [line.cells[place].text for place in shown]
    return [f"{texts[0]} ({_DEMO})", *texts[1:]] if line.demo else texts


def _notes(tables: Sequence[Table]) -> list[str]:
    protocols = dict.fromkeys(table.board.place.protocol for table in tables)
    notes = [_SEEDS, *(f"{name}: {PROTOCOLS[name]}" for name in protocols if name in PROTOCOLS), CONVENTION]
    sources = dict.fromkeys(line.source for table in tables for line in table.lines if line.source)
    if any(line.demo for table in tables for line in table.lines):
        notes.insert(0, "demo: a few photographs and a few minutes; compares with nothing published")
    notes[:0] = [table.cut for table in tables if table.cut]
    return [*notes, *(f"paper: {source}" for source in sources)]


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")
