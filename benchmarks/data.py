"""How many training pairs a second are read, beside the way that decodes a PNG for every crop.

    python benchmarks/data.py
    python benchmarks/data.py --workers 4 --patch 256

Three ways, with the same loader and number of workers, to pairs of crops (gt and its x4 small one):

- ours: `data.cache=disk`, decoded once into a mapped file. What the loader hands over is integers; mirroring
  and turning them and making floats of them is the device's work. A second row has that done by the
  loader's workers, as the other ways do it;
- whole: both PNG files are decoded for every sample, cropped, flipped, made a tensor and put together, as
  BasicSR's data set does without preparation;
- sub-images: the same from tiles of 480 pixels that were cut out and written beforehand.

The images are the embedded photographs, mirrored side by side until they measure 1200 pixels and more, each
in two orientations. The ways take turns; the time to build our file is printed apart.
"""

import argparse
import logging
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from sr_experiments.data.datamodule import SRData
from sr_experiments.data.dataset import TrainSet
from sr_experiments.data.demo import Demo
from sr_experiments.data.loader import StreamLoader
from sr_experiments.data.sampler import PositionSampler
from sr_experiments.degradations.bicubic import Bicubic
from sr_experiments.imaging.io import read_image, write_png
from sr_experiments.imaging.resize import imresize_uint8

SCALE = 4
SIDE = 1200
SUB = 480


def write_images(folder: Path) -> None:
    """Photographs of SIDE x SIDE and more, their small ones, and sub-images of both."""
    for item in Demo(names=["astronaut", "chelsea", "coffee", "rocket", "immunohistochemistry"]).items():
        image = read_image(item.gt)
        missing = [max(0, SIDE - length) for length in image.shape[:2]]
        image = np.pad(image, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="symmetric")
        image = image[: image.shape[0] // SCALE * SCALE, : image.shape[1] // SCALE * SCALE]
        for quarters in range(2):
            _write_pair(folder / "whole", f"{item.name}_{quarters}", np.rot90(image, quarters))
        for top in range(0, image.shape[0] - SUB + 1, SUB // 2):
            for left in range(0, image.shape[1] - SUB + 1, SUB // 2):
                tile = image[top : top + SUB, left : left + SUB]
                _write_pair(folder / "sub", f"{item.name}_{top}_{left}", tile)


def _write_pair(folder: Path, name: str, image: np.ndarray) -> None:
    planes = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)
    small = imresize_uint8(planes, scale=1 / SCALE).permute(1, 2, 0).numpy()
    for kind, pixels in (("gt", image), ("lq", small)):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        write_png(folder / kind / f"{name}.png", np.ascontiguousarray(pixels))


class Decoding(Dataset[dict[str, Tensor]]):
    """Two PNG files for every sample."""

    def __init__(self, folder: Path, *, patch: int, length: int) -> None:
        """List the files."""
        self.names = sorted(path.name for path in (folder / "gt").iterdir())
        self.folder, self.patch, self.length = folder, patch, length

    def __len__(self) -> int:
        """Samples of an epoch."""
        return self.length

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """One pair, float in [0, 1]."""
        random = np.random.default_rng(index)
        name = self.names[random.integers(len(self.names))]
        gt, lq = (read_image(self.folder / kind / name) for kind in ("gt", "lq"))
        side = self.patch // SCALE
        top, left = (int(random.integers(length - side + 1)) for length in lq.shape[:2])
        lq = lq[top : top + side, left : left + side]
        gt = gt[top * SCALE : top * SCALE + self.patch, left * SCALE : left * SCALE + self.patch]
        if random.random() < 0.5:
            gt, lq = gt[:, ::-1], lq[:, ::-1]
        if random.random() < 0.5:
            gt, lq = gt.transpose(1, 0, 2), lq.transpose(1, 0, 2)
        return {
            key: torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1), dtype=np.float32) / 255)
            for key, image in (("gt", gt), ("lq", lq))
        }


class Finished(TrainSet):
    """Batches with what the device does to them."""

    def __init__(self, data: SRData) -> None:
        """The images of a data module."""
        dataset = data.train_dataloader().dataset
        assert isinstance(dataset, TrainSet)
        super().__init__(dataset.plan, dataset.images)
        self.data = data

    def __getitems__(self, positions: Sequence[int]) -> dict[str, Any]:
        """Floats in [0, 1], mirrored and turned."""
        batch = super().__getitems__(positions)
        return self.data.finish(batch, batch["position"])


def samples_per_second(loader: Any, *, batches: int, warm_up: int) -> float:
    """Of a loader that has at least warm_up + batches."""
    stream: Iterator[dict[str, Tensor]] = iter(loader)
    for _ in range(warm_up):
        next(stream)
    start = time.perf_counter()
    count = sum(len(next(stream)["gt"]) for _ in range(batches))
    return count / (time.perf_counter() - start)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Time reading training pairs.")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--patch", type=int, default=192)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--batches", type=int, default=20, help="of the slow ways; ours gets 20 times as many"
    )
    options = parser.parse_args(arguments)
    if min(options.patch, options.batch, options.rounds, options.batches) < 1 or options.patch % SCALE:
        parser.error(f"all must be at least 1, and --patch a multiple of {SCALE}")
    logging.disable(logging.INFO)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_images(folder)
        many = 20 * options.batches
        data = SRData(
            gt=str(folder / "whole" / "gt"),
            lq=str(folder / "whole" / "lq"),
            held_out=1,
            degradation=Bicubic(scale=SCALE),
            name="benchmark",
            scale=SCALE,
            patch_size=options.patch,
            batch_size=options.batch,
            steps_per_epoch=many + 5,
            workers=options.workers,
            cache="disk",
            cache_dir=str(folder / "cache"),
        )
        start = time.perf_counter()
        data.setup("fit")
        built = time.perf_counter() - start
        best = {"ours": 0.0, "ready": 0.0, "whole": 0.0, "sub": 0.0}
        for _ in range(options.rounds):
            ours = data.train_dataloader()
            ready = StreamLoader(
                Finished(data),
                sampler=PositionSampler(batch_size=options.batch, batches=many + 5, start=int),
                workers=options.workers,
                threads=True,
                pin_memory=False,
            )
            for way, fast in (("ours", ours), ("ready", ready)):
                best[way] = max(best[way], samples_per_second(fast, batches=many, warm_up=5))
            for way in ("whole", "sub"):
                decoding = Decoding(
                    folder / way, patch=options.patch, length=options.batch * (options.batches + 5)
                )
                loader = DataLoader(decoding, batch_size=options.batch, num_workers=options.workers)
                speed = samples_per_second(loader, batches=options.batches, warm_up=2)
                best[way] = max(best[way], speed)
    print(
        f"pairs of crops of {options.patch} at x{SCALE}, {options.workers} workers, {os.cpu_count()} cores, "
        f"best of {options.rounds} rounds; our file was built in {built:.1f} s\n\n"
        "| way | samples/s | ours is faster | ours, made ready, is faster |\n|---|---|---|---|\n"
        f"| ours, a mapped file | {best['ours']:.0f} | | |\n"
        f"| ours, made ready: mirrored, turned and made floats | {best['ready']:.0f} | | |\n"
        + "".join(
            f"| {words} | {best[way]:.1f} | {best['ours'] / best[way]:.0f} times "
            f"| {best['ready'] / best[way]:.0f} times |\n"
            for way, words in (("whole", "decoding whole PNGs"), ("sub", f"decoding sub-images of {SUB}"))
        ),
        end="",
    )
    logging.disable(logging.NOTSET)


if __name__ == "__main__":
    main()
