"""What is in an image file: its size, its kind, and a fingerprint of its pixels."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from sr_experiments.data.headers import Size
from sr_experiments.data.threads import threads
from sr_experiments.imaging import png16, tiff
from sr_experiments.imaging.colour import to_channels
from sr_experiments.imaging.io import FORMATS, image_size, read_image
from sr_experiments.prepare.progress import Meter

KINDS = {
    "1": "1 bit",
    "L": "grey",
    "LA": "grey with alpha",
    "P": "palette",
    "PA": "palette with alpha",
    "RGBA": "RGB with alpha",
    "RGBX": "RGB",
}
GREY_KINDS = ("1 bit", "grey", "grey 16 bit", "grey with alpha")


@dataclass(frozen=True)
class Look:
    """What was seen.

    Attributes:
        path: The file.
        size: (H, W), None where it cannot be read.
        kind: Such as `RGB`, `grey 16 bit`, `palette`, `5 bands 16 bit`; empty where it cannot be read.
        digest: Of the decoded pixels and their shape; None where they were not decoded.
        problem: A sentence that names the file, where a run would stop at it.
    """

    path: Path
    size: Size | None
    kind: str
    digest: bytes | None
    problem: str | None


def look_at(paths: Sequence[Path], *, channels: int | None, decode: bool, title: str) -> list[Look]:
    """Look at files, several at once.

    Args:
        paths: The files.
        channels: What a run would convert them to; None where that does not matter.
        decode: Read all of each file, not only its header.
        title: What is shown meanwhile.
    """
    found = []
    with (
        ThreadPoolExecutor(threads()) as pool,
        Meter(
            f"{title}: decoding" if decode else f"{title}: headers", unit="images", total=len(paths)
        ) as meter,
    ):
        for one in pool.map(lambda path: _look(path, channels=channels, decode=decode), paths):
            found.append(one)
            meter.advance()
    return found


def _look(path: Path, *, channels: int | None, decode: bool) -> Look:
    try:
        size = image_size(path)
        if not decode:
            return Look(path=path, size=size, kind=_kind(path, None), digest=None, problem=None)
        image = read_image(path)
        kind = _kind(path, image)
    except (ValueError, OSError) as error:
        return Look(path=path, size=None, kind="", digest=None, problem=str(error))
    problem = _wrong_channels(path, image, channels) if channels is not None else None
    return Look(path=path, size=size, kind=kind, digest=_digest(image), problem=problem)


def _wrong_channels(path: Path, image: np.ndarray, channels: int) -> str | None:
    try:
        to_channels(image[:1, :1], channels=channels)
    except ValueError as error:
        return f"{path}: {error}"
    return None


def _digest(image: np.ndarray) -> bytes:
    digest = hashlib.blake2b(f"{image.shape} {image.dtype}".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(image).data)
    return digest.digest()


def _kind(path: Path, image: np.ndarray | None) -> str:
    """From the header; of a TIFF, which has too many kinds, from its pixels."""
    if tiff.is_tiff(path):
        if image is None:
            return "TIFF"
        bands = {1: "grey", 3: "RGB"}.get(image.shape[2], f"{image.shape[2]} bands")
        return bands + (" 16 bit" if image.dtype == np.uint16 else "")
    with Image.open(path, formats=FORMATS) as opened:
        mode = opened.mode
    if mode.startswith("I;16"):
        return "grey 16 bit"
    return KINDS.get(mode, mode) + (" 16 bit" if png16.has_16_bit_colour(path) else "")
