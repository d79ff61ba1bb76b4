"""How fast PSNR and SSIM are, beside the usual ways to compute them in numpy's float64.

    python benchmarks/metrics.py
    python benchmarks/metrics.py --side 1024 --threads 1

An RGB image and its restoration are measured by the protocol `rgb`: `psnr_y`, `ssim_y`, `psnr_rgb` and
`ssim_rgb` (SR rounded to 8 bit, `scale` pixels cut off each side). The numpy ways take one channel at a time
and differ in how they sum over SSIM's 11x11 Gaussian window:

- convolve2d: `scipy.signal.convolve2d(mode="valid")`, as MATLAB's `ssim_index.m` is usually translated;
- correlate: `scipy.ndimage.correlate` with the two-dimensional window, cropped, as with OpenCV's `filter2D`;
- fft: `scipy.signal.fftconvolve(mode="valid")`;
- separable: `scipy.ndimage.correlate1d` along both axes, cropped: the fastest that we could write;
- skimage: `structural_similarity` with its Gaussian weights, which sums the same way.

They round halves to the even level, ours up, as files of MATLAB's are: a pixel in a million is another one.
All take turns; a turn is five images, as many as Set5 has, one after the other. The image is the embedded
photograph of an astronaut (512x512), cut or mirrored to `--side`; what is measured is its bicubic enlargement
from a quarter of the size.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from scipy import ndimage, signal
from skimage.metrics import structural_similarity
from torch import Tensor
from written import where, write

from sr_experiments.data.demo import Demo
from sr_experiments.imaging.io import read_image, to_tensor
from sr_experiments.imaging.resize import imresize
from sr_experiments.metrics.protocol import image_metrics
from sr_experiments.profiling.clock import Times, take_turns

SCALE = 4
IMAGES = 5  # of a turn
Plane = np.ndarray
Mean = Callable[[Plane], Plane]

_GRID = np.arange(11) - 5
LINE = np.exp(-(_GRID**2) / (2 * 1.5**2))
LINE /= LINE.sum()
WINDOW = np.outer(LINE, LINE)


def convolve2d(plane: Plane) -> Plane:
    """All 121 weights at each position."""
    result: Plane = signal.convolve2d(plane, WINDOW, mode="valid")
    return result


def correlate(plane: Plane) -> Plane:
    """The same, over the border as well, which is then cut off."""
    result: Plane = ndimage.correlate(plane, WINDOW)[5:-5, 5:-5]
    return result


def fft(plane: Plane) -> Plane:
    """By the convolution theorem."""
    result: Plane = signal.fftconvolve(plane, WINDOW, mode="valid")
    return result


def separable(plane: Plane) -> Plane:
    """Rows, then columns: 22 weights."""
    once = ndimage.correlate1d(plane, LINE, axis=0)[5:-5]
    result: Plane = ndimage.correlate1d(once, LINE, axis=1)[:, 5:-5]
    return result


def wang(x: Plane, y: Plane, mean: Mean) -> float:
    """SSIM of one channel of 0 to 255, as Wang's `ssim_index.m` has it."""
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mean_x, mean_y = mean(x), mean(y)
    xx, yy, xy = mean_x * mean_x, mean_y * mean_y, mean_x * mean_y
    variance_x, variance_y, covariance = mean(x * x) - xx, mean(y * y) - yy, mean(x * y) - xy
    above = (2 * xy + c1) * (2 * covariance + c2)
    return float(np.mean(above / ((xx + yy + c1) * (variance_x + variance_y + c2))))


def skimage(x: Plane, y: Plane) -> float:
    """As its documentation says to get Wang's."""
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
    return float(structural_similarity(x, y, **options))


def by_numpy(sr: Plane, gt: Plane, similarity: Callable[[Plane, Plane], float]) -> dict[str, float]:
    """The four numbers of two images (3, H, W) float32 in [0, 1], a channel at a time."""
    levels = [np.round(np.clip(image.astype(np.float64), 0, 1) * 255) for image in (sr, gt)]
    x, y = (image[:, SCALE:-SCALE, SCALE:-SCALE] for image in levels)
    luma = [np.tensordot([65.481, 128.553, 24.966], image, axes=(0, 0)) / 255 + 16 for image in (x, y)]
    return {
        "psnr_y": 10 * np.log10(255**2 / np.mean((luma[0] - luma[1]) ** 2)),
        "ssim_y": similarity(*luma),
        "psnr_rgb": 10 * np.log10(255**2 / np.mean((x - y) ** 2)),
        "ssim_rgb": float(np.mean([similarity(*pair) for pair in zip(x, y, strict=True)])),
    }


