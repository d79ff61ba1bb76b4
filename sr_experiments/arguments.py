"""What people type, and what Hydra takes.

Three things that read well on a command line mean something else to Hydra, or nothing: a choice that is a
number (``data=291``), several choices without a sweep (``benchmark=set5,set14``), and an option of the task
without its prefix (``checkpoint=RUN`` for ``task.checkpoint=RUN``). They are rewritten here, before Hydra
sees them, and so is ``run=FOLDER`` (`continuing.py`); an argument that Hydra takes is left as it is.

Weights without a word about the net are a run's, or tell the net themselves: ``model=recognised`` is added.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from omegaconf import OmegaConf

from sr_experiments.continuing import (
    OPTION,
    continues,
    folder_of,
    quoted,
    to_begin,
    to_complete,
    to_continue,
    to_sweep,
)
from sr_experiments.paths import conf_dir
from sr_experiments.sweeps.book import SWEEP

MULTIRUN = ("-m", "--multirun")
SEARCH = ("trials", "search_seed", "startup", "prune", "warm_up", "objective")  # its options
PREVIEW = "--dry-run"
LISTS = ("benchmark", "metric", "logger")  # groups of which several can be chosen


def as_hydra_takes(arguments: Sequence[str]) -> list[str]:
    """Rewrite a command line; the first argument is not the program.

    Raises:
        ValueError: If ``run=`` does not go with the others.
    """
    searches = any(re.fullmatch(r"sweep=(?!null$).+", argument) for argument in arguments)
    previews = [argument for argument in arguments if argument.split("=")[0] == PREVIEW]
    if previews:
        arguments = [argument for argument in arguments if argument not in previews] + [_of_preview(previews)]
    sweep = searches or any(argument in MULTIRUN for argument in arguments)
    if sweep:  # a flag between two of the others is more than Hydra can read
        arguments = ["-m", *(argument for argument in arguments if argument not in MULTIRUN)]
    options = _task_options(arguments)
    if "arguments" in options:
        return _gathered(arguments, options=options)
    folder = folder_of(arguments)
    if searches or (folder is not None and (folder / SWEEP).is_file()):
        arguments = [_of_search(argument) for argument in arguments]
    others = [argument for argument in arguments if not argument.startswith(OPTION)]
    others += _of_the_file(others, options=options)
    rewritten = [_rewritten(argument, options=options, sweep=sweep) for argument in others]
    if folder is None:
        return rewritten
    if sweep:
        return to_sweep(folder, rewritten)
    if (folder / SWEEP).is_file():
        return to_complete(folder, rewritten)
    return to_continue(folder, rewritten) if continues(folder) else to_begin(folder, rewritten)


def _of_the_file(arguments: Sequence[str], *, options: set[str]) -> list[str]:
    """What is added where the net is to be that of a file."""
    keys = [argument.partition("=")[0].lstrip("+~") for argument in arguments]
    if options & {"checkpoint", "interpolate"} & set(keys) and not any(map(_chooses_net, keys)):
        return ["model=recognised"]
    if "model=recognised" not in arguments or "scales" in options or "scale" in options:
        return []
    # A scale that is typed is what the file must have; one that is not, follows the file.
    same = {"scale": "net.scale", "channels": "net.in_channels"}
    typed = [argument.partition("=")[::2] for argument in arguments]
    return [f"{same[key]}={value}" for key, value in typed if key in same]


def _chooses_net(key: str) -> bool:
    return key in ("model", "net", "experiment") or key.startswith(("net.", "net@", "-cn", "--config"))


def _of_preview(given: Sequence[str]) -> str:
    """``--dry-run`` for Hydra.

    Raises:
        ValueError: If it is neither that nor ``--dry-run=measure``.
    """
    what = given[-1].partition("=")[2] or "jobs"
    if what not in ("jobs", "measure"):
        raise ValueError(
            f"{given[-1]}: --dry-run lists the runs, --dry-run=measure takes a few steps of each"
        )
    return f"hydra.sweeper.preview={what}"


def _of_search(argument: str) -> str:
    """``trials=50`` for ``hydra.sweeper.trials=50``."""
    key, equals, _ = argument.partition("=")
    return f"hydra.sweeper.{argument}" if equals and key in SEARCH else argument


def _task_options(arguments: Sequence[str]) -> set[str]:
    """The options of the chosen task; none if there is no such task (Hydra will say so)."""
    chosen = [argument.partition("=")[2] for argument in arguments if argument.startswith("task=")]
    path = conf_dir() / "task" / f"{chosen[-1]}.yaml" if chosen else Path()
    if not path.is_file():
        return set()
    content = OmegaConf.to_container(OmegaConf.load(path))
    assert isinstance(content, dict)
    content = content.get("task", content)  # a task that chooses for other groups has the global package
    options = {str(key): value for key, value in content.items() if str(key)[0] != "_" and key != "defaults"}
    inner = {f"{key}.{name}" for key, value in options.items() if isinstance(value, dict) for name in value}
    return {*options, *inner}


def _gathered(arguments: Sequence[str], *, options: set[str]) -> list[str]:
    """For a task about other commands: all but its own options are one of them, as they were typed."""

    def is_own(argument: str) -> bool:
        return argument.startswith(("-", "task=", "hydra.")) or argument.partition("=")[0] in options

    own = [_rewritten(a, options=options, sweep=False) for a in arguments if is_own(a)]
    others = ",".join(quoted(argument) for argument in arguments if not is_own(argument))
    return [*own, f"task.arguments=[{others}]"]


def _rewritten(argument: str, *, options: set[str], sweep: bool) -> str:
    key, equals, value = argument.partition("=")
    if not equals or argument.startswith("-"):
        return argument
    bare = value[:1] not in ("[", "{", "'", '"')
    several = bare and "," in value and not sweep
    if key == "scale" and "scales" in options and bare:
        lists = [f"[{scale}]" for scale in value.split(",")] if sweep else [f"[{value}]"]
        return f"task.scales={','.join(lists)}"
    if key in LISTS and several:
        return f"{key}=[{value}]"
    if key == "runs" and key in options and bare:
        return f"task.runs=[{','.join(quoted(part) for part in value.split(','))}]"
    if key == "interpolate" and key in options and several:
        return f"task.{key}=[{value}]"
    if value.isdigit() and (conf_dir() / key / f"{value}.yaml").is_file():
        return f"{key}='{value}'"
    return f"task.{argument}" if key in options else argument
