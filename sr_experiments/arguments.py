"""What people type, and what Hydra takes.

Four things that read well on a command line mean something else to Hydra, or nothing: a choice that is a
number (``data=291``), several choices without a sweep (``benchmark=set5,set14``), an option of the task
without its prefix (``checkpoint=RUN`` for ``task.checkpoint=RUN``), and names of files, to whose spaces,
brackets and equal signs Hydra gives a meaning (``input=a (1).png``). They are rewritten here, before Hydra
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
from sr_experiments.flags import PREVIEW, with_flags_behind, with_known_flags
from sr_experiments.paths import conf_dir
from sr_experiments.sweeps.book import SWEEP

MULTIRUN = ("-m", "--multirun")
SEARCH = ("trials", "search_seed", "startup", "prune", "warm_up", "objective")  # its options
LISTS = ("benchmark", "metric", "logger")  # groups of which several can be chosen
# What names files, and is taken as it was typed: options of tasks, and keys.
FILES = ("input", "output", "guide", "checkpoint", "values", "archive", "shards", "url", "name")
FILE_KEYS = re.compile(
    r"init_from|data_dir|(data|benchmark)(\.\w+)*\.(root|val_root|gt|lq|val_gt|val_lq|url|cache_dir)"
)
SEVERAL_FILES = ("runs", "interpolate")  # options that take a list of them
# Text to Hydra too: no number, no null, nothing that opens a list.
_PLAIN = re.compile(r"(?!(null|true|false|nan|inf)$)([A-Za-z_/]|\.\.?/)[\w./~-]*", re.IGNORECASE | re.ASCII)


def as_hydra_takes(arguments: Sequence[str]) -> list[str]:
    """Rewrite a command line; the first argument is not the program.

    Raises:
        ValueError: If ``run=`` does not go with the others, or a flag is none.
    """
    return with_flags_behind(_in_hydras_words(with_known_flags(arguments)))


def _in_hydras_words(arguments: Sequence[str]) -> list[str]:
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
    if previews and not sweep and (folder is None or not (folder / SWEEP).is_file()):
        raise ValueError(f"{previews[-1]} is for a sweep: -m, sweep=optuna, or run=FOLDER of one")
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
    if continues(folder):
        return to_continue(folder, rewritten)
    return to_begin(folder, rewritten)


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
    return options_of(chosen[-1]) if chosen else set()


def options_of(task: str) -> set[str]:
    """The options of a task, those of their mappings with dots; none if there is no such task."""
    path = conf_dir() / "task" / f"{task}.yaml"
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


def _as_typed(value: str) -> str:
    """A name of files in Hydra's quotes, where it needs them.

    One that stands in quotes already is left as it is, unless a file is called so; and so is ``null``.
    """
    in_quotes = len(value) > 1 and value[0] in "'\"" and value[-1] == value[0] and not Path(value).exists()
    plain = _PLAIN.fullmatch(value) or value in ("", "null")
    return value if plain or in_quotes else quoted(value)


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
    if key in ("models", "ways") and key in options and bare and not (sweep and "," in value):
        return f"task.{key}=[{','.join(quoted(part) for part in value.split(','))}]"
    if key in SEVERAL_FILES and key in options and bare and not (sweep and "," in value):
        return f"task.{key}=[{','.join(_as_typed(part) for part in value.split(','))}]"
    if (key in FILES and key in options) or FILE_KEYS.fullmatch(key):
        value = value if sweep and set(value) & set(",([{") else _as_typed(value)
        return f"task.{key}={value}" if key in options else f"{key}={value}"
    if key == "format" and key in options and several:
        return f"task.{key}=[{value}]"
    if value.isdigit() and (conf_dir() / key / f"{value}.yaml").is_file():
        return f"{key}='{value}'"
    return f"task.{argument}" if key in options else argument
