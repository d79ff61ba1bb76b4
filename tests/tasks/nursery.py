"""Processes of the program that start in no time: one that has imported everything, and forks.

with nursery(folder) as start:
    child = start("model=espcn", "run=x", rests=14)
    child.wait_until_it_rests()
    child.kill(); child.wait()
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT

MOTHER = """
import json, os, sys, time
import sr_experiments.tasks.train, sr_experiments.tasks.evaluate
import kornia.filters, torchmetrics, skimage
from sr_experiments import cli
def rest_before(batch, place):
    from pytorch_lightning.loops.training_epoch_loop import _TrainingEpochLoop as Loop
    advance, begun = Loop.advance, 0
    def counted(*given, **named):
        nonlocal begun
        if begun == batch:
            open(place, "w").close()
            while os.path.exists(place):
                time.sleep(0.005)
        begun += 1
        return advance(*given, **named)
    Loop.advance = counted
for line in sys.stdin:
    order = json.loads(line)
    child = os.fork()
    if child == 0:
        os.setsid()
        os.chdir(order["cwd"])
        log = os.open(order["log"], os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0), os.dup2(log, 1), os.dup2(log, 2)
        if order["rests"] is not None:
            rest_before(order["rests"], order["log"] + ".rests")
        sys.argv = ["sr_experiments", *order["arguments"]]
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = end.code or 0
        except BaseException:
            code = 99
        sys.stdout.flush(), sys.stderr.flush()
        os._exit(code)
    print("child", child, flush=True)
    _, status = os.waitpid(child, 0)
    print("ended", os.waitstatus_to_exitcode(status), flush=True)
"""


@dataclass
class Child:
    """A running process; one at a time."""

    pid: int
    log: Path
    mother: "subprocess.Popen[str]"
    code: int | None = None

    def send(self, number: int) -> None:
        """A signal, to it alone."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """At once, and its workers with it: as when a machine goes down."""
        for kill in (os.killpg, os.kill):  # it may have no group of its own yet, or be gone
            with suppress(ProcessLookupError):
                kill(self.pid, signal.SIGKILL)
        self._resting.unlink(missing_ok=True)

    def wait_until_it_rests(self) -> None:
        """It is about to begin the batch that it was to rest before; a signal reaches it there."""
        wait_for(self._resting.is_file)

    def go_on(self) -> None:
        """It has rested."""
        self._resting.unlink()

    @property
    def _resting(self) -> Path:
        return self.log.with_name(f"{self.log.name}.rests")

    def wait(self) -> int:
        """Its exit code; that of a signal is negative."""
        if self.code is None:
            self.code = _told(self.mother, "ended")
        return self.code

    @property
    def said(self) -> str:
        """What it and its predecessors have printed."""
        return self.log.read_text(encoding="utf-8")


@contextmanager
def nursery(folder: Path) -> Iterator[Callable[..., Child]]:
    """Start the mother in a folder; children work there.

    A child that `rests` waits before it begins the batch of that number, counted from 0 in its process, until
    it may `go_on`: what is done to it then does not depend on who is faster.
    """
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    mother = subprocess.Popen(
        [sys.executable, "-c", MOTHER],
        cwd=folder,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # A shell's background job ignores SIGINT, and so do its children: these tests may be one.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )

    def start(*arguments: str, log: str = "log.txt", rests: int | None = None) -> Child:
        assert mother.stdin is not None
        order = {"arguments": arguments, "cwd": str(folder), "log": str(folder / log), "rests": rests}
        mother.stdin.write(json.dumps(order) + "\n")
        mother.stdin.flush()
        return Child(_told(mother, "child"), folder / log, mother)

    try:
        yield start
    finally:
        mother.kill()
        mother.communicate()


def _told(mother: "subprocess.Popen[str]", what: str) -> int:
    """What the mother says next of that; the end of a child for which nobody has waited is passed over."""
    assert mother.stdout is not None
    while line := mother.stdout.readline():
        word, number = line.split()
        if word == what:
            return int(number)
    raise AssertionError("the mother has ended")


def wait_for(condition: Callable[[], bool], *, seconds: float = 60) -> None:
    """Until something is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.005)
