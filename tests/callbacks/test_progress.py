"""The bar in a terminal, the lines elsewhere."""

import io
import re
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pytorch_lightning import LightningModule
from pytorch_lightning.callbacks import Timer
from rich.console import Console

from sr_experiments.callbacks.progress import ProgressBar
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


def test_the_time_left_is_not_that_of_the_first_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first step takes 100 seconds, and every other one: of 1000 steps it said 27 hours and more."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr("time.perf_counter", lambda: clock.now)
    loop = SimpleNamespace(total_batch_idx=-1)
    trainer: Any = SimpleNamespace(
        num_training_batches=1000,
        max_epochs=1,
        is_global_zero=False,
        fit_loop=SimpleNamespace(epoch_loop=loop),
        callbacks=[],
    )
    bar = ProgressBar()
    bar.on_train_start(trainer, LightningModule())
    told = []
    for step in range(1000):
        loop.total_batch_idx = step
        clock.now += 100.0 if step == 0 else 1.0
        bar.on_train_batch_end(trainer, LightningModule(), None, None, step)
        told.append(bar._left(trainer))
    assert told[:9] == ["?"] * 9, "of five steps and five more it is known"
    assert told[9] == "16:30"
    assert told[498] == "8:21"
    assert told[-2:] == ["0:01", "0:00"]
    loop.total_batch_idx, trainer.callbacks = 498, [Timer(duration=timedelta(minutes=2))]
    assert bar._left(trainer) == "2:00", "trainer.max_time ends it before"


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
