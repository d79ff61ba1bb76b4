"""On what was measured."""

import os
import platform
from pathlib import Path

import torch


def describe(device: torch.device) -> dict[str, str | int]:
    """What a reader of times has to know."""
    return {
        "device": _name(device),
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count() or 0,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def busy(*, turns: bool = True) -> str:
    """A warning where other work takes the processors; empty where none does, or nobody knows.

    Args:
        turns: Whether what is compared took turns.
    """
    try:
        load, cores = os.getloadavg()[0], os.cpu_count() or 1
    except OSError:
        return ""
    if load < 0.5 * cores:
        return ""
    return (
        f"a busy machine of {cores} cores (load {load:.1f} at the start): "
        "times are too long by an unknown factor" + "; ways took turns, so ratios hold better" * turns
    )


def _name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type != "cpu":
        return device.type
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    for line in lines:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
