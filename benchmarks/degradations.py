"""What it costs that every sample has decisions of its own.

    python benchmarks/degradations.py
    python benchmarks/degradations.py --device cuda --batch 48 --rounds 40

Two ways through Real-ESRGAN's second order, on the same crops: ours, where each sample has its own factors,
kernels, kinds of noise, qualities and order; and the usual way, where one factor, interpolation, kind of
noise and order is drawn for the batch, which then stays one tensor for torch's own operations. Kernels are
each sample's own in both, as are qualities. The sharpening, the blur and the codec are the same code.

A round is one batch of each, with new decisions: the usual way's time depends on the factors that it draws,
so means over the rounds are compared, not the best of them.
"""

import argparse
import math
import os
import time
from collections.abc import Callable, Sequence
from typing import cast

import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from torch import Tensor
from torch.nn import functional as F

from sr_experiments.config import register
from sr_experiments.data.demo import Demo
from sr_experiments.degradations.base import Degradation
from sr_experiments.degradations.blur import Blur
from sr_experiments.degradations.crops import Crops
from sr_experiments.degradations.jpeg import compress
from sr_experiments.degradations.quantise import to_8_bit
from sr_experiments.imaging.io import read_image, to_tensor
from sr_experiments.imaging.random import Draw
from sr_experiments.imaging.sharpen import usm_sharpen
from sr_experiments.paths import conf_dir

SCALE = 4
MODES = ("area", "bilinear", "bicubic")
KINDS = {
    "isotropic": 0.405,
    "anisotropic": 0.225,
    "generalized_isotropic": 0.108,
    "generalized_anisotropic": 0.027,
    "plateau_isotropic": 0.108,
    "plateau_anisotropic": 0.027,
    "sinc": 0.1,
}


def photographs(count: int, side: int) -> Tensor:
    """Crops of the embedded photographs."""
    images = [to_tensor(read_image(item.gt)) for item in Demo(names=["chelsea", "coffee", "rocket"]).items()]
    crops = []
    for number in range(count):
        image = images[number % len(images)]
        top, left = (37 * number % (length - side + 1) for length in image.shape[-2:])
        crops.append(image[:, top : top + side, left : left + side])
    return torch.stack(crops)


def ours() -> Degradation:
    """The chain of `degradation=real_esrgan`."""
    register()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        config = compose("config", overrides=["degradation=real_esrgan", f"scale={SCALE}", "name=benchmark"])
    return cast(Degradation, instantiate(config.degradation, _convert_="all"))


