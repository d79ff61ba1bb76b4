"""Whole files to begin with: crops of photographs in every format, and every layout."""

import io
from functools import cache
from typing import Any

import numpy as np
import tifffile
from PIL import Image

from sr_experiments.data.demo import Demo
from sr_experiments.imaging import png16
from sr_experiments.imaging.io import read_image
from tests.data.odd import bmp, chunk, exif, jpeg, png, run_lengths

H, W = 36, 44
TURNED = {"extratags": [(274, "H", 1, 6, True)]}


@cache
def crop(name: str, *, top: int = 120, left: int = 200) -> np.ndarray:
    """A part of a photograph, (H, W, C) uint8."""
    (item,) = Demo(names=[name]).items()
    return np.ascontiguousarray(read_image(item.gt)[top : top + H, left : left + W])


def deep(image: np.ndarray) -> np.ndarray:
    """As 16 bit, the lower ones from the neighbours: what a mean over pixels leaves."""
    wide = image.astype(np.uint16) * 257
    return ((wide.astype(np.int64) * 3 + np.roll(wide, 1, axis=1)) // 4).astype(np.uint16)


def _pillow(image: np.ndarray | Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    opened = image if isinstance(image, Image.Image) else Image.fromarray(image)
    opened.save(stream, kind, **options)
    return stream.getvalue()


def _tifffile(image: np.ndarray, **options: Any) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, image, metadata=None, **options)
    return stream.getvalue()


def _stored_png(image: np.ndarray) -> bytes:
    """Not compressed, a chunk for some rows: where only the sum over all pixels tells that one is missing."""
    written = _pillow(image, "PNG", compress_level=0)
    start = written.index(b"IDAT") - 4
    length = int.from_bytes(written[start : start + 4], "big")
    data = written[start + 8 : start + 8 + length]
    chunks = b"".join(chunk(b"IDAT", data[i : i + 1500]) for i in range(0, len(data), 1500))
    return written[:start] + chunks + written[start + 12 + length :]


def _deep_png(image: np.ndarray) -> bytes:
    stream = io.BytesIO()
    png16.write(stream, image)
    return stream.getvalue()


@cache
def seeds() -> dict[str, bytes]:
    """Name with the format's suffix -> content of the file."""
    rgb, grey = crop("astronaut"), crop("camera")
    other = crop("coffee")
    rgba = np.dstack([rgb, 255 - crop("brick")])
    palette = Image.fromarray(rgb).quantize(16)
    index = np.asarray(palette).copy()
    colours = np.asarray(palette.getpalette(), np.uint8)[:48]
    quads = np.pad(colours.reshape(-1, 3)[:, ::-1], ((0, 0), (0, 1))).tobytes()
    turned, late = exif(6), chunk(b"eXIf", exif(8).tobytes()[6:])
    bits = grey[:, :, 0] > 127
    ink = np.asarray(Image.fromarray(rgb).convert("CMYK"))
    many = np.dstack([rgb, other[:, :, :2]])
    return {
        "rgb.png": _pillow(rgb, "PNG"),
        "grey.png": _pillow(grey[:, :, 0], "PNG"),
        "rgba.png": _pillow(rgba, "PNG"),
        "grey alpha.png": _pillow(rgba[:, :, 2:], "PNG"),
        "palette.png": _pillow(palette, "PNG", transparency=3),
        "one bit.png": _pillow(bits, "PNG"),
        "stored.png": _stored_png(rgb),
        "two chunks.png": png(rgb, colour=2, before=chunk(b"tEXt", b"Title\0a crop")),
        "turned.png": _pillow(rgb, "PNG", exif=turned),
        "16 grey.png": _pillow(deep(grey)[:, :, 0], "PNG"),
        "16 rgb.png": _deep_png(deep(rgb)),
        "16 rgba.png": png(deep(rgba), depth=16, colour=6),
        "16 grey alpha.png": png(deep(rgba)[:, :, 2:], depth=16, colour=4),
        "16 turned.png": png(deep(rgb), depth=16, colour=2, before=late),
        "rgb.jpg": jpeg(rgb, quality=90),
        "grey.jpg": _pillow(grey[:, :, 0], "JPEG", quality=80),
        "ink.jpg": jpeg(rgb, mode="CMYK"),
        "progressive.jpg": jpeg(other, progressive=True, optimize=True),
        "restarts.jpg": jpeg(other, restart_marker_rows=1, subsampling=0),
        "turned.jpg": jpeg(rgb, exif=turned),
        "two pictures.jpg": _pillow(rgb, "MPO", save_all=True, append_images=[Image.fromarray(other)]),
        "lossy.webp": _pillow(rgb, "WEBP", quality=80),
        "lossless.webp": _pillow(other, "WEBP", lossless=True),
        "rgba.webp": _pillow(rgba, "WEBP", quality=90),
        "turned.webp": _pillow(rgb, "WEBP", exif=turned, lossless=True),
        "rgb.bmp": _pillow(rgb, "BMP"),
        "grey.bmp": _pillow(grey[:, :, 0], "BMP"),
        "one bit.bmp": _pillow(bits, "BMP"),
        "rgbx.bmp": bmp(rgba[::-1, :, [2, 1, 0, 3]].tobytes(), W, H, bits=32),
        "run lengths.bmp": bmp(run_lengths(index), W, H, bits=8, packing=1, table=quads),
        "rgb.tif": _tifffile(rgb, photometric="rgb", rowsperstrip=8),
        "grey.tif": _tifffile(grey[:, :, 0]),
        "rgba.tif": _tifffile(rgba, photometric="rgb", extrasamples=["unassalpha"]),
        "tiles.tif": _tifffile(deep(rgb), photometric="rgb", tile=(16, 16)),
        "deflate.tif": _tifffile(deep(rgb), photometric="rgb", compression="adobe_deflate", rowsperstrip=8),
        "differences.tif": _tifffile(rgb, photometric="rgb", compression="adobe_deflate", predictor=True),
        "lzma.tif": _tifffile(rgb, photometric="rgb", compression="lzma", rowsperstrip=12),
        "16 grey.tif": _tifffile(deep(grey)[:, :, 0], byteorder=">"),
        "big.tif": _tifffile(rgb, photometric="rgb", bigtiff=True),
        "planes.tif": _tifffile(rgb.transpose(2, 0, 1).copy(), photometric="rgb", planarconfig="separate"),
        "five bands.tif": _tifffile(many, photometric="minisblack", planarconfig="contig"),
        "turned.tif": _tifffile(rgb, photometric="rgb", **TURNED),
        "lzw.tif": _pillow(rgb, "TIFF", compression="tiff_lzw"),
        "packbits.tif": _pillow(grey[:, :, 0], "TIFF", compression="packbits"),
        "jpeg.tif": _pillow(rgb, "TIFF", compression="jpeg"),
        "fax.tif": _pillow(bits, "TIFF", compression="group4"),
        "palette.tif": _pillow(palette, "TIFF"),
        "ink.tif": _tifffile(ink, photometric="separated"),
    }
