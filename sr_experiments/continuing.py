"""``run=FOLDER``: begin a run or a sweep in a folder, or continue what is there.

So the same command, given again after a machine went down, goes on where it was: a run by its own config, a
sweep by doing what is missing.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from omegaconf import OmegaConf

from sr_experiments.nearest import nearest_path
from sr_experiments.paths import TRAINS, conf_dir
from sr_experiments.secret import HIDDEN
from sr_experiments.sweeps.book import SWEEP, read

OPTION = "run="

# What is typed to continue a run; it begins none.
_OF_A_RUN = re.compile(r"trainer\.|debug=|hydra[./]")
# Of a sweep that is completed: who runs it, and how long a search goes on.
_CHANGEABLE = ("hydra/launcher=", "hydra.launcher.", "hydra.sweeper.trials=", "hydra.sweeper.preview=", "-")


def folder_of(arguments: Sequence[str]) -> Path | None:
    """What ``run=`` names, if it was given.

    Raises:
        ValueError: If it was given twice, or beside Hydra's word for the same.
    """
    given = [argument.removeprefix(OPTION) for argument in arguments if argument.startswith(OPTION)]
    if not given:
        return None
    if len(given) > 1 or not given[0]:
        raise ValueError("run=FOLDER names one folder")
    for same in ("hydra.run.dir", "hydra.sweep.dir"):
        if any(argument.startswith(f"{same}=") for argument in arguments):
            raise ValueError(f"run=FOLDER and {same}=FOLDER name the same: give one of them")
    return Path(given[0]).expanduser()


def continues(folder: Path) -> bool:
    """Whether there is a run to continue."""
    return (folder / "config.yaml").is_file()


def is_there(folder: Path) -> bool:
    """Whether there is a run or a sweep."""
    return continues(folder) or (folder / SWEEP).is_file()


def to_begin(folder: Path, arguments: Sequence[str]) -> list[str]:
    """For Hydra: the run goes there, also where one was killed before it knew its config.

    Raises:
        ValueError: If nothing is said of it, so that a run or sweep is meant that is not there.
    """
    if all(_OF_A_RUN.match(argument) for argument in arguments):
        raise ValueError(
            f"run={folder}: there is no run or sweep to continue{nearest_path(folder, fits=is_there)}\n"
            f"To begin one there, say what it is to be, as in model=rcan run={folder}"
        )
    was_killed = (folder / "run.json").is_file()
    again = ["++task.resume=true"] if was_killed else []
    return [*arguments, f"hydra.run.dir={quoted(folder)}", *again]


def to_continue(folder: Path, arguments: Sequence[str]) -> list[str]:
    """For Hydra: the run's own config, and on top of it what was not given when it was begun.

    Args:
        folder: Of the run.
        arguments: The others, as Hydra takes them.

    Raises:
        ValueError: If there is no run that trains, or an argument chooses what can not be chosen any more.
    """
    config = OmegaConf.load(folder / "config.yaml")
    target = OmegaConf.select(config, "task._target_", default=None)
    if target != TRAINS:
        raise ValueError(
            f"run={folder}: {target or 'what is there'} is not training, so there is nothing to continue"
        )
    begun = folder / ".hydra" / "overrides.yaml"
    known = [str(entry) for entry in OmegaConf.load(begun)] if begun.is_file() else []
    before = set(_last(known))
    new = [argument for argument in _last(arguments) if argument not in before]
    for argument in new:
        key = argument.partition("=")[0].lstrip("+~")
        if not argument.startswith("-") and (conf_dir() / key.partition("@")[0]).is_dir():
            raise ValueError(
                f"run={folder} continues with its own config, so {argument} has no place; it was begun with: "
                f"{' '.join(known) or 'nothing else'}. Values can be changed, such as trainer.max_epochs=N; "
                "for another choice take another folder"
            )
    return [
        f"--config-path={folder.resolve()}",
        "--config-name=config",
        *new,
        f"hydra.run.dir={quoted(folder)}",
        "hydra.output_subdir=null",
        "hydra.job.name=sr_experiments",
        "hydra.job.chdir=false",
        "hydra.job_logging.formatters.simple.format='%(message)s'",
        "++task.resume=true",
    ]


def to_sweep(folder: Path, arguments: Sequence[str]) -> list[str]:
    """For Hydra: the sweep goes there, or goes on there."""
    return [*arguments, f"hydra.sweep.dir={quoted(folder)}"]


def to_complete(folder: Path, arguments: Sequence[str]) -> list[str]:
    """For Hydra: the sweep that was begun there, by the arguments that it was begun with.

    Raises:
        ValueError: If an argument would make other runs of it, or a secret is missing.
    """
    before = [str(entry) for entry in read(folder / SWEEP)["arguments"]]
    for argument in arguments:
        if argument not in before and not argument.startswith(_CHANGEABLE):
            raise ValueError(
                f"run={folder} completes the sweep that is there, so {argument} has no place; it was begun "
                f"with: -m {' '.join(before)}. Only the launcher can be another one, and of a search "
                "trials=; with -m runs are added"
            )
    if any(HIDDEN in argument for argument in before):
        raise ValueError(
            f"run={folder}: a password was left out of {SWEEP}; type the whole command again, with -m"
        )
    new = [argument for argument in arguments if argument not in before]
    return ["--multirun", *_last([*before, *new]), f"hydra.sweep.dir={quoted(folder)}"]


def _last(arguments: Sequence[str]) -> list[str]:
    """Where something is given twice the last one counts."""
    return list({argument.partition("=")[0]: argument for argument in arguments}.values())


def quoted(path: Path | str) -> str:
    """Hydra's grammar gives spaces, commas, brackets and equal signs a meaning of their own.

    A backslash is a sign of it only before a quote, and so at the end.
    """
    text = re.sub(r"(\\*)'", r"\1\1\\'", re.sub(r"(\\+)$", r"\1\1", str(path)))
    return f"'{text}'"
