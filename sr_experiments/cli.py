"""The command line: compose, check, hand over to the task; and turn mistakes into one clear message.

Exit codes: 0 done; 2 the user can mend it; 130 interrupted; 1 our fault.
"""

import logging
import os
import re
import shutil
import sys
import textwrap
import time
import traceback
import warnings
from functools import partial
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.utils import instantiate
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

import sr_experiments
from sr_experiments.arguments import as_hydra_takes
from sr_experiments.check import check
from sr_experiments.config import register
from sr_experiments.imports import heavy
from sr_experiments.mistakes import user_message
from sr_experiments.mistyped import composition_message
from sr_experiments.paths import conf_dir
from sr_experiments.ranks import as_another, is_first, refuse_a_sweep, refuse_several_processes
from sr_experiments.secret import redacted, watch_logs
from sr_experiments.sweeps import member
from sr_experiments.sweeps.ended import SweepEnded
from sr_experiments.sweeps.quiet import say_once
from sr_experiments.sweeps.trials import Pruned
from sr_experiments.written import read_json, write_text

register()
_LATER = 20.0  # seconds; a launcher ends the others sooner than that
_failures: list[tuple[Exception, bool]] = []  # each with whether its traceback is wanted
# As it is typed, with OmegaConf's words for true; where composing fails there is no other sign of it.
_DEBUG = re.compile(r"\+{0,2}debug=((?P<yes>true|yes|on|y|1)|.*)", re.IGNORECASE)


@hydra.main(config_path=str(conf_dir()), config_name="config", version_base="1.3")
def _app(config: DictConfig) -> None:
    watch_logs()
    _wrap_logs()
    say_once()
    folder = Path(HydraConfig.get().runtime.output_dir)
    try:
        _clean(folder / ".hydra")
        check(config)
        refuse_several_processes(config.task._target_)
        if member.goes_apart(config):
            member.run_apart(config, folder)
            return
        config = member.begun(config, folder)
        with heavy():  # imported only now: Lightning takes seconds
            task = instantiate(config.task)
        task(config, folder)
        member.note("finished")
    except Pruned:
        member.note("pruned")
    except Exception as error:
        # Kept and told at the end: Hydra would print its own words, and end a sweep at its first failure.
        wanted = bool(config.get("debug", False))
        _failures.append((error, wanted))
        if member.of_a_sweep():
            _note(error, traceback_wanted=wanted)
        elif _message(error) is not None:
            _leave_nothing(folder)


class _Wrapped(logging.Formatter):
    """Lines as long as a terminal is wide, broken at words; what can be copied whole stays whole."""

    def format(self, record: logging.LogRecord) -> str:
        """The message in lines."""
        width = shutil.get_terminal_size().columns
        lines = super().format(record).split("\n")
        wrap = partial(textwrap.wrap, width=width, break_long_words=False, break_on_hyphens=False)
        return "\n".join(part for line in lines for part in wrap(line) or [""])


def _wrap_logs() -> None:
    """In terminals, which break lines in the middle of a word; elsewhere a line stays one."""
    for handler in logging.getLogger().handlers:
        plain = getattr(handler.formatter, "_fmt", None) == "%(message)s"  # else somebody has chosen another
        if type(handler) is logging.StreamHandler and plain and handler.stream.isatty():
            handler.setFormatter(_Wrapped())


_NOTHING = {".hydra", ".lock", "sr_experiments.log", "config.yaml", "run.json"}
_FOUND = {"steps", "metrics", "sets", "evaluations"}  # in run.json: what somebody may want to read


def _leave_nothing(folder: Path) -> None:
    """Remove the folder of a run that a mistake ended before its first step, where nobody has named it."""
    named = any(entry.startswith("hydra.run.dir=") for entry in HydraConfig.get().overrides.hydra)
    if named or not is_first() or not folder.is_dir():
        return
    if not {path.name for path in folder.iterdir()} <= _NOTHING:
        return
    if not any(read_json(folder / "run.json").get(key) for key in _FOUND):
        shutil.rmtree(folder, ignore_errors=True)


def _note(error: Exception, *, traceback_wanted: bool) -> None:
    """A run of a sweep failed: the others go on, and what is said at the end comes from this."""
    message = _message(error)
    if message is None or traceback_wanted:
        traceback.print_exception(error)
    said = message or f"{type(error).__name__}: {error}"
    print(f"failed: {said.splitlines()[0]}", flush=True)
    member.note("failed", error=said, code=1 if message is None else 2)


def _clean(folder: Path) -> None:
    """Hydra has written down what was typed, passwords too."""
    for path in folder.glob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        if redacted(text) != text:
            write_text(path, text)


def main() -> None:
    """Run the program and exit."""
    if sys.argv[1:] == ["--version"]:
        print(f"sr_experiments {sr_experiments.__version__}")
        return
    try:
        refuse_a_sweep(sys.argv[1:])
        sys.argv[1:] = as_hydra_takes(sys.argv[1:])
    except ValueError as error:
        _say(f"error: {error}")
        sys.exit(2)
    if not is_first():
        sys.argv[1:] = as_another(sys.argv[1:])
        warnings.simplefilter("ignore")  # the first process has warned
    member.watch_parent()
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises instead of printing: one place decides what is shown
    _failures.clear()
    try:
        _app()
    except KeyboardInterrupt as interrupt:
        if is_first():  # all stop at the same step, or are ended with it
            print(f"interrupted: {interrupt}" if str(interrupt) else "interrupted", file=sys.stderr)
        sys.exit(130)
    except SweepEnded as end:
        for message in end.messages:
            print(f"error: {message}", file=sys.stderr)
        print(end.advice, flush=True)
        sys.exit(end.code)
    except Exception as error:  # while composing; what happens later is in _failures
        typed = [found for argument in sys.argv[1:] if (found := _DEBUG.fullmatch(argument))]
        _failures.append((error, bool(typed and typed[-1]["yes"])))
    if _failures:
        codes = {_tell(error, traceback_wanted=wanted) for error, wanted in _failures}
        sys.exit(1 if 1 in codes else 2)


def _say(text: str) -> None:
    """Once, however many processes there are.

    What the others have to say, the first has said as well, and its launcher is ending them; or it is about
    one of them alone, and then nobody does.
    """
    if not is_first():
        time.sleep(_LATER)
    print(text, file=sys.stderr)


def _message(error: Exception) -> str | None:
    """What there is to say to somebody who can mend it; None: he can not."""
    composing = isinstance(error, HydraException | OmegaConfBaseException)
    return composition_message(error, sys.argv[1:]) if composing else user_message(error)


def _tell(error: Exception, *, traceback_wanted: bool) -> int:
    """Print what there is to say about a failure; its exit code."""
    if not is_first():
        time.sleep(_LATER)
    message = _message(error)
    if message is None or traceback_wanted:
        traceback.print_exception(error)
    if message is not None:
        print(f"error: {message}", file=sys.stderr)
        return 2
    print(
        "This is a fault of the program, not of yours: please report it with the lines above.",
        file=sys.stderr,
    )
    return 1
