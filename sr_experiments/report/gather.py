"""From folders to what is compared, and what is listed apart with a reason."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sr_experiments.report.boards import Board, boards
from sr_experiments.report.configurations import Configuration, configurations
from sr_experiments.report.find import RECORD, SWEEP, find_runs
from sr_experiments.report.runs import Run, Unreadable, read_run
from sr_experiments.written import read_json

_FEW = 3  # runs that failed before their first step and are listed one by one


@dataclass(frozen=True)
class Apart:
    """A folder that takes no part in any table, or several for one reason.

    Attributes:
        folder: As a reader knows it.
        what: In a word or two, such as `failed`.
        why: In a sentence.
        runs: How many.
        stepped: Whether training had begun.
    """

    folder: str
    what: str
    why: str
    runs: int = 1
    stepped: bool = True


@dataclass
class Gathered:
    """All that a report is made of.

    Attributes:
        root: Folder that all runs have in common.
        runs: Those that count.
        configurations: Of them.
        boards: Of their measurements.
        apart: Runs that do not count, and why.
        others: How many folders hold the record of another task, such as `prepare`.
    """

    root: Path
    runs: list[Run]
    configurations: list[Configuration]
    boards: list[Board]
    apart: list[Apart] = field(default_factory=list)
    others: int = 0

    @property
    def not_counted(self) -> int:
        """How many runs."""
        return sum(one.runs for one in self.apart)

    @property
    def newest(self) -> str:
        """When the newest run that counts was begun; a report of the same runs stays the same."""
        return max(run.started for run in self.runs)[:16].replace("T", " ")

    def shown(self, folder: Path) -> str:
        """A run's folder as a reader knows it."""
        return os.path.relpath(folder, self.root) if folder != self.root else folder.name


def gather(given: Sequence[str]) -> Gathered:
    """Find, read, group and lay out.

    Raises:
        ValueError: If there is nothing that could be compared.
    """
    folders = find_runs(given)
    common = Path(os.path.commonpath(folders))
    found = Gathered(common, [], [], [])
    cache: dict[Path, Run] = {}
    for folder in folders:
        try:
            run = read_run(folder, cache=cache)
        except Unreadable as error:
            found.apart.append(Apart(found.shown(folder), "unreadable", str(error)))
            continue
        if run is None:
            found.others += 1
        elif run.status != "finished":
            stepped = run.status != "failed" or bool(run.record.get("steps"))
            found.apart.append(Apart(found.shown(folder), run.status, _why(run), stepped=stepped))
        elif not run.measured:
            found.apart.append(Apart(found.shown(folder), "empty", "nothing was measured"))
        else:
            found.runs.append(run)
    if not found.runs:
        told = "; ".join(f"{one.folder}: {one.what}" for one in found.apart[:5])
        raise ValueError(
            f"runs={','.join(given)}: of {len(folders)} folders none holds a finished training or "
            f"evaluation{f' ({told})' if told else ''}; a report compares finished runs"
        )
    found.apart = [*_folded(found.apart), *_not_begun(found, folders)]
    found.configurations = configurations(found.runs)
    found.boards, repeated = boards(found.configurations)
    _set_apart(found, {one.run.folder: one.newer for one in repeated})
    return found


def _folded(apart: Sequence[Apart]) -> list[Apart]:
    """Many runs that failed before their first step, of mistakes typed for the most part, are one line."""
    early = [one for one in apart if not one.stepped]
    if len(early) <= _FEW:
        return list(apart)
    named = f"{', '.join(one.folder for one in early[:_FEW])} and {len(early) - _FEW} more"
    why = f"before the first step; {early[0].folder}: {early[0].why}"
    return [*(one for one in apart if one.stepped), Apart(named, "failed", why, runs=len(early))]


def _not_begun(found: Gathered, folders: Sequence[Path]) -> Iterator[Apart]:
    """Of each sweep how many runs have left nothing: it was stopped before them, or is not there yet."""
    for sweep in sorted({folder.parent for folder in folders}):
        try:
            jobs = [str(row["folder"]) for row in read_json(sweep / SWEEP).get("jobs", ())]
        except (TypeError, KeyError):
            continue  # not one of ours
        missing = sum(not (sweep / job / RECORD).is_file() for job in jobs)
        if missing:
            why = f"{missing} of the {len(jobs)} runs of this sweep"
            yield Apart(found.shown(sweep), "not begun", why, runs=missing)


def _set_apart(found: Gathered, repeated: dict[Path, Run]) -> None:
    """Runs of which nothing is left on any board, because newer ones measured the same again."""
    counted = {run.folder for board in found.boards for row in board.rows for run in row.runs}
    for run in found.runs:
        if run.folder not in counted:
            newer = repeated[run.folder]
            while newer.folder not in counted:
                newer = repeated[newer.folder]
            same = "configuration and seed" if run.drawn else "configuration"
            why = f"{found.shown(newer.folder)} has the same {same}, and is newer"
            found.apart.append(Apart(found.shown(run.folder), "repeated", why))
    found.runs = [run for run in found.runs if run.folder in counted]
    for one in found.configurations:
        one.runs = [run for run in one.runs if run.folder in counted]


def _why(run: Run) -> str:
    """What run.json says of an end that was none."""
    if run.status == "running":
        return "it runs still, or was killed before it could say so"
    # The first line says what; a page has no room for a traceback's worth of Hydra's.
    return str(run.record.get("error", "")).strip().partition("\n")[0] or "it was stopped before its end"
