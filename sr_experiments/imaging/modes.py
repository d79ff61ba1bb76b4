"""From Pillow's modes to grey or RGB of 8 or 16 bit."""

import numpy as np
from PIL import Image

GREY_MODES = ("1", "L", "LA", "La")
RGB_MODES = ("RGB", "RGBA", "RGBX", "P", "PA", "CMYK", "YCbCr")


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


def check_size(height: int, width: int) -> None:
    """Refuse what Pillow would refuse to open, for the files that Pillow does not open.

    Raises:
        Image.DecompressionBombError: If there are more pixels than twice Pillow's limit, as Pillow has it.
    """
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and height * width > 2 * limit:
        raise Image.DecompressionBombError(f"{height * width} pixels exceed the limit of {2 * limit}")
