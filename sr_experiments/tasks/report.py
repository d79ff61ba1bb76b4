"""``task=report``: one page that compares runs, and its tables for a README and for a paper."""

import logging
from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig

from sr_experiments.paths import shown
from sr_experiments.report.gather import Gathered, gather
from sr_experiments.report.leaderboard import leaderboard
from sr_experiments.report.page import Content, Limits, page
from sr_experiments.report.protocols import explain, higher_is_better
from sr_experiments.report.published import table as published
from sr_experiments.report.tables import latex, markdown
from sr_experiments.tasks.record import RunRecord
from sr_experiments.written import write_text

_log = logging.getLogger(__name__)
PAGE = "report.html"


def report(
    config: DictConfig,
    run_dir: Path,
    *,
    runs: Sequence[str],
    output: str | None = None,
    title: str = "Super-resolution experiments",
    detail: int = 20,
    limit: int = 24,
) -> None:
    """Write `report.html`, `table.md` and `table.tex`.

    Args:
        config: As composed.
        run_dir: This task's folder.
        runs: Folders of runs, of sweeps, of many, or globs of such.
        output: Folder; None for this task's own.
        title: Of the page.
        detail: How many configurations have curves, pictures and comparisons: the best of each table.
        limit: Size of the page in megabytes, about: pictures are left out beyond it.

    Raises:
        ValueError: If there is nothing to compare, or a number makes no sense.
    """
    if detail < 1 or limit < 1:
        raise ValueError(f"task.detail={detail} and task.limit={limit} must be 1 or more")
    if not runs:
        raise ValueError(
            "task=report needs runs=FOLDER: a run's folder, a sweep's, a folder of them, or a glob"
        )
    with RunRecord(run_dir / "run.json", task="report", runs=list(runs)) as record:
        folder = Path(output).expanduser() if output else run_dir
        found = gather(list(runs))
        metrics = list(dict.fromkeys(name for board in found.boards for name in board.metrics))
        higher = {name: higher_is_better(name, found.runs) for name in metrics}
        tables = [leaderboard(board, papers=published(), higher=higher) for board in found.boards]
        places = [board.place for board in found.boards]
        content = Content(title, found, tables, higher, explain(places, metrics, found.runs))
        notes = [f"the newest run was begun on {found.newest}"]
        notes += [f"not counted: {one.folder} ({one.what}): {one.why}" for one in found.apart]
        write_text(folder / PAGE, page(content, limits=Limits(detail, limit * 1_000_000)))
        write_text(folder / "table.md", markdown(tables, notes=notes))
        write_text(folder / "table.tex", latex(tables, notes=notes))
        record.update(counted=len(found.runs), apart=found.not_counted)
    _tell(found, folder)


def _tell(found: Gathered, folder: Path) -> None:
    rows, boards = len(found.configurations), len(found.boards)
    print(f"{len(found.runs)} runs of {rows} configuration(s), {boards} table(s)")
    if found.apart:
        print(f"{found.not_counted} run(s) stand apart: not begun, not finished, not readable, or repeated")
    print(f"page     {shown(folder / PAGE)}")
    print(f"tables   {shown(folder / 'table.md')}, {shown(folder / 'table.tex')}")
