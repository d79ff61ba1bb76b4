"""Several runs at once: real processes, one that fails and one that is killed; the rest is done later."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.sweeps.plot import SHORT, read, statuses, words

LONG = "data.steps_per_epoch=20 trainer.max_epochs=400"  # somebody kills it before it is over
LAUNCHERS = {
    "joblib": "hydra/launcher=joblib hydra.launcher.n_jobs=2",
    "submitit": "hydra/launcher=submitit_local",
}


@contextmanager
def started(folder: Path, line: str, **more: str) -> Iterator["subprocess.Popen[str]"]:
    """The program; nothing of it is left afterwards."""
    environment = (
        os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"} | more
    )
    with (folder / "log.txt").open("a") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "sr_experiments", *words(line)],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
            text=True,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            for pid in trainers(folder).values():
                os.kill(pid, signal.SIGKILL)


def trainers(folder: Path) -> dict[str, int]:
    """The processes that train there now, by their run's folder."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            told = [word for word in path.read_text().split("\0") if word.startswith(f"run={folder}/")]
            if told:
                found[Path(told[0]).name] = int(path.parent.name)
    return found


def wait_for(what: Callable[[], bool], process: "subprocess.Popen[str]", seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert process.poll() is None, "it ended before"
        assert time.monotonic() < deadline
        time.sleep(0.1)


def run(folder: Path, line: str, **more: str) -> int:
    with started(folder, line, **more) as process:
        return process.wait(timeout=400)


linux = pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are found by /proc")


@linux
def test_a_mistake_of_one_run_and_a_process_for_the_other(desk: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    line = f"-m run=s {LAUNCHERS['joblib']} {SHORT} scale=2,0 name=hush-hush"
    subdir = "'hydra.sweep.subdir=${hydra:job.num}-espcn'"
    assert run(desk, f"{line} {subdir}", MY_TOKEN="hush-hush") == 2
    assert statuses(desk / "s") == ["finished", "failed"]
    said = (desk / "log.txt").read_text(encoding="utf-8")
    assert said.count("error: ") == 1
    assert "error: scale=0: must be 1 or more\n  of run 1 (scale=0)\n" in said
    assert "complete the sweep with: python -m sr_experiments run=s\n" in said
    assert "sweep on folder" in said
    assert "epoch 1/1" in (desk / "s" / "0-espcn" / "printed.txt").read_text(encoding="utf-8")
    assert "epoch 1/1" not in said, "runs at the same time do not print through one another"
    assert trainers(desk) == {}
    for path in (desk / "s").rglob("*"):
        assert not path.is_file() or b"hush-hush" not in path.read_bytes(), path


@linux
@pytest.mark.slow
@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_one_fails_one_is_killed_and_only_these_are_done_again(launcher: str, desk: Path) -> None:
    """Four runs; of the two that have photographs the second is killed while it trains."""
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    line = f"-m run=s {LAUNCHERS[launcher]} {SHORT} {LONG} data.root=photos,later seed=1,2"
    line = line.replace("trainer.max_epochs=400", "trainer.max_epochs=12")
    with started(desk, line) as process:
        wait_for(lambda: (desk / "s" / "1-espcn" / "checkpoints" / "last.ckpt").is_file(), process)
        os.kill(trainers(desk)["1-espcn"], signal.SIGKILL)
        assert process.wait(timeout=400) == 2
    assert statuses(desk / "s") == ["finished", "killed", "failed", "failed"]
    said = (desk / "log.txt").read_text(encoding="utf-8")
    assert "error: its process was killed by SIGKILL" in said
    assert trainers(desk) == {}
    before = {path: path.read_bytes() for path in (desk / "s" / "0-espcn").rglob("*") if path.is_file()}
    (desk / "photos").rename(desk / "later")
    (desk / "photos").symlink_to(desk / "later")
    assert run(desk, "run=s") == 0
    assert statuses(desk / "s") == ["finished"] * 4
    assert "continued" in read(desk / "s" / "1-espcn" / "run.json")
    after = {path: path.read_bytes() for path in (desk / "s" / "0-espcn").rglob("*") if path.is_file()}
    assert after == before, "a finished run is left alone"
    # what was killed ends as what was not: run 3 is the same on the same photographs under another name
    results = [read(desk / "s" / f"{number}-espcn" / "run.json")["metrics"] for number in (1, 3)]
    assert list(results[0].values()) == list(results[1].values())


@linux
@pytest.mark.slow
def test_a_search_by_joblib_prunes_and_ends(desk: Path) -> None:
    pytest.importorskip("optuna")
    line = (
        f"sweep=optuna run=s trials=4 startup=2 warm_up=1 {LAUNCHERS['joblib']} {SHORT} trainer.max_epochs=4"
    )
    assert run(desk, f"{line} net.features=4 seed=0") == 0
    content = read(desk / "s" / "sweep.json")
    assert set(statuses(desk / "s")) <= {"finished", "pruned"}
    assert len(content["jobs"]) == 4
    scores = [row["score"] for row in content["jobs"] if "score" in row]
    assert content["search"]["best"]["score"] == max(scores)


@linux
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_stops_the_sweep_stops_its_runs_and_each_keeps_a_checkpoint(number: int, desk: Path) -> None:
    last = [desk / "s" / f"{run}-espcn" / "checkpoints" / "last.ckpt" for run in (0, 1)]
    with started(desk, f"-m run=s {LAUNCHERS['joblib']} {SHORT} {LONG} seed=1,2,3") as process:
        wait_for(lambda: all(path.is_file() for path in last), process)
        os.kill(process.pid, number)
        assert process.wait(timeout=200) == 130
        assert trainers(desk) == {}, "no process is left"
    assert statuses(desk / "s") == ["interrupted", "interrupted", "waiting"]
    said = (desk / "log.txt").read_text(encoding="utf-8")
    assert "interrupted: complete the sweep with: python -m sr_experiments run=s" in said


@linux
@pytest.mark.slow
def test_a_sweep_that_is_killed_takes_its_runs_with_it(desk: Path) -> None:
    last = desk / "s" / "0-espcn" / "checkpoints" / "last.ckpt"
    with started(desk, f"-m run=s {LAUNCHERS['joblib']} {SHORT} {LONG} seed=1,2") as process:
        wait_for(last.is_file, process)
        process.kill()
        process.wait()
        deadline = time.monotonic() + 120
        while trainers(desk):
            assert time.monotonic() < deadline
            time.sleep(0.2)
    assert json.loads((desk / "s" / "0-espcn" / "run.json").read_text())["status"] == "interrupted"
