"""``--dry-run``: which runs a sweep would make, and how long they would take where that was measured.

A time comes from a finished run of the same configuration in the sweep's folder, or, with
``--dry-run=measure``, from a few steps and a validation of each configuration, here and now. Else it is
unknown.
"""

import logging
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict
from rich.console import Console
from rich.table import Table

from sr_experiments.check import check
from sr_experiments.mistakes import user_message
from sr_experiments.paths import TRAINS
from sr_experiments.secret import redacted_all
from sr_experiments.sweeps import slots
from sr_experiments.sweeps.book import Book, open_book
from sr_experiments.sweeps.compose import Composer
from sr_experiments.sweeps.ended import SweepEnded
from sr_experiments.sweeps.launch import Setting
from sr_experiments.sweeps.looks import ENOUGH, Looks
from sr_experiments.tuning.budget import planned_steps, seconds_allowed

_SHOWN = 40  # rows of the table
_NAMED = 5  # runs that a message names
UNSEEN = f"not looked at: the {ENOUGH} before, with the same choices, have mistakes; mend those first"


@dataclass(frozen=True)
class Planned:
    """A run that a sweep would make.

    Attributes:
        overrides: It is composed from them.
        status: ``waiting`` where there is none yet.
        seconds: It would take; None: nobody knows.
        source: Who says so, or the mistake in it.
    """

    overrides: tuple[str, ...]
    status: str
    seconds: float | None
    source: str


def show(setting: Setting, combinations: Sequence[Sequence[str]], *, measure: bool, times: int = 1) -> None:
    """Print the runs and the time they would take; nothing is written into their folders.

    Args:
        setting: Hydra's.
        combinations: Arguments of the runs.
        measure: Whether to take a few steps of each configuration.
        times: How many runs there would be like each of them.

    Raises:
        HydraException: If one can not be composed.
        ValueError: If the folder is not a sweep's.
        SweepEnded: If there are mistakes in some.
    """
    if not combinations:
        return
    book = open_book(setting.folder)
    planned = plan(setting, book, combinations, clock=_measured if measure else None)
    common = set.intersection(*(set(one.overrides) for one in planned))
    table = Table(title=f"{len(planned)} runs", title_justify="left", title_style="bold")
    table.add_column("run", justify="right")
    table.add_column("what", overflow="fold")
    table.add_column("state")
    table.add_column("time", justify="right", no_wrap=True)
    table.add_column("from", overflow="fold")
    for number, one in enumerate(planned[:_SHOWN]):
        what = " ".join(entry for entry in one.overrides if entry not in common) or "alone"
        done = one.status in ("finished", "pruned", "mistake")
        cells = ("", "") if done else (told(one.seconds), one.source)
        table.add_row(str(number), what, one.status, *cells)
    console = Console(highlight=False)
    console.print(table)
    if len(planned) > _SHOWN:
        console.print(f"and {len(planned) - _SHOWN} more", style="dim")
    print(total(planned * times, at_once=slots.at_once(setting.config)))
    mistakes: dict[str, list[int]] = {}
    for number, one in enumerate(planned):
        if one.status == "mistake":
            mistakes.setdefault(one.source, []).append(number)
    end = "nothing was run but what was measured" if measure else "nothing was run"
    if mistakes:
        messages = [f"{said}\n  of runs {_listed(numbers)}" for said, numbers in mistakes.items()]
        raise SweepEnded(messages, code=2, advice=end)
    print(end)


def _listed(numbers: Sequence[int]) -> str:
    named = ", ".join(map(str, numbers[:_NAMED]))
    return named + (f" and {len(numbers) - _NAMED} more" if len(numbers) > _NAMED else "")


