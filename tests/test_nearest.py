"""What somebody may have meant."""

from pathlib import Path

import pytest

from sr_experiments.nearest import keys_in, nearest, nearest_key, nearest_path

CONFIG = {
    "scale": 4,
    "task": {"checkpoint": None},
    "net": {"scale": "${scale}", "in_channels": "${channels}"},
    "channels": 3,
    "schedule": {"scheduler": {"gamma": 1}},
    "optimizer": {"lr": 1, "betas": [0, 1]},
    "callbacks": {"checkpoints": {"mode": "max"}},
    "data": {"batch_size": 1, "steps_per_epoch": 1},
    "trainer": {"max_epochs": 1},
    "model": {},
}


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("lr", "'optimizer.lr'"),
        ("trainer.lr", "'optimizer.lr'"),
        ("LR", "'optimizer.lr'"),
        ("learning_rate", "'optimizer.lr'"),
        ("bs", "'data.batch_size'"),
        ("batch", "'data.batch_size'"),
        ("epochs", "'trainer.max_epochs' or 'data.steps_per_epoch'"),
        ("scheduler", "'schedule' or 'schedule.scheduler'"),
        ("in_channels", "'channels'"),
        ("chekpoint", "'checkpoint'"),
        ("modle", "'model'"),
        ("qwerty", ""),
    ],
)
def test_a_key(given: str, meant: str) -> None:
    assert nearest_key(given, CONFIG) == (f" Did you mean {meant}?" if meant else "")


def test_a_key_that_is_merely_alike_is_left_out_where_it_is_not_wanted() -> None:
    assert nearest_key("modle", CONFIG, alike=False) == ""
    assert nearest_key("lr", CONFIG, alike=False) == " Did you mean 'optimizer.lr'?"


def test_all_keys() -> None:
    assert keys_in({"a": {"b": 1}, "c": []}) == ["a", "a.b", "c"]


def test_a_name() -> None:
    assert nearest("RCNA", ["edsr", "rcan"]) == " Did you mean 'rcan'?"
    assert nearest("x", ["edsr"]) == ""


def test_a_path_is_found_by_each_of_its_parts(tmp_path: Path) -> None:
    (tmp_path / "runs" / "first" / "checkpoints").mkdir(parents=True)
    (tmp_path / "runs" / "firsts").write_text("", encoding="utf-8")
    first = f". Did you mean '{tmp_path}/runs/first'?"
    assert nearest_path(tmp_path / "runs" / "frist", fits=Path.is_dir) == first
    assert nearest_path(tmp_path / "rnus" / "Frist", fits=Path.is_dir) == first
    assert nearest_path(tmp_path / "runs" / "second") == ""
    assert nearest_path(tmp_path / "runs" / "firsts" / "x") == "", "a file has nothing in it"
    assert nearest_path(tmp_path / "nowhere" / "first") == ""
    assert nearest_path(tmp_path / "runs" / "first", fits=Path.is_file) == "", "of another kind"


def test_a_set_is_not_taken_for_another(tmp_path: Path) -> None:
    for name in ("DIV2K", "Set14"):
        (tmp_path / name).mkdir()
    assert nearest_path(tmp_path / "DIV2K_valid") == ""
    assert nearest_path(tmp_path / "Set5") == ""