class PerBatch:
    """The usual way."""

    def __init__(self, seed: int) -> None:
        """Start its generator."""
        self.random = torch.Generator().manual_seed(seed)
        self.blurs = [
            Blur(kernel_size=(7, 21), kinds=KINDS, sigma=sigma, cutoff_large=(math.pi / 5, math.pi))
            for sigma in ((0.2, 3.0), (0.2, 1.5))
        ]
        self.ringing = Blur(kernel_size=(7, 21), kinds={"sinc": 1})
        self.round = 0

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """One number for the batch."""
        return low + float(torch.rand((), generator=self.random)) * (high - low)

    def resize(self, image: Tensor, size: tuple[int, int]) -> Tensor:
        """One interpolation for the batch."""
        mode = MODES[int(torch.randint(len(MODES), (), generator=self.random))]
        return F.interpolate(image, size=size, mode=mode)

    def factor(self, shares: Sequence[float], up: float, down: float) -> float:
        """One factor for the batch."""
        place = self.uniform()
        if place < shares[0]:
            return self.uniform(1.0, up)
        return self.uniform(down, 1.0) if place < shares[0] + shares[1] else 1.0

    def noise(self, image: Tensor, sigma: float, strength: float) -> Tensor:
        """One kind for the batch, a strength for each image."""
        count = len(image)
        if self.uniform() < 0.5:
            sigmas = (1 + torch.rand(count, 1, 1, 1, generator=self.random) * (sigma - 1)).to(image.device)
            noise = torch.randn_like(image) * sigmas / 255
        else:
            levels = (image.clamp(0, 1) * 255).round() / 255
            white = torch.stack(
                [2 ** torch.log2(torch.tensor(float(len(one.unique())))).ceil() for one in levels]
            )
            white = white.view(-1, 1, 1, 1).to(image.device)
            strengths = (0.05 + torch.rand(count, 1, 1, 1, generator=self.random) * (strength - 0.05)).to(
                image.device
            )
            noise = (torch.poisson(levels * white) / white - levels) * strengths
        grey = (torch.rand(count, 1, 1, 1, generator=self.random) < 0.4).to(image.device)
        return (image + torch.where(grey, noise[:, :1], noise)).clamp(0, 1)

    def jpeg(self, image: Tensor) -> Tensor:
        """A quality for each image."""
        quality = torch.randint(30, 96, (len(image),), generator=self.random)
        return compress(Crops.of(image), quality=quality).tensor()

    def blur(self, image: Tensor, by: Blur) -> Tensor:
        """A kernel for each image."""
        self.round += 1
        draw = Draw(self.round, torch.arange(len(image)))
        return by.spoil(Crops.of(image), draw).tensor()

    @torch.no_grad()
    def __call__(self, gt: Tensor) -> Tensor:
        """The chain."""
        height, width = gt.shape[-2:]
        small = (height // SCALE, width // SCALE)
        image = self.blur(usm_sharpen(gt), self.blurs[0])
        factor = self.factor((0.2, 0.7), 1.5, 0.15)
        image = self.resize(image, (int(height * factor), int(width * factor)))
        image = self.jpeg(self.noise(image, 30, 3))
        if self.uniform() < 0.8:
            image = self.blur(image, self.blurs[1])
        factor = self.factor((0.3, 0.4), 1.2, 0.3) / SCALE
        image = self.noise(self.resize(image, (int(height * factor), int(width * factor))), 25, 2.5)
        if self.uniform() < 0.5:
            image = self.jpeg(self.blur(self.resize(image, small), self.ringing))
        else:
            image = self.blur(self.resize(self.jpeg(image), small), self.ringing)
        return to_8_bit(image)


def mean_times(
    functions: Sequence[Callable[[], object]], *, rounds: int, device: torch.device
) -> list[float]:
    """The mean time of each function in seconds; they take turns, after one call that is not counted."""

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    for function in functions:
        function()
    total = [0.0] * len(functions)
    for _ in range(rounds):
        for number, function in enumerate(functions):
            wait()
            start = time.perf_counter()
            function()
            wait()
            total[number] += time.perf_counter() - start
    return [seconds / rounds for seconds in total]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Time degradations drawn per sample beside per-batch ones.")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args(arguments)
    if min(options.rounds, options.threads, options.batch) < 1 or not 32 <= options.side <= 300:
        parser.error("--rounds, --threads and --batch must be at least 1, --side from 32 to 300")
    before = torch.get_num_threads()
    torch.set_num_threads(options.threads)
    gt = photographs(options.batch, options.side).to(options.device)
    chain, usual = ours(), PerBatch(0)
    positions = iter(range(0, 10**9, options.batch))

    def per_sample() -> Tensor:
        first = next(positions)
        spoilt: Tensor = chain(gt, seed=0, positions=torch.arange(first, first + options.batch))
        return spoilt

    mine, theirs = mean_times([per_sample, lambda: usual(gt)], rounds=options.rounds, device=options.device)
    print(
        f"real_esrgan on {options.batch} crops of {options.side}, {options.device}, {options.threads} of "
        f"{os.cpu_count()} threads, mean of {options.rounds} rounds\n\n"
        "| per sample, ms | per batch, ms | per sample / per batch |\n|---|---|---|\n"
        f"| {1000 * mine:.0f} | {1000 * theirs:.0f} | {mine / theirs:.2f} |"
    )
    torch.set_num_threads(before)


if __name__ == "__main__":
    main()
