"""What is said about an exception: whether the user can mend it, and how."""

import errno
import os
import re
import shlex
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException, InstantiationException, OverrideParseException
from omegaconf import DictConfig, OmegaConf

from sr_experiments.check import nearest
from sr_experiments.continuing import quoted
from sr_experiments.imaging.shortage import is_shortage, wanted
from sr_experiments.paths import conf_dir

_OURS = Path(__file__).resolve().parent
_MENDABLE = (ValueError, OSError)
_ELSEWHERE = "hydra.run.dir=FOLDER, data_dir=FOLDER and data.cache_dir=FOLDER name other places"
_MEANING = {
    errno.ENOSPC: f"make room, or write elsewhere: {_ELSEWHERE}",
    errno.EDQUOT: f"make room, or write elsewhere: {_ELSEWHERE}",
    errno.EFBIG: f"a file may not become that large here (ulimit -f, or the file system): {_ELSEWHERE}",
    errno.EACCES: f"you may not do that there: {_ELSEWHERE}",
    errno.EPERM: f"you may not do that there: {_ELSEWHERE}",
    errno.EROFS: f"nothing can be written there: {_ELSEWHERE}",
    errno.EEXIST: "something of that name is there already, a file perhaps where a folder is needed",
    errno.ENOTDIR: "a file stands where a folder is needed",
    errno.EMFILE: "more files may be open at once with ulimit -n; fewer are with data.workers=0",
    errno.ENAMETOOLONG: "give a shorter name",
}
_MEMORY = (
    "Lower data.batch_size (trainer.accumulate_grad_batches makes up for it) or data.patch_size, choose "
    "precision=bf16-mixed or a smaller net; for whole images tile=256 with task=evaluate; for decoded images "
    "data.cache=disk or none, and data.workers=0"
)
# What torch says, without a class of its own, of something that the user can mend.
_KNOWN = {
    r"DataLoader worker .*(killed by signal|exited unexpectedly)": (
        "a process that reads images was ended by the system, which is how it ends those that use too much "
        "memory: data.workers=0, or data.cache=disk or none"
    ),
    r"PytorchStreamWriter failed|enforce fail at inline_container|file write failed": (
        f"a checkpoint could not be written, so the disk is full or ended it: make room, or {_ELSEWHERE}"
    ),
    r"Expected more than 1 value per channel when training": (
        "batch normalisation needs more than one value per channel: raise data.batch_size or data.patch_size"
    ),
}


def user_message(error: BaseException) -> str | None:
    """The message of an exception that a user can mend, or None where the fault is ours.

    A ``ValueError`` or ``OSError`` raised by a line of ours was written for the user. The same from inside
    torch is a fault of ours that he can do nothing about.
    """
    while isinstance(error, InstantiationException) and error.__cause__ is not None:
        error = error.__cause__
    frames = traceback.extract_tb(error.__traceback__)
    if is_shortage(error):
        said_by_us = frames and _is_ours(frames[-1].filename)
        return str(error) if said_by_us else _out_of_memory(error)
    if type(error).__module__.partition(".")[0] == "yaml":
        return _yaml_message(error)
    if isinstance(error, UnicodeDecodeError) and (path := _yaml_being_read(error)):
        return f"{path}: byte {error.start} is not UTF-8 ({error.reason}); save the file as UTF-8"
    if (known := _known_message(error)) is not None:
        return known
    if (
        type(error).__name__ == "MisconfigurationException"
    ):  # Lightning's word for "you can not ask for that here"
        return str(error)
    if type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
        return (
            f"torch.compile does not work here ({str(error).splitlines()[0]}); compile=false does without it"
        )
    if not isinstance(error, _MENDABLE):
        return None
    worker = re.search(r"Caught \w+ in DataLoader worker process.*\n\w+: (.*)\Z", str(error), re.DOTALL)
    if worker:
        raised_in = re.findall(r'File "([^"]+)", line \d+', str(error))
        return worker.group(1).strip() if raised_in and _is_ours(raised_in[-1]) else None
    if isinstance(error, ValueError):
        return str(error) if frames and _is_ours(frames[-1].filename) else None
    if error.errno is None:
        return str(error)
    said = f"{error.filename}: {error.strerror}" if error.filename is not None else str(error.strerror)
    return f"{said}; {_MEANING[error.errno]}" if error.errno in _MEANING else said


