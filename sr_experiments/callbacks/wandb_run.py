"""``logger=wandb``: a run at Weights & Biases, or in a folder that can be sent there later."""

import json
import logging
import os
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from lightning_fabric.loggers.logger import rank_zero_experiment
from pytorch_lightning.loggers.logger import Logger
from pytorch_lightning.utilities import rank_zero_only

from sr_experiments.account import refuse_without_login
from sr_experiments.callbacks.wandb_file import last_step, numbers_of
from sr_experiments.ranks import is_first
from sr_experiments.secret import redacted, redacted_all

_log = logging.getLogger(__name__)
NAME = "wandb.json"
X = "samples"  # what every curve is drawn over
_FLUSH = 0.2  # seconds from one flush of wandb's file to the next; its own 15 would be lost with the process
_PATIENCE = 10.0  # seconds to wait for it at most


class WandbRun(Logger):
    """Rows with numbers of our own: a run that continues repeats none and leaves none out.

    A row has the number that it would have in a run that nothing disturbed. What the server, or the file of
    an offline run, has already is not sent again: the run continues to the bit, so it is the same.

    Args:
        save_dir: The run's folder.
        project: Where it is shown.
        entity: The team or user that the project belongs to; None: the account's own.
        name: What the run is called; None: as `build.py` names it.
        group: What it belongs to; None: in a sweep, the sweep.
        tags: Beside those that `build.py` adds.
        offline: Write into the run's folder only.
        timeout: Seconds to wait for the server at the start.
        finish_timeout: Seconds to wait, at the end, until everything is sent.
        pictures: Validation images that are shown.
        pictures_every: Validations from one showing to the next.
        histograms: Whether the health of an adversarial run is shown as distributions as well.
        checkpoint: Whether ``best.ckpt`` becomes an artifact at the end.

    Attributes:
        rows: Rows up to now, of the run as a whole.
        at: Asked for where the run stands whenever a row is logged: ``samples`` and ``batches``.
        shown: Captions and pictures of the final test, which go with its tables.
        problem: Why nothing is logged any more; None while all is well.

    Raises:
        ValueError: A number is out of range, or nobody is logged in.
    """

    def __init__(
        self,
        *,
        save_dir: str,
        project: str = "sr_experiments",
        entity: str | None = None,
        name: str | None = None,
        group: str | None = None,
        tags: Sequence[str] = (),
        offline: bool = False,
        timeout: float = 30,
        finish_timeout: float = 600,
        pictures: int = 4,
        pictures_every: int = 1,
        histograms: bool = True,
        checkpoint: bool = False,
    ) -> None:
        """Nothing is begun before the run is."""
        super().__init__()
        for option, value, least in (
            ("timeout", timeout, 1),
            ("finish_timeout", finish_timeout, 1),
            ("pictures", pictures, 0),
            ("pictures_every", pictures_every, 1),
        ):
            if not value >= least:
                raise ValueError(f"logger.wandb.{option}={value}: must be {least} or more")
        self.folder = Path(save_dir)
        self.project, self.entity, self.group = project, entity, group
        self.title, self.tags = name, tuple(tags)
        # As wandb's own variable has it, too: a cluster's job may set it for all.
        self.offline = offline or os.environ.get("WANDB_MODE") in ("offline", "disabled", "dryrun")
        self.timeout, self.finish_timeout = timeout, finish_timeout
        self.pictures, self.pictures_every = pictures, pictures_every
        self.histograms, self.checkpoint = histograms, checkpoint
        self.rows = 0
        self.at: Callable[[], Mapping[str, float]] = dict
        self.shown: list[tuple[str, np.ndarray]] = []
        self.problem: str | None = None
        self._config: dict[str, Any] = {}
        self._run: Any = None
        self._first = 0
        if not self.offline and is_first():
            refuse_without_login("logger=wandb", instead="logger.wandb.offline=true writes the same to disk")

    @property
    def name(self) -> str:
        """Of the logger."""
        return "wandb"

    @property
    def version(self) -> str:
        """A run has one."""
        return ""

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """wandb's run; it begins when it is first asked for, which Lightning does before anything else.

        Raises:
            ValueError: If the server does not answer, or refuses.
        """
        if self._run is None and self.problem is None:
            self._begin()
        return self._run

    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Keep the resolved config for the beginning."""
        self._config = redacted_all(dict(params))

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Take a row; `step`, in which Lightning counts steps of optimizers, is not the axis here."""
        self.log_row(lambda wandb: dict(metrics))

    @rank_zero_only
    def log_row(self, make: Callable[[Any], Mapping[str, Any]]) -> None:
        """Take a row that is made with wandb's types, if it is a new one."""
        number, self.rows = self.rows, self.rows + 1
        if number < self._first or self.problem is not None:
            return

        def send() -> None:
            import wandb

            self._run.log({**self.at(), **make(wandb)}, step=number, commit=True)

        self._safely(send)

    @rank_zero_only
    def go_on_from(self, rows: int) -> None:
        """Go on from a checkpoint that counts so many rows.

        A server may lack the last of them, where the process was killed: its file has them. What is no number
        stays there.
        """
        self.rows = rows
        if self._run is None or self.offline:
            return
        for path in self._files(self._run.id) if rows > self._first else []:
            for number, row in sorted(numbers_of(path).items()):
                if self._first <= number < rows:
                    self._safely(partial(self._run.log, row, step=number, commit=True))

    @rank_zero_only
    def settle(self) -> None:
        """Wait until every row is in wandb's file: one that a checkpoint counts is never made again."""
        if self._run is None or self.problem is not None or self.rows <= self._first:
            return
        path, until = _file_of(self._run), time.monotonic() + _PATIENCE
        while last_step(path) < self.rows - 1:
            if time.monotonic() > until:
                _log.warning("wandb: its file is behind; killed now, the run would lack rows there")
                return
            time.sleep(_FLUSH / 10)

    @rank_zero_only
    def finish(self, *, failed: bool, notes: Sequence[str] = (), checkpoint: Path | None = None) -> None:
        """The run ends; waits until everything is sent, but not for ever.

        Args:
            failed: Whether it was interrupted, or broke off.
            notes: What a reader of its numbers must know.
            checkpoint: To be kept as an artifact, where that was asked for.
        """
        if self._run is None:
            return

        def tell() -> None:
            self._run.notes = redacted("\n".join(notes)) or None
            if self.checkpoint and checkpoint is not None:
                import wandb

                artifact = wandb.Artifact(f"checkpoint-{self._run.id}", type="model")
                artifact.add_file(str(checkpoint))
                self._run.log_artifact(artifact, aliases=["best"])

        if self.problem is None:
            self._safely(tell)
        # What was logged before something broke is sent, too.
        self._safely(lambda: self._run.finish(exit_code=int(failed)))
        self._safely(self._leave)
        self._run = None

    # ---- inside

    def _begin(self) -> None:
        import wandb

        known = _read(self.folder / NAME)
        # An agent of `wandb sweep` has chosen already.
        agents = os.environ.get("WANDB_RUN_ID") if os.environ.get("WANDB_SWEEP_ID") else None
        number = known.get("id") or agents or uuid.uuid4().hex[:12]
        group = self.group or known.get("group")
        try:
            with _redacted_arguments():
                self._run = wandb.init(
                    dir=str(self.folder),
                    project=self.project,
                    entity=self.entity,
                    name=self.title,
                    id=number,
                    group=group,
                    tags=self.tags,
                    config=self._config,
                    resume=None if self.offline else "allow",
                    settings=self._settings(),
                )
        except wandb.Error as error:
            host = wandb.setup().settings.base_url
            wandb.teardown(1)
            said = redacted(str(error).splitlines()[0].rstrip("."))
            raise ValueError(
                f"logger=wandb: no run was begun at {host}: {said}. It is waited for "
                f"logger.wandb.timeout={self.timeout} seconds; logger.wandb.offline=true writes to disk, and "
                "`wandb sync` sends it later"
            ) from error
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # wandb's own affairs
        self._run.define_metric("*", step_metric=X)
        self._first = self._run.starting_step if not self.offline else self._rows_on_disk(number)
        url = None if self.offline else self._run.url
        facts = {"id": number, "project": self.project, "entity": self.entity, "group": group}
        (self.folder / NAME).write_text(
            json.dumps({**facts, "url": url, "offline": self.offline}, indent=2) + "\n",
            encoding="utf-8",
        )
        _log.info("wandb: %s", url or f"offline; `wandb sync {self.folder}/wandb/offline-run-*` sends it")

    def _settings(self) -> Any:
        import wandb

        return wandb.Settings(
            mode="offline" if self.offline else "online",
            console="off",  # the log is in the run's folder, and without secrets
            silent=True,
            save_code=False,
            disable_git=True,  # run.json has the commit; an address may have a password
            init_timeout=float(self.timeout),
            finish_timeout=float(self.finish_timeout),
            finish_timeout_raises=True,
            x_transaction_log_flush_interval=_FLUSH,
        )

    def _rows_on_disk(self, number: str) -> int:
        """How many rows of this run files of earlier parts have."""
        return 1 + max(map(last_step, self._files(number)), default=-1)

    def _files(self, number: str) -> list[Path]:
        """What its parts have written, the first one first."""
        return sorted((self.folder / "wandb").glob(f"*run-*-{number}/run-{number}.wandb"))

    def _safely(self, act: Callable[[], None]) -> None:
        """Whatever wandb raises once a training has begun must not end it."""
        try:
            act()
        except Exception as error:
            if self.problem is None:
                why = f"{type(error).__name__}: {error}"
                self.problem = (
                    f"wandb has broken down ({why}) and lacks what came after; `wandb sync` sends what "
                    "is on the disk"
                )
                _log.warning("%s; the run goes on without it", self.problem)

    def _leave(self) -> None:
        """End wandb's own process."""
        import wandb

        wandb.teardown(1 if self.problem else 0)


def _file_of(run: Any) -> Path:
    return Path(run.dir).parent / f"run-{run.id}.wandb"


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    content = json.loads(path.read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


@contextmanager
def _redacted_arguments() -> Iterator[None]:
    """wandb writes down how the program was called."""
    given = sys.argv
    sys.argv = [redacted(argument) for argument in given]
    try:
        yield
    finally:
        sys.argv = given
