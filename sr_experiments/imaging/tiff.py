"""TIFF files: tifffile describes the page, and decodes it where Pillow would lose bits or bands.

Pillow decodes what it holds faithfully: 8 bit and less, grey or colour, in any compression of libtiff.
"""

from pathlib import Path

import numpy as np
from PIL import Image
from tifffile import COMPRESSION, EXTRASAMPLE, PHOTOMETRIC, SAMPLEFORMAT, TiffFile, TiffPage

from sr_experiments.imaging import modes
from sr_experiments.imaging.exif import is_turned, upright

MAGIC = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")  # either byte order, TIFF and BigTIFF
ORIENTATION_TAG = 274
ALPHA = (EXTRASAMPLE.ASSOCALPHA, EXTRASAMPLE.UNASSALPHA)
PILLOW_BANDS: dict[int, int] = {
    PHOTOMETRIC.MINISWHITE: 1,
    PHOTOMETRIC.MINISBLACK: 1,
    PHOTOMETRIC.RGB: 3,
    PHOTOMETRIC.PALETTE: 1,
    PHOTOMETRIC.SEPARATED: 4,
    PHOTOMETRIC.YCBCR: 3,
}


def is_tiff(path: Path) -> bool:
    """Whether the file begins as a TIFF does, whatever its name."""
    with path.open("rb") as stream:
        return stream.read(4) in MAGIC


def image_size(path: Path) -> tuple[int, int]:
    """(H, W) of the upright image, from the header."""
    with TiffFile(path) as file:
        page = _checked_page(file)
        height, width = page.imagelength, page.imagewidth
        return (width, height) if is_turned(_orientation(page)) else (height, width)


def read(path: Path) -> np.ndarray:
    """(H, W, bands) uint8 or uint16, upright, alpha dropped.

    Raises:
        ValueError: If the kind of TIFF is refused.
    """
    with TiffFile(path) as file:
        page = _checked_page(file)
        if page.bitspersample <= 8 and len(_kept_bands(page)) == PILLOW_BANDS.get(page.photometric):
            return _read_with_pillow(path)
        try:
            return upright(_read_page(page), orientation=_orientation(page))
        except ValueError as error:
            if "imagecodecs" not in str(error):
                raise
            return _read_compressed(path, page)


def _checked_page(file: TiffFile) -> TiffPage:
    """The only page of the file, where it is of a kind that is read."""
    page = file.pages.first
    others = [
        other for other in list(file.pages)[1:] if not (isinstance(other, TiffPage) and other.is_reduced)
    ]
    if others:
        raise ValueError(
            f"it has {1 + len(others)} pages; save the one that is meant as its own file "
            "(bands belong in one page)"
        )
    if page.sampleformat != SAMPLEFORMAT.UINT or page.bitspersample not in (1, 2, 4, 8, 16):
        raise ValueError(
            f"its samples are {page.dtype or 'of an unusual type'} ({page.bitspersample} bits); "
            "unsigned integers of 8 or 16 bit are read"
        )
    if not all(isinstance(side, int) and side > 0 for side in (page.imagelength, page.imagewidth)):
        raise ValueError("its header is broken")
    modes.check_size(page.imagelength, page.imagewidth)
    return page


def _kept_bands(page: TiffPage) -> list[int]:
    """Positions of the samples that are not alpha."""
    first_extra = page.samplesperpixel - len(page.extrasamples)
    alpha = {first_extra + i for i, kind in enumerate(page.extrasamples) if kind in ALPHA}
    return [i for i in range(page.samplesperpixel) if i not in alpha]


def _orientation(page: TiffPage) -> int:
    """Orientation tag 1 to 8; 1 where it is absent or means nothing."""
    value = page.tags.valueof(ORIENTATION_TAG, 1)
    return int(value) if value in range(1, 9) else 1


def _read_page(page: TiffPage) -> np.ndarray:
    """The stored pixels by tifffile, (H, W, bands), white as the largest number."""
    if page.photometric not in (PHOTOMETRIC.MINISWHITE, PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.RGB):
        raise ValueError(
            f"its colours are {PHOTOMETRIC(page.photometric).name} in {page.samplesperpixel} samples of "
            f"{page.bitspersample} bits; save it as RGB or grey"
        )
    if page.bitspersample < 8:
        raise ValueError(
            f"it has {page.samplesperpixel} bands of {page.bitspersample} bits; 8 and 16 bits are read"
        )
    stored: np.ndarray = page.asarray()
    if page.axes == "YX":
        stored = stored[:, :, None]
    elif page.axes == "SYX":
        stored = np.moveaxis(stored, 0, -1)
    elif page.axes != "YXS":
        raise ValueError(f"its axes are {page.axes}; a volume is no image")
    stored = stored[:, :, _kept_bands(page)].astype(stored.dtype.newbyteorder("="))
    return np.invert(stored) if page.photometric == PHOTOMETRIC.MINISWHITE else stored


def _read_with_pillow(path: Path) -> np.ndarray:
    """By Pillow, which turns it upright itself."""
    with Image.open(path, formats=("TIFF",)) as image:
        return modes.pixels(image)


def _read_compressed(path: Path, page: TiffPage) -> np.ndarray:
    """A page whose compression tifffile knows only with imagecodecs: Pillow can do it for 16-bit grey."""
    if page.photometric == PHOTOMETRIC.MINISBLACK and page.samplesperpixel == 1:
        return _read_with_pillow(path)
    compression = COMPRESSION(page.compression).name
    raise ValueError(
        f"{page.samplesperpixel} samples of {page.bitspersample} bits in {compression} compression take the "
        "package imagecodecs: install it, or save the image uncompressed"
    )
