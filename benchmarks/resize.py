"""How fast `imaging.resize` is beside `torch.nn.functional.interpolate(mode="bicubic", antialias=True)`.

    python benchmarks/resize.py
    python benchmarks/resize.py --case 16x3x192x192:1/4 --threads 1 --device cuda --rounds 20

Both compute an antialiased bicubic (with a = -1/2). Torch's differs at the borders, and its uint8 version
uses fixed-point numbers and does not round between the passes as MATLAB does: the work is comparable, not
equal. They take turns in one process, so a busy machine slows both; what counts is the best of all rounds.
"""

import argparse
import os
import platform
import time
from collections.abc import Callable, Sequence
from fractions import Fraction

import torch
from torch import Tensor
from torch.nn import functional as F

from sr_experiments.imaging.resize import imresize, imresize_uint8

CASES = (
    "16x3x192x192:1/4",  # a training batch
    "16x3x192x192:1/3",
    "16x3x192x192:1/2",
    "1x3x1356x2040:1/4",  # an image of DIV2K
    "1x3x1356x2040:1/2",
    "16x3x48x48:4",
    "1x3x339x510:4",
)
Case = tuple[tuple[int, int, int, int], Fraction]
Work = Callable[[], object]


def parse_case(text: str) -> Case:
    """`16x3x192x192:1/4` as ((16, 3, 192, 192), 1/4)."""
    size, _, scale = text.partition(":")
    try:
        batch, channels, height, width = (int(side) for side in size.split("x"))
        factor = Fraction(scale)
    except (ValueError, ZeroDivisionError) as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no case; give BxCxHxW:SCALE, as 16x3x192x192:1/4"
        ) from error
    if min(batch, channels, height, width) < 1 or factor <= 0:
        raise argparse.ArgumentTypeError(f"{text!r}: sizes and scale must be positive")
    return (batch, channels, height, width), factor


def interpolate(image: Tensor, *, scale: float) -> Tensor:
    """Torch's antialiased bicubic."""
    return F.interpolate(image, scale_factor=scale, mode="bicubic", antialias=True, align_corners=False)


def with_gradient(function: Callable[[Tensor], Tensor], image: Tensor) -> Work:
    """The function and its gradient with respect to the image, for a given gradient of the result."""
    image = image.clone().requires_grad_()
    upstream = torch.rand_like(function(image))
    return lambda: torch.autograd.grad(function(image), image, upstream)


def jobs(case: Case, *, device: torch.device) -> dict[str, tuple[Work, Work]]:
    """What is timed: name -> (ours, theirs)."""
    shape, scale = case
    factor = float(scale)
    image = torch.rand(shape, device=device)
    pixels = (255 * image).to(torch.uint8)

    def ours(x: Tensor) -> Tensor:
        return imresize(x, scale=factor)

    def theirs(x: Tensor) -> Tensor:
        return interpolate(x, scale=factor)

    found: dict[str, tuple[Work, Work]] = {
        "float32": (lambda: ours(image), lambda: theirs(image)),
        "float32 and gradient": (with_gradient(ours, image), with_gradient(theirs, image)),
    }
    # Torch has no antialiased uint8 on a GPU; the float32 version stands in for it there.
    other = (lambda: theirs(pixels)) if device.type == "cpu" else (lambda: theirs(image))
    found["uint8"] = (lambda: imresize_uint8(pixels, scale=factor), other)
    return found


def best_of(functions: Sequence[Work], *, rounds: int, device: torch.device) -> list[float]:
    """The shortest time of each function in seconds; they take turns, after one call that is not counted."""

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    for function in functions:
        function()
    best = [float("inf")] * len(functions)
    for _ in range(rounds):
        for number, function in enumerate(functions):
            wait()
            start = time.perf_counter()
            function()
            wait()
            best[number] = min(best[number], time.perf_counter() - start)
    return best


def table(cases: Sequence[Case], *, rounds: int, device: torch.device) -> str:
    """The measurements as a Markdown table."""
    lines = [
        "| image | scale | what | ours, ms | torch, ms | ours / torch |",
        "|---|---|---|---|---|---|",
    ]
    for shape, scale in cases:
        for what, pair in jobs((shape, scale), device=device).items():
            ours, theirs = (1000 * seconds for seconds in best_of(pair, rounds=rounds, device=device))
            size = "x".join(map(str, shape))
            lines.append(f"| {size} | {scale} | {what} | {ours:.2f} | {theirs:.2f} | {ours / theirs:.2f} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Time imaging.resize beside torch's interpolate.")
    parser.add_argument("--case", type=parse_case, nargs="+", default=[parse_case(case) for case in CASES])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args(arguments)
    if options.rounds < 1 or options.threads < 1:
        parser.error("--rounds and --threads must be at least 1")
    before = torch.get_num_threads()
    torch.set_num_threads(options.threads)
    name = torch.cuda.get_device_name(options.device) if options.device.type == "cuda" else platform.machine()
    print(
        f"{options.device.type} ({name}), {options.threads} of {os.cpu_count()} threads, torch "
        f"{torch.__version__}, best of {options.rounds} rounds; ours / torch below 1: ours is faster\n"
    )
    print(table(options.case, rounds=options.rounds, device=options.device))
    torch.set_num_threads(before)


if __name__ == "__main__":
    main()
