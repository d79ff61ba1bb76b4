"""The other processes of a run, whose program is a stand-in: what is said of one's end; none is left."""

import os
import subprocess
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch.distributed

from sr_experiments.tasks import together
from tests.conftest import ROOT

ENDS = {
    "a mistake": ("echo warned; echo 'error: disk: no room' >&2; exit 2", "process 1 of 2: disk: no room"),
    "a fault": ("echo Traceback; echo 'KeyError: 3' >&2; exit 1", "process 1 of 2 ended with exit code 1:"),
    "a signal": ("kill -TERM $$", "process 1 of 2 was ended by SIGTERM, and the run with it"),
    "the system": (
        "kill -KILL $$",
        "process 1 of 2 was ended by SIGKILL, as the system does to one that uses too much memory",
    ),
}


def program(folder: Path, text: str) -> str:
    """Takes Python's place, and its order first."""
    path = folder / "python"
    lines = ["#!/bin/sh", "read -r order", f"printf '%s' \"$order\" > '{folder}/order'", text]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def two_devices() -> pl.Trainer:
    return pl.Trainer(
        accelerator="cpu",
        devices=2,
        strategy="ddp",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def within(folder: Path) -> AbstractContextManager[None]:
    return together.together(
        two_devices(), config="seed: 3", run_dir=folder, resume=False, on_hang=lambda why: None
    )


@pytest.mark.parametrize("end", ENDS)
def test_a_lost_connection_is_told_by_its_cause(
    end: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, why = ENDS[end]
    monkeypatch.setattr(sys, "executable", program(tmp_path, text))
    kind = RuntimeError if end == "a fault" else together.Ended
    with pytest.raises(kind) as caught, within(tmp_path):
        raise RuntimeError("Connection closed by peer")
    assert str(caught.value).startswith(why)
    assert str(caught.value.__cause__) == "Connection closed by peer"


def test_what_the_first_has_to_say_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", program(tmp_path, "exec sleep 600"))
    began = time.monotonic()
    with pytest.raises(ValueError, match="training has diverged"), within(tmp_path):
        raise ValueError("training has diverged")
    assert time.monotonic() - began < 60, "it waited for a process that waits"


def test_the_next_run_begins_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The incident: with LOCAL_RANK left behind a sweep's second run waited for a process of its first."""
    given, order = tmp_path / "given", tmp_path / "order"
    monkeypatch.setattr(sys, "executable", program(tmp_path, f"env > '{given}'"))
    monkeypatch.setenv("MASTER_ADDR", "localhost")
    before = dict(os.environ)
    with within(tmp_path):
        assert os.environ["LOCAL_RANK"] == "0"
        assert os.environ["MASTER_PORT"].isdigit()
    assert dict(os.environ) == before
    assert not torch.distributed.is_initialized()
    told = dict(line.split("=", 1) for line in given.read_text().splitlines() if "=" in line)
    assert (told["LOCAL_RANK"], told["WORLD_SIZE"], told["NODE_RANK"]) == ("1", "2", "0")
    assert order.read_text().startswith('{"config": "seed: 3", ')


HANGS = """
import sys, time
from pathlib import Path
from sr_experiments.tasks import together
from tests.tasks.test_together import two_devices
together._BY_ITSELF = 0.5
sys.executable = sys.argv[1]
def told(why):
    print(why, flush=True)
with together.together(two_devices(), config="", run_dir=Path(), resume=False, on_hang=told):
    time.sleep(600)
"""


def test_a_run_that_waits_for_ever_is_ended(tmp_path: Path) -> None:
    """As with NCCL, where the loss of a process is no error of those that wait for it."""
    stand_in = program(tmp_path, "kill -KILL $$")
    done = subprocess.run(
        [sys.executable, "-c", HANGS, stand_in],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert done.stdout.startswith("process 1 of 2 was ended by SIGKILL")


WAITS = """
import sys, threading, time
from sr_experiments.tasks.member import _leave_with_the_first
sys.stdin.readline()
threading.Thread(target=_leave_with_the_first, daemon=True).start()
print("ready", flush=True)
time.sleep(600)
"""


def test_another_process_leaves_with_the_first() -> None:
    """Its standard input closes when the first is killed, whatever it is waiting for."""
    process = subprocess.Popen(
        [sys.executable, "-c", WAITS], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"{}\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"ready\n"
        process.stdin.close()
        assert process.wait(timeout=60) == 1
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
