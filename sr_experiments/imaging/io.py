"""Image files: which are read, what comes out of each kind, and how they are written.

What is defined, so that no file is silently read as something else:

- 8 bit stays uint8, 16 bit stays uint16 (PNG and TIFF; Pillow alone would cut 16-bit RGB to 8 bit).
- Palette and CMYK become RGB; 1 bit becomes grey of 0 and 255. Alpha is dropped, the colours under it kept
  (divided by it where a TIFF says that they were multiplied with it). Like every reader we take a CMYK JPEG
  to be inverted, as Adobe writes it.
- EXIF orientation is applied, in `image_size` too. In a PNG it counts where it stands before the pixels.
- Of a phone's multi-picture JPEG the first picture is read. Animations, and TIFF files of several pages, are
  refused: which picture is meant cannot be known. A reduced copy of a TIFF's page does not count as a page.
- A TIFF may have any number of bands. Floats, signed and 32-bit integers are refused: what is white in them
  is not defined.
- The content decides about the format, not the suffix. Bytes behind an image's end are not looked at.
- What is cut short or fails its checksum is refused (`whole`). Only PNG has checksums throughout: bytes that
  were changed in the middle of a JPEG, a WebP, a BMP or an uncompressed TIFF are pixels like any others.
- A file that announces more pixels than Pillow's limit (179 million) is refused before anything is decoded,
  as one that would fill the memory. The environment variable SR_MAX_IMAGE_PIXELS sets another limit.
- Colour profiles are ignored, as by everyone else whose numbers stand in a table.
"""

import contextlib
import os
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from sr_experiments.imaging import modes, png16, tiff, whole
from sr_experiments.imaging.beside import beside
from sr_experiments.imaging.colour import to_levels
from sr_experiments.imaging.exif import is_turned, orientation_of, upright

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff")
FORMATS = ("PNG", "JPEG", "BMP", "WEBP")  # TIFF goes its own way
# What decoders raise on bytes that are broken, and we on those that are refused.
DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    ArithmeticError,
    MemoryError,
    struct.error,
    zlib.error,
)


def list_images(folder: Path) -> list[Path]:
    """The image files directly in a folder in natural order (img2 before img10); hidden files are left out.

    Links that lead nowhere are listed: whoever reads them is told, and no image is lost without a word.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If it is not a folder, or a name could not be written down in a table.
    """
    if not folder.exists():
        raise FileNotFoundError(f"there is no folder {folder}")
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder; give the folder that holds the images")
    with os.scandir(folder) as entries:  # knows what each is without asking the disk again
        names = [entry.name for entry in entries if _is_image(entry)]
    for name in names:
        if not name.isascii() and any("\ud800" <= letter <= "\udfff" for letter in name):
            raise ValueError(f"{folder}: the name {name!a} is not UTF-8; rename the file")
    return [folder / name for name in sorted(names, key=natural_key)]


def _is_image(entry: os.DirEntry[str]) -> bool:
    if entry.name.startswith(".") or os.path.splitext(entry.name)[1].lower() not in IMAGE_SUFFIXES:
        return False
    if entry.is_symlink():
        return os.path.isfile(entry.path) or not os.path.exists(entry.path)
    return entry.is_file()


def natural_key(name: str) -> tuple[list[tuple[bool, int, str]], str]:
    """Runs of digits compare as numbers and come before text; equal ones (1 and 01) by the whole name."""
    parts = re.findall(r"[0-9]+|[^0-9]+", name.lower())
    return [(False, int(part), "") if part[0] in "0123456789" else (True, 0, part) for part in parts], name


def read_image(path: Path) -> np.ndarray:
    """Read an image file; the module's docstring says what becomes of each kind.

    Returns:
        (H, W, C) uint8 or uint16, upright and writable; C is 1 (grey), 3 (RGB), or a TIFF's number of bands.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read or is of a kind that is refused; the message names the file.
    """
    with explained(path):
        if tiff.is_tiff(path):
            return np.ascontiguousarray(tiff.read(path))
        with Image.open(path, formats=FORMATS) as image:
            modes.check_size(image.height, image.width)
            _refuse_animation(image)
            orientation = orientation_of(image, path=path)
            if image.format == "PNG":
                whole.check_png(path)
            header_end = image.fp.tell() if image.format == "JPEG" and image.fp is not None else 0
            stored = png16.read(path) if png16.has_16_bit_colour(path) else modes.pixels(image)
            whole.check_jpeg(path, stored, start=header_end)
        return np.ascontiguousarray(upright(stored, orientation=orientation))