def plan(
    setting: Setting,
    book: Book,
    combinations: Sequence[Sequence[str]],
    *,
    clock: Callable[[DictConfig], float | None] | None,
) -> list[Planned]:
    """What each combination would be.

    Args:
        setting: Hydra's.
        book: Of the sweep's folder; an empty one is as good.
        combinations: Arguments of the runs.
        clock: Seconds of a run by its config; None: nothing is measured.
    """
    before = _before(book)
    measured: dict[tuple[str, ...], float | None] = {}
    planned = []
    composer, looks = Composer(setting), Looks()
    for number, overrides in enumerate(combinations):
        job = book.find(overrides)
        status = "waiting" if job is None else book.state(job).status
        known = tuple(redacted_all(list(overrides)))
        kind = _configuration(known)
        seconds, source = before.get(kind), "an earlier run"
        if seconds is None:
            parts = composer.parts(overrides)
            mistake = looks.mistake(parts)
            if looks.needed(parts) and not looks.given_up(parts):
                mistake = _looked(composer, overrides, number=number)
                looks.note(parts, mistake)
            elif looks.needed(parts):
                mistake = UNSEEN
            if mistake is None and clock is not None and kind not in measured:
                print(f"measuring {' '.join(kind)}", file=sys.stderr, flush=True)
                try:
                    measured[kind] = clock(checked(composer.config(overrides, number=number)))
                except (ValueError, OSError) as error:
                    if (mistake := user_message(error)) is None:
                        raise
            seconds = measured.get(kind)
            source = "measured" if seconds is not None else ""
            if mistake is not None:
                status, source = "mistake", mistake
        planned.append(Planned(known, status, seconds, source))
    return planned


def _looked(composer: Composer, overrides: Sequence[str], *, number: int) -> str | None:
    """What is wrong with a run, if anything is.

    Raises:
        HydraException: If it can not be composed.
    """
    try:
        checked(composer.config(overrides, number=number))
    except (ValueError, OSError) as error:
        if (said := user_message(error)) is None:
            raise
        return said
    return None


def checked(whole: DictConfig) -> DictConfig:
    """The resolved config of a run.

    Args:
        whole: As it was composed.

    Raises:
        ValueError: If there is a mistake in it.
    """
    before = HydraConfig.instance().cfg
    HydraConfig.instance().set_config(whole)
    try:
        config = whole.copy()
        with open_dict(config):
            del config["hydra"]
        check(config)
        resolved = OmegaConf.create(OmegaConf.to_container(config, resolve=True))
        assert isinstance(resolved, DictConfig)
        return resolved
    finally:
        HydraConfig.instance().cfg = before


def _configuration(overrides: Sequence[str]) -> tuple[str, ...]:
    return tuple(entry for entry in overrides if not entry.startswith("seed="))


def _before(book: Book) -> dict[tuple[str, ...], float]:
    """Seconds of finished runs, by their configuration."""
    found = {}
    for job in book.jobs:
        state = book.state(job)
        seconds = state.record.get("wall_seconds")
        if state.status == "finished" and isinstance(seconds, int | float):
            found[_configuration(job.overrides)] = float(seconds)
    return found


def _measured(config: DictConfig) -> float | None:
    if OmegaConf.select(config, "task._target_") != TRAINS:
        return None
    from sr_experiments.tasks.timing import measure

    ours = logging.getLogger("sr_experiments")
    level = ours.level
    ours.setLevel(logging.WARNING)  # the table is what is asked for
    try:
        timing = measure(config)
    finally:
        ours.setLevel(level)
    return None if timing is None else estimate(config, step=timing.step, validation=timing.validation)


def estimate(config: DictConfig, *, step: float, validation: float) -> float | None:
    """Seconds of training with its validations; start, final test and pictures are not in it.

    Args:
        config: Of the run.
        step: Seconds of an optimizer step.
        validation: Seconds of a validation.
    """
    steps, allowed = planned_steps(config), seconds_allowed(config)
    if math.isinf(steps):
        return None if math.isinf(allowed) else allowed
    epochs = int(steps) // int(config.data.steps_per_epoch)
    validations = epochs // int(config.trainer.get("check_val_every_n_epoch") or 1)
    return min(steps * step + validations * validation, allowed)


def total(planned: Sequence[Planned], *, at_once: int | None) -> str:
    """A sentence about all of them."""
    left = [one for one in planned if one.status not in ("finished", "pruned", "mistake")]
    known = [one.seconds for one in left if one.seconds is not None]
    text = f"to do: {len(left)} of {len(planned)} runs"
    if not left:
        return text
    if not known:
        return f"{text}, time unknown (--dry-run=measure takes a few steps of each configuration)"
    text += f", {told(sum(known))} one after the other"
    if len(known) < len(left):
        text += f" and {len(left) - len(known)} of unknown length"
    if at_once is not None and at_once > 1:
        text += f"; {told(sum(known) / at_once)} if {at_once} at once do not slow one another down"
    return text


def told(seconds: float | None) -> str:
    """A time as one reads it."""
    if seconds is None:
        return "unknown"
    if seconds < 1:
        return "< 1 s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"
