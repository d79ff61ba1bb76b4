"""What `growth.py` times in its own process, at n, 2n, 4n and 8n, which take turns."""

import logging
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import growing
import torch

from sr_experiments.data.datamodule import SRData
from sr_experiments.data.loader import StreamLoader
from sr_experiments.degradations.bicubic import Bicubic
from sr_experiments.metrics.protocol import image_metrics
from sr_experiments.nets.srvgg import SRVGG
from sr_experiments.profiling.clock import Times, take_turns

SCALE = 4
STEPS = (1, 2, 4, 8)
SECONDS = 40.0  # no further round begins after these


@dataclass(frozen=True)
class Counted:
    """What grows, and seconds by its size."""

    name: str
    times: dict[int, Times]
    per: str


def _timed(calls: dict[int, Callable[[], object]], *, rounds: int) -> dict[int, Times]:
    named = {str(size): call for size, call in calls.items()}
    times = take_turns(named, rounds=rounds, seconds=SECONDS)
    return {int(size): one for size, one in times.items()}


@contextmanager
def _images() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as place:
        growing.write_images(Path(place) / "images", count=64, side=256)
        yield Path(place)


def _count(loader: StreamLoader) -> int:
    return sum(1 for _ in loader)


def workers(*, small: bool, rounds: int) -> Counted:
    """Batches of decoded images, read ahead by more and more threads: more than cores do not help."""
    logging.disable(logging.INFO)
    batches = 4 if small else 200
    calls: dict[int, Callable[[], object]] = {}
    with _images() as place:
        for count in STEPS:
            data = SRData(
                root=str(place / "images"),
                degradation=Bicubic(scale=SCALE),
                name="growth",
                scale=SCALE,
                patch_size=96,
                steps_per_epoch=batches,
                workers=count,
                cache="memory",
            )
            data.setup("fit")
            calls[count] = partial(_count, data.train_dataloader())
        times = _timed(calls, rounds=rounds)
    logging.disable(logging.NOTSET)
    return Counted(f"workers, {batches} batches of 16", times, f"{batches} batches")


def _step(batch: int, side: int) -> Callable[[], object]:
    torch.manual_seed(0)
    net = SRVGG(scale=SCALE, features=32, convolutions=8)
    optimizer = torch.optim.Adam(net.parameters())
    lq, gt = torch.rand(batch, 3, side // SCALE, side // SCALE), torch.rand(batch, 3, side, side)

    def step() -> None:
        optimizer.zero_grad()
        loss = (net(lq) - gt).abs().mean()
        loss.backward()
        optimizer.step()

    return step


def batch(*, small: bool, rounds: int) -> Counted:
    """A step with more and more samples."""
    least = 1 if small else 8
    calls = {least * step: _step(least * step, 96) for step in STEPS}
    return Counted("samples of a batch", _timed(calls, rounds=rounds), "a step")


def patch(*, small: bool, rounds: int) -> Counted:
    """A step with larger and larger crops; pixels of a crop double."""
    least = 48 if small else 96
    sides = [round(least * factor / SCALE) * SCALE for factor in (1, 2**0.5, 2, 8**0.5)]
    calls = {side * side: _step(1 if small else 8, side) for side in sides}
    return Counted("pixels of a crop", _timed(calls, rounds=rounds), "a step")


def image(*, small: bool, rounds: int) -> Counted:
    """A whole image restored and measured."""
    net = SRVGG(scale=SCALE, features=32, convolutions=8).eval()
    least = 64 if small else 256

    def restored(height: int, width: int) -> Callable[[], object]:
        gt = torch.rand(1, 3, height, width)
        lq = torch.rand(1, 3, height // SCALE, width // SCALE)

        def measure() -> object:
            with torch.inference_mode():
                return image_metrics(net(lq), gt, scale=SCALE)

        return measure

    sizes = [(least, least), (least, 2 * least), (2 * least, 2 * least), (2 * least, 4 * least)]
    calls = {height * width: restored(height, width) for height, width in sizes}
    return Counted("pixels of an image", _timed(calls, rounds=rounds), "an image")


KINDS: dict[str, Callable[..., Counted]] = {
    "workers": workers,
    "batch": batch,
    "patch": patch,
    "image": image,
}