def _out_of_memory(error: BaseException) -> str:
    size = wanted(error)
    return f"out of memory{f' ({size} more were wanted)' if size else ''}. {_MEMORY}"


def _known_message(error: BaseException) -> str | None:
    """What a library's words mean."""
    if not isinstance(error, RuntimeError | ValueError):
        return None
    meaning = next((means for words, means in _KNOWN.items() if re.search(words, str(error))), None)
    if meaning is not None or "Config group override must be a string" not in str(error):
        return meaning
    groups = {entry.name for entry in conf_dir().iterdir() if entry.is_dir()}
    given = [argument for argument in sys.argv[1:] if argument.partition("=")[0] in groups | {""}]
    return f"{', '.join(given)}: a group takes the name of a choice, as model=rcan; --help lists them"


def _yaml_message(error: BaseException) -> str:
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    if mark is None:
        path = _yaml_being_read(error)
        return f"{path or 'a YAML file'} can not be read: {str(error).splitlines()[0]}"
    context = f"{told}: " if (told := getattr(error, "context", None)) else ""
    return f"{mark.name}, line {mark.line + 1}, column {mark.column + 1}: {context}{problem}"


def _yaml_being_read(error: BaseException) -> str | None:
    """The config that Hydra was reading; the exception does not say."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if os.path.basename(frame.f_code.co_filename) == "file_config_source.py":
            path = frame.f_locals.get("full_path")
            return str(path) if path is not None else "a YAML file"
    return None


def _is_ours(filename: str) -> bool:
    return Path(filename).resolve().is_relative_to(_OURS)


def composition_message(error: HydraException | Exception, arguments: list[str]) -> str | None:
    """One message for a config that can not be composed: what was given, and the nearest right name."""
    if isinstance(error, InstantiationException):
        return user_message(error)
    text = str(error)
    if isinstance(error, OverrideParseException):
        return _unreadable(error)
    if several := re.match(r"Ambiguous value for argument '(.*?)=(.*)'\n", text):
        key, value = several.groups()
        return (
            f"{key}={value}: several values where one is meant. One run for each: add -m. "
            f"A list: {key}=[{value}]. A comma that belongs to the value: {in_quotes(key, value)}"
        )
    if missing := re.search(
        r"Could not find '([^']+)'\n\nAvailable options in '([^']+)':\n((?:\t.*\n?)+)", text
    ):
        return _unknown_choice(missing.group(1), missing.group(2), missing.group(3).split())
    if unknown := re.match(r"Could not override '([^']+)'", text):
        inner = re.search(r"Key '([^']+)' is not in struct\s+full_key: (\S+)", f"{text}\n{error.__cause__}")
        whole = inner.group(2) if inner is not None else ""
        return _unknown_key(whole if whole.startswith(unknown.group(1)) else unknown.group(1), arguments)
    if unknown := re.search(r"Key '([^']+)' not in 'Config'", text):
        from sr_experiments.config import root_keys

        where = text.splitlines()[0].partition(":")[0]
        key = unknown.group(1)
        if where.startswith(f"In '{key}/"):
            return f"{where}: its first line must be '# @package _global_', so that its keys are the run's"
        return f"{where}: no key '{key}' at the top level.{nearest(key, root_keys())}"
    if "Error merging override" in text and error.__cause__ is not None:
        return f"{text.removeprefix('Error merging override ')}: {_in_words(str(error.__cause__))}"
    lines = [
        line.strip()
        for line in text.splitlines()
        if line.strip() and not line.strip().startswith(("See https", "object_type="))
    ]
    return "\n".join(lines).replace("\nfull_key: ", ", in ")


LAUNCHERS = ("joblib", "submitit_local", "submitit_slurm")  # plug-ins of Hydra's that bring them

# OmegaConf's words -> what may be given.
_GIVE = {
    "could not be converted to Integer": "give a whole number",
    "could not be converted to Float": "give a number",
    "is not a valid bool": "give true or false",
    "is not Optional": "null is not possible here",
}


def _in_words(text: str) -> str:
    first = text.splitlines()[0]
    return first + next((f"; {advice}" for words, advice in _GIVE.items() if words in first), "")


def _unreadable(error: OverrideParseException) -> str:
    """An argument that is not KEY=VALUE in Hydra's grammar: most often a value that needs quotes."""
    argument = str(error.override)
    key, equals, value = argument.partition("=")
    if not equals or not re.fullmatch(r"[+~]{0,2}[\w@./-]+", key):
        return f"Error parsing override '{argument}': it must be KEY=VALUE, such as model=rcan"
    if evaluated := re.search(r"\w+ while evaluating .*", str(error)):
        return f"{argument}: {evaluated.group(0)}"
    doubt = " Is a bracket or a quote not closed?" if re.search(r"[\[({'\"]", value) else ""
    return f"{argument}: Hydra does not take this value as it is.{doubt} As text: {in_quotes(key, value)}"


