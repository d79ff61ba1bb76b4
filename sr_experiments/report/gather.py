"""From folders to what is compared, and what is listed apart with a reason."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sr_experiments.report.boards import Board, boards
from sr_experiments.report.configurations import Configuration, configurations
from sr_experiments.report.find import find_runs
from sr_experiments.report.runs import Run, Unreadable, read_run


@dataclass(frozen=True)
class Apart:
    """A folder that takes no part in any table."""

    folder: str
    what: str
    why: str


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
            found.apart.append(Apart(found.shown(folder), run.status, _why(run)))
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
    found.configurations = configurations(found.runs)
    found.boards, repeated = boards(found.configurations)
    _set_apart(found, {one.run.folder: one.newer for one in repeated})
    return found


def _set_apart(found: Gathered, repeated: dict[Path, Run]) -> None:
    """Runs of which nothing is left on any board, because newer ones measured the same again."""
    counted = {run.folder for board in found.boards for row in board.rows for run in row.runs}
    for run in found.runs:
        if run.folder not in counted:
            newer = found.shown(repeated[run.folder].folder)
            same = "configuration and seed" if run.drawn else "configuration"
            why = f"{newer} has the same {same}, and is newer"
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
