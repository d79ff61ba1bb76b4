"""Handing jobs to a launcher of Hydra's: their numbers, their folders, and what earlier attempts left."""

import logging
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.core.utils import configure_log
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from sr_experiments.continuing import quoted
from sr_experiments.sweeps import member, slots
from sr_experiments.sweeps.book import Book, Job
from sr_experiments.sweeps.compose import Composer, numbered
from sr_experiments.sweeps.state import OUTCOME

_log = logging.getLogger(__name__)
_PATIENCE = 120.0  # seconds for a step, or a validation, and a checkpoint
_TALKATIVE = (  # they number the jobs of a call, not those of the sweep
    "hydra._internal.core_plugins.basic_launcher",
    "hydra_plugins.hydra_joblib_launcher._core",
    "hydra_plugins.hydra_submitit_launcher.submitit_launcher",
)


@dataclass(frozen=True)
class Setting:
    """What Hydra hands to a sweeper.

    Attributes:
        context: The loader of configs, and callbacks.
        task: What runs one job.
        config: Composed without what is swept.
    """

    context: HydraContext
    task: TaskFunction
    config: DictConfig

    @property
    def folder(self) -> Path:
        """The sweep's."""
        return Path(str(self.config.hydra.sweep.dir))

    @property
    def launcher(self) -> str:
        """The class of the launcher that was chosen."""
        return str(self.config.hydra.launcher._target_).rpartition(".")[2]

    def composed(self, overrides: Sequence[str], *, number: int) -> DictConfig:
        """The config of one job, Hydra's part included.

        Raises:
            HydraException: If there is no such config.
        """
        config = self.context.config_loader.load_sweep_config(self.config, list(overrides))
        numbered(config, number)
        return config


def enter(setting: Setting, book: Book, wanted: Sequence[Sequence[str]]) -> list[Job]:
    """The jobs of some combinations of arguments; new ones are composed, which refuses what is mistyped.

    Raises:
        HydraException: If one can not be composed.
        ValueError: If a folder belongs to another run.
    """
    jobs = []
    names = {job.folder for job in book.jobs}
    composer = Composer(setting)
    for overrides in wanted:
        job = book.find(overrides)
        if job is None:
            name = _folder_name(composer.config(overrides, number=len(book.jobs)))
            if name in names:
                raise ValueError(
                    f"hydra.sweep.subdir: two runs of the sweep would share the folder {name}; "
                    "${hydra:job.num} in it tells them apart"
                )
            if (book.folder / name / "run.json").exists():
                raise ValueError(
                    f"{book.folder / name} already holds a run that is not of this sweep: take another folder"
                )
            names.add(name)
            job = book.add(overrides, folder=name)
        jobs.append(job)
    return list(dict.fromkeys(jobs))


def _folder_name(config: DictConfig) -> str:
    before = HydraConfig.instance().cfg
    HydraConfig.instance().set_config(config)
    try:
        return str(OmegaConf.select(config, "hydra.sweep.subdir"))
    finally:
        HydraConfig.instance().cfg = before


def launch(
    setting: Setting,
    book: Book,
    todo: Sequence[tuple[Job, Sequence[str]]],
    *,
    environment: Mapping[int, Mapping[str, str]] | None = None,
    place: tuple[int, int] | None = None,
) -> Exception | None:
    """Run jobs and wait for them.

    Args:
        setting: Hydra's.
        book: Written before, between and after.
        todo: Jobs with the arguments that they are composed from, secrets included.
        environment: What runs find there more, by their numbers.
        place: How many runs are behind, and how many there will be in all.

    Returns:
        What the launcher itself could not do, if anything; what a job could not stands in its folder.
    """
    for job, _ in todo:
        clear(book.path(job))
    configure_log(setting.config.hydra.hydra_logging, setting.config.hydra.verbose)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    launcher: Any = Plugins.instance().instantiate_launcher(
        hydra_context=setting.context, task_function=setting.task, config=setting.config
    )
    at_once = slots.at_once(setting.config)
    if setting.launcher == "JoblibLauncher":
        launcher.joblib["n_jobs"] = at_once
    orders = [
        [*overrides, *_own(book, job, at_once=at_once, more=(environment or {}).get(job.number, {}))]
        for job, overrides in todo
    ]
    try:
        if setting.launcher == "BasicLauncher":
            behind, total = place or (0, len(todo))
            for here, ((job, _), order) in enumerate(zip(todo, orders, strict=True), start=behind + 1):
                print(f"\n[{here} of {total}] run {job.number}: {described(book, job)}", flush=True)
                launcher.launch([order], initial_job_idx=job.number)
                book.write(soon=True)
        else:
            print(f"\n{len(todo)} runs, {at_once or 'as many as the cluster takes'} at once", flush=True)
            with _stopping(book.folder, at_once=at_once):
                launcher.launch(orders, initial_job_idx=0)
    except Exception as error:
        return error
    return None


@contextmanager
def _stopping(folder: Path, *, at_once: int | None) -> Iterator[None]:
    """On Ctrl-C or SIGTERM ask the runs to stop and wait for their checkpoints: launchers would kill them.

    Runs on a cluster go on; the sweep is completed later.
    """
    stop = folder / slots.STOP
    stop.parent.mkdir(parents=True, exist_ok=True)
    stop.unlink(missing_ok=True)
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}

    def interrupt(number: int, frame: FrameType | None) -> None:
        for one in numbers:
            signal.signal(one, signal.default_int_handler)  # a second one ends at once
        if at_once is not None:
            print("stopping: runs write their checkpoints", flush=True)
            stop.touch()
            slots.wait_until_free(folder / slots.FOLDER, at_once=at_once, seconds=_PATIENCE)
        raise KeyboardInterrupt

    if threading.current_thread() is threading.main_thread():
        for number in numbers:
            signal.signal(number, interrupt)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in before.items():
                signal.signal(number, handler)


def _own(book: Book, job: Job, *, at_once: int | None, more: Mapping[str, str]) -> list[str]:
    """What a job is told beside its arguments: its folder, and that it belongs to a sweep."""
    folder = book.path(job).absolute()
    told = {member.JOB: str(folder / OUTCOME), member.SWEEP: book.folder.absolute().name}
    told |= {member.LABEL: f"run {job.number} ({described(book, job)})"}
    told[member.LABEL] = told[member.LABEL].replace("${", "{")  # Hydra would fill it in
    if at_once is not None:
        told[slots.AT_ONCE] = str(at_once)
    told |= more
    environment = [f"+hydra.job.env_set.{key}={quoted(value)}" for key, value in told.items()]
    return [f"hydra.sweep.subdir={quoted(job.folder)}", *environment]


def clear(folder: Path) -> None:
    """Remove what an earlier attempt left, but for what a run can continue from."""
    names = [OUTCOME]
    if not list((folder / "checkpoints").glob("*.ckpt")):
        names += ["run.json", "config.yaml", "metrics.csv"]
    for name in names:
        (folder / name).unlink(missing_ok=True)


def described(book: Book, job: Job) -> str:
    """What tells a job from the others of its sweep."""
    common = book.common()
    return " ".join(entry for entry in job.overrides if entry not in common) or "alone"
