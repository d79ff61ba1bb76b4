"""A GeoTIFF that was enlarged shows the same ground: by rasterio."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.control import GroundControlPoint
from rasterio.enums import ColorInterp
from rasterio.rpc import RPC
from rasterio.transform import Affine, RPCTransformer, xy

from sr_experiments.imaging.fields import open_measured
from sr_experiments.imaging.geotiff import GeoTiff, is_geotiff
from sr_experiments.imaging.io import read_image, write_png
from sr_experiments.imaging.measured import upscale_measured
from sr_experiments.imaging.span import Span
from tests.imaging.measured_files import SCENE, repeated, scene, smooth, write_geotiff

# rasterio's own use of affine, whose multiplication has another sign by now
pytestmark = pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")


def made(path: Path, *, scale: int = 2, span: Span | None = None, restore: Any = None) -> Path:
    file = open_measured(path)
    assert isinstance(file, GeoTiff)
    target = path.with_name(f"made-{path.name}")
    upscale_measured(
        file, target, restore or repeated(scale), span=file.chosen_span(span), scale=scale, name="net"
    )
    return target


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("turned", [0.0, 30.0])
def test_the_corners_stay(tmp_path: Path, scale: int, turned: float) -> None:
    transform = SCENE @ Affine.rotation(turned)
    path = write_geotiff(tmp_path / "a.tif", scene(), transform=transform)
    with rasterio.open(path) as old, rasterio.open(made(path, scale=scale)) as new:
        assert new.crs == old.crs
        assert (new.height, new.width, new.count) == (scale * 24, scale * 20, 4)
        assert new.bounds == pytest.approx(old.bounds, abs=1e-6)
        for row, column in ((0, 0), (0, 20), (24, 0), (24, 20), (7, 3)):
            before = old.transform @ (column, row)
            assert new.transform @ (column * scale, row * scale) == pytest.approx(before, abs=1e-6)
        assert new.read().tolist() == old.read().repeat(scale, 1).repeat(scale, 2).tolist(), "nothing is lost"


@pytest.mark.parametrize("kind", ["Area", "Point"])
def test_a_plane_of_values_stays_where_it_is(tmp_path: Path, kind: str) -> None:
    """Values that grow with easting and northing are found at the same places."""
    rows, columns = np.mgrid[:24, :20]
    x, y = xy(SCENE, rows.ravel(), columns.ravel())
    values = ((np.array(x) - 300000) * 20 - (np.array(y) - 5000000) * 30).reshape(1, 24, 20) + 5000
    path = write_geotiff(tmp_path / "a.tif", values.astype(np.uint16))
    with rasterio.open(path, "r+") as file:
        file.update_tags(AREA_OR_POINT=kind)
    with rasterio.open(made(path, restore=smooth(2))) as new:
        assert new.tags()["AREA_OR_POINT"] == kind
        x, y = xy(new.transform, *(part.ravel() for part in np.mgrid[:48, :40]))
        expected = ((np.array(x) - 300000) * 20 - (np.array(y) - 5000000) * 30).reshape(48, 40) + 5000
        assert np.abs(new.read(1) - expected)[6:-6, 6:-6].max() <= 1.01


def test_what_is_said_of_bands_is_kept(tmp_path: Path) -> None:
    path = write_geotiff(
        tmp_path / "a.tif",
        scene(),
        compress="deflate",
        tiled=True,
        blockxsize=16,
        blockysize=16,
        interleave="band",
    )
    with rasterio.open(path, "r+") as file:
        file.descriptions = ("B02", "B03", "B04", "B08")
        file.units, file.scales, file.offsets = ("r",) * 4, (1e-4,) * 4, (-0.1,) * 4
        file.colorinterp = (ColorInterp.blue, ColorInterp.green, ColorInterp.red, ColorInterp.undefined)
        file.update_tags(SENSOR="made")
        file.update_tags(2, WAVELENGTH="560", STATISTICS_MEAN="1234")
    with rasterio.open(path) as old, rasterio.open(made(path)) as new:
        for what in ("descriptions", "units", "scales", "offsets", "colorinterp", "dtypes", "nodatavals"):
            assert getattr(new, what) == getattr(old, what), what
        assert (new.compression, new.interleaving) == (old.compression, old.interleaving)
        assert new.block_shapes[0][1] < new.width or new.width <= 256
        assert new.tags()["SENSOR"] == "made"
        assert new.tags(2) == {"WAVELENGTH": "560"}, "statistics were those of other pixels"


def test_nodata_is_a_hole_and_stays_one(tmp_path: Path) -> None:
    """A net sees the nearest value in its place, not a cliff; no value is taken for nodata afterwards."""
    bands = scene()
    bands[1, 4:9, 3:8] = 0
    path = write_geotiff(tmp_path / "a.tif", bands, nodata=0)
    file = open_measured(path)
    assert file is not None
    filled = file.plane(0).filled()
    assert filled.min() > 0
    assert filled[4, 3, 1] in (bands[1, 3, 3], bands[1, 4, 2])
    with rasterio.open(made(path, restore=smooth(2))) as new:
        assert new.nodata == 0
        hole = np.zeros((4, 48, 40), bool)
        hole[1, 8:18, 6:16] = True
        assert ((new.read() == 0) == hole).all()
    dark = np.zeros((1, 24, 20), np.uint16) + 7
    dark[0, 5, 5] = 65535
    path = write_geotiff(tmp_path / "b.tif", dark, nodata=65535)
    with rasterio.open(made(path, restore=lambda lq: repeated(2)(lq) * 0 + 1)) as new:
        assert np.count_nonzero(new.read() == 65535) == 4
        assert np.count_nonzero(new.read() == 65534) == 48 * 40 - 4


def test_floats_and_signed_numbers_need_a_range(tmp_path: Path) -> None:
    bands = (scene(2) / 10000).astype(np.float32)
    bands[0, 3, 3] = np.nan
    path = write_geotiff(tmp_path / "a.tif", bands, nodata=np.nan)
    with pytest.raises(ValueError, match=r"a.tif: a GeoTIFF of values whose range nothing states: say which"):
        made(path)
    with rasterio.open(made(path, span=Span(0, 1))) as new:
        assert new.dtypes == ("float32",) * 2
        expected = bands.repeat(2, 1).repeat(2, 2)
        assert np.array_equal(np.isnan(new.read()), np.isnan(expected))
        assert np.nanmax(np.abs(new.read() - expected)) < 1 / 65535
    height = (scene(1).astype(np.int16) - 1000).astype(np.int16)
    path = write_geotiff(tmp_path / "b.tif", height)
    with rasterio.open(made(path, span=Span(-500, 9000))) as new:
        assert new.read().tolist() == np.maximum(height, -500).repeat(2, 1).repeat(2, 2).tolist()


def test_control_points_and_rational_polynomials_move_with_the_pixels(tmp_path: Path) -> None:
    points = [
        GroundControlPoint(row, column, 13 + column / 100, 50 - row / 100)
        for row, column in ((0, 0), (0, 20), (24, 0), (24, 20))
    ]
    path = write_geotiff(tmp_path / "a.tif", scene(), transform=None, crs="EPSG:4326", gcps=points)
    with rasterio.open(made(path)) as new:
        moved, system = new.gcps
        assert system.to_epsg() == 4326
        assert [(p.row, p.col, p.x, p.y) for p in moved] == [(p.row * 2, p.col * 2, p.x, p.y) for p in points]
    one = [1.0, *[0.0] * 19]
    rpcs = RPC(
        height_off=0.0,
        height_scale=100.0,
        lat_off=50.0,
        lat_scale=0.1,
        line_den_coeff=one,
        line_num_coeff=[0.0, 0.0, -1.0, *[0.0] * 17],
        line_off=11.5,
        line_scale=12.0,
        long_off=13.0,
        long_scale=0.1,
        samp_den_coeff=one,
        samp_num_coeff=[0.0, 1.0, *[0.0] * 18],
        samp_off=9.5,
        samp_scale=10.0,
    )
    path = write_geotiff(tmp_path / "b.tif", scene(), transform=None, crs=None, rpcs=rpcs)
    with rasterio.open(path) as old, rasterio.open(made(path)) as new:
        before, after = RPCTransformer(old.rpcs), RPCTransformer(new.rpcs)
    for row, column in ((2.0, 3.0), (20.0, 15.0)):
        place = before.xy(row, column, offset="ul")
        assert after.xy(row * 2, column * 2, offset="ul") == pytest.approx(place, abs=1e-7)


def test_alpha_and_masks_are_holes_and_are_kept(tmp_path: Path) -> None:
    bands = scene(5)
    bands[4] = 65535
    bands[4, :6] = 0
    path = write_geotiff(tmp_path / "a.tif", bands)
    with rasterio.open(path, "r+") as file:
        file.colorinterp = (*file.colorinterp[:4], ColorInterp.alpha)
    file = open_measured(path)
    assert file is not None
    assert file.shape == (24, 20, 4)
    with rasterio.open(made(path)) as new:
        assert new.colorinterp[4] == ColorInterp.alpha
        assert new.read(5).tolist() == bands[4].repeat(2, 0).repeat(2, 1).tolist()
    path = write_geotiff(tmp_path / "b.tif", scene(2))
    mask = np.full((24, 20), 255, np.uint8)
    mask[5:9, 5:9] = 0
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as file:
        file.write_mask(mask)
    with rasterio.open(made(path)) as new:
        assert new.read_masks(1).tolist() == mask.repeat(2, 0).repeat(2, 1).tolist()


def test_a_plain_tiff_is_a_picture_and_a_turned_name_changes_nothing(tmp_path: Path) -> None:
    path = write_geotiff(tmp_path / "plain.tif", scene(3), transform=None, crs=None)
    assert not is_geotiff(path)
    assert open_measured(path) is None
    assert read_image(path).shape == (24, 20, 3)
    write_png(tmp_path / "a.png", np.zeros((4, 4, 1), np.uint8))
    assert open_measured(tmp_path / "a.png") is None
    assert is_geotiff(write_geotiff(tmp_path / "b.tif", scene(3)).rename(tmp_path / "b.png"))


def test_what_is_refused_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    classes = write_geotiff(tmp_path / "classes.tif", scene(1).astype(np.uint8), photometric="palette")
    with rasterio.open(classes, "r+") as file:
        file.write_colormap(1, {0: (0, 0, 0, 255), 1: (255, 0, 0, 255)})
    with pytest.raises(ValueError, match="its pixels are numbers of a palette, classes rather than measured"):
        open_measured(classes)
    path = write_geotiff(tmp_path / "complex.tif", scene(1).astype(np.complex64))
    with pytest.raises(ValueError, match="its bands are complex64; integers or floats, all bands alike, are"):
        open_measured(path)
    whole = write_geotiff(tmp_path / "whole.tif", scene(4, 100, 100), compress="deflate")
    cut = tmp_path / "cut.tif"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(ValueError, match=r"cannot read the image .*cut.tif: .*fetch it again"):
        made(cut)
    monkeypatch.setitem(sys.modules, "rasterio", None)
    said = (
        r"whole.tif is a GeoTIFF, which takes the package rasterio: pip install .sr-experiments\[satellite\]"
    )
    with pytest.raises(ValueError, match=said):
        open_measured(whole)


def test_a_failure_leaves_no_file(tmp_path: Path) -> None:
    path = write_geotiff(tmp_path / "a.tif", scene())
    with pytest.raises(ValueError, match="the net's result has values that are not numbers"):
        made(path, restore=lambda lq: repeated(2)(lq) * float("nan"))

    def broken(lq: Any) -> Any:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        made(path, restore=broken)
    assert [one.name for one in tmp_path.iterdir()] == ["a.tif"]
