"""The other processes of a run on this machine: started, watched, and never left behind.

Lightning's launcher types the command line again for each process. In a sweep that is the whole sweep, and
each process would choose a folder of its own. Here a process is given the composed config of its run (see
`member.py`). Lightning starts nothing where LOCAL_RANK is set, which is its documented way to leave that to
others. After a run the environment is what it was, so that the next one of a sweep starts anew.
"""

import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import pytorch_lightning as pl
import torch.distributed
from pytorch_lightning.strategies import DDPStrategy

import sr_experiments

_log = logging.getLogger(__name__)
_NAMES = ("LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
_BY_ITSELF = 20.0  # seconds for a process to come out of a broken connection by itself, or to end
_STOPS = 5.0  # seconds for all to stop at the same step
_TELLS = 5.0  # seconds in which the cause of a broken connection is known
_OFTEN = 0.25


class Ended(ValueError):
    """Another process of the run has ended, and the run with it."""


class _Member:
    """A process, and what it says."""

    def __init__(self, rank: int, environment: dict[str, str], order: str) -> None:
        self.rank = rank
        self.said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `end`
        # Its standard input is also its lifeline: it ends when this process is no more.
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sr_experiments.tasks.member"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=self.said,
            stderr=subprocess.STDOUT,
        )
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # it is no more, which is seen soon
            self.process.stdin.write(order.encode() + b"\n")
            self.process.stdin.flush()

    def why(self, world_size: int) -> str:
        """Why it has ended."""
        code, who = self.process.returncode, f"process {self.rank} of {world_size}"
        if code < 0:
            name = signal.Signals(-code).name
            system = ", as the system does to one that uses too much memory" if name == "SIGKILL" else ""
            return f"{who} was ended by {name}{system}, and the run with it"
        self.said.seek(0)
        text = self.said.read().decode(errors="replace").strip()
        if code == 2:
            return f"{who}: {text.rpartition('error: ')[2]}"
        return f"{who} ended with exit code {code}:\n{text}"

    def end(self, seconds: float) -> None:
        """Wait so long for it, then end it."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        self.said.close()


class _Members:
    """All of them, and a thread that looks after them."""

    def __init__(self, members: list[_Member], world_size: int, on_hang: Callable[[str], None]) -> None:
        self.members = members
        self.world_size = world_size
        self._on_hang = on_hang
        self._done = threading.Event()
        if members:
            threading.Thread(target=self._watch, daemon=True).start()

    def failed(self) -> _Member | None:
        """The one that tells most about why they have ended: the others lost the connection to it."""
        ended = [member for member in self.members if member.process.poll() not in (None, 0)]
        ended.sort(key=lambda member: (member.process.returncode > 0, member.process.returncode != 2))
        return ended[0] if ended else None

    def cause(self) -> Exception | None:
        """What has broken a connection, if it is one of these."""
        deadline = time.monotonic() + _TELLS
        while self.members and self.failed() is None and time.monotonic() < deadline:
            time.sleep(_OFTEN / 5)
        failed = self.failed()
        if failed is None:
            return None
        kind = RuntimeError if failed.process.returncode == 1 else Ended
        return kind(failed.why(self.world_size))

    def end(self, seconds: float) -> None:
        """Let them end, or end them."""
        self._done.set()
        deadline = time.monotonic() + seconds
        for member in self.members:
            member.end(max(0.0, deadline - time.monotonic()))

    def _watch(self) -> None:
        """A process that waits for one that is no more may wait for ever, as with NCCL: then all is ended."""
        while not self._done.wait(_OFTEN):
            failed = self.failed()
            if failed is not None and not self._done.wait(_BY_ITSELF):
                self._on_hang(failed.why(self.world_size))
                for member in self.members:
                    member.process.kill()
                os._exit(1 if failed.process.returncode == 1 else 2)


@contextmanager
def together(
    trainer: pl.Trainer, *, config: str, run_dir: Path, resume: bool, on_hang: Callable[[str], None]
) -> Iterator[None]:
    """Train with as many processes as the trainer has devices on this machine.

    Args:
        trainer: Not yet used.
        config: Of the run, resolved, as YAML.
        run_dir: The run's folder.
        resume: Whether the run continues.
        on_hang: Told why, if all that is left is to end this process at once.

    Raises:
        Ended: Another process was ended, or ran into what a user can mend.
        RuntimeError: Another process has failed.
    """
    if not isinstance(trainer.strategy, DDPStrategy):
        yield
        return
    before = {name: os.environ.get(name) for name in _NAMES}
    members = _Members([], trainer.world_size, on_hang)
    patience = 0.0
    try:
        if not _is_started_by_others(trainer.strategy):
            order = json.dumps({"config": config, "run_dir": str(run_dir), "resume": resume})
            members = _Members(_start(trainer, order), trainer.world_size, on_hang)
        yield
        patience = _BY_ITSELF
    except KeyboardInterrupt:
        patience = _STOPS
        raise
    except RuntimeError as error:
        if (cause := members.cause()) is not None:
            raise cause from error
        raise
    finally:
        members.end(patience)
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
        for name, value in before.items():
            os.environ.pop(name, None)
            os.environ.update({} if value is None else {name: value})


def _is_started_by_others(strategy: DDPStrategy) -> bool:
    assert strategy.cluster_environment is not None
    return strategy.cluster_environment.creates_processes_externally


def _start(trainer: pl.Trainer, order: str) -> list[_Member]:
    """All but the first, which is this process."""
    strategy = trainer.strategy
    assert isinstance(strategy, DDPStrategy)
    environment = strategy.cluster_environment
    assert environment is not None
    os.environ |= {
        "MASTER_ADDR": environment.main_address,
        "MASTER_PORT": str(environment.main_port),
        "NODE_RANK": str(environment.node_rank()),
        "LOCAL_RANK": "0",
        "WORLD_SIZE": str(trainer.world_size),
    }
    ours = str(Path(sr_experiments.__file__).resolve().parent.parent)
    path = os.pathsep.join(filter(None, (ours, os.environ.get("PYTHONPATH"))))
    own: dict[str, Any] = dict(os.environ) | {"PYTHONPATH": path}
    return [
        _Member(strategy.node_rank * trainer.num_devices + number, own | {"LOCAL_RANK": str(number)}, order)
        for number in range(1, trainer.num_devices)
    ]
