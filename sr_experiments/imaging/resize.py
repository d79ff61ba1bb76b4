"""MATLAB's `imresize`, which made the low-resolution images of every super-resolution benchmark.

The method is that of MATLAB's documented `imresize`: a kernel (for bicubic the one of Keys, "Cubic
convolution interpolation for digital image processing", IEEE TASSP 1981, Eq. 15, a = -1/2), widened by the
scale when it shrinks (antialiasing), weights normalised per output pixel, one axis after the other.

Floating-point images (`imresize`) are what MATLAB computes for `double`: mirrored borders, nothing rounded.
Integer images (`imresize_uint8`) are what MATLAB computes for `uint8` and `uint16`: rounded half up and
clipped **between** the two passes and after the second. Published LR files were made that way, with clamped
borders.

The implementation is our own: each pass is a product with a banded matrix, see `imaging.rows`.
"""

import math
from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor

from sr_experiments.imaging.rows import Taps, gathered_rows, weighted_rows

Kernel = Literal["nearest", "box", "bilinear", "bicubic", "lanczos2", "lanczos3"]
Border = Literal["symmetric", "replicate"]

KERNEL_WIDTHS: dict[Kernel, float] = {
    "nearest": 1.0,
    "box": 1.0,
    "bilinear": 2.0,
    "bicubic": 4.0,
    "lanczos2": 4.0,
    "lanczos3": 6.0,
}
BORDERS: tuple[Border, ...] = ("symmetric", "replicate")
MAXIMA = {torch.uint8: 255.0, torch.uint16: 65535.0}


def imresize(
    image: Tensor,
    *,
    scale: float | None = None,
    size: tuple[int, int] | None = None,
    kernel: Kernel = "bicubic",
    antialias: bool = True,
    border: Border = "symmetric",
) -> Tensor:
    """Resize a floating-point image as MATLAB's `imresize` resizes `double`.

    Differentiable, on any device, and traceable by `torch.export` with dynamic height and width for a given
    `scale`. Nothing is clamped: bicubic and Lanczos overshoot.

    Args:
        image: (..., H, W), any floating dtype; half precisions are computed in float32.
        scale: Output size is `ceil(H * scale)`, `ceil(W * scale)`. Either this or `size`.
        size: Output (height, width); each axis then has its own scale.
        kernel: Interpolation kernel; `nearest` is never antialiased, as in MATLAB.
        antialias: Widen the kernel by 1 / scale where the image shrinks.
        border: What stands beyond the edge: the mirrored image, or its outermost pixel.

    Returns:
        (..., h, w) in the dtype of `image`.

    Raises:
        ValueError: On an integer image, an empty image or impossible arguments.
    """
    if not image.is_floating_point():
        raise ValueError(f"imresize takes floats, not {image.dtype}; imresize_uint8 takes uint8 and uint16")
    scales, sizes = _geometry(image, scale=scale, size=size)
    work = image.to(torch.promote_types(image.dtype, torch.float32))
    for axis in _axes(scales):
        work = _resize_axis(work, axis, sizes[axis], scales[axis], kernel, antialias, border)
    return work.to(image.dtype).contiguous()


def imresize_uint8(
    image: Tensor,
    *,
    scale: float | None = None,
    size: tuple[int, int] | None = None,
    kernel: Kernel = "bicubic",
    antialias: bool = True,
    border: Border = "replicate",
) -> Tensor:
    """Resize an integer image as MATLAB's `imresize` does, equal in every pixel.

    Args:
        image: (..., H, W), uint8 or uint16.
        scale: Output size is `ceil(H * scale)`, `ceil(W * scale)`. Either this or `size`.
        size: Output (height, width).
        kernel: Interpolation kernel.
        antialias: Widen the kernel by 1 / scale where the image shrinks.
        border: `replicate` made the usual benchmark files; other files of real MATLAB are `symmetric`.

    Returns:
        (..., h, w) in the dtype of `image`.

    Raises:
        ValueError: On any other dtype, an empty image or impossible arguments.
    """
    if image.dtype not in MAXIMA:
        raise ValueError(f"imresize_uint8 takes uint8 and uint16, not {image.dtype}; imresize takes floats")
    scales, sizes = _geometry(image, scale=scale, size=size)
    work = image.to(torch.float64)
    for axis in _axes(scales):
        work = _resize_axis(work, axis, sizes[axis], scales[axis], kernel, antialias, border)
        # MATLAB's passes return integers; a float between them changes one pixel in eight.
        work = work.add_(0.5).floor_().clamp_(0.0, MAXIMA[image.dtype])
    return work.to(image.dtype).contiguous()


