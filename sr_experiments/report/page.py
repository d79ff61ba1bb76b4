"""The page: everything in one file, nothing from anywhere else."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

import sr_experiments
from sr_experiments.report.boards import Board
from sr_experiments.report.configurations import Configuration
from sr_experiments.report.curves import training_figures
from sr_experiments.report.figures import costs
from sr_experiments.report.gather import Gathered
from sr_experiments.report.leaderboard import Table, ranked
from sr_experiments.report.pairs import Pairs
from sr_experiments.report.pictures import Album, album, scenes
from sr_experiments.report.protocols import Explained
from sr_experiments.report.runs import Run
from sr_experiments.report.statistics import DRAWS

_MOST_RUNS = 1000  # and rows of a leaderboard, that are listed one by one


@dataclass(frozen=True)
class Limits:
    """How much is shown.

    Attributes:
        detail: Configurations that have curves, pictures and comparisons: the best of each board.
        bytes: Of the page, about; pictures are left out beyond it.
    """

    detail: int
    bytes: int


@dataclass(frozen=True)
class Content:
    """What the page tells."""

    title: str
    found: Gathered
    tables: Sequence[Table]
    higher: Mapping[str, bool]
    explained: Sequence[Explained]


def page(content: Content, *, limits: Limits) -> str:
    """Draw everything and write it down as HTML."""
    found = content.found
    detailed = _detailed(content, limits.detail)
    number_of = {id(one): number for number, one in enumerate(detailed)}
    arenas = [_arena(board, content, number_of) for board in found.boards]
    facts: dict[str, Any] = {
        "content": content,
        "found": found,
        "version": sr_experiments.__version__,
        "detailed": detailed,
        "figures": [Markup(figure) for figure in training_figures(detailed)],
        "costs": [_costs(table, number_of) for table in content.tables],
        "boards": list(zip(content.tables, arenas, strict=True)),
        "runs": _listed(found),
        "most_runs": _MOST_RUNS,
        "number_of": number_of,
        "css": Markup(_file("page.css")),
        "script": Markup(_file("page.js")),
        "limits": limits,
        "draws": DRAWS,
    }
    data = {"labels": [one.marked for one in detailed], "boards": [arena.data for arena in arenas]}
    empty = _render(facts, data, Album({}, 0), [])
    shots = _shots(detailed)
    pictures = album(scenes([run for _, run in shots]), room=max(0, limits.bytes - len(empty.encode())))
    return _render(facts, data, pictures, [_shot_name(one, run) for one, run in shots])


@dataclass(frozen=True)
class Compared:
    """A board's comparisons, for the page's script, and how many of them there are."""

    data: dict[str, Any]
    pairs: int


def _arena(board: Board, content: Content, number_of: Mapping[int, int]) -> Compared:
    rows = [row for row in ranked(board, higher=content.higher) if id(row.configuration) in number_of]
    pairs = Pairs(board, rows, higher=content.higher)
    numbers = [number_of[id(row.configuration)] for row in rows]
    return Compared(pairs.as_data(numbers), math.comb(len(rows), 2))


def _detailed(content: Content, most: int) -> list[Configuration]:
    """The best of each board, first the best of all, then the second of all, and so on."""
    rankings = [ranked(board, higher=content.higher) for board in content.found.boards]
    chosen: dict[int, Configuration] = {}
    for place in range(max(len(ranking) for ranking in rankings)):
        for ranking in rankings:
            if place < len(ranking) and len(chosen) < most:
                chosen.setdefault(id(ranking[place].configuration), ranking[place].configuration)
    return list(chosen.values())


def _shots(detailed: Sequence[Configuration]) -> list[tuple[Configuration, Run]]:
    """A run of each configuration, then a second one of each, and so on; bicubic is there without a run."""
    shown = [one for one in detailed if one.name != "bicubic"]
    most = max((len(one.runs) for one in shown), default=0)
    return [(one, one.runs[place]) for place in range(most) for one in shown if place < len(one.runs)]


def _shot_name(one: Configuration, run: Run) -> str:
    seed = f", seed {run.seed}" if run.seed is not None and one.drawn else ""
    return f"{one.marked}{seed}"


def _costs(table: Table, number_of: Mapping[int, int]) -> list[Markup]:
    """A board's quality against multiply-adds, slim and broad, where two or more nets have some."""
    place = 2 + table.board.metrics.index(table.board.main)
    points = []
    for line in table.lines:
        if line.row is None or id(line.row.configuration) not in number_of:
            continue
        cost, quality = line.row.configuration.multiply_adds, line.cells[place].order
        if cost and isinstance(quality, float):
            points.append((number_of[id(line.row.configuration)], float(cost), quality))
    if len({cost for _, cost, _ in points}) < 2:
        return []
    told = {"name": table.board.main, "cost": "multiply-adds", "where": table.board.title}
    return [Markup(costs(points, broad=broad, **told)) for broad in (False, True)]


def _listed(found: Gathered) -> list[dict[str, Any]]:
    label = {run.folder: one for one in found.configurations for run in one.runs}
    listed = []
    for run in found.runs[:_MOST_RUNS]:
        git = run.record.get("git") or {}
        code = str(git.get("commit", ""))[:7] + ("+" if git.get("dirty") else "")
        one = label[run.folder]
        facts = {"folder": found.shown(run.folder), "configuration": one.label, "demo": run.demo}
        notes = [note for note in run.record.get("notes") or [] if not note.startswith("demo run:")]  # marked
        listed.append({**facts, "seed": run.seed, "code": code, "notes": notes})
    return listed


def _render(
    facts: Mapping[str, Any], data: Mapping[str, Any], pictures: Album, shot_names: Sequence[str]
) -> str:
    environment = Environment(
        loader=PackageLoader("sr_experiments.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"code": _with_code, "identity": id}
    every = {**data, "scenes": pictures.scenes, "shots": list(shot_names)}
    # "<" would end the script that the data stands in, whatever an image is called.
    text = json.dumps(every, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return environment.get_template("page.html.j2").render(**facts, pictures=pictures, data=Markup(text))


def _file(name: str) -> str:
    return (files("sr_experiments.report") / "templates" / name).read_text(encoding="utf-8")


def _with_code(text: str) -> Markup:
    """Words between backticks as code, between double stars as strong."""
    safe = str(Markup.escape(text))
    safe = re.sub(r"`([^`]+)`", r"<code>\1</code>", safe)
    return Markup(re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", safe))
