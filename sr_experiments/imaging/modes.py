"""From Pillow's modes to grey or RGB of 8 or 16 bit, and how many pixels a file may announce."""

import os

import numpy as np
from PIL import Image

GREY_MODES = ("1", "L", "LA", "La")
RGB_MODES = ("RGB", "RGBA", "RGBX", "P", "PA", "CMYK", "YCbCr")
LIMIT = "SR_MAX_IMAGE_PIXELS"  # the environment variable


def pixels(image: Image.Image) -> np.ndarray:
    """Decode an opened image: (H, W, 1) or (H, W, 3), uint8 or uint16.

    Raises:
        ValueError: On a mode whose white is not defined (32-bit integers, floats) or that is no RGB (LAB).
    """
    if image.mode.startswith("I;16"):
        return np.array(image).astype(np.uint16)[:, :, None]
    if bands(image) == 1:
        # Pillow divides by alpha what was multiplied with it, but not on the way to L.
        grey = image.convert("LA") if image.mode == "La" else image
        return np.array(grey.convert("L"))[:, :, None]
    image.info.pop("transparency", None)  # of a palette: Pillow would warn that it is lost
    return np.array(image.convert("RGB"))


def bands(image: Image.Image) -> int:
    """How many bands `pixels` will return, from the header of an opened image.

    Raises:
        ValueError: See `pixels`.
    """
    if image.mode.startswith("I;16") or image.mode in GREY_MODES:
        return 1
    if image.mode in RGB_MODES:
        return 3
    raise ValueError(
        f"its pixels are {image.mode} (Pillow's name); grey and RGB of 8 or 16 bit, palettes, CMYK are read"
    )


def apply_limit() -> None:
    """Hand the user's limit on the pixels of a file to Pillow, where the environment names one.

    For the whole process, and it stays: images are opened by several threads at once.

    Raises:
        ValueError: If what it names is no number of pixels.
    """
    if (given := _limit_given()) is not None:
        Image.MAX_IMAGE_PIXELS = given


def check_size(height: int, width: int) -> None:
    """Refuse what Pillow would refuse to open, for the files that Pillow does not open, or opens with a word.

    Raises:
        Image.DecompressionBombError: If there are more pixels than the user's limit; where there is none,
            more than twice Pillow's, as Pillow has it.
    """
    if (limit := _limit()) is not None and height * width > limit:
        raise Image.DecompressionBombError(f"{height * width} pixels exceed the limit of {limit}")


def is_within_limit(height: int, width: int) -> bool:
    """Whether `check_size`, and Pillow, take it without a word."""
    limit = _limit_given() or Image.MAX_IMAGE_PIXELS
    return limit is None or height * width <= limit


def _limit() -> int | None:
    limit = _limit_given()
    if limit is None and Image.MAX_IMAGE_PIXELS is not None:
        limit = 2 * Image.MAX_IMAGE_PIXELS
    return limit


def _limit_given() -> int | None:
    text = os.environ.get(LIMIT, "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise ValueError(
            f"{LIMIT}={text} is no number of pixels; give a whole one, such as {LIMIT}=400000000"
        )
    return int(text)
