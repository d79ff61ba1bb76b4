"""GeoTIFF through rasterio: any number of bands, and the place on Earth that they show.

The upscaled file covers the same ground: its transform is that of the file with pixels of 1 / scale, so that
the corners stay where they are, whatever the rotation; ground control points move with the pixels, and
rational polynomials (RPC) are rescaled. Reference system, descriptions, units, scales, offsets and tags of
the bands are kept, statistics are not: they were those of other pixels.

Nodata, masks and NaN are holes of each band for itself. Palettes are refused, because a class number is
nothing to interpolate, and so are complex values. An alpha band is enlarged by repetition.
"""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from tifffile import TiffFile

from sr_experiments.imaging import modes, tiff
from sr_experiments.imaging.beside import beside
from sr_experiments.imaging.measured import MeasuredFile, Plane, absent, enlarged
from sr_experiments.imaging.span import Span, as_whole

# ModelPixelScale, ModelTiepoint, ModelTransformation, RPCCoefficient, GeoKeyDirectory, GDAL's nodata
TAGS = (33550, 33922, 34264, 50844, 34735, 42113)
LOSSLESS = ("deflate", "lzw", "zstd", "lzma", "packbits")


def is_geotiff(path: Path) -> bool:
    """Whether it is a TIFF with a place on Earth or a nodata value, by its tags; needs no rasterio."""
    if not tiff.is_tiff(path):
        return False
    try:
        with TiffFile(path) as file:
            return any(tag in file.pages.first.tags for tag in TAGS)
    except Exception:  # a broken TIFF: whoever reads it as an image says so
        return False


def _rasterio(path: Path) -> Any:
    """The package.

    Raises:
        ValueError: If it is not installed.
    """
    try:
        import rasterio
    except ImportError as error:
        raise absent(path, kind="a GeoTIFF", package="rasterio", extra="satellite") from error
    return rasterio


