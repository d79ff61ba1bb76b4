"""Decisions that were made on the CPU, brought to where the pixels are."""

import torch
from torch import Tensor


def onto(device: torch.device, decided: Tensor) -> Tensor:
    """A small tensor on `device`; nobody waits for what the device still has to do.

    A plain ``.to`` waits, because its source might be changed before it was copied. CUDA takes what lies in
    ordinary memory into memory of its own before the call returns, so a change afterwards does no harm; page-
    locked memory it reads later, and no decision lies there.
    """
    assert not decided.is_pinned() if decided.is_cpu and device.type == "cuda" else True
    return decided.to(device, non_blocking=True)
