"""TIFF: bits, bands, byte order, layout, pages and compressions."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from sr_experiments.imaging.exif import upright
from sr_experiments.imaging.io import image_size, read_image


def picture(channels: int, dtype: type = np.uint16) -> np.ndarray:
    rng = np.random.default_rng(channels)
    return rng.integers(0, np.iinfo(dtype).max + 1, (9, 14, channels), dtype=dtype)


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_16_bit_rgb(tmp_path: Path, byteorder: str, planar: str, compression: str | None) -> None:
    image = picture(3)
    path = tmp_path / "image.tif"
    stored = image if planar == "contig" else np.moveaxis(image, -1, 0)
    tifffile.imwrite(
        path, stored, photometric="rgb", planarconfig=planar, byteorder=byteorder, compression=compression
    )
    result = read_image(path)
    np.testing.assert_array_equal(result, image)
    assert result.dtype == np.dtype(np.uint16)
    assert result.dtype.isnative
    assert result.flags.writeable
    assert image_size(path) == (9, 14)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("bands", [2, 3, 4, 8])
def test_bands(tmp_path: Path, dtype: type, bands: int) -> None:
    image = picture(bands, dtype)
    tifffile.imwrite(tmp_path / "image.tif", image, photometric="minisblack", planarconfig="contig")
    np.testing.assert_array_equal(read_image(tmp_path / "image.tif"), image)


def test_near_infrared_beside_rgb_is_a_band_and_alpha_is_not(tmp_path: Path) -> None:
    image = picture(5)
    kinds = ["unspecified", "unassalpha"]
    tifffile.imwrite(tmp_path / "image.tif", image, photometric="rgb", extrasamples=kinds)
    np.testing.assert_array_equal(read_image(tmp_path / "image.tif"), image[:, :, :4])
    tifffile.imwrite(tmp_path / "image.tif", image, photometric="rgb", extrasamples=kinds[::-1])
    np.testing.assert_array_equal(read_image(tmp_path / "image.tif"), image[:, :, [0, 1, 2, 4]])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2])
def test_white_is_zero(tmp_path: Path, dtype: type, channels: int) -> None:
    image = picture(channels, dtype)
    tifffile.imwrite(tmp_path / "image.tif", image.squeeze(), photometric="miniswhite", planarconfig="contig")
    np.testing.assert_array_equal(read_image(tmp_path / "image.tif"), np.iinfo(dtype).max - image)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_orientation(tmp_path: Path, orientation: int, dtype: type) -> None:
    """8 bit is turned by Pillow, 16 bit by us: both must agree."""
    image = picture(3, dtype)
    tag = (274, "H", 1, orientation, True)
    tifffile.imwrite(tmp_path / "image.tif", image, photometric="rgb", extratags=[tag])
    result = read_image(tmp_path / "image.tif")
    np.testing.assert_array_equal(result, upright(image, orientation=orientation))
    assert image_size(tmp_path / "image.tif") == result.shape[:2]


@pytest.mark.parametrize("compression", ["tiff_lzw", "packbits", "tiff_adobe_deflate"])
@pytest.mark.parametrize("channels", [1, 3])
def test_8_bit_compressed(tmp_path: Path, compression: str, channels: int) -> None:
    image = picture(channels, np.uint8)
    Image.fromarray(image.squeeze()).save(tmp_path / "image.tif", compression=compression)
    np.testing.assert_array_equal(read_image(tmp_path / "image.tif"), image)


def test_16_bit_grey_with_lzw(tmp_path: Path) -> None:
    image = picture(1)
    Image.fromarray(image[:, :, 0]).save(tmp_path / "image.tif", compression="tiff_lzw")
    np.testing.assert_array_equal(read_image(tmp_path / "image.tif"), image)


def test_a_compression_that_takes_imagecodecs_is_named(tmp_path: Path) -> None:
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, picture(3), photometric="rgb")
    with tifffile.TiffFile(path, mode="r+b") as file:
        file.pages.first.tags["Compression"].overwrite(tifffile.COMPRESSION.LZW)
    without = r": 3 samples of 16 bits in LZW compression take the package imagecodecs: install it, or save"
    reason = without if importlib.util.find_spec("imagecodecs") is None else ": "
    with pytest.raises(ValueError, match=rf"cannot read the image .*image\.tif{reason}"):
        read_image(path)


def test_another_error_of_the_decoder_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tifffile.imwrite(tmp_path / "image.tif", picture(3), photometric="rgb")

    def decode(self: tifffile.TiffPage) -> np.ndarray:
        raise ValueError("corrupted strip")

    monkeypatch.setattr(tifffile.TiffPage, "asarray", decode)
    with pytest.raises(ValueError, match=r"cannot read the image .*image\.tif: corrupted strip"):
        read_image(tmp_path / "image.tif")


def test_a_reduced_copy_is_no_second_page(tmp_path: Path) -> None:
    image = picture(3)
    with tifffile.TiffWriter(tmp_path / "image.tif") as file:
        file.write(image, photometric="rgb")
        file.write(image[::2, ::2], photometric="rgb", subfiletype=1)
    np.testing.assert_array_equal(read_image(tmp_path / "image.tif"), image)


def test_pages_are_counted(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "image.tif", np.zeros((4, 9, 14), np.uint16), photometric="minisblack")
    with pytest.raises(
        ValueError, match=r"it has 4 pages; save the one that is meant as its own file \(bands"
    ):
        read_image(tmp_path / "image.tif")


@pytest.mark.parametrize("dtype", [np.int16, np.uint32, np.float32])
def test_other_types_are_refused(tmp_path: Path, dtype: type) -> None:
    tifffile.imwrite(tmp_path / "image.tif", np.zeros((9, 14), dtype))
    for function in (read_image, image_size):
        with pytest.raises(
            ValueError, match=rf"its samples are {np.dtype(dtype).name} \(.. bits\); unsigned inte"
        ):
            function(tmp_path / "image.tif")


def test_16_bit_cmyk_is_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "image.tif", picture(4), photometric="separated")
    with pytest.raises(
        ValueError, match="its colours are SEPARATED in 4 samples of 16 bits; save it as RGB or gr"
    ):
        read_image(tmp_path / "image.tif")


def test_bands_of_few_bits_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, picture(2, np.uint8), photometric="minisblack", planarconfig="contig")
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        bits = file.pages.first.tags["BitsPerSample"].valueoffset
    data[bits], data[bits + 2] = 4, 4
    path.write_bytes(data)
    with pytest.raises(ValueError, match="it has 2 bands of 4 bits; 8 and 16 bits are read"):
        read_image(path)


def test_a_volume_is_refused(tmp_path: Path) -> None:
    volume = np.zeros((16, 16, 16), np.uint16)
    tifffile.imwrite(tmp_path / "image.tif", volume, volumetric=True, tile=(16, 16, 16))
    with pytest.raises(ValueError, match="its axes are ZYX; a volume is no image"):
        read_image(tmp_path / "image.tif")
