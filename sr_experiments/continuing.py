"""``run=FOLDER``: begin a run in a folder, or continue the one that is there by its own config.

So the same command, given again after a machine went down, goes on where it was.
"""

from collections.abc import Sequence
from pathlib import Path

from omegaconf import OmegaConf

from sr_experiments.paths import conf_dir

OPTION = "run="
TRAINS = "sr_experiments.tasks.train.train"


def folder_of(arguments: Sequence[str]) -> Path | None:
    """What ``run=`` names, if it was given.

    Raises:
        ValueError: If it was given twice, or with a sweep, whose members have folders of their own.
    """
    given = [argument.removeprefix(OPTION) for argument in arguments if argument.startswith(OPTION)]
    if not given:
        return None
    if len(given) > 1 or not given[0]:
        raise ValueError("run=FOLDER names one folder")
    if any(argument in ("-m", "--multirun") for argument in arguments):
        raise ValueError(
            "run=FOLDER is one run, and -m sweeps over several: hydra.sweep.dir=FOLDER names theirs"
        )
    if any(argument.startswith("hydra.run.dir=") for argument in arguments):
        raise ValueError("run=FOLDER and hydra.run.dir=FOLDER name the same: give one of them")
    return Path(given[0]).expanduser()


def continues(folder: Path) -> bool:
    """Whether there is a run to continue."""
    return (folder / "config.yaml").is_file()


def to_begin(folder: Path, arguments: Sequence[str]) -> list[str]:
    """For Hydra: the run goes there, also where one was killed before it knew its config."""
    was_killed = (folder / "run.json").is_file()
    again = ["++task.resume=true"] if was_killed else []
    return [*arguments, f"hydra.run.dir={_quoted(folder)}", *again]


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
        f"hydra.run.dir={_quoted(folder)}",
        "hydra.output_subdir=null",
        "hydra.job.name=sr_experiments",
        "hydra.job.chdir=false",
        "hydra.job_logging.formatters.simple.format='%(message)s'",
        "++task.resume=true",
    ]


def _last(arguments: Sequence[str]) -> list[str]:
    """Where something is given twice the last one counts."""
    return list({argument.partition("=")[0]: argument for argument in arguments}.values())


def _quoted(path: Path) -> str:
    """Hydra's grammar gives spaces, commas, brackets and equal signs a meaning of their own."""
    text = str(path).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{text}'"
