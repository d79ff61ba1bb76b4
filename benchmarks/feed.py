"""Whether training waits for its data: one batch repeated, beside batches that are read and spoilt anew.

    python benchmarks/feed.py --device cuda --batch 16 --patch 256 --steps 60
    python benchmarks/feed.py --net "{_target_: sr_experiments.nets.espcn.ESPCN, scale: 4}" --steps 6

A training step (forward, L1, backward, Adam, bf16 where the device is good at it) of RRDBNet at x4, or of
another net, and `degradation=real_esrgan` on embedded photographs, in one run:

- repeated: the same batch every time, already on the device;
- fed: batches from the loader, copied, cropped, turned and spoilt as a run has them;
- the chain by itself, on a batch that is on the device.

Rounds of both take turns, and the best of each is compared.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from typing import cast

import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import Tensor, nn

from sr_experiments.config import register
from sr_experiments.data.datamodule import SRData
from sr_experiments.devices import choose_precision
from sr_experiments.paths import conf_dir

RRDBNET = "{_target_: sr_experiments.nets.rrdbnet.RRDBNet, scale: 4}"


class Step:
    """One step of training after another."""

    def __init__(self, net: nn.Module, device: torch.device) -> None:
        """Take the net to the device."""
        self.net = net.to(device)
        self.device = device
        self.optimizer = torch.optim.Adam(net.parameters(), lr=1e-4)
        self.mixed = choose_precision("auto", device=device) == "bf16-mixed"

    def __call__(self, batch: dict[str, Tensor]) -> None:
        """Train on a batch."""
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.mixed):
            loss = (self.net(batch["lq"]) - batch["gt"]).abs().mean()
        loss.backward()
        self.optimizer.step()


def opened(options: argparse.Namespace) -> SRData:
    """The data of a run."""
    register()
    overrides = [
        "degradation=real_esrgan",
        "scale=4",
        "name=benchmark",
        f"data.batch_size={options.batch}",
        f"data.patch_size={options.patch}",
        f"data.workers={options.workers}",
        f"data.steps_per_epoch={(options.steps + 2) * options.rounds + 2}",
        f"data.cache={options.cache}",
    ]
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        config = compose("config", overrides=overrides)
    data = cast(SRData, instantiate(config.data))
    data.setup("fit")
    return data


def on_device(data: SRData, device: torch.device) -> Iterator[dict[str, Tensor]]:
    """Batches as a run has them."""
    for batch in data.train_dataloader():
        if device.type == "cuda":
            batch = {key: value.pin_memory() for key, value in batch.items()}
        yield data.on_after_batch_transfer(data.transfer_batch_to_device(batch, device, 0), 0)


def seconds(work: Callable[[], object], *, steps: int, device: torch.device) -> float:
    """Of each of some steps, in the mean, after two that are not counted."""
    start = 0.0
    for number in range(steps + 2):
        if number == 2:
            wait(device)
            start = time.perf_counter()
        work()
    wait(device)
    return (time.perf_counter() - start) / steps


def wait(device: torch.device) -> None:
    """Until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Time training beside training on one batch.")
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    parser.add_argument("--net", default=RRDBNET, help="a _target_ with its arguments, as YAML")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--patch", type=int, default=256)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--cache", default="memory", choices=("memory", "device"))
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments)
    if min(options.batch, options.steps, options.rounds) < 1 or not 16 <= options.patch <= 400:
        parser.error("--batch, --steps and --rounds must be at least 1, --patch from 16 to 400")
    device = options.device
    step = Step(instantiate(OmegaConf.create(options.net)), device)
    data = opened(options)
    stream = on_device(data, device)
    one = next(stream)
    positions = torch.arange(options.batch)

    def spoil() -> Tensor:
        return cast(Tensor, data.degradation(one["gt"], seed=0, positions=positions))

    works: dict[str, Callable[[], object]] = {
        "repeated": lambda: step(one),
        "fed": lambda: step(next(stream)),
        "chain": spoil,
    }
    best = dict.fromkeys(works, float("inf"))
    for _ in range(options.rounds):
        for name, work in works.items():
            best[name] = min(best[name], seconds(work, steps=options.steps, device=device))
    name = (
        torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} threads"
    )
    print(
        f"real_esrgan on {options.batch} crops of {options.patch}, {type(step.net).__name__}, "
        f"{'bf16' if step.mixed else 'float32'}, {device}, {name}\n\n"
        "| repeated, ms | fed, ms | speed kept | chain, ms | of a step |\n|---|---|---|---|---|\n"
        f"| {best['repeated'] * 1e3:.1f} | {best['fed'] * 1e3:.1f} | {best['repeated'] / best['fed']:.1%} "
        f"| {best['chain'] * 1e3:.1f} | {best['chain'] / best['repeated']:.1%} |"
    )


if __name__ == "__main__":
    main()
