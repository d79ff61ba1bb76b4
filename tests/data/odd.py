"""Files of unusual kinds, written by the book and not by what is tested."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image

Odd = Callable[[Path], Any]
"""Writes a file and says what is to come of it: its pixels, or a part of the message."""


def chunk(name: bytes, content: bytes) -> bytes:
    """Of a PNG."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(image: np.ndarray, *, depth: int = 8, colour: int, before: bytes = b"", after: bytes = b"") -> bytes:
    """A PNG of integers (H, W, C) by the book, its pixels in two chunks."""
    height, width, _ = image.shape
    bits = np.unpackbits(image.astype(">u2").view("u1").reshape(height, -1, 2), axis=-1)[..., 16 - depth :]
    rows = np.packbits(bits.reshape(height, -1), axis=1)
    data = zlib.compress(np.pad(rows, ((0, 0), (1, 0))).tobytes())
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    body = chunk(b"IDAT", data[:40]) + chunk(b"IDAT", data[40:])
    return b"\x89PNG\r\n\x1a\n" + header + before + body + after + chunk(b"IEND", b"")


def jpeg(image: np.ndarray, *, mode: str = "RGB", **options: Any) -> bytes:
    """By Pillow."""
    stream = io.BytesIO()
    Image.fromarray(image).convert(mode).save(stream, "JPEG", **options)
    return stream.getvalue()


def decoded(content: bytes) -> np.ndarray:
    """By Pillow, as RGB."""
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def exif(orientation: int) -> Image.Exif:
    """EXIF data that say how the camera was held."""
    tags = Image.Exif()
    tags[274] = orientation
    return tags


def turned(image: np.ndarray, orientation: int) -> np.ndarray:
    """By the table of the EXIF standard, in quarter turns."""
    mirrored = image[:, ::-1] if orientation in (2, 4, 5, 7) else image
    return np.rot90(mirrored, {1: 0, 2: 0, 3: 2, 4: 2, 5: 1, 6: 3, 7: 3, 8: 1}[orientation])


def bmp(
    data: bytes, width: int, height: int, *, bits: int = 24, packing: int = 0, table: bytes = b""
) -> bytes:
    """A BMP of rows that are ready, the last one first."""
    start = 54 + len(table)
    sizes = struct.pack("<IHHIIiiHH", start + len(data), 0, 0, start, 40, width, height, 1, bits)
    return b"BM" + sizes + struct.pack("<IIiiII", packing, len(data), 0, 0, len(table) // 4, 0) + table + data


def run_lengths(index: np.ndarray) -> bytes:
    """Numbers (H, W) of colours as a BMP packs them: here every run is of one."""
    rows = (b"".join(bytes([1, value]) for value in row) + b"\x00\x00" for row in index[::-1])
    return b"".join(rows) + b"\x00\x01"


def made(write: Callable[[Path], object], expected: np.ndarray | str) -> Odd:
    """A file that something writes."""

    def odd(path: Path) -> np.ndarray | str:
        write(path)
        return expected

    return odd


def content(data: bytes, expected: np.ndarray | str) -> Odd:
    """A file of these bytes."""
    return made(lambda path: path.write_bytes(data), expected)


def pillow(image: np.ndarray | Image.Image, expected: np.ndarray | str, **options: Any) -> Odd:
    """A file that Pillow writes in the format of the suffix."""
    opened = image if isinstance(image, Image.Image) else Image.fromarray(image)
    return made(lambda path: opened.save(path, **options), expected)


def tiff(image: np.ndarray, expected: np.ndarray | str, **options: Any) -> Odd:
    """A file that tifffile writes."""
    return made(lambda path: tifffile.imwrite(path, image, metadata=None, **options), expected)


def link(target: str, expected: str) -> Odd:
    """A symbolic link."""
    return made(lambda path: path.symlink_to(target), expected)


def cut(odd: Odd, expected: str, *, keep: float = 0.5) -> Odd:
    """The beginning of a file."""

    def write(path: Path) -> None:
        odd(path)
        whole = path.read_bytes()
        path.write_bytes(whole[: int(keep * len(whole))])

    return made(write, expected)


def other_tag(odd: Odd, name: str, value: Any, expected: np.ndarray | str) -> Odd:
    """A TIFF that says something else about itself."""

    def write(path: Path) -> None:
        odd(path)
        with tifffile.TiffFile(path, mode="r+b") as file:
            file.pages.first.tags[name].overwrite(value)

    return made(write, expected)


def shown(batch: np.ndarray, image: np.ndarray) -> bool:
    """Whether every crop is a part of the image."""
    image = np.repeat(image, 3 // image.shape[2], axis=2)
    view = np.lib.stride_tricks.sliding_window_view(image, batch.shape[1:3], axis=(0, 1))
    parts = view.transpose(0, 1, 3, 4, 2)
    return all((parts == crop).all(axis=(2, 3, 4)).any() for crop in batch)
