"""The game on two devices: the same as on one with the batches of both."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.conftest import ROOT
from tests.tasks.runs import photographs

COMMON = [
    "loss=gan",
    "precision=64-true",
    "metric=[]",
    "trainer.max_epochs=2",
    "trainer.accumulate_grad_batches=2",
    "data.steps_per_epoch=4",
    "data.workers=0",
    "data.patch_size=32",
    "trainer.strategy=ddp",
    "discriminator.width=4",
]
GAMES = {
    # No pass gives both nets a gradient: DDP has to be told, or it waits for the other's.
    "alternating": [
        "discriminator=unet",
        "adversary.start=1",
        "adversary.ramp=2",
        "model.generator_every=2",
        "model.discriminator_steps=2",
        "trainer.gradient_clip_val=0.1",
    ],
    "penalties": [
        "discriminator.conditional=true",
        "discriminator.norm=none",
        "adversary.r1=1.0",
        "adversary.gradient_penalty=1.0",
        "adversary.penalty_every=2",
        "adversary.feature_matching=1.0",
    ],
}


def free_port() -> int:
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        port: int = made.getsockname()[1]
        return port


def train(photos: Path, folder: Path, *overrides: str, devices: int) -> dict[str, Tensor]:
    """The end of a training by as many processes."""
    folder.mkdir()
    port = free_port()
    processes = []
    for rank in range(devices):
        shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "NODE_RANK": "0"}
        own = {"LOCAL_RANK": str(rank), "WORLD_SIZE": str(devices), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "tests.models.one_of_many", str(photos), str(folder)]
        command += [*overrides, f"trainer.devices={devices}"]
        environment = os.environ | shared | own
        processes.append(
            subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment,
                text=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
        )
    try:
        told = [process.communicate(timeout=240)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert all(process.returncode == 0 for process in processes), "\n".join(told)
    found: dict[str, Tensor] = torch.load(folder / "end.pt", weights_only=True)
    return found


@pytest.mark.parametrize("which", GAMES)
def test_two_devices_are_one_with_the_batches_of_both(which: str, tmp_path: Path) -> None:
    """Both nets, the average, both optimizers; in float64, so that only the order of sums may differ."""
    photos = photographs(tmp_path / "photos")
    overrides = [*COMMON, *GAMES[which]]
    one = train(photos, tmp_path / "one", *overrides, "data.batch_size=4", devices=1)
    two = train(photos, tmp_path / "two", *overrides, "data.batch_size=2", devices=2)
    assert one.keys() == two.keys()
    assert {key.split(".")[0] for key in one} == {"net", "ema", "adversary", "optimizer0", "optimizer1"}
    apart = {key: float((two[key] - value).abs().max()) for key, value in one.items()}
    assert {key: distance for key, distance in apart.items() if not distance < 1e-9} == {}
