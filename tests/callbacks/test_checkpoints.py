"""Checkpoints are whole or absent, and the last good one is never the price.

Incidents: a disk that filled up under the checkpoint and left a part of it in the place of the whole one; a
process that was killed while it wrote; a bit that fell over and was trained on.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from sr_experiments.callbacks.checkpoints import BEFORE, LAST, Checkpoints, WholeFiles, clear_away
from sr_experiments.tasks.resume import damage, find_start
from tests.conftest import ROOT
from tests.tasks.nursery import wait_for


def content(number: int, size: int = 1000) -> dict[str, Any]:
    return {
        "state_dict": {"net.weight": torch.full((size,), float(number))},
        "global_step": number,
        "sr_experiments": {"config": "a: 1", "batches": number, "logged_rows": 3 * number},
    }


def number_in(path: Path) -> int:
    return int(torch.load(path, weights_only=True)["global_step"])


def test_the_one_before_stays(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        WholeFiles().save_checkpoint(content(number), tmp_path / LAST)
    assert (number_in(tmp_path / LAST), number_in(tmp_path / BEFORE)) == (3, 2)
    WholeFiles().save_checkpoint(content(9), tmp_path / "best.ckpt")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["before.ckpt", "best.ckpt", "last.ckpt"]


FULL = """
import resource, signal, sys
from pathlib import Path
from sr_experiments.callbacks.checkpoints import WholeFiles
from tests.callbacks.test_checkpoints import content
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
WholeFiles().save_checkpoint(content(1), Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    WholeFiles().save_checkpoint(content(2, size=100_000), Path(sys.argv[1]))
except OSError as error:
    sys.exit(f"told: {error.filename}: {error.strerror}")
"""


def python(code: str, path: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", code, str(path)], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )


def test_a_disk_that_is_full_costs_nothing(tmp_path: Path) -> None:
    """A limit on the size of files stands for it: the system refuses in the middle of the write."""
    with python(FULL, tmp_path / LAST) as process:
        _, errors = process.communicate(timeout=120)
    assert errors.strip().endswith(f"told: {tmp_path / LAST}: File too large")
    assert [path.name for path in tmp_path.iterdir()] == [LAST]
    assert damage(tmp_path / LAST) is None
    assert number_in(tmp_path / LAST) == 1


KILLED = """
import os, sys, time
from pathlib import Path
from sr_experiments.callbacks.checkpoints import WholeFiles
from tests.callbacks.test_checkpoints import content
place = Path(sys.argv[1])
WholeFiles().save_checkpoint(content(1), place)
os.fsync = lambda handle: time.sleep(60)
WholeFiles().save_checkpoint(content(2, size=100_000), place)
"""


def test_a_writer_that_is_killed_costs_nothing(tmp_path: Path) -> None:
    with python(KILLED, tmp_path / LAST) as process:
        wait_for(lambda: any(path.stat().st_size > 300_000 for path in tmp_path.glob(".*.tmp")), seconds=120)
        process.send_signal(signal.SIGKILL)
    assert number_in(tmp_path / LAST) == 1
    assert damage(tmp_path / LAST) is None
    clear_away(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [LAST]


def test_a_folder_that_can_not_be_written_to_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        WholeFiles().save_checkpoint(content(1), tmp_path / "file" / LAST)


def test_every_kind_of_damage_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / LAST
    WholeFiles().save_checkpoint(content(1), path)
    whole = path.read_bytes()
    tensor = whole.index(torch.full((1000,), 1.0).numpy().tobytes())
    for place in (tensor, tensor + 2001, whole.index(b"data.pkl") + 60):
        harmed = bytearray(whole)
        harmed[place] ^= 4
        path.write_bytes(harmed)
        assert damage(path) is not None, place
    for length in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert damage(path) is not None, length
    assert damage(tmp_path / "absent.ckpt") is not None
    path.write_bytes(whole)
    assert damage(path) is None


def test_the_newest_whole_one_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    assert find_start(tmp_path).path is None
    for number in (1, 2):
        WholeFiles().save_checkpoint(content(number), folder / LAST)
    start = find_start(tmp_path)
    assert (start.path, start.batches, start.rows, start.notes) == (folder / LAST, 2, 6, [])
    os.truncate(folder / LAST, 500)
    start = find_start(tmp_path)
    assert (start.path, start.batches) == (folder / BEFORE, 1)
    assert start.notes == [
        "last.ckpt is damaged (it breaks off, or is no checkpoint), "
        "so the run was continued from an older one"
    ]
    os.truncate(folder / BEFORE, 500)
    with pytest.raises(ValueError, match=r"none of last\.ckpt, before\.ckpt is whole"):
        find_start(tmp_path)


def test_a_run_that_was_moved_looks_for_its_best_where_it_is_now(tmp_path: Path) -> None:
    old, new = Checkpoints(tmp_path / "old"), Checkpoints(tmp_path / "new")
    old.best_model_path = str(tmp_path / "old" / "best.ckpt")
    old.best_k_models = {old.best_model_path: torch.tensor(30.0)}
    new.load_state_dict(old.state_dict())
    assert new.best_model_path == str(tmp_path / "new" / "best.ckpt")
    assert list(new.best_k_models) == [new.best_model_path]
    assert new.dirpath == str(tmp_path / "new")
