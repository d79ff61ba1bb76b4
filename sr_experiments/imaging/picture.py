"""An image file with what stands beside its pixels: alpha, colour profile, EXIF data.

Numbers in tables come from `io.read_image`, which drops all that. Here nothing is dropped that a result can
carry:

- alpha of PNG, WebP and TIFF, also of palettes and of a PNG's transparent colour (of 8 bit). Colours are not
  multiplied with it.
- the ICC profile, where it is one of the colours that come out: a CMYK file's does not fit its RGB.
- EXIF data but for the orientation, which is applied, the size and the thumbnail. Damaged data are dropped.
"""

import logging
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import ExifTags, Image

from sr_experiments.imaging import png16, tiff
from sr_experiments.imaging.exif import orientation_of, upright
from sr_experiments.imaging.io import FORMATS, explained, read_image, whole_file

_log = logging.getLogger(__name__)
SUFFIXES = {"png": ".png", "jpg": ".jpg", "webp": ".webp", "tiff": ".tif", "bmp": ".bmp"}
_SIZES = (ExifTags.Base.ExifImageWidth, ExifTags.Base.ExifImageHeight)
_SPACES = {1: b"GRAY", 3: b"RGB "}  # of an ICC profile, by channels


@dataclass(frozen=True)
class Picture:
    """What is in a file.

    Attributes:
        pixels: (H, W, C) uint8 or uint16, upright.
        alpha: (H, W, 1) of the same dtype; None where the file has none.
        profile: ICC profile of the pixels' colours.
        exif: EXIF data, without what the pixels have in them by now.
        kind: png, jpg, webp, tiff or bmp.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    profile: bytes | None = None
    exif: bytes | None = None
    kind: str = "png"


def read_picture(path: Path) -> Picture:
    """Read an image file with all that it carries.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read or is of a kind that is refused; the message names the file.
    """
    pixels = read_image(path)
    with explained(path):
        if tiff.is_tiff(path):
            alpha, profile = tiff.read_beside(path)
            return Picture(pixels, alpha, _fitting(profile, pixels), None, "tiff")
        with Image.open(path, formats=FORMATS) as image:
            turn = orientation_of(image, path=path)
            profile = _fitting(image.info.get("icc_profile"), pixels)
            exif = _without_sizes(image.info.get("exif"), path)
            kind = {"JPEG": "jpg", "MPO": "jpg"}.get(str(image.format), str(image.format).lower())
            stored = _alpha(image, path)
        alpha = None if stored is None else np.ascontiguousarray(upright(stored, orientation=turn))
        return Picture(pixels, alpha, profile, exif, kind)


def _alpha(image: Image.Image, path: Path) -> np.ndarray | None:
    if image.format == "PNG" and png16.has_16_bit_colour(path):
        return png16.read_with_alpha(path)[1]
    if not image.has_transparency_data or image.mode.startswith("I"):
        return None
    return np.array(image.convert("RGBA").getchannel("A"))[:, :, None]


def _fitting(profile: object, pixels: np.ndarray) -> bytes | None:
    """An ICC profile says of which colours it is."""
    if not isinstance(profile, bytes) or profile[16:20] != _SPACES.get(pixels.shape[2]):
        return None
    return profile


def _without_sizes(data: object, path: Path) -> bytes | None:
    if not isinstance(data, bytes):
        return None
    try:
        exif = Image.Exif()
        exif.load(data)
        exif.pop(ExifTags.Base.Orientation, None)
        for tag in _SIZES:
            exif.get_ifd(ExifTags.IFD.Exif).pop(tag, None)
        return exif.tobytes() if len(exif) else None
    except (SyntaxError, struct.error, ValueError, LookupError, TypeError, OSError, AttributeError) as error:
        _log.warning("%s: its EXIF data cannot be kept (%s)", path, error)
        return None


def write_picture(path: Path, picture: Picture, *, quality: int = 95) -> list[str]:
    """Write a picture whole or not at all, in the format of the suffix. Missing folders are made.

    Args:
        path: .png, .jpg, .jpeg, .webp, .tif, .tiff or .bmp.
        picture: What to write.
        quality: Of JPEG and WebP, 1 to 100; a WebP of 100 is without loss.

    Returns:
        What the format could not hold, in words.

    Raises:
        ValueError: If the format does not take such a picture at all.
    """
    suffix = path.suffix.lower()
    picture, lost = _as_the_format_takes(picture, suffix)
    pixels = picture.pixels
    together = pixels if picture.alpha is None else np.concatenate([pixels, picture.alpha], axis=2)
    beside = {"icc_profile": picture.profile, "exif": picture.exif}
    options: dict[str, Any] = {key: value for key, value in beside.items() if value is not None}
    with whole_file(path) as stream:
        if suffix in (".tif", ".tiff"):
            grey = pixels.shape[2] != 3
            tifffile.imwrite(
                stream,
                together[:, :, 0] if together.shape[2] == 1 else together,
                photometric="minisblack" if grey else "rgb",
                planarconfig="contig" if together.shape[2] > 1 else None,
                extrasamples=_extra(picture),
                compression="zlib",
                iccprofile=picture.profile,
                metadata=None,
            )
        elif together.dtype == np.uint16:
            png16.write(stream, together, profile=picture.profile, exif=picture.exif)
        else:
            if suffix in (".jpg", ".jpeg"):
                options |= {"quality": quality, "subsampling": 0}
            elif suffix == ".webp":
                options |= {"quality": quality, "lossless": quality == 100}
            kinds = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".bmp": "BMP"}
            image = Image.fromarray(together[:, :, 0] if together.shape[2] == 1 else together)
            image.save(stream, format=kinds[suffix], **options)
    return lost


def _extra(picture: Picture) -> list[int]:
    """TIFF's words for samples beyond grey or RGB: 0 is any band, 2 is alpha that is in no colour."""
    bands = picture.pixels.shape[2]
    return [0] * (0 if bands in (1, 3) else bands - 1) + ([] if picture.alpha is None else [2])


