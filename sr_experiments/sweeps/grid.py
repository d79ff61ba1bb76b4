"""``-m``: every combination of the values given, and of these what is missing."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from sr_experiments.sweeps.book import Book, open_book
from sr_experiments.sweeps.launch import Setting, enter, launch
from sr_experiments.sweeps.summary import completion, ending, print_table


def sweep(setting: Setting, arguments: Sequence[str], *, preview: str | None) -> None:
    """Run what is missing of a sweep, and print its table.

    Raises:
        HydraException: If an argument or a combination can not be read.
        ValueError: If the folder is in use, or another's.
        SweepEnded: If something is missing at the end.
    """
    combinations = expand(setting, arguments)
    if preview is not None:
        from sr_experiments.sweeps.preview import show

        show(setting, combinations, measure=preview == "measure")
        return
    with kept(setting.folder) as book:
        jobs = enter(setting, book, combinations)
        states = [book.state(job) for job in jobs]
        by_job = {book.find(overrides): overrides for overrides in combinations}
        todo = [(job, by_job[job]) for job, state in zip(jobs, states, strict=True) if not state.ended]
        if len(jobs) > len(todo):
            print(f"{len(jobs) - len(todo)} of {len(jobs)} runs are finished", flush=True)
        book.write()
        trouble = launch(setting, book, todo) if todo else None
        print_table(book)
        ending(book, jobs, trouble)


def expand(setting: Setting, arguments: Sequence[str]) -> list[list[str]]:
    """The combinations, in the order of a nested loop.

    Raises:
        HydraException: If an argument can not be read, or is for a search.
    """
    parser = OverridesParser.create(config_loader=setting.context.config_loader)
    overrides = parser.parse_overrides(list(arguments))
    for override in overrides:
        if override.is_sweep_override() and not override.is_discrete_sweep():
            raise HydraException(
                f"{override.input_line}: an interval has no end of values; sweep=optuna searches in it, and "
                "without a search give values: KEY=1,2,3"
            )
    return BasicSweeper.split_arguments(overrides, None)[0]


@contextmanager
def kept(folder: Path) -> Iterator[Book]:
    """The book of a sweep, by one process at a time, and written at the end whatever happens.

    Raises:
        ValueError: If another process sweeps into the folder.
    """
    from sr_experiments.tasks.resume import alone

    if (folder / "run.json").is_file():
        raise ValueError(f"{folder} holds a single run: a sweep takes another folder")
    with alone(folder):
        book = open_book(folder)
        book.arguments = [
            entry
            for entry in sys.argv[1:]
            if entry not in ("-m", "--multirun") and not entry.startswith("hydra.sweep.dir=")
        ]
        try:
            yield book
        except KeyboardInterrupt as interrupt:
            raise KeyboardInterrupt(completion(folder)) from interrupt
        finally:
            if book.begun:
                book.write()
            else:  # refused before it began
                (folder / ".lock").unlink(missing_ok=True)
                with suppress(OSError):
                    folder.rmdir()