def pair(side: int) -> tuple[Tensor, Tensor]:
    """A photograph and its bicubic enlargement, (1, 3, side, side) float32."""
    (item,) = Demo(names=["astronaut"]).items()
    image = read_image(item.gt)
    missing = [max(0, side - length) for length in image.shape[:2]]
    image = np.pad(image, [(0, missing[0]), (0, missing[1]), (0, 0)], mode="symmetric")[:side, :side]
    gt = to_tensor(np.ascontiguousarray(image))[None]
    return imresize(imresize(gt, scale=1 / SCALE), scale=SCALE), gt


def ways(sr: Tensor, gt: Tensor) -> dict[str, Callable[[], Mapping[str, float]]]:
    """Name -> a call that measures."""
    x, y = sr[0].numpy(), gt[0].numpy()
    found: dict[str, Callable[[], Mapping[str, float]]] = {
        "ours": lambda: {name: float(value) for name, value in image_metrics(sr, gt, scale=SCALE).items()}
    }
    means: dict[str, Mean] = {
        "convolve2d": convolve2d,
        "correlate": correlate,
        "fft": fft,
        "separable": separable,
    }
    for name, mean in means.items():
        found[name] = lambda mean=mean: by_numpy(x, y, lambda a, b: wang(a, b, mean))  # type: ignore[misc]
    found["skimage"] = lambda: by_numpy(x, y, skimage)
    return found


def several(call: Callable[[], object]) -> Callable[[], None]:
    """A turn."""

    def turn() -> None:
        for _ in range(IMAGES):
            call()

    return turn


def apart(ours: Mapping[str, float], theirs: Mapping[str, float], kind: str) -> float:
    """The largest difference of a kind of metric."""
    return max(abs(value - theirs[name]) for name, value in ours.items() if name.startswith(kind))


def table(times: Mapping[str, Times], values: Mapping[str, Mapping[str, float]]) -> list[str]:
    """The measurements as a Markdown table."""
    lines = [
        "| way | ms an image | quartiles | ours is faster | PSNR apart, dB | SSIM apart |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    ours = times["ours"].median
    for name, one in times.items():
        low, median, high = (1000 * value for value in (one.low, one.median, one.high))
        cells = [name, f"{median:.1f}", f"{low:.1f}-{high:.1f}"]
        if name == "ours":
            cells += [""] * 3
        else:
            cells.append(f"{one.median / ours:.1f} times")
            cells += [f"{apart(values['ours'], values[name], kind):.1e}" for kind in ("psnr", "ssim")]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Time PSNR and SSIM beside numpy's float64.")
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--threads", type=int, default=2, help="of ours; scipy has one")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--write", action="store_true", help="into benchmarks/results/metrics.md and .json")
    options = parser.parse_args(arguments)
    if options.side < 32 or options.side % SCALE or min(options.threads, options.rounds) < 1:
        parser.error(f"--side must be a multiple of {SCALE} from 32 on, --threads and --rounds at least 1")
    before = torch.get_num_threads()
    torch.set_num_threads(options.threads)
    notes = where()
    calls = ways(*pair(options.side))
    values = {name: call() for name, call in calls.items()}
    turns = {name: several(call) for name, call in calls.items()}
    taken = take_turns(turns, rounds=options.rounds, seconds=300)
    times = {name: one.over(IMAGES) for name, one in taken.items()}
    torch.set_num_threads(before)
    told = ", ".join(f"{name} {value:.7f}" for name, value in values["ours"].items())
    lines = [
        f"an RGB image of {options.side}x{options.side} at x{SCALE}, {options.threads} thread(s), "
        f"{times['ours'].rounds} rounds: {told}",
        "",
        *table(times, values),
    ]
    print("\n".join([*lines, "", *notes]))
    if options.write:
        data = {"times": {name: one.as_dict() for name, one in times.items()}, "values": values}
        write("metrics", lines, data, notes=notes)


if __name__ == "__main__":
    main()
