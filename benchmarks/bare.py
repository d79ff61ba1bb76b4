"""Training loops as one writes them by hand, for benchmarks/step.py: each `next` is a step.

They have what any loop has to do, on batches that lie ready on the device: no loader, no augmentation, no
schedule, no logging, no look at gradients, no checkpoint, nothing that can be configured.
"""

import copy
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sr_experiments.models.compiled import compiled


class How(NamedTuple):
    """What may make a loop faster."""

    channels_last: bool = False
    bfloat16: bool = False
    compiled: bool = False
    fused: bool = False
    graphs: bool = False

    @property
    def mode(self) -> str | None:
        """torch.compile's: whether kernels are recorded into CUDA graphs."""
        return "reduce-overhead" if self.graphs else None

    def __str__(self) -> str:
        """Of the parts that are on."""
        return " + ".join(name for name, on in self._asdict().items() if on) or "eager float32"


def restoration(
    net: nn.Module, batches: Sequence[dict[str, Tensor]], *, how: How, ema: float
) -> Iterator[None]:
    """L1, Adam, and a moving average of the weights."""
    net.to(memory_format=torch.channels_last if how.channels_last else torch.preserve_format)
    average = copy.deepcopy(net)
    run: Any = compiled(net, mode=how.mode) if how.compiled else net
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-4, fused=how.fused or None)
    kind = batches[0]["lq"].device.type
    while True:
        for batch in batches:
            optimizer.zero_grad()
            with torch.autocast(kind, torch.bfloat16, enabled=how.bfloat16):
                sr = run(batch["lq"])
            loss = F.l1_loss(sr.float(), batch["gt"])
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            with torch.no_grad():
                torch._foreach_lerp_(list(average.parameters()), list(net.parameters()), 1 - ema)
            yield


def adversarial(
    net: nn.Module, judge: Any, batches: Sequence[dict[str, Tensor]], *, how: How, ema: float, weight: float
) -> Iterator[None]:
    """The same with a discriminator: L1 + weight x -log D(sr), against -log D(gt) - log(1 - D(sr))."""
    for module in (net, judge):
        module.to(memory_format=torch.channels_last if how.channels_last else torch.preserve_format)
    average = copy.deepcopy(net)
    run, say = (compiled(m, mode=how.mode) if how.compiled else m for m in (net, judge))
    movers = [torch.optim.Adam(m.parameters(), lr=1e-4, fused=how.fused or None) for m in (net, judge)]
    kind = batches[0]["lq"].device.type
    while True:
        for batch in batches:
            for optimizer in movers:
                optimizer.zero_grad()
            judge.iterate_power_method()  # of spectral normalisation
            with torch.autocast(kind, torch.bfloat16, enabled=how.bfloat16):
                judge.requires_grad_(False)
                sr = run(batch["lq"])
                fooled = say(sr).logits[0].float()
                judge.requires_grad_(True)
            loss = F.l1_loss(sr.float(), batch["gt"]) + weight * F.softplus(-fooled).mean()
            loss.backward()  # type: ignore[no-untyped-call]
            with torch.autocast(kind, torch.bfloat16, enabled=how.bfloat16):
                real, made = say(batch["gt"]).logits[0].float(), say(sr.detach()).logits[0].float()
            told = F.softplus(-real).mean() + F.softplus(made).mean()
            told.backward()  # type: ignore[no-untyped-call]
            for optimizer in movers:
                optimizer.step()
            with torch.no_grad():
                torch._foreach_lerp_(list(average.parameters()), list(net.parameters()), 1 - ema)
            yield