_LARGEST = {".jpg": 65500, ".jpeg": 65500, ".webp": 16383}


def _as_the_format_takes(picture: Picture, suffix: str) -> tuple[Picture, list[str]]:
    """A picture that the format holds, and what was lost for it."""
    height, width, bands = picture.pixels.shape
    if max(height, width) > _LARGEST.get(suffix, 2**31):
        raise ValueError(
            f"a {suffix} file has sides of {_LARGEST[suffix]} pixels at most, and the result is "
            f"{height}x{width} (height x width); format=png or tiff takes it"
        )
    if suffix in (".tif", ".tiff"):
        return picture, ["its EXIF data"] if picture.exif else []
    if bands not in (1, 3):
        raise ValueError(f"a {suffix} file has no {bands} bands; format=tiff takes them")
    lost = []
    pixels, alpha, exif = picture.pixels, picture.alpha, picture.exif
    if pixels.dtype == np.uint16 and suffix != ".png":
        lost.append("16 bits, of which it keeps 8")
        pixels = _halved(pixels)
        alpha = None if alpha is None else _halved(alpha)
    if alpha is not None and suffix in (".jpg", ".jpeg", ".bmp"):
        lost.append("its alpha, so it stands on white")
        share = alpha.astype(np.float64) / 255
        pixels = np.floor(share * pixels + (1 - share) * 255 + 0.5).astype(np.uint8)
        alpha = None
    if exif is not None and suffix == ".bmp":
        lost.append("its EXIF data")
        exif = None
    return Picture(pixels, alpha, picture.profile, exif, picture.kind), lost


def _halved(samples: np.ndarray) -> np.ndarray:
    """65535 becomes 255; rounded."""
    return ((samples.astype(np.uint32) + 128) // 257).astype(np.uint8)