def in_quotes(key: str, value: str) -> str:
    """As it is typed in a shell for Hydra to take the value for text."""
    argument = f"{key}={quoted(value)}"
    return f'"{argument}"' if not set(argument) & set('"$`!\\') else shlex.quote(argument)


def _unknown_choice(given: str, group: str, choices: list[str]) -> str:
    name = given.removeprefix(f"{group}/")
    if group == "hydra/launcher" and name in LAUNCHERS:
        return f'{group}={name} needs a package that is not installed: pip install "sr-experiments[sweeps]"'
    if not group or name == given:
        return f"there is no config {given}.{nearest(given, choices)}"
    choices = [choice for choice in choices if not choice.startswith("_")]
    elsewhere = sorted(_same_name(name), key=lambda choice: not choice.startswith(f"{group}="))
    hint = f" There is {', '.join(elsewhere)}." if elsewhere else nearest(name, choices)
    return f"{group}={name}: no such choice.{hint} {group} has: {', '.join(choices)}."


def _same_name(name: str) -> list[str]:
    """Where a name is a choice: of another group, in a folder of the group, or a recipe for some scale."""
    found = []
    for path in sorted(conf_dir().glob("*/**/*.yaml")):
        group, *folders, choice = path.relative_to(conf_dir()).with_suffix("").parts
        if choice == name or (group == "experiment" and choice.startswith(f"{name}_x")):
            found.append(f"{group}={'/'.join([*folders, choice])}")
    return found


def _unknown_key(given: str, arguments: list[str]) -> str:
    config = _composed_without(given, arguments)
    keys = list(_dotted_keys(OmegaConf.to_container(config)))
    parent, _, name = given.rpartition(".")
    siblings = [key.rpartition(".")[2] for key in keys if key.rpartition(".")[0] == parent]
    message = f"{given}: no such key."
    if parent and siblings:
        suggestion = nearest(name, siblings)
        close = f" Did you mean '{parent}.{suggestion.split(chr(39))[1]}'?" if suggestion else ""
        return f"{message}{close} {parent} has: {', '.join(s for s in siblings if s[0] != '_')}."
    return f"{message}{nearest(given, keys) or nearest(name, keys)}"


def _composed_without(given: str, arguments: list[str]) -> DictConfig:
    """The config with the group choices only, so that the keys that there are can be shown."""
    groups = {entry.name for entry in conf_dir().iterdir() if entry.is_dir()}
    kept = [
        argument
        for argument in arguments
        if argument.partition("=")[0] in groups - {given} and "," not in argument
    ]
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        try:
            return compose("config", overrides=kept)
        except HydraException:
            return compose("config")  # another argument is wrong as well: the default has most keys


def _dotted_keys(node: Any, prefix: str = "") -> Iterator[str]:
    for key, value in node.items():
        yield f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _dotted_keys(value, f"{prefix}{key}.")