def _geometry(
    image: Tensor, *, scale: float | None, size: tuple[int, int] | None
) -> tuple[dict[int, float], dict[int, int]]:
    """Scale and output length of the axes -2 and -1, from the one of `scale` and `size` that is given."""
    if image.dim() < 2 or image.shape[-2] == 0 or image.shape[-1] == 0:
        raise ValueError(f"cannot resize an image of shape {tuple(image.shape)}; (..., H, W) is needed")
    if (scale is None) == (size is None):
        raise ValueError(f"resizing needs either scale or size, got scale={scale} and size={size}")
    if size is not None:
        if len(size) != 2 or min(size) < 1:
            raise ValueError(f"size must be (height, width), both at least 1, got {tuple(size)}")
        return {axis: size[axis] / image.shape[axis] for axis in (-2, -1)}, {-2: size[0], -1: size[1]}
    assert scale is not None
    if not (math.isfinite(scale) and scale > 0):
        raise ValueError(f"scale must be a positive number, got {scale}")
    factor = int(scale) if float(scale).is_integer() else scale  # keeps symbolic sizes integers
    return (
        {-2: float(scale), -1: float(scale)},
        {axis: math.ceil(image.shape[axis] * factor) for axis in (-2, -1)},
    )


def _axes(scales: dict[int, float]) -> list[int]:
    """The order of the passes: the axis that shrinks more first, height before width where they are equal."""
    return [-1, -2] if scales[-1] < scales[-2] else [-2, -1]


def _resize_axis(
    image: Tensor, axis: int, length_out: int, scale: float, kernel: Kernel, antialias: bool, border: Border
) -> Tensor:
    """One pass, along one of the last two axes."""
    if kernel not in KERNEL_WIDTHS:
        raise ValueError(f"unknown kernel {kernel!r}; choose one of {', '.join(KERNEL_WIDTHS)}")
    if border not in BORDERS:
        raise ValueError(f"unknown border {border!r}; choose one of {', '.join(BORDERS)}")
    antialias = antialias and kernel != "nearest"
    # Weighing whole rows is several times faster than single pixels.
    rows = image if axis == -2 else image.transpose(-1, -2).contiguous()
    length_in = image.shape[axis]
    # While a graph is traced sizes may be symbols and tensors fakes: neither may enter (or leave) a cache.
    if type(image) is Tensor and not torch.compiler.is_compiling():
        taps = _cached_taps(length_in, length_out, scale, kernel, antialias, border)
        result = weighted_rows(rows, taps)
    else:
        index, weight = _make_taps(length_in, length_out, scale, kernel, antialias, border)
        result = gathered_rows(rows, index.to(image.device), weight.to(image.device, image.dtype))
    return result if axis == -2 else result.transpose(-1, -2)


@lru_cache(maxsize=512)
def _cached_taps(
    length_in: int, length_out: int, scale: float, kernel: Kernel, antialias: bool, border: Border
) -> Taps:
    """`_make_taps`, once per geometry, without the taps that are zero everywhere."""
    # A tensor born in inference mode could never take part in training afterwards.
    with torch.inference_mode(False), torch.no_grad():
        index, weight = _make_taps(length_in, length_out, scale, kernel, antialias, border)
        used = (weight != 0).any(dim=0)
        return Taps(index[:, used].contiguous(), weight[:, used].contiguous(), length_in)


def _make_taps(
    length_in: int, length_out: int, scale: float, kernel: Kernel, antialias: bool, border: Border
) -> tuple[Tensor, Tensor]:
    """Index (length_out, taps) int64 and weight (length_out, taps) float64, on the CPU."""
    stretch = scale if antialias and scale < 1 else 1.0
    width = KERNEL_WIDTHS[kernel] / stretch
    # Pixel k (from 0) of the output lies at `centre` in the input, pixel centres on integers from 0.
    position = torch.arange(length_out, dtype=torch.float64, device="cpu")
    centre = (position + 1) / scale + 0.5 * (1 - 1 / scale)
    left = torch.floor(centre - width / 2)
    source = left[:, None] + torch.arange(math.ceil(width) + 2, dtype=torch.float64, device="cpu")
    weight = stretch * kernel_values(stretch * (centre[:, None] - source), kernel)
    weight = weight / weight.sum(dim=1, keepdim=True)
    index = source.to(torch.int64) - 1  # the formula counts from 1, as MATLAB does
    if border == "replicate":
        return index.clamp(0, length_in - 1), weight
    index = index % (2 * length_in)
    return torch.where(index < length_in, index, 2 * length_in - 1 - index), weight


def kernel_values(x: Tensor, kernel: Kernel) -> Tensor:
    """The continuous kernel at `x`, zero beyond half its width."""
    if kernel in ("nearest", "box"):
        return ((x >= -0.5) & (x < 0.5)).to(x.dtype)
    absolute = x.abs()
    if kernel == "bilinear":
        return (1 - absolute).clamp(min=0)
    if kernel == "bicubic":
        inner = 1.5 * absolute**3 - 2.5 * absolute**2 + 1  # Eq. 15 of Keys
        outer = -0.5 * absolute**3 + 2.5 * absolute**2 - 4 * absolute + 2
        return torch.where(absolute <= 1, inner, torch.where(absolute <= 2, outer, torch.zeros_like(x)))
    lobes = 2 if kernel == "lanczos2" else 3
    tiny = torch.finfo(x.dtype).eps  # as MATLAB has it, so that 0 / 0 becomes 1
    numerator = torch.sin(math.pi * x) * torch.sin(math.pi * x / lobes) + tiny
    return torch.where(absolute < lobes, numerator / (math.pi**2 * x**2 / lobes + tiny), torch.zeros_like(x))
