"""16-bit colour PNG, which Pillow reads as 8 bit without a word and does not write at all."""

import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageFile

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY = 0
COLOUR_TYPES = {1: GREY, 2: 4, 3: 2, 4: 6}  # by samples: grey, grey with alpha, RGB, RGB with alpha
_ROWS = 256  # that are packed at a time
_CHUNK = 2**20  # bytes of a chunk, about
GREY_WITH_ALPHA = "LA;16B"  # as Pillow lays it out


def has_16_bit_colour(path: Path) -> bool:
    """Whether the file is a PNG of 16 bits a sample and of more than grey, which Pillow reads well."""
    with path.open("rb") as stream:
        header = stream.read(26)  # signature, length and name of IHDR, width, height, bit depth, colour type
    return len(header) == 26 and header.startswith(SIGNATURE) and header[24] == 16 and header[25] != GREY


def is_grey(image: ImageFile.ImageFile) -> bool:
    """Whether an opened file is 16-bit grey with alpha, which Pillow takes for RGB with alpha."""
    return bool(image.tile) and image.tile[0].args == GREY_WITH_ALPHA


def read(path: Path) -> np.ndarray:
    """The pixels of such a file: (H, W, 3), or (H, W, 1) for grey with alpha; uint16, alpha dropped."""
    pixels, _ = read_with_alpha(path)
    return pixels


def read_with_alpha(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """The pixels, and alpha (H, W, 1) where the file has it.

    Pillow's decoder does the work (filters, interlacing). It is run once for the high byte of every sample
    and once for the low byte, which is what it takes for the high one if told that samples are little-endian.
    """
    with Image.open(path, formats=("PNG",)) as image:
        layout = image.tile[0].args
    if layout == GREY_WITH_ALPHA:  # as wide as 8-bit RGBA: grey high, grey low, alpha high, alpha low
        stored = _decode(path, layout="RGBA")
        return _join(stored[:, :, 0:1], stored[:, :, 1:2]), _join(stored[:, :, 2:3], stored[:, :, 3:4])
    assert layout in ("RGB;16B", "RGBA;16B"), f"Pillow decodes a 16-bit colour PNG as {layout}"
    high = _decode(path, layout=layout)
    low = _decode(path, layout=layout.replace("16B", "16L"))
    alpha = _join(high[:, :, 3:], low[:, :, 3:]) if layout.startswith("RGBA") else None
    return _join(high[:, :, :3], low[:, :, :3]), alpha


def _decode(path: Path, *, layout: str) -> np.ndarray:
    """Pillow's (H, W, bands) uint8 of the file when it is told that samples are laid out like this."""
    with Image.open(path, formats=("PNG",)) as image:
        image.tile = [image.tile[0]._replace(args=layout)]
        return np.array(image)


def _join(high: np.ndarray, low: np.ndarray) -> np.ndarray:
    """Two bytes to one 16-bit sample."""
    joined: np.ndarray = high.astype(np.uint16) << 8 | low
    return joined


def write(
    stream: BinaryIO, image: np.ndarray, *, profile: bytes | None = None, exif: bytes | None = None
) -> None:
    """Write (H, W, C) uint16 as a PNG file; C as in `COLOUR_TYPES`. A part of the rows at a time.

    Args:
        stream: Where to.
        image: The pixels.
        profile: An ICC profile.
        exif: EXIF data.
    """
    height, width, channels = image.shape
    assert image.dtype == np.uint16
    header = struct.pack(">IIBBBBB", width, height, 16, COLOUR_TYPES[channels], 0, 0, 0)
    stream.write(SIGNATURE)
    _write_chunk(stream, b"IHDR", header)
    if profile is not None:
        _write_chunk(stream, b"iCCP", b"profile\0\0" + zlib.compress(profile))
    if exif is not None:
        _write_chunk(stream, b"eXIf", exif.removeprefix(b"Exif\0\0"))
    packer, packed = zlib.compressobj(), b""
    above = np.zeros((1, 2 * width * channels), np.uint8)
    for first in range(0, height, _ROWS):
        part = np.ascontiguousarray(image[first : first + _ROWS], dtype=">u2")
        rows = part.view(np.uint8).reshape(len(part), -1)
        filtered = np.empty((len(rows), 1 + rows.shape[1]), np.uint8)
        filtered[:, 0] = 2  # filter "up": every byte less the one above it, modulo 256
        np.subtract(rows, np.concatenate([above, rows[:-1]]), out=filtered[:, 1:])
        above = rows[-1:]
        packed += packer.compress(filtered.tobytes())
        if len(packed) > _CHUNK:
            _write_chunk(stream, b"IDAT", packed)
            packed = b""
    _write_chunk(stream, b"IDAT", packed + packer.flush())
    _write_chunk(stream, b"IEND", b"")


def _write_chunk(stream: BinaryIO, name: bytes, data: bytes) -> None:
    """Length, name, data and checksum."""
    stream.write(struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)))
