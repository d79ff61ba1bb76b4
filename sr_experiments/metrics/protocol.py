"""The protocols behind the names `psnr_y`, `ssim_y`, `psnr_rgb` and `ssim_rgb`, and which a config has.

Restored and true image are taken as the 8-bit images that files would hold; `scale` pixels are left out on
every side; luma is BT.601 in its limited range, computed from the 8-bit RGB and **not** rounded. This is what
the published numbers of networks that see RGB are measured by (Set5 x4, bicubic from the LR file: 28.4318 dB,
.81126).

Networks that see luma only are handed the luma of the file, rounded to 8 bit, and what they return is
measured as it is: this is the protocol of the published bicubic row (Set5 x4: 28.4207 dB, .81037).

A grey image file has one channel and is measured on it: RGB made of it has a luma of 16 to 235, whose PSNR
is 20 log10(255 / 219) = 1.32 dB higher, and Set14, which has one grey image, gains .09 dB on its mean.

Where black and white stand for measured values (`data.range`: Hounsfield units, reflectances) nothing is luma
and 8 bits are too few: `psnr_16` and `ssim_16` are those of the 16-bit images that files would hold, over all
bands alike. The peak of the PSNR is the whole range, so that it compares only with PSNR over the same range.
"""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from sr_experiments.imaging.colour import LUMA, OFFSETS, to_levels
from sr_experiments.metrics.border import check_shapes
from sr_experiments.metrics.compare import Compared, Planes, compare
from sr_experiments.metrics.psnr import decibels

_COMMON = "`scale` pixels cut off each side, PSNR at 255, SSIM 11x11 of sigma 1.5, mean over images"

PROTOCOLS: dict[str, str] = {
    "luma": (
        "one channel, Y of BT.601 (16 to 235) rounded to 8 bit: LR made from it by MATLAB's bicubic in "
        f"double without rounding, the net sees nothing else, SR rounded to 8 bit; {_COMMON}"
    ),
    "rgb": (
        "from the 8-bit RGB LR file, SR rounded to 8-bit RGB; _y: Y of BT.601 (16 to 235) in float, not "
        f"rounded (a grey file on its own channel), _rgb: over the three channels; {_COMMON}"
    ),
    "bands": f"from the LR file, SR rounded to 8 bit, over all bands alike; {_COMMON}",
    "range": (
        "16-bit images of measured values over data.range, SR rounded to 16 bit, over all bands alike "
        "(_band1, _band2: each alone); `scale` pixels cut off each side, PSNR at 65535, which is the whole "
        "range, SSIM 11x11 of sigma 1.5, pixels that were not measured left out, mean over images"
    ),
}
"""Name -> one line to be printed beside numbers; `protocol_of` says which it is."""

OTHERS: dict[str, str] = {
    "lr_psnr": (
        "PSNR in dB of SR, rounded to 8 bit and shrunk again by MATLAB's bicubic, against LR; it means "
        "something where bicubic made LR"
    ),
    "lpips": "LPIPS 0.1 on AlexNet, a distance: lower is better",
    "lpips_random": "LPIPS on an untrained AlexNet: lower is better, compares with itself only",
    "dists": "DISTS, a distance: lower is better",
    "niqe": "NIQE, of SR alone: lower is better",
    "rmse": "root mean squared error in the unit of data.range: lower is better",
    "psnr_window": "PSNR in dB of what a window of data.range shows",
    "sam": "mean angle between true and restored spectrum in degrees: lower is better",
    "ergas": "error of all bands, relative to their means: lower is better",
}
"""What `metric=` adds -> a few words beside numbers; docs/protocol.md has the whole definition."""

_METRICS = {
    "luma": ("psnr_y", "ssim_y"),
    "rgb": ("psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb"),
    "bands": ("psnr_bands", "ssim_bands"),
    "range": ("psnr_16", "ssim_16"),
}
PSNR = tuple(dict.fromkeys(names[0] for names in _METRICS.values()))
"""What one number for quality is called, by whichever protocol; each has one of them."""
BICUBIC = "bicubic/"
"""Before a metric's name, in logs and in per_image.csv: the same of bicubic interpolation."""

MOST_BANDS = 16  # that are measured one by one: a table of two hundred is none

_DECIMALS = {
    "psnr": 2,
    "ssim": 4,
    "lr": 2,
    "sam": 3,
    "rmse": 3,
    "ergas": 3,
    "lpips": 4,
    "dists": 4,
    "niqe": 3,
}


def decimals_of(metric: str) -> int:
    """How many decimals tables give a metric, by the first word of its name."""
    return _DECIMALS.get(metric.partition("_")[0], 4)


def legend(protocol: str, metrics: Iterable[str]) -> list[str]:
    """Lines that say what the numbers of a table are.

    Args:
        protocol: A key of `PROTOCOLS`.
        metrics: The names in the table.
    """
    return [f"{protocol}: {PROTOCOLS[protocol]}", *told_of_others(metrics)]


def told_of_others(metrics: Iterable[str]) -> list[str]:
    """Of those among some metrics that no protocol has: a line each."""
    return [f"{name}: {OTHERS[name]}" for name in dict.fromkeys(metrics) if name in OTHERS]


def unit_of(metric: str) -> str:
    """`dB`, or nothing."""
    return "dB" if metric.startswith(("psnr", "lr_psnr")) else ""


