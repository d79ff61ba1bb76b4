"""Every kind of image file has a defined outcome."""

import os
import stat
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from sr_experiments.imaging import modes
from sr_experiments.imaging.io import (
    image_size,
    list_images,
    read_image,
    to_tensor,
    to_uint8,
    write_png,
)

ORIENTATION = 274


def picture(height: int = 11, width: int = 7, channels: int = 3, dtype: type = np.uint8) -> np.ndarray:
    rng = np.random.default_rng(height * width * channels)
    return rng.integers(0, np.iinfo(dtype).max + 1, (height, width, channels), dtype=dtype)


def smooth_picture(height: int = 24, width: int = 16) -> Image.Image:
    """Something that lossy formats keep, without a symmetry."""
    y, x = np.mgrid[:height, :width]
    return Image.fromarray(np.stack([10 * y, 15 * x, 3 * (x + y)], axis=-1).astype(np.uint8))


def encode_png16(image: np.ndarray, *, interlaced: bool = False) -> bytes:
    """A 16-bit PNG with every filter in turn; independent of the package's writer."""
    height, width, channels = image.shape
    passes = [(0, 0, 1, 1)]
    if interlaced:  # Adam7: first x, first y, step x, step y
        passes = [
            *[(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)],
            *[(0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)],
        ]
    data = b"".join(
        filtered_rows(image[y0::dy, x0::dx]) for x0, y0, dx, dy in passes if x0 < width and y0 < height
    )
    colour_type = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, int(interlaced))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        for name, content in ((b"IHDR", header), (b"IDAT", zlib.compress(data)), (b"IEND", b""))
    )


