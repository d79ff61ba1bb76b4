"""A large photograph through a net on the CPU: how long it takes, and the most memory that it ever has.

    python benchmarks/upscale.py [megapixels] [model] [scale]

12 edsr_baseline 4 unless told otherwise. Weights are random, which changes neither. The program runs as a
process of its own, as it is typed.
"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import skimage.data
import torch
from hydra import compose, initialize_config_dir

from sr_experiments.config import register
from sr_experiments.imaging.io import image_size, write_png
from sr_experiments.paths import conf_dir
from sr_experiments.rebuild import build_net


def main(megapixels: float = 12, model: str = "edsr_baseline", scale: int = 4) -> None:
    """Print what the system says of the process when it has ended."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photo, weights = folder / "photo.png", folder / "weights.pth"
        _photograph(photo, megapixels)
        _weights(weights, model, scale)
        command = [sys.executable, "-m", "sr_experiments", "task=upscale", f"model={model}", f"scale={scale}"]
        command += [f"checkpoint={weights}", f"input={photo}", f"output={folder / 'out'}", "trainer=cpu"]
        command += [f"hydra.run.dir={folder / 'run'}"]
        started = time.perf_counter()
        subprocess.run(command, check=True)
        seconds = time.perf_counter() - started
        most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * (
            1 if sys.platform == "darwin" else 1024
        )
        (result,) = (folder / "out").glob("*.png")
        (height, width), (tall, wide) = image_size(photo), image_size(result)
        threads = torch.get_num_threads()
        print(f"{model} x{scale} of {width}x{height} pixels on the CPU, {threads} threads")
        print(f"result        {wide}x{tall}, {result.stat().st_size / 1e6:.0f} MB on disk")
        print(f"time          {seconds:.0f} s")
        print(f"peak memory   {most / 1e9:.2f} GB resident, all of the process")


def _photograph(path: Path, megapixels: float) -> None:
    """A real one, repeated in all four mirror images to 4:3."""
    side = skimage.data.astronaut()
    square = np.block([[[side], [side[:, ::-1]]], [[side[::-1]], [side[::-1, ::-1]]]])
    height = round((megapixels * 1e6 * 3 / 4) ** 0.5)
    width = round(height * 4 / 3)
    times = (-(-height // square.shape[0]), -(-width // square.shape[1]), 1)
    write_png(path, np.tile(square, times)[:height, :width])


def _weights(path: Path, model: str, scale: int) -> None:
    register()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        config = compose("config", overrides=["name=net", f"model={model}", f"scale={scale}"])
    torch.manual_seed(0)
    torch.save(build_net(config.net).state_dict(), path)


if __name__ == "__main__":
    given = sys.argv[1:]
    main(*[kind(value) for kind, value in zip((float, str, int), given, strict=False)])
