"""The bar in a terminal, the lines elsewhere."""

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from sr_experiments.tasks.evaluate import evaluate
from tests.tasks.runs import photographs, run, toy_config


def test_a_bar_in_a_terminal_of_eighty_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With how many steps of how many and the time that went by beside the rest, all were cut to dots."""
    drawn = io.StringIO()
    terminal = Console(file=drawn, force_terminal=True, width=80)
    monkeypatch.setattr("sr_experiments.callbacks.progress.Console", lambda: terminal)
    root = photographs(tmp_path / "photographs")
    run(
        root,
        tmp_path / "run",
        "trainer.max_epochs=2",
        "data.steps_per_epoch=4",
        "callbacks.progress.refresh_seconds=0.0",
    )
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn.getvalue())
    assert re.search(r"epoch 2/2 .* loss \d\.\d+ .*psnr_y \d+\.\d+ dB .*samples/s .*0:00 left", text)
    assert "…" not in text
    assert drawn.getvalue().endswith("\x1b[?25h"), "the cursor is given back"


def test_a_line_per_epoch_elsewhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = photographs(tmp_path / "photographs")
    run(root, tmp_path / "run", "trainer.max_epochs=2", "data.steps_per_epoch=4")
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch ")]
    assert [line.split("  ")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]
    assert all("loss" in line and "dB" in line and "samples/s" in line and "left" in line for line in lines)


def test_a_bar_while_testing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = io.StringIO()
    terminal = Console(file=drawn, force_terminal=True, width=110)
    monkeypatch.setattr("sr_experiments.callbacks.progress.Console", lambda: terminal)
    root = photographs(tmp_path / "photographs")
    tmp_path.joinpath("run").mkdir()
    evaluate(toy_config(root, model="bicubic"), tmp_path / "run")
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn.getvalue())
    assert re.search(r" 1/1 folder 3 ", text), "the photograph that is held out"
    assert drawn.getvalue().endswith("\x1b[2K"), "the bar is gone"
