"""Ctrl-C in a real process: a checkpoint is kept, the record is true, the exit code is 130."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import torch

from tests.tasks.runs import photographs


def test_an_interrupted_run(tmp_path: Path) -> None:
    root = photographs(tmp_path / "photographs")
    folder = tmp_path / "run"
    command = [sys.executable, "-m", "sr_experiments", "model=espcn", "scale=2", "data=folder", "trainer=cpu"]
    command += [
        f"data.root={root}",
        "data.patch_size=16",
        "data.steps_per_epoch=50",
        f"hydra.run.dir={folder}",
    ]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background job ignores SIGINT, and so do its children: these tests may be one.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        deadline = time.monotonic() + 120
        while not (folder / "checkpoints" / "last.ckpt").is_file():
            assert process.poll() is None, "it ended before it was interrupted"
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "interrupted: continue with: python -m sr_experiments run=run" in errors
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert record["status"] == "interrupted"
    checkpoint = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    assert checkpoint["sr_experiments"]["batches"] == record["batches"] >= 50
