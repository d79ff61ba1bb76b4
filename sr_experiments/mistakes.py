"""What is said about an exception: whether the user can mend it, and how."""

import re
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException, InstantiationException
from omegaconf import DictConfig, OmegaConf

from sr_experiments.check import nearest
from sr_experiments.paths import conf_dir

_OURS = Path(__file__).resolve().parent
_MENDABLE = (ValueError, OSError)


def user_message(error: BaseException) -> str | None:
    """The message of an exception that a user can mend, or None where the fault is ours.

    A ``ValueError`` or ``OSError`` raised by a line of ours was written for the user. The same from inside
    torch is a fault of ours that he can do nothing about.
    """
    while isinstance(error, InstantiationException) and error.__cause__ is not None:
        error = error.__cause__
    if (
        type(error).__name__ == "MisconfigurationException"
    ):  # Lightning's word for "you can not ask for that here"
        return str(error)
    if not isinstance(error, _MENDABLE):
        return None
    worker = re.search(r"Caught \w+ in DataLoader worker process.*\n\w+: (.*)\Z", str(error), re.DOTALL)
    if worker:
        raised_in = re.findall(r'File "([^"]+)", line \d+', str(error))
        return worker.group(1).strip() if raised_in and _is_ours(raised_in[-1]) else None
    frames = traceback.extract_tb(error.__traceback__)
    if isinstance(error, ValueError):
        return str(error) if frames and _is_ours(frames[-1].filename) else None
    return str(error) if error.filename is None else f"{error.filename}: {error.strerror}"


def _is_ours(filename: str) -> bool:
    return Path(filename).resolve().is_relative_to(_OURS)


def composition_message(error: HydraException | Exception, arguments: list[str]) -> str | None:
    """One message for a config that can not be composed: what was given, and the nearest right name."""
    if isinstance(error, InstantiationException):
        return user_message(error)
    text = str(error)
    if missing := re.search(
        r"Could not find '([^']+)'\n\nAvailable options in '([^']+)':\n((?:\t.*\n?)+)", text
    ):
        return _unknown_choice(missing.group(1), missing.group(2), missing.group(3).split())
    if unknown := re.match(r"Could not override '([^']+)'", text):
        return _unknown_key(unknown.group(1), arguments)
    if unknown := re.search(r"Key '([^']+)' not in 'Config'", text):
        from sr_experiments.config import root_keys

        where = text.splitlines()[0].partition(":")[0]
        return (
            f"{where}: no key '{unknown.group(1)}' at the top level.{nearest(unknown.group(1), root_keys())}"
        )
    if "Error merging override" in text and error.__cause__ is not None:
        return f"{text.removeprefix('Error merging override ')}: {str(error.__cause__).splitlines()[0]}"
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("See https")]
    return "\n".join(lines)


def _unknown_choice(given: str, group: str, choices: list[str]) -> str:
    name = given.removeprefix(f"{group}/")
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
