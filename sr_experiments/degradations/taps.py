"""Resampling every image of a batch by a factor and a kernel of its own.

Along an axis a new pixel is a weighted sum of a few old ones, its taps. They are tabulated for each image and
added in their order: which images share a batch changes no bit, as it would in a product of matrices.

`area`, `bilinear`, `bicubic` and `nearest` are those of torch's `interpolate`, which do not widen their
kernels where an image shrinks (OpenCV's are the same, but for `area` at factors that are no whole number,
where it weighs pixels that are covered in part); `matlab` is MATLAB's bicubic and `lanczos` its lanczos3,
which do.
"""

from typing import Literal

import torch
from torch import Tensor

from sr_experiments.degradations.crops import Crops
from sr_experiments.imaging.onto import onto
from sr_experiments.imaging.resize import KERNEL_WIDTHS, kernel_values

Mode = Literal["area", "bilinear", "bicubic", "nearest", "matlab", "lanczos"]
MODES: tuple[Mode, ...] = ("area", "bilinear", "bicubic", "nearest", "matlab", "lanczos")
_SHARPNESS = -0.75  # of the bicubic kernel of torch and OpenCV
_MATLAB: dict[str, Literal["bicubic", "lanczos3"]] = {"matlab": "bicubic", "lanczos": "lanczos3"}


def resample(crops: Crops, *, heights: Tensor, widths: Tensor, modes: Tensor) -> Crops:
    """Give every image a size of its own.

    Args:
        crops: The images.
        heights: (B,) int64 on the CPU, 1 or more.
        widths: The same.
        modes: (B,) int64 on the CPU, the number in `MODES`.

    Returns:
        The images, nothing clamped: bicubic overshoots.
    """
    pixels = _along_rows(crops.pixels, crops.heights, heights, modes)
    pixels = _along_rows(pixels.transpose(2, 3), crops.widths, widths, modes).transpose(2, 3)
    return Crops(pixels, heights, widths, crops.rows, crops.origin)


def _along_rows(pixels: Tensor, before: Tensor, after: Tensor, modes: Tensor) -> Tensor:
    places, weights = taps(before, after, modes)
    count, channels, height, width = pixels.shape
    # Whole rows are fetched: (B * H, C * W) and B * H_out numbers for every tap.
    rows = pixels.transpose(1, 2).reshape(count * height, channels * width)
    places = places + torch.arange(count)[:, None, None] * height
    places, weights = onto(pixels.device, places), onto(pixels.device, weights.float())
    total = rows.new_zeros(count * places.shape[1], channels * width)
    for tap in range(places.shape[2]):
        fetched = rows.index_select(0, places[:, :, tap].flatten())
        total += fetched.mul_(weights[:, :, tap].reshape(-1, 1))
    return total.view(count, places.shape[1], channels, width).transpose(1, 2)


def taps(before: Tensor, after: Tensor, modes: Tensor) -> tuple[Tensor, Tensor]:
    """Which old pixels make each new one.

    Args:
        before: (B,) int64, old lengths of an axis.
        after: (B,) int64, new ones.
        modes: (B,) int64, numbers in `MODES`.

    Returns:
        Places (B, N, T) int64 within the old length, and weights (B, N, T) float64 of sum 1, for the longest
        new length N and the largest number T of taps; where there is nothing the weight is 0.
    """
    longest = int(after.max())
    used = [MODES[number] for number in sorted(set(modes.tolist()))]
    found = {mode: _taps_of(mode, before, after, longest) for mode in used}
    most = max(places.shape[2] for places, _ in found.values())
    places = torch.zeros(len(before), longest, most, dtype=torch.int64)
    weights = torch.zeros(len(before), longest, most, dtype=torch.float64)
    for mode, (of_mode, weight) in found.items():
        mine = modes == MODES.index(mode)
        places[mine, :, : of_mode.shape[2]] = of_mode[mine]
        weights[mine, :, : of_mode.shape[2]] = weight[mine]
    return places, weights


def _taps_of(mode: Mode, before: Tensor, after: Tensor, longest: int) -> tuple[Tensor, Tensor]:
    new = torch.arange(longest)[None, :]
    old, wanted = before[:, None], after[:, None]
    if mode == "area":
        first = new * old // wanted
        last = ((new + 1) * old + wanted - 1) // wanted  # one more than the last
        offsets = torch.arange(int((last - first).max()))
        places = first[:, :, None] + offsets
        weights = (places < last[:, :, None]).double() / (last - first)[:, :, None]
        return places.minimum(old[:, :, None] - 1), weights
    if mode == "nearest":
        places = (new * old // wanted).minimum(old - 1)[:, :, None]
        return places, torch.ones_like(places, dtype=torch.float64)
    ratio = old.double() / wanted
    centre = (new + 0.5) * ratio - 0.5
    if mode in _MATLAB:
        return _widened(mode, centre, ratio, old)
    reach = 1 if mode == "bilinear" else 2
    base = centre.floor()
    places = base.long()[:, :, None] + torch.arange(1 - reach, reach + 1)
    distance = (centre[:, :, None] - places).abs()
    weights = (1 - distance).clamp(min=0) if mode == "bilinear" else _cubic(distance)
    return places.clamp(min=0).minimum(old[:, :, None] - 1), weights


def _widened(mode: str, centre: Tensor, ratio: Tensor, old: Tensor) -> tuple[Tensor, Tensor]:
    """MATLAB's kernels, as wide as the image shrinks; mirrored at the border, edge included."""
    kernel = _MATLAB[mode]
    stretch = ratio.clamp(min=1.0)[:, :, None]
    reach = KERNEL_WIDTHS[kernel] * float(stretch.max()) / 2
    offsets = torch.arange(-int(reach) - 1, int(reach) + 2)
    places = centre.floor().long()[:, :, None] + offsets
    weights = kernel_values((centre[:, :, None] - places) / stretch, kernel)
    period = 2 * old[:, :, None]
    folded = places.remainder(period)
    # Added in their order: a sum over one tap more, of weight 0, is then the same to the bit.
    return folded.minimum(period - 1 - folded), weights / weights.cumsum(dim=2)[:, :, -1:]


def _cubic(distance: Tensor) -> Tensor:
    """Keys' kernel of distances from 0 to 2 (IEEE Trans. ASSP 1981)."""
    a, d = _SHARPNESS, distance
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return torch.where(d <= 1, near, torch.where(d < 2, far, 0.0))
