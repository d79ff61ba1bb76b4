"""Frames and tensors: what a frame's numbers mean, which way it is turned, and in which format it is written.

`av` is PyAV, imported only where a video is touched. Its objects have no types that a checker knows.
"""

import struct
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sr_experiments.imaging.video.coding import SHARES, Coding

UNSPECIFIED = 2  # of matrix, primaries and transfer, by H.273
_DEPTHS = (8, 9, 10, 12, 14, 16)
_CHROMA = {(2, 2): "420", (2, 1): "422", (1, 2): "440", (1, 1): "444", (4, 1): "411", (4, 4): "410"}
_CENTRED = ("mjpeg", "mpeg1video")  # codecs whose chroma lies between the columns
_OTHERWISE = {8: "YCgCo", 10: "BT.2020 with constant luminance", 11: "YDzDx", 14: "ICtCp", 15: "IPT-C2"}


def library() -> Any:
    """PyAV.

    Raises:
        ValueError: Where it is not installed; the message says how it is.
    """
    try:
        import av
    except ImportError as error:
        raise ValueError('videos need PyAV: pip install "sr-experiments[video]"') from error
    return av


@dataclass(frozen=True)
class Turn:
    """How stored frames become upright: transposed first where asked, then mirrored."""

    transposed: bool = False
    mirror_rows: bool = False
    mirror_columns: bool = False

    def upright(self, image: Tensor) -> Tensor:
        """(..., H, W) as it is to be seen."""
        image = image.transpose(-1, -2) if self.transposed else image
        dims = [dim for dim, yes in ((-2, self.mirror_rows), (-1, self.mirror_columns)) if yes]
        return image.flip(dims) if dims else image


def turn_of(frame: Any) -> Turn:
    """By the display matrix that a phone writes: columns go to (a, b), rows to (c, d).

    Raises:
        ValueError: If it is no row of quarter turns and mirrors.
    """
    data = next((bytes(entry) for entry in frame.side_data if entry.type.name == "DISPLAYMATRIX"), None)
    if data is None:
        return Turn()
    a, b, _, c, d, *_ = (value / 65536 for value in struct.unpack("=9i", data))
    if b == c == 0 and abs(a) == abs(d) == 1:
        return Turn(mirror_rows=d < 0, mirror_columns=a < 0)
    if a == d == 0 and abs(b) == abs(c) == 1:
        return Turn(transposed=True, mirror_rows=b < 0, mirror_columns=c < 0)
    raise ValueError(
        f"it is to be shown turned by {frame.rotation} degrees or stretched; only quarter turns and mirrors "
        "are known"
    )


def coding_of(frame: Any, context: Any) -> Coding:
    """What a frame's numbers mean, by the frame, else by its stream, else by custom.

    Custom, as of most players: YUV whose matrix nobody states is BT.709 from 1280 columns or 577 rows on,
    and BT.601 below; its range is the limited one; grey and RGB have the full one.

    Raises:
        ValueError: If no matrix makes RGB of it.
    """
    about = frame.format
    parts = [part for part in about.components if not part.is_alpha]
    bits = next((depth for depth in _DEPTHS if depth >= max(part.bits for part in parts)), 16)
    stated = frame.color_range or context.color_range
    if about.is_rgb or about.has_palette:
        return Coding(kind="rgb", bits=bits, full=True)
    if len(parts) == 1:
        return Coding(kind="grey", bits=bits, full=stated != 1)
    if len(parts) != 3 or about.name.startswith("xyz"):
        raise ValueError(f"its pixel format {about.name} is neither RGB nor YUV nor grey")
    matrix = context.colorspace if frame.colorspace == UNSPECIFIED else frame.colorspace
    if matrix in _OTHERWISE:
        raise ValueError(f"its colours are coded as {_OTHERWISE[matrix]}, of which no matrix makes RGB")
    if matrix not in SHARES:
        matrix = 1 if frame.width >= 1280 or frame.height > 576 else 6
    unit = type(about)(about.name, 64, 64).components[1]
    return Coding(
        kind="yuv",
        bits=bits,
        full=about.name.startswith("yuvj") or stated == 2,
        matrix=matrix,
        across=64 // unit.width,
        down=64 // unit.height,
        centred=context.name in _CENTRED,
    )


def pixel_format(coding: Coding) -> str:
    """FFmpeg's name of the format in planes that holds a coding."""
    depth = "" if coding.bits == 8 else f"{coding.bits}le"
    kinds = {"rgb": "gbrp", "grey": "gray", "yuv": f"yuv{_CHROMA[coding.across, coding.down]}p"}
    return kinds[coding.kind] + depth


