"""TIFF files: tifffile describes the page, and decodes it where it can.

Pillow decodes the rest as far as it holds it faithfully: 8 bit and less, grey or colour, in any compression
of libtiff. Which of the two, or neither, is known from the header.
"""

import lzma
import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError
from tifffile import (
    COMPRESSION,
    EXTRASAMPLE,
    PHOTOMETRIC,
    PLANARCONFIG,
    SAMPLEFORMAT,
    TIFF,
    TiffFile,
    TiffPage,
    imwrite,
)

from sr_experiments.imaging import modes
from sr_experiments.imaging.beside import beside
from sr_experiments.imaging.exif import is_turned, upright

MAGIC = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")  # either byte order, TIFF and BigTIFF
ORIENTATION_TAG, PROFILE_TAG = 274, 34675
ASSOCIATED = EXTRASAMPLE.ASSOCALPHA  # colours are multiplied with it
ALPHA = (ASSOCIATED, EXTRASAMPLE.UNASSALPHA)
# How many times as large what is compressed can become.
SWELLING: dict[int, int] = {
    COMPRESSION.ADOBE_DEFLATE: 1032,
    COMPRESSION.DEFLATE: 1032,
    COMPRESSION.PIXTIFF: 1032,
    COMPRESSION.LZMA: 7200,
}
HARMLESS = 2**28  # bytes
PLAIN = (PHOTOMETRIC.MINISWHITE, PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.RGB)
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


def image_shape(path: Path) -> tuple[int, int, int]:
    """(H, W, bands) of the upright image, from the header.

    Raises:
        ValueError: If the kind of TIFF is refused.
    """
    with TiffFile(path) as file:
        page = _checked_page(file)
        height, width = page.imagelength, page.imagewidth
        bands = len(_kept_bands(page)) if _by_tifffile(page) else _bands_of_pillow(path, page)
        return (width, height, bands) if is_turned(_orientation(page)) else (height, width, bands)


def read(path: Path) -> np.ndarray:
    """(H, W, bands) uint8 or uint16, upright, alpha dropped.

    Raises:
        ValueError: If the kind of TIFF is refused.
    """
    with TiffFile(path) as file:
        page = _checked_page(file)
        if _by_tifffile(page):
            try:
                _check_segments(file, page)
                return upright(_read_page(page), orientation=_orientation(page))
            except (ValueError, OSError, MemoryError):
                raise
            except Exception as error:  # zlib's, lzma's, zstd's or imagecodecs' own kind
                raise OSError(str(error) or repr(error)) from error
        _bands_of_pillow(path, page)
    with _opened_by_pillow(path) as image:  # which turns it upright itself
        return modes.pixels(image)


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
    # Bands beyond four, which the largest pixel of Pillow's has, count as further pixels.
    modes.check_size(page.imagelength, page.imagewidth * max(1, math.ceil(page.samplesperpixel / 4)))
    # Both decoders take what is not there for black.
    needed = math.prod(page.chunked)
    segments = zip(page.dataoffsets, page.databytecounts, strict=False)
    there = sum(offset > 0 and count > 0 for offset, count in segments)
    if there < needed:
        raise ValueError(f"{needed - there} of the {needed} strips or tiles of its pixels are missing")
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


def _by_tifffile(page: TiffPage) -> bool:
    """Whether tifffile decodes the page: it lacks many compressions where imagecodecs is not installed.

    Raises:
        ValueError: If it would, but the result were no image.
    """
    if page.photometric not in PLAIN or page.bitspersample < 8:
        return False
    if page.axes not in ("YX", "YXS", "SYX"):
        raise ValueError(f"its axes are {page.axes}; a volume is no image")
    return page.compression in TIFF.DECOMPRESSORS and page.predictor in TIFF.UNPREDICTORS


def _bands_of_pillow(path: Path, page: TiffPage) -> int:
    """How many bands Pillow will return: 1 or 3.

    Raises:
        ValueError: If Pillow would not decode the page, or lose bits or bands.
    """
    samples, bits, kept = page.samplesperpixel, page.bitspersample, len(_kept_bands(page))
    # What Pillow opens and then does not decode.
    apart = page.planarconfig == PLANARCONFIG.SEPARATE and samples > 1
    if apart and (kept == 1 or page.photometric == PHOTOMETRIC.YCBCR or ASSOCIATED in page.extrasamples):
        raise ValueError("its samples are stored in planes of their own; save them pixel by pixel")
    deep_grey = bits == 16 and samples == 1 and page.photometric == PHOTOMETRIC.MINISBLACK
    if kept == PILLOW_BANDS.get(page.photometric) and (bits <= 8 or deep_grey):
        with _opened_by_pillow(path) as image:
            return modes.bands(image)
    if page.photometric not in PLAIN:
        colours = PHOTOMETRIC(page.photometric).name
        raise ValueError(
            f"its colours are {colours} in {samples} samples of {bits} bits; save it as RGB or grey"
        )
    if bits < 8:
        raise ValueError(f"it has {samples} bands of {bits} bits; 8 and 16 bits are read")
    compression = COMPRESSION(page.compression).name
    raise ValueError(
        f"{samples} samples of {bits} bits in {compression} compression take the package imagecodecs: "
        "install it, or save the image uncompressed"
    )