class GeoTiff(MeasuredFile):
    """An opened GeoTIFF, or any TIFF that GDAL reads.

    Args:
        path: The file.

    Raises:
        ValueError: If it cannot be read, or is of a kind that is refused.
    """

    kind = "a GeoTIFF"

    def __init__(self, path: Path) -> None:
        """Read the header."""
        self.path, self.belongs = path, str(path)
        self._rasterio = _rasterio(path)
        with self._opened() as source:
            modes.check_size(source.height, source.width * max(1, -(-source.count // 4)))
            meanings = [one.name for one in source.colorinterp]
            if "palette" in meanings:
                raise ValueError(
                    f"{path}: its pixels are numbers of a palette, classes rather than measured values; "
                    "bands of values are read"
                )
            self.dtype = np.dtype(source.dtypes[0])
            if len(set(source.dtypes)) > 1 or self.dtype.kind not in "uif":
                raise ValueError(
                    f"{path}: its bands are {', '.join(dict.fromkeys(source.dtypes))}; integers or floats, "
                    "all bands alike, are read"
                )
            self._bands = [i + 1 for i, one in enumerate(meanings) if one != "alpha"]
            self.shape = source.height, source.width, len(self._bands)
            self.nodata = source.nodata
        if self.dtype in (np.uint8, np.uint16):
            self.span = Span(0.0, float(np.iinfo(self.dtype).max))

    def _opened(self) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", self._rasterio.errors.NotGeoreferencedWarning)
            try:
                return self._rasterio.open(self.path, driver="GTiff")
            except self._rasterio.errors.RasterioError as error:
                raise ValueError(f"cannot read the image {self.path}: {error}; fetch it again") from error

    def plane(self, number: int) -> Plane:
        """All bands; see `MeasuredFile`."""
        assert number == 0
        try:
            with self._opened() as source:
                stored = np.moveaxis(source.read(self._bands), 0, -1)
                holes = np.moveaxis(source.read_masks(self._bands) == 0, 0, -1)
        except self._rasterio.errors.RasterioError as error:
            raise ValueError(
                f"cannot read the image {self.path}: {error}; it is damaged, fetch it again"
            ) from error
        if self.dtype.kind == "f":
            holes |= ~np.isfinite(stored)
        return Plane(stored.astype(np.float64), holes if holes.any() else None)

    def write(self, path: Path, planes: Iterator[np.ndarray], *, scale: int, name: str) -> None:
        """One GeoTIFF with the same bands, where the file is; see `MeasuredFile`."""
        (values,) = planes
        with self._opened() as source, beside(path, suffix=path.suffix) as temporary:
            stored = self._stored(source, values, scale)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", self._rasterio.errors.NotGeoreferencedWarning)
                with (
                    self._rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
                    self._rasterio.open(temporary, "w", **_profile(source, scale)) as made,
                ):
                    _describe(source, made, scale=scale)  # first: alpha can not be told afterwards
                    made.write(stored)

    def _stored(self, source: Any, values: np.ndarray, scale: int) -> np.ndarray:
        """(C, sH, sW) in the file's type, its holes and alpha bands as they were, larger."""
        made = np.empty((source.count, *values.shape[:2]), self.dtype)
        for place, band in enumerate(self._bands):
            made[band - 1] = as_whole(values[:, :, place], self.dtype)
            holes = enlarged(source.read_masks(band) == 0, scale)
            old = source.read(band)
            if self.dtype.kind == "f":
                holes |= enlarged(~np.isfinite(old), scale)
            if self.nodata is not None and self.dtype.kind != "f":
                # A value that is none must not be taken for nodata.
                _step_aside(made[band - 1], int(self.nodata))
            made[band - 1][holes] = enlarged(old, scale)[holes]
        for band in set(range(1, source.count + 1)) - set(self._bands):
            made[band - 1] = enlarged(source.read(band), scale)
        return made


def _step_aside(values: np.ndarray, nodata: int) -> None:
    """Values that came out as nodata become the next whole number, in place."""
    ends = np.iinfo(values.dtype)
    values[values == nodata] = nodata + 1 if nodata < ends.max else nodata - 1


def _profile(source: Any, scale: int) -> dict[str, Any]:
    """How the new file is laid out, and where it lies."""
    profile = {
        "driver": "GTiff",
        "height": source.height * scale,
        "width": source.width * scale,
        "count": source.count,
        "dtype": source.dtypes[0],
        "nodata": source.nodata,
        "compress": source.profile.get("compress", "none"),
        "interleave": source.profile.get("interleave", "pixel"),
        "bigtiff": "if_safer",
    }
    if profile["compress"] not in (*LOSSLESS, "none"):
        profile["compress"] = "deflate"  # what was lossy once is not made lossy again
    if source.block_shapes[0][1] != source.width:  # tiles, no strips
        profile |= {"tiled": True, "blockxsize": 256, "blockysize": 256}
    points, system = source.gcps
    if points:
        from rasterio.control import GroundControlPoint

        profile["crs"] = system
        profile["gcps"] = [
            GroundControlPoint(
                row=p.row * scale, col=p.col * scale, x=p.x, y=p.y, z=p.z, id=p.id, info=p.info
            )
            for p in points
        ]
    else:
        profile["crs"] = source.crs
        if not source.transform.is_identity:
            a, b, c, d, e, f = tuple(source.transform)[:6]
            profile["transform"] = type(source.transform)(a / scale, b / scale, c, d / scale, e / scale, f)
    return profile


def _describe(source: Any, made: Any, *, scale: int) -> None:
    """Tags, and what is said of each band."""
    made.update_tags(**source.tags())
    for band in range(1, source.count + 1):
        tags = {key: text for key, text in source.tags(band).items() if not key.startswith("STATISTICS_")}
        made.update_tags(band, **tags)
    made.descriptions, made.units = source.descriptions, source.units
    made.scales, made.offsets = source.scales, source.offsets
    made.colorinterp = source.colorinterp
    flags = source.mask_flag_enums[0]
    if [flag.name for flag in flags] == ["per_dataset"]:
        made.write_mask(enlarged(source.read_masks(1), scale))
    if source.rpcs is not None:
        rpcs = source.rpcs
        # Its offsets count from the middle of the first pixel.
        rpcs.line_off, rpcs.samp_off = ((off + 0.5) * scale - 0.5 for off in (rpcs.line_off, rpcs.samp_off))
        rpcs.line_scale, rpcs.samp_scale = rpcs.line_scale * scale, rpcs.samp_scale * scale
        made.rpcs = rpcs
