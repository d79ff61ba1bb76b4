"""Whether a net is trained through torch.compile, and into CUDA graphs or not."""

from collections.abc import Mapping
from typing import Any

import torch
from omegaconf import DictConfig, ListConfig

from sr_experiments.config import GRAPHS
from sr_experiments.profiling.clock import milliseconds

Mode = bool | str
"""False: not compiled; True: torch.compile; `GRAPHS`: the same, and its kernels recorded into CUDA graphs."""

GAIN = 0.03
"""Less than that is within what times differ by, and changes nothing."""
WORDS: Mapping[Mode, str] = {False: "not compiled", True: "compiled", GRAPHS: "compiled into CUDA graphs"}


def expected(layers: int) -> float:
    """Seconds that compiling a net takes, forward and backward, about; known only when it is done."""
    return 30.0 + layers


def modes(config: DictConfig, device: torch.device) -> list[Mode]:
    """What is worth a trial: graphs on one GPU only, and where a batch has a step of its own."""
    trainer, devices = config.trainer, config.trainer.devices
    several = torch.cuda.device_count() > 1 if devices == "auto" else devices != 1
    if isinstance(devices, ListConfig):
        several = len(devices) > 1
    sums = int(trainer.get("accumulate_grad_batches") or 1) > 1
    return [True] if device.type != "cuda" or several or sums else [True, GRAPHS]


def refuse_graphs(config: DictConfig, device: torch.device) -> None:
    """Of a run that asks for them.

    Raises:
        ValueError: If it does not train on a CUDA GPU.
    """
    if config.get("compile") == GRAPHS and device.type != "cuda":
        raise ValueError(
            f"compile={GRAPHS} records CUDA graphs, and this run trains on {device.type}; compile=true"
        )


def best_mode(found: Mapping[Mode, Mapping[str, Any]], *, left: float) -> tuple[Mode, str]:
    """The mode that pays, and why.

    Graphs also where they are no quicker: a trial has the processor for itself, and in a run it has other
    things to launch, for which they leave it time.

    Args:
        found: What a trial of each told.
        left: Seconds that the run takes without compiling.
    """
    told: list[str] = []
    chosen: Mode = False
    for mode, one in found.items():
        paid, words = pays(one, left=left)
        told.append(f"{WORDS[mode]}: {words}" if len(found) > 1 else words)
        if not paid:
            continue
        if chosen is False or numbers(one)["compiled"] <= (1 + GAIN) * numbers(found[chosen])["compiled"]:
            chosen = mode
    return chosen, "; ".join(told)


def pays(found: Mapping[str, Any], *, left: float) -> tuple[bool, str]:
    """Whether compiling does, and why.

    Args:
        found: What a trial of it told.
        left: Seconds that the run takes without it.
    """
    known = numbers(found)
    if not {"warm_up", "compiled", "eager"} <= known.keys():
        return False, f"compiling failed ({found.get('failed', 'nobody knows why')})"
    warm_up, compiled, eager = (known[key] for key in ("warm_up", "compiled", "eager"))
    gained = left * (1 - compiled / eager)
    words = (
        f"compiling takes {warm_up:.0f} s, and a step {milliseconds(compiled)} in place of "
        f"{milliseconds(eager)}"
    )
    return gained > max(warm_up, GAIN * left), words


def numbers(found: Mapping[str, Any]) -> dict[str, float]:
    """What was measured; why something was not is left out."""
    return {
        name: float(value) for name, value in found.items() if isinstance(value, int | float) and value > 0
    }
