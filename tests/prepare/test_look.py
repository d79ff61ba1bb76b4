"""What is seen in an image file."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from sr_experiments.imaging.io import write_png
from sr_experiments.prepare.look import Look, look_at


def one(path: Path, *, channels: int | None = 3, decode: bool = True) -> Look:
    [look] = look_at([path], channels=channels, decode=decode, title="test")
    return look


def noise(shape: tuple[int, ...], *, deep: bool = False) -> np.ndarray:
    high, kind = (65536, np.uint16) if deep else (256, np.uint8)
    return np.random.default_rng(0).integers(0, high, shape).astype(kind)


@pytest.mark.parametrize(
    ("mode", "suffix", "kind"),
    [
        ("1", ".png", "1 bit"),
        ("L", ".png", "grey"),
        ("LA", ".png", "grey with alpha"),
        ("P", ".png", "palette"),
        ("RGB", ".png", "RGB"),
        ("RGB", ".jpg", "RGB"),
        ("RGB", ".webp", "RGB"),
        ("RGBA", ".png", "RGB with alpha"),
        ("CMYK", ".jpg", "CMYK"),
    ],
)
@pytest.mark.parametrize("decode", [True, False])
def test_kinds_of_8_bit(tmp_path: Path, mode: str, suffix: str, kind: str, decode: bool) -> None:
    path = tmp_path / f"image{suffix}"
    Image.fromarray(noise((20, 30, 3))).convert(mode).save(path)
    look = one(path, decode=decode)
    assert (look.kind, look.size, look.problem) == (kind, (20, 30), None)
    assert (look.digest is not None) == decode


def test_kinds_of_16_bit(tmp_path: Path) -> None:
    write_png(tmp_path / "grey.png", noise((20, 30, 1), deep=True))
    write_png(tmp_path / "rgb.png", noise((20, 30, 3), deep=True))
    assert one(tmp_path / "grey.png").kind == "grey 16 bit"
    assert one(tmp_path / "rgb.png").kind == "RGB 16 bit"


@pytest.mark.parametrize(
    ("bands", "deep", "kind"), [(1, False, "grey"), (3, True, "RGB 16 bit"), (5, True, "5 bands 16 bit")]
)
def test_kinds_of_tiff(tmp_path: Path, bands: int, deep: bool, kind: str) -> None:
    path = tmp_path / "image.tif"
    shape = (20, 30, bands) if bands > 1 else (20, 30)
    options = {"photometric": "rgb"} if bands == 3 else {"photometric": "minisblack"}
    if bands == 5:
        options["planarconfig"] = "contig"
    tifffile.imwrite(path, noise(shape, deep=deep), **options)
    assert one(path, channels=None).kind == kind
    assert one(path, channels=None, decode=False).kind == "TIFF"


def test_the_same_pixels_in_other_files_are_the_same(tmp_path: Path) -> None:
    image = noise((20, 30, 3))
    Image.fromarray(image).save(tmp_path / "a.png", compress_level=1)
    Image.fromarray(image).save(tmp_path / "b.bmp")
    image[3, 4, 1] ^= 1
    Image.fromarray(image).save(tmp_path / "c.png")
    Image.fromarray(image.reshape(30, 20, 3)).save(tmp_path / "d.png")  # the same bytes in another shape
    a, b, c, d = (one(tmp_path / name).digest for name in ("a.png", "b.bmp", "c.png", "d.png"))
    assert a == b
    assert len({a, c, d}) == 3


def test_a_file_that_was_cut_off_is_seen_by_decoding_only(tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    write_png(path, noise((200, 300, 3)))
    path.write_bytes(path.read_bytes()[:50_000])
    assert one(path, decode=False).problem is None
    look = one(path)
    assert (look.size, look.kind, look.digest) == (None, "", None)
    assert look.problem is not None
    assert look.problem.startswith(f"cannot read the image {path}: ")


def test_channels_that_cannot_be_had(tmp_path: Path) -> None:
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, noise((20, 30, 5)), photometric="minisblack", planarconfig="contig")
    assert one(path).problem == (
        f"{path}: an image of 5 channels cannot become one of 3; set channels=5, or use other images"
    )
    assert one(path, channels=5).problem is None


def test_a_file_that_is_gone(tmp_path: Path) -> None:
    assert one(tmp_path / "no.png").problem == f"there is no image {tmp_path / 'no.png'}"
