"""Whether a file is all there: damage that Pillow reads past without a word.

A PNG carries a checksum with every chunk. Pillow does not look at those of the pixels, stops before the one
at their end, and takes a file that ends there. A JPEG carries none; where its data end early, libjpeg paints
the rest grey and says so in a warning that Pillow drops.
"""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from sr_experiments.imaging import modes
from sr_experiments.imaging.png16 import SIGNATURE

COLOUR_TYPE = 25  # where it stands in a PNG
INDEXED = 3
END_OF_JPEG = b"\xff\xd9"
FURTHER = bytes(range(1, 255)) * 16  # any data without marks among them
GREY = 128  # of all channels, what libjpeg paints


def check_png(path: Path) -> None:
    """Look at every checksum of a PNG up to its end; what follows the end is nobody's business.

    Raises:
        ValueError: If one is wrong, the file ends early, or it does not begin with its header.
    """
    content = memoryview(path.read_bytes())
    at, name, palette, pixels = len(SIGNATURE), b"", False, False
    while name != b"IEND":
        if at + 12 > len(content):
            raise ValueError("it is cut short: its end (the chunk IEND) is missing; fetch it again")
        length, name = struct.unpack_from(">I4s", content, at)
        if at == len(SIGNATURE) and name != b"IHDR":
            raise ValueError("it does not begin with the chunk IHDR; save it again with another program")
        after = at + 12 + length
        if after > len(content):
            raise ValueError(f"it is cut short in its chunk {_readable(name)}; fetch it again")
        if zlib.crc32(content[at + 4 : after - 4]) != struct.unpack_from(">I", content, after - 4)[0]:
            raise ValueError(f"it was damaged: the checksum of its chunk {_readable(name)} is wrong")
        pixels = pixels or name == b"IDAT"
        at, palette = after, palette or (name == b"PLTE" and not pixels)
    if content[COLOUR_TYPE] == INDEXED and not palette:
        raise ValueError(
            "its palette (the chunk PLTE) is missing before its pixels, so its colours are not known"
        )


def _readable(name: bytes) -> str:
    return name.decode("ascii", "backslashreplace")


def check_jpeg(path: Path, pixels: np.ndarray, *, start: int) -> None:
    """Refuse a JPEG whose data end before its pixels do, where that can be told from what was decoded.

    Args:
        path: The file.
        pixels: (H, W, C) as they are stored, by `modes.pixels`.
        start: Where in the file the header ends; 0 where that is not known, and nothing is looked at.

    Raises:
        ValueError: If the file has no end, or the decoder had to invent the last pixels.
    """
    if start == 0:
        return
    content = path.read_bytes()
    end = content.find(END_OF_JPEG, start)
    if end < 0:
        raise ValueError("it is cut short: the mark at its end is missing; fetch it again")
    # Grey at the end may be in the picture. If it was painted, further data become pixels in its place.
    if (pixels[-1, -1] == GREY).all():
        filled = io.BytesIO(content[:end] + FURTHER + END_OF_JPEG)
        with Image.open(filled, formats=("JPEG",)) as image:
            if not np.array_equal(modes.pixels(image), pixels):
                raise ValueError("its data end before its pixels do; fetch it again")
