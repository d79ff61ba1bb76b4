"""run.json tells the truth about a run, however it ended."""

import json
import math
import subprocess
from pathlib import Path

import pytest

from sr_experiments.tasks.record import RunRecord, git_state, versions
from sr_experiments.written import write_json


def read(path: Path) -> dict[str, object]:
    content = json.loads(path.read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


def test_a_run_that_ends_well(tmp_path: Path) -> None:
    path = tmp_path / "run" / "run.json"
    with RunRecord(path, model="rcan", seed=0) as record:
        assert read(path)["status"] == "running"
        record.note("a note")
        record.note("a note")
        record.update(metrics={"demo": {"psnr_y": math.inf, "ssim_y": 1.0}})
    content = read(path)
    assert content["status"] == "finished"
    assert content["seed"] == 0
    assert content["notes"] == ["a note"]
    assert content["metrics"] == {"demo": {"psnr_y": "inf", "ssim_y": 1.0}}
    assert isinstance(content["wall_seconds"], float)
    assert "error" not in content


@pytest.mark.parametrize(
    ("error", "status"), [(ValueError("broken"), "failed"), (KeyboardInterrupt(), "interrupted")]
)
def test_a_run_that_does_not(tmp_path: Path, error: BaseException, status: str) -> None:
    path = tmp_path / "run.json"
    with pytest.raises(type(error)), RunRecord(path):
        raise error
    assert read(path)["status"] == status
    assert ("error" in read(path)) == (status == "failed")


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    with RunRecord(path):
        pass
    with pytest.raises(
        FileExistsError, match=r"already holds a run: run=FOLDER continues it, hydra\.run\.dir=FOLDER"
    ):
        RunRecord(path)


def test_a_file_is_whole_or_as_before(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write_json(path, {"a": 1})
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert read(path) == {"a": 1}
    assert list(tmp_path.iterdir()) == [path], "no temporary file is left"


def test_versions_name_what_can_change_a_number() -> None:
    found = versions()
    assert {"python", "torch", "torchvision", "pytorch-lightning", "sr_experiments"} <= found.keys()
    assert "not installed" not in found.values()


def test_git_state(tmp_path: Path) -> None:
    assert git_state(tmp_path) is None
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    commit = ["git", "-C", str(tmp_path), *identity, "commit", "-q", "--allow-empty", "-m", "first"]
    subprocess.run(commit, check=True)
    state = git_state(tmp_path)
    assert state is not None
    assert len(state["commit"]) == 40
    assert not state["dirty"]
    (tmp_path / "new").write_text("x", encoding="utf-8")
    assert git_state(tmp_path) == {"commit": state["commit"], "dirty": True}


def test_others_may_read_what_they_may_read_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write_json(tmp_path / "a.json", {})
    assert (tmp_path / "a.json").stat().st_mode == (tmp_path / "plain").stat().st_mode