def _check_segments(file: TiffFile, page: TiffPage) -> None:
    """Look at what tifffile would take as it is: a part of a tile, and data that swell beyond all bounds.

    Of a tile at the edge it is content with the part inside the image, which is also where a file may have
    been cut. And it decompresses a strip to its end, whatever size was announced.

    Raises:
        ValueError: If there is either.
    """
    end = file.filehandle.size
    segments = [pair for pair in zip(page.dataoffsets, page.databytecounts, strict=False) if pair[1] > 0]
    if page.is_tiled and (short := sum(offset + count > end for offset, count in segments)):
        raise ValueError(
            f"it is cut short: {short} of its {len(segments)} tiles are not all there; fetch it again"
        )
    announced = math.prod(page.chunks) * page.bitspersample // 8
    for offset, count in segments:
        if count * SWELLING.get(page.compression, 0) > HARMLESS:
            file.filehandle.seek(offset)
            unpacker: Any = (
                lzma.LZMADecompressor() if page.compression == COMPRESSION.LZMA else zlib.decompressobj()
            )
            if len(unpacker.decompress(file.filehandle.read(count), 2 * announced + 1)) > 2 * announced:
                raise ValueError(
                    f"a strip or tile of it is more than twice as large as the {announced} bytes that its "
                    "header announces; save it again with another program"
                )


@contextmanager
def _opened_by_pillow(path: Path) -> Iterator[Image.Image]:
    """As a stream: a file that Pillow knows by its name is mapped, and a turned one then garbled.

    Raises:
        ValueError: If Pillow does not know the layout.
    """
    with path.open("rb") as stream:
        try:
            image = Image.open(stream, formats=("TIFF",))
        except UnidentifiedImageError as error:
            raise ValueError("its layout of samples is not read; save it as RGB or grey") from error
        with image:
            yield image


def _read_page(page: TiffPage) -> np.ndarray:
    """The stored pixels by tifffile, (H, W, bands), white as the largest number."""
    stored: np.ndarray = page.asarray()
    if page.axes == "YX":
        stored = stored[:, :, None]
    elif page.axes == "SYX":
        stored = np.moveaxis(stored, 0, -1)
    kept = stored[:, :, _kept_bands(page)].astype(stored.dtype.newbyteorder("="))
    if ASSOCIATED in page.extrasamples:
        first_extra = page.samplesperpixel - len(page.extrasamples)
        alpha = stored[:, :, first_extra + page.extrasamples.index(ASSOCIATED), None]
        kept = _divided(kept, alpha)
    return np.invert(kept) if page.photometric == PHOTOMETRIC.MINISWHITE else kept


def _divided(colours: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Colours that were multiplied with alpha as they were before: rounded down, as Pillow does it."""
    white = int(np.iinfo(colours.dtype).max)
    whole = np.minimum(colours.astype(np.int64) * white // np.maximum(alpha, 1), white)
    return np.where(alpha == 0, 0, whole).astype(colours.dtype)


def read_beside(path: Path) -> tuple[np.ndarray | None, bytes | None]:
    """What `read` leaves out: alpha (H, W, 1), upright, and the ICC profile; None where there is none.

    Raises:
        ValueError: As `read` does.
    """
    with TiffFile(path) as file:
        page = _checked_page(file)
        profile = page.tags.valueof(PROFILE_TAG)
        profile = profile if isinstance(profile, bytes) else None
        there = [i for i, kind in enumerate(page.extrasamples) if kind in ALPHA]
        if not there:
            return None, profile
        if _by_tifffile(page):
            stored: np.ndarray = page.asarray()
            stored = np.moveaxis(stored, 0, -1) if page.axes == "SYX" else stored
            place = page.samplesperpixel - len(page.extrasamples) + there[0]
            alpha = stored[:, :, place, None].astype(stored.dtype.newbyteorder("="))
            return np.ascontiguousarray(upright(alpha, orientation=_orientation(page))), profile
    with _opened_by_pillow(path) as image:
        return np.array(image.convert("RGBA").getchannel("A"))[:, :, None], profile


def write(path: Path, image: np.ndarray) -> None:
    """Write bands, compressed without loss, whole or not at all.

    Args:
        path: Ends in .tif or .tiff.
        image: (H, W, C) uint8 or uint16, none of them alpha.
    """
    assert image.dtype in (np.uint8, np.uint16)
    assert image.ndim == 3
    with beside(path) as temporary:
        imwrite(
            temporary,
            image,
            photometric="minisblack",
            planarconfig="contig",
            extrasamples=("unspecified",) * (image.shape[2] - 1),
            compression="zlib",
            metadata=None,
        )
