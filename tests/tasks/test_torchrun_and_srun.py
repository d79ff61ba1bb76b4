"""Processes that torchrun and SLURM start: one run, one folder, one voice."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from sr_experiments.ranks import is_first, started
from tests.conftest import ROOT
from tests.tasks.nursery import wait_for
from tests.tasks.runs import photographs

TOY = [
    "model=espcn",
    "net.features=8",
    "scale=2",
    "data=folder",
    "data.root=photographs",
    "data.patch_size=16",
    "data.batch_size=2",
    "data.steps_per_epoch=2",
    "data.workers=0",
    "trainer=ddp",
    "trainer.accelerator=cpu",
    "trainer.max_epochs=1",
]
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "sr_experiments"]


@contextmanager
def typed(folder: Path, *arguments: str, **variables: str) -> Iterator["subprocess.Popen[str]"]:
    """A process of a group of its own, of which nothing is left."""
    own = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        env=os.environ | own | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def told(process: "subprocess.Popen[str]", *, code: int) -> str:
    said = process.communicate(timeout=240)[0]
    assert process.returncode == code, said
    return said


def one_run(folder: Path) -> Path:
    """The only one; nothing lies beside it."""
    [found] = folder.rglob("run.json")
    assert sorted(path.name for path in folder.iterdir()) == ["photographs", "runs"]
    assert json.loads(found.read_text(encoding="utf-8"))["status"] == "finished"
    assert json.loads(found.read_text(encoding="utf-8"))["devices"] == 2
    assert (found.parent / "checkpoints" / "last.ckpt").is_file()
    assert [path.parent for path in folder.rglob("metrics.csv")] == [found.parent]
    return found.parent


def test_torchrun(tmp_path: Path) -> None:
    photographs(tmp_path / "photographs")
    with typed(tmp_path, *TORCHRUN, *TOY, "trainer.devices=2") as process:
        said = told(process, code=0)
    run = one_run(tmp_path)
    once = (f"-> {run.relative_to(tmp_path)}", "epoch 1/1", "┃ data set ┃")
    assert [said.count(words) for words in once] == [1, 1, 1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (
            ["trainer.devices=3"],
            "torchrun has started 2 processes, and trainer.devices x ",
        ),
        (["trainer.devices=2", "data.root=nowhere"], "the folder nowhere does not exist"),
        (["trainer.devices=2", "modle=rcan"], "modle: no such key"),
        (["-m", "seed=1,2"], "-m under torchrun: each of its 2 processes would run the sweep"),
        (["task=evaluate", "benchmark=[]"], "task=evaluate is done by one process"),
    ],
)
def test_a_mistake_is_told_once(arguments: list[str], error: str, tmp_path: Path) -> None:
    photographs(tmp_path / "photographs")
    with typed(tmp_path, *TORCHRUN, *TOY, *arguments) as process:
        said = told(process, code=1)  # torchrun's
    assert said.count("error: ") == said.count(f"error: {error}") == 1
    assert "Signal 15" in said or "exitcode  : 2" in said


@pytest.mark.slow
def test_torchrun_is_stopped_and_continues(tmp_path: Path) -> None:
    """Every process finds the run's folder and its checkpoint by itself, and one of them speaks."""
    photographs(tmp_path / "photographs")
    long = [*TOY, "trainer.devices=2", "data.steps_per_epoch=60", "trainer.max_epochs=4", "run=kept"]
    with typed(tmp_path, *TORCHRUN, *long) as process:
        wait_for((tmp_path / "kept" / "checkpoints" / "last.ckpt").is_file, seconds=240)
        process.terminate()
        said = told(process, code=1)
    assert said.count("interrupted: continue with: python -m sr_experiments run=") == 1
    with typed(tmp_path, *TORCHRUN, *long) as process:
        said = told(process, code=0)
    assert said.count("continuing after ") == said.count("┃ data set ┃") == 1
    record = json.loads((tmp_path / "kept" / "run.json").read_text(encoding="utf-8"))
    assert (record["status"], record["batches"]) == ("finished", 240)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "photographs"]


@pytest.mark.slow
def test_two_machines_under_slurm(tmp_path: Path) -> None:
    """As srun starts them: a task on each of two nodes. Both are this machine; SLURM itself is not here."""
    photographs(tmp_path / "photographs")
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        port = made.getsockname()[1]
    job = {
        "SLURM_JOB_ID": "4711",
        "SLURM_JOB_NAME": "train",
        "SLURM_STEP_ID": "0",
        "SLURM_NTASKS": "2",
        "SLURM_NTASKS_PER_NODE": "1",
        "SLURM_NNODES": "2",
        "SLURM_NODELIST": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    command = ["-m", "sr_experiments", *TOY, "trainer.devices=1", "trainer.num_nodes=2"]
    tasks = [{"SLURM_PROCID": n, "SLURM_LOCALID": "0", "SLURM_NODEID": n} for n in ("0", "1")]
    first, second = ({**job, **task} for task in tasks)
    with typed(tmp_path, *command, **first) as one, typed(tmp_path, *command, **second) as two:
        assert told(one, code=0).count(", 2 devices, ") == 1
        assert told(two, code=0) == ""
    one_run(tmp_path)


@pytest.mark.parametrize(
    ("variables", "first", "processes"),
    [
        ({}, True, None),
        ({"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "4", "RANK": "0", "LOCAL_RANK": "0"}, True, 4),
        ({"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "4", "RANK": "2", "LOCAL_RANK": "0"}, False, 4),
        ({"SLURM_NTASKS": "4", "SLURM_STEP_ID": "0", "SLURM_PROCID": "0"}, True, 4),
        ({"SLURM_NTASKS": "4", "SLURM_STEP_ID": "0", "SLURM_PROCID": "3"}, False, 4),
        ({"SLURM_NTASKS": "4", "SLURM_PROCID": "0"}, True, None),  # a batch script, without srun
        ({"SLURM_NTASKS": "1", "SLURM_STEP_ID": "0", "SLURM_PROCID": "0"}, True, None),  # submitit
        ({"SLURM_NTASKS": "4", "SLURM_STEP_ID": "0", "SLURM_JOB_NAME": "bash"}, True, None),
        ({"NODE_RANK": "1"}, False, None),
        ({"LOCAL_RANK": "1"}, False, None),
    ],
)
def test_what_the_environment_says(
    variables: dict[str, str], first: bool, processes: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in list(os.environ):
        if name.startswith("SLURM_") or name.endswith("RANK") or name == "TORCHELASTIC_RUN_ID":
            monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert is_first() == first
    assert started() == processes
