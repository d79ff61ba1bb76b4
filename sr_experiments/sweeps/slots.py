"""Several runs at once on one machine: how many, and which devices and threads each of them gets."""

import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from sr_experiments.data.threads import cores
from sr_experiments.sweeps.state import held

FOLDER, STOP = ".slots", ".slots/stop"  # in the sweep's
AT_ONCE = "SR_EXPERIMENTS_AT_ONCE"
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


def at_once(config: DictConfig) -> int | None:
    """How many runs of a sweep go on at the same time; None: that is the cluster's affair.

    Without a number of the user's: one for each GPU (or for as many as a run takes), or for each core.
    """
    launcher = config.hydra.launcher
    kind = str(launcher._target_).rpartition(".")[2]
    if kind == "BasicLauncher":
        return 1
    if kind not in ("JoblibLauncher", "LocalLauncher"):
        return None
    asked = int(OmegaConf.select(launcher, "n_jobs", default=-1))
    if asked > 0:
        return asked
    gpus = visible_gpus() if uses_gpus(config) else []
    return max(1, len(gpus) // per_run(config)) if gpus else cores()


def uses_gpus(config: DictConfig) -> bool:
    """Whether a run takes GPUs where there are any."""
    return str(OmegaConf.select(config, "trainer.accelerator", default="auto")) in ("auto", "gpu", "cuda")


def per_run(config: DictConfig) -> int:
    """How many GPUs a run takes; ``auto`` is one where several runs share a machine."""
    devices: Any = OmegaConf.select(config, "trainer.devices", default="auto")
    if OmegaConf.is_list(devices):
        return len(devices)
    return devices if isinstance(devices, int) and devices > 0 else 1


def visible_gpus(environment: Mapping[str, str] = os.environ) -> list[str]:
    """The GPUs as CUDA_VISIBLE_DEVICES names them, by the driver: importing torch would take seconds."""
    if (given := environment.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [name.strip() for name in given.split(",") if name.strip() not in ("", "-1")]
    try:
        told = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return []
    return [str(number) for number, line in enumerate(_gpu_lines(told.stdout))]


def _gpu_lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("GPU ")]


def share(slot: int, *, at_once: int, gpus: Sequence[str], per_run: int, cores: int) -> dict[str, str]:
    """What the run in a slot finds in its environment.

    Args:
        slot: 0, 1, ... below `at_once`.
        at_once: How many runs there are at the same time.
        gpus: Of the machine; empty: runs share out its cores.
        per_run: GPUs of each run. More runs than there is room for share them in turn.
        cores: Of the machine.
    """
    if gpus:
        chosen = [gpus[(slot * per_run + place) % len(gpus)] for place in range(min(per_run, len(gpus)))]
        return {"CUDA_VISIBLE_DEVICES": ",".join(chosen)}
    return dict.fromkeys(_THREADS, str(max(1, cores // at_once)))


@contextmanager
def slot(folder: Path, *, at_once: int, poll: float = 0.2) -> Iterator[int]:
    """Take the first slot that no other run of the sweep holds, and wait for one if need be.

    A slot is a locked file, so that one whose holder was killed is free again.
    """
    try:
        import fcntl
    except ImportError:  # Windows: by chance
        yield os.getpid() % at_once
        return
    folder.mkdir(parents=True, exist_ok=True)
    while True:
        for number in range(at_once):
            with (folder / f"{number}.lock").open("a") as stream:
                try:
                    fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                yield number
                return
        time.sleep(poll)


def wait_until_free(folder: Path, *, at_once: int, seconds: float) -> None:
    """Give runs that were asked to stop the time for a checkpoint."""
    deadline = time.monotonic() + seconds
    for number in range(at_once):
        while held(folder / f"{number}.lock") and time.monotonic() < deadline:
            time.sleep(0.2)