def protocol_of(channels: int, *, ranged: bool = False) -> str:
    """The name in `PROTOCOLS` of what is measured by when a net sees this many channels.

    Args:
        channels: Of the net, 1 or more.
        ranged: Black and white stand for measured values (`data.range`).
    """
    assert channels >= 1
    if ranged:
        return "range"
    return {1: "luma", 3: "rgb"}.get(channels, "bands")


def is_ranged(config: Mapping[Any, Any]) -> bool:
    """Whether black and white of a config's images stand for measured values.

    Args:
        config: As composed, or as a run's config.yaml has it.
    """
    return (config.get("data") or {}).get("range") is not None


def protocol_of_config(config: Mapping[Any, Any]) -> str:
    """The same of a config, as composed or as a run's config.yaml has it."""
    return protocol_of(int(config.get("channels", 3)), ranged=is_ranged(config))


def metrics_of(protocol: str) -> tuple[str, ...]:
    """What a protocol measures of every net, the PSNR that stands for its quality first.

    Args:
        protocol: A key of `PROTOCOLS`. Of "range", several bands have the PSNR of each as well.
    """
    return _METRICS[protocol]


def ranged_metrics(sr: Tensor, gt: Tensor, *, scale: int, known: Tensor | None = None) -> dict[str, Tensor]:
    """Measure restored images of measured values.

    Args:
        sr: (B, C, H, W), 0 and 1 are the ends of the range; clamped and rounded to 16 bit here.
        gt: The same shape; rounded as well, which changes nothing in what comes from a file.
        scale: Pixels left out on every side.
        known: (B, 1, H, W) bool, the pixels whose true value was measured: others do not count. None: all.

    Returns:
        float64 (B,) each: `psnr_16` and `ssim_16` over all bands, and, of 2 to 16 bands, the PSNR of each
        alone: `psnr_16_band1`, `psnr_16_band2`, ...

    Raises:
        ValueError: See `image_metrics`.
    """
    check_shapes(sr, gt)
    planes = (partial(_levels, white=65535),) * 2
    found = compare(sr, gt, border=scale, planes=planes, count=sr.shape[1], white=65535.0, known=known)
    results = _named({"16": slice(None)}, found)
    if 2 <= sr.shape[1] <= MOST_BANDS:
        for band, error in enumerate(found.error.unbind(1), start=1):
            results[f"psnr_16_band{band}"] = decibels(error)
    return results


def image_metrics(sr: Tensor, gt: Tensor, *, scale: int, grey: bool = False) -> dict[str, Tensor]:
    """Measure restored images.

    Args:
        sr: (B, C, H, W), white is 1; clamped and rounded to 8 bit here.
        gt: The same shape; rounded to 8 bit as well, which changes 16-bit images only.
        scale: Pixels left out on every side.
        grey: `gt` is RGB that was made of a grey file by repetition. `psnr_y` and `ssim_y` are then those of
            the grey images: one channel of `gt`, and of `sr` its luma by BT.601 in the full range,
            Y = .299 R + .587 G + .114 B, not rounded, which leaves three equal channels what they are.

    Returns:
        float64 (B,) each. RGB: `psnr_y`, `ssim_y`, `psnr_rgb`, `ssim_rgb`. One channel: `psnr_y`, `ssim_y`.
        Any other number of channels: `psnr_bands`, `ssim_bands` over all of them.

    Raises:
        ValueError: If the shapes differ, or the images are too small for the border and the 11x11 window.
    """
    check_shapes(sr, gt)
    of_sr: Planes = _levels
    of_gt: Planes = _levels
    parts, count = {"bands": slice(None)}, sr.shape[1]
    if count == 1:
        parts = {"y": slice(None)}
    elif count == 3:
        parts, count = {"y": slice(0, 1), "rgb": slice(1, None)}, 4
        of_sr, of_gt = (_with_grey_luma, _with_first) if grey else (_with_luma, _with_luma)
    assert not grey or count in (1, 4), "a grey file cannot become an image of these bands"
    found = compare(sr, gt, border=scale, planes=(of_sr, of_gt), count=count, white=255.0)
    return _named(parts, found)


def _named(parts: Mapping[str, slice], found: Compared) -> dict[str, Tensor]:
    """PSNR and SSIM over some of the planes each."""
    results: dict[str, Tensor] = {}
    for name, part in parts.items():
        results[f"psnr_{name}"] = decibels(found.error[:, part].mean(dim=1))
        results[f"ssim_{name}"] = found.similarity[:, part].mean(dim=1)
    return results


def _levels(rows: Tensor, place: Tensor, *, white: int = 255) -> None:
    """Make planes of the levels that a file would hold."""
    to_levels(rows, white=white, out=place)


def _with_luma(rows: Tensor, place: Tensor) -> None:
    """Luma as of `rgb_to_y`, red, green, blue."""
    _levels(rows, place[1:])
    luma, red, green, blue = place
    torch.add(place.new_tensor(OFFSETS[0]), red, alpha=LUMA[0] / 255, out=luma)
    luma.add_(green, alpha=LUMA[1] / 255).add_(blue, alpha=LUMA[2] / 255)


def _with_grey_luma(rows: Tensor, place: Tensor) -> None:
    """Luma by .299 R + .587 G + .114 B, red, green, blue."""
    _levels(rows, place[1:])
    red, green, blue = place[1:]
    # The weights are 1 in sum; written so, equal channels come back without an error in the last bit.
    torch.add(green + 0.299 * (red - green), 0.114 * (blue - green), out=place[0])


def _with_first(rows: Tensor, place: Tensor) -> None:
    """One of three equal channels, and all three."""
    _levels(rows, place[1:])
    place[0].copy_(place[1])
