"""The promise of the default run, as typed."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.docs.pages import differs, masked, shown
from tests.docs.test_readme_pictures import apart


@pytest.mark.slow
def test_the_default_run_beats_bicubic_by_half_a_decibel_in_six_minutes(tmp_path: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
    environment["COLUMNS"] = "80"  # as wide as the README's block
    started = time.monotonic()
    command = [sys.executable, "-m", "sr_experiments"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - started < 360
    (path,) = tmp_path.glob("runs/*/*/run.json")
    record = json.loads(path.read_text(encoding="utf-8"))
    metrics = record["metrics"]["demo"]
    assert record["demo"]
    assert metrics["psnr_y"] - metrics["bicubic"]["psnr_y"] >= 0.5
    assert len(list(path.parent.glob("images/*.png"))) == 2
    assert apart("demo.jpg", path.parent / "images" / "demo-chelsea.png") < 3, (
        "docs/site/pictures.py demo.jpg"
    )
    (lines,) = [lines for lines in shown(ROOT / "README.md") if lines[0] == "x4  DEMO RUN"]
    # All but the path of the picture, whose date and time the README does not have.
    assert differs(["...", *masked(lines[:-1]), "..."], "\n".join(masked(done.stdout.splitlines()))) is None


@pytest.mark.slow
def test_a_large_net_with_a_perceptual_loss_ends_by_itself_in_ten_minutes(tmp_path: Path) -> None:
    """No weights and no network: the clock of the demo ends it, and the table says both."""
    environment = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
    environment["TORCH_HOME"] = str(tmp_path / "torch_home")
    started = time.monotonic()
    command = [sys.executable, "-m", "sr_experiments", "model=rcan", "loss=perceptual"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - started < 600
    (path,) = tmp_path.glob("runs/*/*/run.json")
    record = json.loads(path.read_text(encoding="utf-8"))
    assert record["status"] == "finished"
    assert any("random features" in note for note in record["notes"])
    left = {entry.name for entry in path.parent.iterdir()}
    assert {"config.yaml", "metrics.csv", "per_image.csv", "checkpoints", "images"} <= left