def filtered_rows(image: np.ndarray) -> bytes:
    height, width, channels = image.shape
    stride = 2 * channels
    padded = np.zeros((height + 1, (width + 1) * stride), np.int64)
    padded[1:, stride:] = image.astype(">u2").view(np.uint8).reshape(height, -1)
    rows = []
    for i in range(height):
        here, above = padded[i + 1], padded[i]
        left, corner = here[:-stride], above[:-stride]
        here, above = here[stride:], above[stride:]
        guess = left + above - corner
        distances = [abs(guess - option) for option in (left, above, corner)]
        paeth = np.where(
            (distances[0] <= distances[1]) & (distances[0] <= distances[2]),
            left,
            np.where(distances[1] <= distances[2], above, corner),
        )
        prediction = [0, left, above, (left + above) // 2, paeth][i % 5]
        rows.append(bytes([i % 5]) + ((here - prediction) % 256).astype(np.uint8).tobytes())
    return b"".join(rows)


@pytest.mark.parametrize(
    ("suffix", "channels"),
    [
        *[(suffix, channels) for suffix in (".png", ".bmp", ".tif", ".TIFF") for channels in (1, 3)],
        (".webp", 3),
    ],
)
def test_lossless_formats_return_what_was_written(tmp_path: Path, suffix: str, channels: int) -> None:
    image = picture(channels=channels)
    path = tmp_path / f"image{suffix}"
    options: dict[str, Any] = {"lossless": True} if suffix == ".webp" else {}
    Image.fromarray(image.squeeze()).save(path, **options)
    result = read_image(path)
    np.testing.assert_array_equal(result, image)
    assert result.dtype == np.uint8
    assert result.flags.writeable
    assert image_size(path) == (11, 7)


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_jpeg(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "image.jpeg"
    original = smooth_picture().convert(mode)
    original.save(path, quality=98)
    result = read_image(path)
    assert result.shape == (24, 16, len(mode))
    assert np.abs(result.squeeze().astype(int) - np.asarray(original)).max() < 12


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_png_of_16_bits_keeps_them_and_loses_alpha(tmp_path: Path, channels: int, interlaced: bool) -> None:
    image = picture(19, 13, channels, np.uint16)
    path = tmp_path / "image.png"
    path.write_bytes(encode_png16(image, interlaced=interlaced))
    result = read_image(path)
    assert result.dtype == np.uint16
    np.testing.assert_array_equal(result, image[:, :, : 3 if channels > 2 else 1])
    assert image_size(path) == (19, 13)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
def test_written_png_reads_the_same(tmp_path: Path, dtype: type, channels: int) -> None:
    image = picture(channels=channels, dtype=dtype)
    path = tmp_path / "new" / "folder" / "image.png"
    write_png(path, image)
    np.testing.assert_array_equal(read_image(path), image)
    assert read_image(path).dtype == dtype


def test_written_16_bit_colour_by_the_definition_of_the_filter(tmp_path: Path) -> None:
    image = picture(dtype=np.uint16)
    write_png(tmp_path / "image.png", image)
    data = (tmp_path / "image.png").read_bytes()
    start = data.index(b"IDAT")
    (length,) = struct.unpack(">I", data[start - 4 : start])
    rows = np.frombuffer(zlib.decompress(data[start + 4 : start + 4 + length]), np.uint8).reshape(11, -1)
    assert (rows[:, 0] == 2).all()
    restored = np.cumsum(rows[:, 1:], axis=0, dtype=np.uint8)
    np.testing.assert_array_equal(restored.view(">u2").reshape(11, 7, 3), image)


def test_palette_becomes_rgb(tmp_path: Path) -> None:
    original = smooth_picture().quantize(16)
    for suffix in (".png", ".bmp", ".tif"):
        original.save(tmp_path / f"image{suffix}")
        result = read_image(tmp_path / f"image{suffix}")
        np.testing.assert_array_equal(result, np.asarray(original.convert("RGB")))


def test_palette_with_transparency_keeps_the_colours(tmp_path: Path) -> None:
    original = smooth_picture().quantize(16)
    original.save(tmp_path / "image.png", transparency=3)
    np.testing.assert_array_equal(read_image(tmp_path / "image.png"), np.asarray(original.convert("RGB")))


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
def test_alpha_is_dropped_and_the_colours_kept(tmp_path: Path, suffix: str) -> None:
    image = picture(channels=4)
    image[:3, :, 3] = 0
    options: dict[str, Any] = {"lossless": True, "exact": True} if suffix == ".webp" else {}
    Image.fromarray(image).save(tmp_path / f"image{suffix}", **options)
    np.testing.assert_array_equal(read_image(tmp_path / f"image{suffix}"), image[:, :, :3])


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_grey_with_alpha_becomes_grey(tmp_path: Path, suffix: str) -> None:
    image = picture(channels=2)
    Image.fromarray(image, mode=None).save(tmp_path / f"image{suffix}")
    np.testing.assert_array_equal(read_image(tmp_path / f"image{suffix}"), image[:, :, :1])


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_cmyk_becomes_rgb(tmp_path: Path, suffix: str) -> None:
    original = smooth_picture().convert("CMYK")
    original.save(tmp_path / f"image{suffix}")
    result = read_image(tmp_path / f"image{suffix}")
    assert result.shape == (24, 16, 3)
    assert np.abs(result.astype(int) - np.asarray(smooth_picture())).mean() < 6


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif"])
def test_one_bit_becomes_grey(tmp_path: Path, suffix: str) -> None:
    bits = picture(channels=1)[:, :, 0] > 127
    Image.fromarray(bits).save(tmp_path / f"image{suffix}")
    np.testing.assert_array_equal(read_image(tmp_path / f"image{suffix}")[:, :, 0], bits * 255)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_exif_orientation_is_applied(tmp_path: Path, suffix: str, orientation: int) -> None:
    path = tmp_path / f"image{suffix}"
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    smooth_picture().save(path, exif=exif)
    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(read_image(path), expected)
    assert image_size(path) == expected.shape[:2]
    assert (expected.shape[0] == 16) == (orientation >= 5)


def test_an_orientation_that_means_nothing_is_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 9
    smooth_picture().save(tmp_path / "image.png", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "image.png"), np.asarray(smooth_picture()))


def test_broken_exif_data_is_reported_and_the_image_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "image.png"
    smooth_picture().save(path, exif=b"nonsense that is no EXIF data at all")
    np.testing.assert_array_equal(read_image(path), np.asarray(smooth_picture()))
    assert f"{path}: its EXIF data cannot be read" in caplog.text
    assert "the image is taken to be upright" in caplog.text


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
def test_an_animation_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"image{suffix}"
    frames = [smooth_picture(), smooth_picture().rotate(180)]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    kind = (
        "2 pages; save the one that is meant as its own file"
        if suffix == ".tif"
        else "an animation of 2 frames"
    )
    for function in (read_image, image_size):
        with pytest.raises(ValueError, match=f"cannot read the image .*image{suffix}: it (has|is) {kind}"):
            function(path)


def test_of_a_phones_multi_picture_jpeg_the_first_is_read(tmp_path: Path) -> None:
    path = tmp_path / "image.jpg"
    smooth_picture().save(path, format="MPO", save_all=True, append_images=[smooth_picture(8, 8)])
    assert read_image(path).shape == (24, 16, 3)
    assert image_size(path) == (24, 16)


@pytest.mark.parametrize("function", [read_image, image_size])
def test_missing_and_empty_files_and_folders(tmp_path: Path, function) -> None:
    with pytest.raises(FileNotFoundError, match=r"there is no image .*nowhere\.png"):
        function(tmp_path / "nowhere.png")
    (tmp_path / "empty.png").touch()
    with pytest.raises(ValueError, match=r"cannot read the image .*empty\.png: the file is empty"):
        function(tmp_path / "empty.png")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(ValueError, match=r"cannot read the image .*folder\.png: Is a directory"):
        function(tmp_path / "folder.png")


@pytest.mark.parametrize("content", [b"GIF89a and so on", b"not an image", b"\x89PNG\r\n\x1a\n", b"II*\x00"])
def test_what_is_no_image_of_the_five_kinds(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "image.png"
    path.write_bytes(content)
    for function in (read_image, image_size):
        with pytest.raises(ValueError, match=r"cannot read the image .*image\.png: "):
            function(path)


def test_the_message_for_an_unknown_kind(tmp_path: Path) -> None:
    smooth_picture().save(tmp_path / "image.gif")
    with pytest.raises(
        ValueError, match=r"image\.gif: it is no PNG, JPEG, BMP, WebP or TIFF, or its header is"
    ):
        read_image(tmp_path / "image.gif")


SAVED = {
    "image.png": {},
    "image.jpg": {},
    "image.bmp": {},
    "image.webp": {},
    "image.tif": {},
    "image16.tif": {},
    "image16.png": {},
    "deflate.tif": {"compression": "tiff_deflate"},
}


def save_one(folder: Path, name: str) -> Path:
    path = folder / name
    if name == "image16.png":
        path.write_bytes(encode_png16(picture(40, 30, 3, np.uint16)))
    elif name == "image16.tif":
        Image.fromarray(picture(40, 30, 1, np.uint16)[:, :, 0]).save(path)
    else:
        Image.fromarray(picture(40, 30)).save(path, **SAVED[name])
    return path


@pytest.mark.filterwarnings("ignore:.*:UserWarning:PIL")  # Pillow may warn before it gives up
@pytest.mark.parametrize("name", list(SAVED))
@pytest.mark.parametrize("fraction", [0.01, 0.3, 0.6, 0.95])
def test_a_truncated_file_is_named_and_never_read(tmp_path: Path, name: str, fraction: float) -> None:
    path = save_one(tmp_path, name)
    data = path.read_bytes()
    path.write_bytes(data[: max(1, int(fraction * len(data)))])
    with pytest.raises(ValueError, match=rf"cannot read the image .*{name}: ."):
        read_image(path)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", list(SAVED))
def test_damaged_bytes_raise_a_value_error_or_nothing(tmp_path: Path, name: str) -> None:
    path = save_one(tmp_path, name)
    data = np.frombuffer(path.read_bytes(), np.uint8)
    rng = np.random.default_rng(0)
    refused = []
    for trial in range(60):
        damaged = data.copy()
        end = 64 if trial % 2 else len(data)  # every other time in the header
        damaged[rng.integers(0, end, 3)] = rng.integers(0, 256, 3)
        path.write_bytes(damaged.tobytes())
        for function in (image_size, read_image):
            try:
                function(path)
            except ValueError as error:
                refused.append(str(error))
    assert refused
    assert all(message.startswith(f"cannot read the image {path}: ") for message in refused)


def test_huge_images_are_refused_as_by_pillow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("image.png", "image.tif", "image16.png", "image16.tif"):
        path = save_one(tmp_path, name)
        with monkeypatch.context() as patch:
            patch.setattr(Image, "MAX_IMAGE_PIXELS", 40 * 30 // 2 - 1)
            for function in (read_image, image_size):
                with pytest.raises(
                    ValueError, match=rf"{name}: .*1200 pixels.* raise PIL\.Image\.MAX_IMAGE_PIX"
                ):
                    function(path)
            patch.setattr(Image, "MAX_IMAGE_PIXELS", None)
            assert read_image(path).shape[:2] == (40, 30)


def test_floats_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((4, 4), np.float32)).save(tmp_path / "image.tif")
    with pytest.raises(
        ValueError, match=r"image\.tif: its samples are float32 \(32 bits\); unsigned integers of"
    ):
        read_image(tmp_path / "image.tif")


def test_unknown_pillow_mode() -> None:
    with pytest.raises(ValueError, match=r"its pixels are F \(Pillow's name\); grey and RGB of 8 or 16 bit"):
        modes.pixels(Image.new("F", (2, 2)))


def test_list_images_in_natural_order(tmp_path: Path) -> None:
    names = [
        "img10.png",
        "img2.PNG",
        "img1.jpg",
        "IMG3.tif",
        "b.bmp",
        "01.webp",
        "1.webp",
        "2.jpeg",
        "é.tiff",
    ]
    for name in [*names, ".hidden.png", "notes.txt", "Thumbs.db"]:
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    found = [path.name for path in list_images(tmp_path)]
    assert found == [
        *["01.webp", "1.webp", "2.jpeg", "b.bmp", "img1.jpg", "img2.PNG", "IMG3.tif", "img10.png", "é.tiff"]
    ]


def test_list_images_of_no_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*nowhere"):
        list_images(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"file is not a folder; give the folder that holds"):
        list_images(tmp_path / "file")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "image.png"
    write_png(path, picture())

    def fail(self: Image.Image, stream, format: str) -> None:
        stream.write(b"half of")
        raise OSError("no space left")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(OSError, match="no space left"):
        write_png(path, np.zeros((2, 2, 3), np.uint8))
    assert [file.name for file in tmp_path.iterdir()] == ["image.png"]
    np.testing.assert_array_equal(read_image(path), picture())


def test_a_written_file_has_the_usual_permissions(tmp_path: Path) -> None:
    """A temporary file of the tempfile module could be read by nobody else."""
    before = os.umask(0o022)
    try:
        write_png(tmp_path / "image.png", picture())
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "image.png").stat().st_mode) == 0o644


