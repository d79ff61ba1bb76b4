"""A few steps of the real net on a batch of the real size, in several ways that take turns."""

import copy
import logging
import math
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from sr_experiments.config import GRAPHS
from sr_experiments.models.base import count_parameters
from sr_experiments.models.compiled import compiled, layers_to_compile
from sr_experiments.models.layout import lay_out
from sr_experiments.models.recompute import recompute
from sr_experiments.nets.base import EnlargedNet, SRNet
from sr_experiments.profiling.clock import take_turns
from sr_experiments.profiling.machine import describe
from sr_experiments.rebuild import build_net

_ROUNDS, _SECONDS = 15, 2.0  # of all ways together, about; three rounds in any case
_HALF = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


class Way(NamedTuple):
    """Of training a net."""

    precision: str
    memory_format: str

    def __str__(self) -> str:
        """As it is told."""
        return f"{self.precision} {self.memory_format}"


class Trial:
    """The net of a config, and a batch.

    Args:
        config: Of the run.
        device: That it trains on.
        benchmark: Whether cuDNN may try its algorithms.
    """

    def __init__(self, config: DictConfig, *, device: torch.device, benchmark: bool) -> None:
        """Build the net, with weights that are of no account."""
        self.device, self.benchmark = device, benchmark
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.net = build_net(config.net)
            self._inputs, self._options = _batch(config, self.net)
        self._refines = bool(config.data.get("scales"))
        self.recomputes = bool(config.get("activation_checkpointing", False))
        self._described = {
            **describe(device),
            "net": OmegaConf.to_container(config.net, resolve=True),
            "batch": [list(one.shape) for one in self._inputs],
            "activation_checkpointing": self.recomputes,
            "cudnn_benchmark": benchmark,
        }

    @property
    def trains(self) -> bool:
        """Whether there is anything to train."""
        return count_parameters(self.net) > 0

    @property
    def layers(self) -> int:
        """That a compiler would have to look at."""
        return layers_to_compile(self.net)

    def described(self, ways: Sequence[Way]) -> dict[str, Any]:
        """What the times depend on: the same again is not measured again."""
        return self._described | {"ways": [str(way) for way in ways]}

    def seconds(self, ways: Sequence[Way]) -> dict[str, float | str]:
        """Of a step forward and backward, the median; in place of it why there is none."""
        steps: dict[str, Callable[[], None]] = {}
        found: dict[str, float | str] = {}
        for way in ways:
            try:
                step = self._step(way)
                step()
                steps[str(way)] = step
            except Exception as error:  # whatever a layout or a precision makes a net raise is the reason
                found[str(way)] = _first_line(error)
        return found | self._timed(steps)

    def compiled(self, way: Way, *, beside: Way, graphs: bool = False) -> dict[str, float | str]:
        """How long compiling takes (`warm_up`), and seconds of a step `compiled` and `eager`; or `failed`.

        Args:
            way: That is compiled.
            beside: The best one without.
            graphs: Whether its kernels are recorded into CUDA graphs.
        """
        logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # of GPUs that are not there
        step = self._step(way, compiles=True, graphs=graphs)
        began = time.perf_counter()
        try:
            step()
            self._wait()
        except Exception as error:  # no compiler, or a net that it does not take
            return {"failed": _first_line(error)}
        warm_up = time.perf_counter() - began
        times = self._timed({"compiled": step, "eager": self._step(beside)})
        torch.compiler.reset()
        return {"warm_up": warm_up - times["compiled"], **times}

    def _step(self, way: Way, *, compiles: bool = False, graphs: bool = False) -> Callable[[], None]:
        net = copy.deepcopy(self.net).to(self.device).train()
        lay_out(net, way.memory_format)
        if self.recomputes:
            recompute(net)
        dtype = torch.float64 if way.precision == "64-true" else torch.float32
        net = net.to(dtype)
        inputs = [one.to(self.device, dtype) for one in self._inputs]
        options = {name: one.to(self.device) for name, one in self._options.items()}
        run: Callable[..., Tensor] = net
        if compiles:
            run = compiled(net, mode=GRAPHS if graphs else None)
        elif self._refines and isinstance(net, EnlargedNet):
            run = net.refine
        half = _HALF.get(way.precision)

        def step() -> None:
            net.zero_grad()
            cudnn = torch.backends.cudnn
            with cudnn.flags(
                enabled=cudnn.enabled,
                benchmark=self.benchmark,
                deterministic=cudnn.deterministic,
                allow_tf32=cudnn.allow_tf32,
            ):
                with torch.autocast(self.device.type, dtype=half, enabled=half is not None):
                    sr = run(*inputs, **options)
                torch.autograd.backward(sr.float().square().mean())

        return step

    def _timed(self, steps: dict[str, Callable[[], None]]) -> dict[str, float]:
        times = take_turns(steps, rounds=_ROUNDS, seconds=_SECONDS, wait=self._wait)
        return {name: one.median for name, one in times.items()}

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def _batch(config: DictConfig, net: SRNet) -> tuple[list[Tensor], dict[str, Tensor]]:
    """Images that the net gets in a step, and what it gets beside them by name."""
    batch, patch = int(config.data.batch_size), int(config.data.patch_size)
    if config.data.get("scales"):
        return [torch.rand(batch, net.in_channels, patch, patch)], {}
    side = math.ceil(max(patch // net.scale, net.minimum) / net.multiple_of) * net.multiple_of
    images = [torch.rand(batch, net.in_channels, side, side)]
    if net.guide_channels:
        images.append(torch.rand(batch, net.guide_channels, side * net.scale, side * net.scale))
    return images, {"position": torch.arange(batch)} if net.takes_position else {}


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else ''}"[:200]
