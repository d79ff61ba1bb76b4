"""The eight ways in which a camera may have been held (EXIF tag 274, Orientation)."""

import logging
import struct
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

logger = logging.getLogger(__name__)


def orientation_of(image: Image.Image, *, path: Path) -> int:
    """EXIF orientation 1 to 8 from the header of an opened image; 1 (upright) where it says none.

    `Image.getexif` is not used: for a PNG it would decode the pixels to look for EXIF data behind them.
    """
    data = image.info.get("exif")
    if not data:
        return 1
    exif = Image.Exif()
    try:
        exif.load(data)
        orientation = exif.get(ExifTags.Base.Orientation, 1)
    except (SyntaxError, struct.error, ValueError, KeyError, IndexError, TypeError) as error:
        logger.warning("%s: its EXIF data cannot be read (%s); the image is taken to be upright", path, error)
        return 1
    return orientation if orientation in range(1, 9) else 1


def is_turned(orientation: int) -> bool:
    """Whether width and height change places."""
    return orientation >= 5


def upright(pixels: np.ndarray, *, orientation: int) -> np.ndarray:
    """Turn and mirror stored pixels (H, W, C) the way they are meant to be seen."""
    if is_turned(orientation):
        pixels = pixels.swapaxes(0, 1)
    # Where the first row and the first column of what is stored (for 5 to 8: of its transpose) belong.
    bottom_first, right_first = orientation in (3, 4, 7, 8), orientation in (2, 3, 6, 7)
    return pixels[:: -1 if bottom_first else 1, :: -1 if right_first else 1]
