"""``sweep=optuna``: runs whose values are proposed from what earlier ones reached.

A proposal is a function of the search's seed, its number and the results before it, so that a search which
was interrupted goes on as one which was not. Several at once are proposed together and waited for together.
"""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.table import Table

from sr_experiments.sweeps import slots, trials
from sr_experiments.sweeps.book import Book, Job
from sr_experiments.sweeps.grid import kept
from sr_experiments.sweeps.launch import Setting, enter, launch
from sr_experiments.sweeps.state import State
from sr_experiments.sweeps.summary import ending

_BATCH = 8  # runs proposed at once where a cluster decides how many run at once
_SHOWN = 10  # rows of the table


@dataclass(frozen=True)
class Options:
    """``hydra.sweeper``, as conf/sweep/optuna.yaml explains it."""

    trials: int
    search_seed: int
    startup: int
    prune: bool
    warm_up: int
    objective: str | None

    def __post_init__(self) -> None:
        """Refuse what can not be.

        Raises:
            ValueError: If a number is too small.
        """
        for name, least in {"trials": 1, "search_seed": 0, "startup": 1, "warm_up": 0}.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name}={getattr(self, name)}: must be {least} or more")


@dataclass
class _Search:
    setting: Setting
    book: Book
    study: Any
    space: Any
    options: Options
    maximize: bool

    def propose(self) -> tuple[Job, list[str], Any]:
        """The next run, and its trial."""
        from optuna.samplers import TPESampler

        number = len(self.study.trials)
        # Not one sampler for all: it would begin anew, with its first numbers, when the search continues.
        self.study.sampler = TPESampler(
            seed=self.options.search_seed * 1_000_003 + number, n_startup_trials=self.options.startup
        )
        trial = self.study.ask()
        overrides = self.space.draw(trial)
        (job,) = enter(self.setting, self.book, [overrides])
        trial.set_user_attr("run", job.number)
        return job, overrides, trial.number

    def unfinished(self) -> list[tuple[Job, list[str], Any]]:
        """Runs that were proposed and have not ended."""
        from optuna.trial import TrialState

        waiting = [trial for trial in self.study.trials if trial.state == TrialState.RUNNING]
        found = []
        for trial in waiting:
            if "run" in trial.user_attrs:
                job = self.book.jobs[trial.user_attrs["run"]]
                values = {entry.partition("=")[0]: entry for entry in job.overrides}
                fixed = {entry.partition("=")[0]: entry for entry in self.space.fixed}  # secrets included
                found.append((job, list((values | fixed).values()), trial.number))
            else:  # killed between two lines
                self.study.tell(trial.number, state=TrialState.FAIL)
        return found

    def run(self, proposed: Sequence[tuple[Job, list[str], Any]], *, done: int) -> Exception | None:
        """Run what was proposed, and tell Optuna how it ended."""
        todo = [one for one in proposed if not self.book.state(one[0]).ended]
        self.book.write()
        trouble = None
        if todo:
            pruning = trials.Pruning(self.options.startup, self.options.warm_up)
            more = {
                job.number: {
                    trials.TRIAL: trials.told_to_run(
                        self.book.folder, number, maximize=self.maximize, pruning=pruning
                    )
                }
                for job, _, number in todo
                if self.options.prune
            }
            place = (done, self.options.trials)
            orders = [(job, overrides) for job, overrides, _ in todo]
            trouble = launch(self.setting, self.book, orders, environment=more, place=place)
        for job, _, number in proposed:
            self._tell(number, self.book.state(job))
        return trouble

    def _tell(self, number: int, state: State) -> None:
        from optuna.trial import TrialState

        if state.status == "pruned":
            self.study.tell(number, state=TrialState.PRUNED, skip_if_finished=True)
        elif state.status == "finished" and (value := score_of(state, self.options.objective)) is not None:
            self.study.tell(number, value, skip_if_finished=True)

    def note(self) -> None:
        """Keep for ``sweep.json`` where the search stands."""
        done = {
            job.number: value
            for job in self.book.jobs
            if (state := self.book.state(job)).status == "finished"
            and (value := score_of(state, self.options.objective)) is not None
        }
        content: dict[str, Any] = {
            "space": self.space.described(),
            "trials": len(self.study.trials),
            "seed": self.options.search_seed,
            "objective": self.options.objective or "best validation",
            "best": None,
        }
        if done:
            best = (max if self.maximize else min)(done, key=lambda number: done[number])
            overrides = self.book.jobs[best].overrides
            content["best"] = {
                "run": best,
                "score": done[best],
                "values": [entry for entry in overrides if entry.partition("=")[0] in self.space.searched],
                "command": "python -m sr_experiments " + " ".join(map(shlex.quote, overrides)),
            }
        self.book.more["search"] = content