def to_rgb(frame: Any, coding: Coding) -> Tensor:
    """A decoded frame, as stored: (3, H, W) float32 in [0, 1]."""
    name, wanted = frame.format.name, pixel_format(coding)
    if name.replace("yuvj", "yuv").replace("yuva", "yuv").replace("gbrap", "gbrp") != wanted:
        frame = frame.reformat(format=wanted)  # the same numbers, in planes of their own
    kind = np.uint8 if coding.bits == 8 else np.uint16
    planes = []
    for plane in frame.planes[: 1 if coding.kind == "grey" else 3]:
        rows = np.frombuffer(plane, kind).reshape(plane.height, -1)[:, : plane.width]
        planes.append(torch.from_numpy(rows.astype(np.int32)))
    return coding.to_rgb(planes)


def to_frame(rgb: Tensor, coding: Coding) -> Any:
    """(3, H, W) float in [0, 1] as a frame that an encoder takes; the last row and column fill it up."""
    height, width = rgb.shape[-2:]
    short = -width % coding.across, -height % coding.down
    if any(short):
        rgb = torch.nn.functional.pad(rgb[None], (0, short[0], 0, short[1]), mode="replicate")[0]
    frame = library().VideoFrame(width + short[0], height + short[1], pixel_format(coding))
    kind = np.uint8 if coding.bits == 8 else np.uint16
    for plane, values in zip(frame.planes, coding.to_planes(rgb), strict=True):
        rows = np.zeros((plane.height, plane.buffer_size // plane.height // np.dtype(kind).itemsize), kind)
        rows[:, : plane.width] = values.cpu().numpy()
        plane.update(rows.tobytes())
    frame.color_range = 2 if coding.full else 1
    frame.colorspace = coding.matrix if coding.kind == "yuv" else 0
    return frame


def encoder_of(codec: str) -> Any:
    """PyAV's encoder of a name.

    Raises:
        ValueError: If there is none, or none of videos.
    """
    try:
        encoder = library().Codec(codec, "w")
    except ValueError as error:
        raise ValueError(f"codec={codec}: this PyAV has no such encoder (libx264, libx265, ...)") from error
    if encoder.type != "video":
        raise ValueError(f"codec={codec} encodes {encoder.type}, not videos")
    return encoder


def coding_to_write(read: Coding, *, codec: str, wanted: str | None) -> Coding:
    """The coding of the frames that are written: that of those that are read, if it can be.

    Where the codec has no such format: rather more bits or finer chroma than fewer or coarser. Grey is
    written with neutral chroma, which every player shows, and RGB as RGB or 4:4:4.

    Args:
        read: Of the frames that are read.
        codec: The encoder's name.
        wanted: A pixel format by FFmpeg's name; None: the nearest.

    Raises:
        ValueError: If there is no such encoder, or it takes no such format.
    """
    encoder = encoder_of(codec)
    base = read if read.kind == "yuv" else replace(read, kind="yuv", full=False, matrix=1)
    there = {form.name for form in encoder.video_formats or ()}
    choices = [
        replace(base, bits=bits, across=across, down=down, centred=False)
        for bits in _DEPTHS
        for across, down in ((1, 1), (2, 1), (2, 2))
    ]
    if read.kind == "rgb" or (wanted or "").startswith("gbrp"):
        choices += [replace(base, kind="rgb", bits=bits, full=True, across=1, down=1) for bits in _DEPTHS]
    choices = [choice for choice in choices if pixel_format(choice) in there]
    if wanted is not None:
        choices = [choice for choice in choices if pixel_format(choice) == wanted] or _refuse(
            wanted, codec=codec, choices=choices
        )
    if not choices:
        raise ValueError(f"codec={codec} takes none of the pixel formats that are written (planes of YUV)")
    return min(choices, key=lambda choice: _distance(read, choice))


def _refuse(wanted: str, *, codec: str, choices: list[Coding]) -> list[Coding]:
    names = ", ".join(sorted(pixel_format(choice) for choice in choices))
    raise ValueError(f"pixel_format={wanted}: codec={codec} is written in one of {names}")


def _distance(read: Coding, choice: Coding) -> tuple[int, ...]:
    """What is lost, then what is wasted."""
    across, down = (2, 2) if read.kind == "grey" else (min(read.across, 2), min(read.down, 2))
    coarser = max(choice.across - across, 0) + max(choice.down - down, 0)
    finer = max(across - choice.across, 0) + max(down - choice.down, 0)
    return (
        max(read.bits - choice.bits, 0),
        coarser,
        int(read.kind == "rgb" and choice.kind != "rgb"),
        finer,
        max(choice.bits - read.bits, 0),
    )