def image_shape(path: Path) -> tuple[int, int, int]:
    """(H, W, C) that `read_image` will return, from the file's header alone.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the header cannot be read or the kind is refused; the message names the file.
    """
    with explained(path):
        if tiff.is_tiff(path):
            return tiff.image_shape(path)
        with Image.open(path, formats=FORMATS) as image:
            modes.check_size(image.height, image.width)
            _refuse_animation(image)
            turned = is_turned(orientation_of(image, path=path))
            height, width = (image.width, image.height) if turned else (image.height, image.width)
            return height, width, 1 if png16.is_grey(image) else modes.bands(image)


def image_size(path: Path) -> tuple[int, int]:
    """(H, W) that `read_image` will return; see `image_shape`."""
    height, width, _ = image_shape(path)
    return height, width


def _what(path: Path) -> str:
    """A file that is no image: what people have in its place, by its first bytes."""
    with path.open("rb") as stream:
        begin = stream.read(64).lstrip().lower()
    if begin.startswith(b"version https://git-lfs"):
        return "a pointer of Git LFS to an image that was not fetched; git lfs pull fetches it"
    if begin.startswith((b"<!doctype html", b"<html")):
        return "a web page, saved under the name of an image; download the image again"
    return "no PNG, JPEG, BMP, WebP or TIFF, or its header is broken"


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn whatever reading raises into one error that names the file."""
    try:
        if path.stat().st_size == 0:
            raise ValueError("the file is empty")
        modes.apply_limit()
        yield
    except FileNotFoundError as error:
        where = f": it is a link to {path.readlink()}, which is not there" if path.is_symlink() else ""
        raise FileNotFoundError(f"there is no image {path}{where}") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError(
            f"cannot read the image {path}: {error}; cut it into smaller images, or raise "
            f"PIL.Image.MAX_IMAGE_PIXELS (from outside: the environment variable {modes.LIMIT}) if you "
            "trust it"
        ) from error
    except UnidentifiedImageError as error:
        raise ValueError(f"cannot read the image {path}: it is {_what(path)}") from error
    except DECODER_ERRORS as error:
        told = getattr(error, "strerror", None)  # by the system
        if told or type(error) in (ValueError, MemoryError):  # ours say themselves what is to be done
            reason = told or str(error) or "it does not fit into the memory"
        else:
            said = isinstance(error, OSError | SyntaxError | ValueError) and str(error)
            reason = f"{said or repr(error)}; it is damaged, fetch it again"
        raise ValueError(f"cannot read the image {path}: {reason}") from error


def _refuse_animation(image: Image.Image) -> None:
    """Raise ValueError on more than one frame; the second picture in a phone's JPEG is no frame."""
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":
        raise ValueError(
            f"it is an animation of {frames} frames; save the one that is meant as a file of its own"
        )


def write_png(path: Path, image: np.ndarray) -> None:
    """Write a PNG file whole or not at all: into a temporary file beside it, which then takes its name.

    Missing folders are made.

    Args:
        path: Ends in .png.
        image: (H, W, 1) or (H, W, 3), uint8 or uint16.

    Raises:
        ValueError: If it is another suffix or another kind of array.
    """
    if path.suffix.lower() != ".png":
        raise ValueError(f"{path} does not end in .png, the format that is written")
    if image.ndim != 3 or image.shape[2] not in (1, 3) or 0 in image.shape:
        raise ValueError(f"a PNG takes (H, W, 1) or (H, W, 3), got {image.shape} for {path}")
    if image.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"a PNG takes uint8 or uint16, got {image.dtype} for {path}")
    with whole_file(path) as stream:
        if image.dtype == np.uint16 and image.shape[2] == 3:
            png16.write(stream, image)
        else:
            Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image).save(stream, format="PNG")


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file that is there whole or not at all (`beside`), as a stream of bytes."""
    with beside(path) as temporary, temporary.open("xb") as stream:
        yield stream


def to_tensor(image: np.ndarray) -> Tensor:
    """(H, W, C) uint8 or uint16 to (C, H, W) float32, where 1 is the largest number of the dtype."""
    assert image.ndim == 3
    return torch.from_numpy(np.divide(image.transpose(2, 0, 1), np.iinfo(image.dtype).max, dtype=np.float32))


def to_uint8(image: Tensor) -> np.ndarray:
    """(C, H, W) of any floating dtype and device to (H, W, C) uint8: clamped to [0, 1], rounded half up.

    Raises:
        ValueError: If a value is not a number: there is no colour for it.
    """
    assert image.dim() == 3
    levels = to_levels(image.detach().cpu())
    if bool(levels.isnan().any()):
        broken = int(levels.isnan().sum())
        raise ValueError(f"{broken} of the image's {levels.numel()} values are not numbers (NaN)")
    return levels.permute(1, 2, 0).to(torch.uint8).contiguous().numpy()
