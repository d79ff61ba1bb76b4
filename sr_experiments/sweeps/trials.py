"""Optuna's memory of a search, and what a run that trains tells it: a file in the sweep's folder.

A journal needs no database, and several processes may write to it.
"""

import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

JOURNAL = "optuna.journal"
TRIAL = "SR_EXPERIMENTS_TRIAL"  # FOLDER, number and the pruner's numbers, for a run of a search
_NAME = "search"


class Pruned(Exception):
    """A run of a search that ends early; no failure."""

    status = "pruned"  # in run.json


@dataclass(frozen=True)
class Pruning:
    """When a run is hopeless.

    Attributes:
        startup: Runs that have to end before there is a median.
        warm_up: Epochs before a run is compared.
    """

    startup: int
    warm_up: int

    def pruner(self) -> Any:
        """Optuna's: a run's best so far is behind the median of what the ended ones had at this epoch."""
        from optuna.pruners import MedianPruner

        return MedianPruner(n_startup_trials=self.startup, n_warmup_steps=self.warm_up + 1)


def open_study(folder: Path, *, maximize: bool, pruner: Any = None) -> Any:
    """The study in a sweep's folder, begun there or continued."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = JournalStorage(JournalFileBackend(str(folder / JOURNAL)))
    return optuna.create_study(
        storage=storage,
        study_name=_NAME,
        direction="maximize" if maximize else "minimize",
        load_if_exists=True,
        pruner=pruner,
    )


class Reporter:
    """What a run says of its validations, and hears of itself.

    Args:
        told: As the search has put it into the environment.
    """

    def __init__(self, told: str) -> None:
        """Open the study."""
        folder, number, maximize, startup, warm_up = told.split("|")
        pruner = Pruning(int(startup), int(warm_up)).pruner()
        self.study = open_study(Path(folder), maximize=maximize == "1", pruner=pruner)
        from optuna.trial import Trial

        self.trial = Trial(self.study, self.study.trials[int(number)]._trial_id)

    def hopeless(self, value: float, *, epoch: int) -> bool:
        """Report the validation after an epoch; whether the run may end."""
        known = self.study.trials[self.trial.number].intermediate_values
        if epoch not in known:  # a run that continues comes by again
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self.trial.report(value, epoch)
        return bool(self.trial.should_prune())


def told_to_run(folder: Path, number: int, *, maximize: bool, pruning: Pruning) -> str:
    """What `Reporter` reads."""
    return f"{folder.absolute()}|{number}|{int(maximize)}|{pruning.startup}|{pruning.warm_up}"


def of_a_search() -> bool:
    """Whether this is a run of a search that ends hopeless ones."""
    return TRIAL in os.environ


def reporter() -> Reporter | None:
    """For a run of a search that prunes."""
    told = os.environ.get(TRIAL)
    return Reporter(told) if told else None