def search(
    setting: Setting,
    params: Mapping[str, str],
    arguments: Sequence[str],
    *,
    options: Options,
    preview: str | None,
) -> None:
    """Propose and run until there are enough runs; print the best one.

    Raises:
        ValueError: If Optuna is not installed, or the folder is of another search.
        SweepEnded: If runs have failed.
    """
    _need_optuna()
    from sr_experiments.sweeps.space import space_of

    composed = setting.composed(_plain(arguments), number=0)
    space = space_of(params, arguments, composed=composed)
    if space.left_out:
        print(f"not searched, as there is no such number here: {', '.join(space.left_out)}")
    maximize = _maximize(composed, options)
    if preview is not None:
        from sr_experiments.sweeps.preview import show

        print(f"{options.trials} runs, proposed over {', '.join(space.described())}; one as conf/ has it:")
        show(setting, [space.fixed], measure=preview == "measure", times=options.trials)
        return
    with kept(setting.folder) as book:
        study = trials.open_study(book.folder, maximize=maximize)
        before = study.user_attrs.get("space")
        if before not in (None, space.described()):
            raise ValueError(f"{book.folder} holds a search over {', '.join(before)}: take another folder")
        study.set_user_attr("space", space.described())
        seeking = _Search(setting, book, study, space, options, maximize)
        at_once = slots.at_once(setting.config) or _BATCH
        trouble = None
        proposed = seeking.unfinished()
        while trouble is None:
            ended = len(study.trials) - len(proposed)
            room = min(at_once - len(proposed), options.trials - len(study.trials))
            proposed += [seeking.propose() for _ in range(room)]
            if not proposed:
                break
            trouble = seeking.run(proposed, done=ended)
            proposed = []
            seeking.note()
        seeking.note()
        print_search(book, seeking)
        ending(book, book.jobs, trouble)


def _need_optuna() -> None:
    try:
        import optuna  # noqa: F401
    except ModuleNotFoundError as error:
        raise ValueError(
            'sweep=optuna needs a package that is not installed: pip install "sr-experiments[sweeps]"'
        ) from error


def _plain(arguments: Sequence[str]) -> list[str]:
    """What was typed without what is searched."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    typed = OverridesParser.create().parse_overrides(list(arguments))
    return [override.input_line or "" for override in typed if not override.is_sweep_override()]


def _maximize(composed: DictConfig, options: Options) -> bool:
    if options.objective is None:
        if OmegaConf.select(composed, "callbacks.checkpoints.monitor", default="") is None:
            raise ValueError(
                "sweep=optuna: against an adversary the best checkpoint is the last one and has no score; "
                "objective=lpips_random (or another metric of the final table) says what is better"
            )
        return str(OmegaConf.select(composed, "callbacks.checkpoints.mode", default="max")) == "max"
    return options.objective.startswith(("psnr", "ssim", "lr_psnr"))


def score_of(state: State, objective: str | None) -> float | None:
    """What a search compares: the best validation, or a metric of the final table's first data set."""
    if objective is None:
        return state.score
    first: dict[str, Any] = next(iter(state.metrics.values()), {})
    return float(first[objective]) if objective in first else None


def print_search(book: Book, seeking: _Search) -> None:
    """The best runs, and the command that trains with the values of the first."""
    rows = [(job, book.state(job)) for job in book.jobs]
    scored = [(job, state, score_of(state, seeking.options.objective)) for job, state in rows]
    worst = float("-inf") if seeking.maximize else float("inf")
    scored.sort(key=lambda row: worst if row[2] is None else row[2], reverse=seeking.maximize)
    keys = list(seeking.space.searched)
    table = Table(title="search", title_justify="left", title_style="bold")
    for column in ("run", "status", seeking.options.objective or "validation", *keys):
        table.add_column(column, justify="right", overflow="fold")
    for job, state, score in scored[:_SHOWN]:
        values = dict(entry.split("=", 1) for entry in job.overrides if "=" in entry)
        told = "" if score is None else f"{score:.4f}"
        table.add_row(str(job.number), state.status, told, *(_short(values.get(key, "")) for key in keys))
    console = Console(highlight=False)
    console.print()
    console.print(table)
    if len(scored) > _SHOWN:
        console.print(f"and {len(scored) - _SHOWN} more, in {book.folder / 'sweep.json'}", style="dim")
    best = book.more["search"]["best"]
    if best is not None:
        print(f"best     run {best['run']}: {best['score']:.4f} with {' '.join(best['values'])}")
        print(f"train with it: {best['command']}")


def _short(value: str) -> str:
    try:
        return f"{float(value):.4g}" if "." in value or "e" in value else value
    except ValueError:
        return value