def test_what_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"image\.jpg does not end in \.png, the format that is written"):
        write_png(tmp_path / "image.jpg", picture())
    with pytest.raises(ValueError, match=r"a PNG takes \(H, W, 1\) or \(H, W, 3\), got \(11, 7, 5\)"):
        write_png(tmp_path / "image.png", picture(channels=5))
    with pytest.raises(ValueError, match="a PNG takes uint8 or uint16, got float64"):
        write_png(tmp_path / "image.png", np.zeros((2, 2, 3)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_to_tensor(dtype: type) -> None:
    image = picture(dtype=dtype)
    image.flags.writeable = False  # as a memory map is
    result = to_tensor(image)
    assert result.dtype == torch.float32
    assert result.shape == (3, 11, 7)
    expected = image.astype(np.float64).transpose(2, 0, 1) / np.iinfo(dtype).max
    np.testing.assert_allclose(result.numpy(), expected, rtol=1e-7)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_level_survives_the_tensor(dtype: torch.dtype) -> None:
    image = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    np.testing.assert_array_equal(to_uint8(to_tensor(image).to(dtype)), image)


def test_to_uint8_clamps_and_rounds_half_up() -> None:
    values = torch.tensor([-1.0, 0.5 / 255, 1.5 / 255, 2.5 / 255, 2.0, float("inf")], dtype=torch.float64)
    assert to_uint8(values.reshape(1, 1, 6).requires_grad_()).ravel().tolist() == [0, 1, 2, 3, 255, 255]


def test_to_uint8_has_no_colour_for_nan() -> None:
    image = torch.zeros(3, 4, 4)
    image[0, 0, :2] = float("nan")
    with pytest.raises(ValueError, match=r"2 of the image's 48 values are not numbers \(NaN\)"):
        to_uint8(image)
