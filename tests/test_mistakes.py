"""Whose fault it is: a ValueError of ours is for the user, the same from inside torch is not."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from lightning_fabric.utilities.exceptions import MisconfigurationException
from torch.utils.data import DataLoader, Dataset

from sr_experiments import cli
from sr_experiments.imaging.io import read_image
from sr_experiments.mistakes import user_message
from tests.tasks.runs import photographs


def caught(function: object) -> Exception:
    assert callable(function)
    with pytest.raises(Exception) as info:  # noqa: PT011  # which one it is is what is under test
        function()
    assert isinstance(info.value, Exception)
    return info.value


def test_raised_by_a_line_of_ours(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    message = user_message(caught(lambda: read_image(tmp_path / "broken.png")))
    assert message is not None
    assert "broken.png" in message


def test_raised_while_an_object_is_built() -> None:
    """Hydra wraps the exception in one of its own."""
    node = {"_target_": "sr_experiments.nets.edsr.EDSR", "scale": 5}
    assert user_message(caught(lambda: instantiate(node))) == "scale=5: EDSR is defined for scale 2, 3, 4, 8"


def test_raised_inside_a_library() -> None:
    assert user_message(caught(lambda: np.zeros(3) + np.zeros(4))) is None
    assert user_message(caught(lambda: torch.zeros(3) @ torch.zeros(4))) is None
    assert user_message(caught(lambda: dict[str, int]()["x"])) is None


class Broken(Dataset[int]):
    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> int:
        read_image(Path("absent-7.png"))
        return index


class Faulty(Broken):
    def __getitem__(self, index: int) -> int:
        return int(np.zeros(3) + np.zeros(4))


def test_raised_in_a_worker_process() -> None:
    """The message crosses the process as text with a traceback before it."""
    message = user_message(caught(lambda: list(DataLoader(Broken(), num_workers=1))))
    assert message is not None
    assert "absent-7.png" in message
    assert "Traceback" not in message
    assert user_message(caught(lambda: list(DataLoader(Faulty(), num_workers=1)))) is None


def test_what_lightning_refuses() -> None:
    assert user_message(MisconfigurationException("no GPU here")) == "no GPU here"


def test_a_missing_file_and_a_full_disk() -> None:
    assert user_message(FileNotFoundError("no run there")) == "no run there"
    message = user_message(OSError(28, "No space left on device", "x.ckpt"))
    assert message is not None
    expected = "x.ckpt: No space left on device; make room, or write elsewhere: hydra.run.dir="
    assert message.startswith(expected)


USERS = {
    "no folder": (["data=folder", "data.root=absent"], "absent"),
    "a GPU that is not there": (["trainer=gpu"], "gpu"),
    "weights that are not there": (["init_from=absent"], "init_from=absent: there is no such run"),
    "a scale that the net has not": (
        ["model=edsr_baseline", "scale=5", "data.patch_size=100"],
        "EDSR is defined for scale 2, 3, 4, 8",
    ),
    "a set that is not there": (["benchmark=[set5]", "data_dir=absent"], "Set5"),
    "a patch larger than the images": (["data.patch_size=4000"], "smaller than data.patch_size=4000"),
    "a decay of one": (["model.ema=1.0"], "ema=1.0: the decay must be at least 0 and less than 1"),
}


@pytest.mark.parametrize("name", USERS)
def test_what_only_shows_when_it_is_built(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if name.startswith("a GPU") and torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    arguments, message = USERS[name]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["sr_experiments", *arguments])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2
    errors = capsys.readouterr().err
    assert message in errors
    assert errors.count("error: ") == 1
    assert "Traceback" not in errors


def test_a_fault_of_ours_is_not_blamed_on_the_user(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("inside")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sr_experiments.tasks.train.train", broken)
    monkeypatch.setattr(sys, "argv", ["sr_experiments"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 1
    errors = capsys.readouterr().err
    assert "Traceback" in errors
    assert "This is a fault of the program, not of yours" in errors


def test_a_sweep_runs_every_job_and_reports_failures_at_its_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = photographs(tmp_path / "photographs")
    monkeypatch.chdir(tmp_path)
    small = ["data=folder", f"data.root={root}", "data.patch_size=20", "trainer.max_epochs=1", "trainer=cpu"]
    small += ["data.steps_per_epoch=1", "data.batch_size=1", "model=espcn", "scale=2,5,4"]
    small += ["trainer.log_every_n_steps=1"]
    monkeypatch.setattr(sys, "argv", ["sr_experiments", "-m", *small])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2
    assert len(list(tmp_path.glob("runs/*/*-sweep/*/run.json"))) == 3
    assert len(list(tmp_path.glob("runs/*/*-sweep/*/checkpoints/best.ckpt"))) == 2
    said = capsys.readouterr()
    assert said.err.count("error: ") == 1
    assert "complete the sweep with: python -m sr_experiments run=runs/" in said.out
