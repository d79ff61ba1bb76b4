"""What is said about a command line that makes no config: what was typed, and the nearest that there is."""

import re
import shlex
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException, InstantiationException, OverrideParseException
from omegaconf import OmegaConf

from sr_experiments.arguments import SEARCH, options_of
from sr_experiments.config import root_keys
from sr_experiments.continuing import quoted
from sr_experiments.mistakes import user_message
from sr_experiments.nearest import keys_in, nearest, nearest_key
from sr_experiments.paths import conf_dir


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
        where = text.splitlines()[0].partition(":")[0]
        key = unknown.group(1)
        if where.startswith(f"In '{key}/"):
            return f"{where}: its first line must be '# @package _global_', so that its keys are the run's"
        return f"{where}: no key '{key}' at the top level.{nearest_key(key, _known([]))}"
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
    if not equals:
        there_is = [f"{key}=VALUE"] if key in root_keys() else _same_name(argument)
        hint = f" There is {', '.join(there_is)}." if there_is else nearest_key(key, _known([]), alike=False)
        return f"{argument}: KEY=VALUE is meant{hint and '.'}{hint or ', such as model=rcan'}"
    if not re.fullmatch(r"[+~]{0,2}[\w@./-]+", key):
        wrong = "".join(dict.fromkeys(re.sub(r"[\w@./-]", "", key.lstrip("+~"))))
        what = f"there is {wrong!r} in the key" if wrong else "there is no key before ="
        return f"{argument}: {what}; KEY=VALUE is meant, such as optimizer.lr=1e-4"
    if evaluated := re.search(r"\w+ while evaluating .*", str(error)):
        return f"{argument}: {evaluated.group(0)}"
    doubt = " Is a bracket or a quote not closed?" if re.search(r"[\[({'\"]", value) else ""
    return f"{argument}: this value can not be read as it is.{doubt} As text: {in_quotes(key, value)}"


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
    known = _known([one for one in arguments if one.partition("=")[0] != given])
    parent, _, name = given.rpartition(".")
    keys = keys_in(known)
    siblings = [key.rpartition(".")[2] for key in keys if key.rpartition(".")[0] == parent]
    message = f"{given}: no such key."
    if not parent or not siblings:
        takers = _takers(given)
        hint = takers + nearest_key(given, known, alike=not takers)
        return message + (hint or " Without it, -c job prints those that there are.")
    suggestion = nearest(name, siblings)
    close = f" Did you mean '{parent}.{suggestion.split(chr(39))[1]}'?" if suggestion else ""
    # Of the same name in another group, or further down in this one.
    others = [
        key
        for key in keys
        if key.endswith(f".{name}") and (key.count(".") == 1 or key.startswith(f"{parent}."))
    ]
    close = f" There is {others[0]}." if others else close
    return f"{message}{close} {parent} has: {', '.join(s for s in siblings if s[0] != '_')}."


def _takers(key: str) -> str:
    """The tasks, or the searches, that have an option of this name."""
    tasks = sorted(path.stem for path in (conf_dir() / "task").glob("*.yaml"))
    having = [f"task={task}" for task in tasks if key in options_of(task)]
    having += ["sweep=optuna"] if key in SEARCH else []
    return f" It is an option of {', '.join(having)}." if having else ""


def _known(arguments: list[str]) -> dict[str, Any]:
    """The plain config with the group choices only, so that the keys that there are can be shown."""
    groups = {entry.name for entry in conf_dir().iterdir() if entry.is_dir()}
    kept = [one for one in arguments if one.partition("=")[0] in groups and "," not in one]
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        try:
            composed = compose("config", overrides=kept)
        except HydraException:
            composed = compose("config")  # another argument is wrong as well: the default has most keys
    plain: Any = OmegaConf.to_container(composed)
    return dict(plain)
