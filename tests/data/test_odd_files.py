"""Odd files in a data set: each is decoded to its exact pixels, or named in one message, wherever it stands.

Every reader has a habit for each of them, and several are wrong without a word: the missing half of a JPEG is
grey, 16 bits become 8, of an animation comes the first frame, the neighbour of a bad file is taken twice.
Here each kind stands in a table with its pixels (computed, not read by what is tested) or with what is said
about it, and is run as the good image of a pair, as the small one and in validation, with every cache. What
headers tell is told before training; the rest when the file is read, and then no batch comes of it.
"""

import os
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from sr_experiments.data.datamodule import SRData
from sr_experiments.data.headers import inspect
from sr_experiments.data.sources import Item
from sr_experiments.imaging.io import image_shape, read_image
from sr_experiments.mistakes import user_message
from tests.data.odd import (
    Odd,
    bmp,
    chunk,
    content,
    cut,
    decoded,
    exif,
    jpeg,
    link,
    other_tag,
    pillow,
    png,
    run_lengths,
    shown,
    tiff,
    turned,
)
from tests.data.pictures import STILL, cut_short, module, pixels, write

H, W, PATCH = 20, 28, 16
CACHES, ROLES = ("memory", "disk", "none"), ("gt", "lq", "val_gt")
RGBA, DEEP = pixels(H, W, channels=4), pixels(H, W, channels=4, deep=True)
RGB, GREY, BITS = RGBA[:, :, :3], RGBA[:, :, :1], RGBA[:, :, 0] > 127
INDEX, COLOURS = RGBA[:, :, 0] % 16, pixels(16, 3, channels=1, seed=5)[:, :, 0]
INDEXED, PALETTE, RUNS = COLOURS[INDEX], chunk(b"PLTE", COLOURS.tobytes()), run_lengths(INDEX)
CLEAR = PALETTE + chunk(b"tRNS", bytes(range(9)))
QUADS = np.pad(COLOURS[:, ::-1], ((0, 0), (0, 1))).tobytes()
COLORMAP = np.pad(COLOURS.T * np.uint16(257), ((0, 0), (0, 240)))
COLOURED: dict[str, Any] = {"photometric": "palette", "colormap": COLORMAP}
FIVE_BITS = np.random.default_rng(0).integers(0, 32, (H, W, 3)).astype("<u2")
FIVE_PACKED = (FIVE_BITS[::-1] @ np.array([1024, 32, 1], "<u2")).tobytes()
PART = RGBA * (RGBA[:, :, 3:] > 0)  # where alpha is nothing, colours that were multiplied with it are, too
DIVIDED = np.minimum(255, PART[:, :, :3].astype(int) * 255 // np.maximum(PART[:, :, 3:], 1))
SMOOTH = np.stack([*np.meshgrid(range(0, 8 * W, 8), range(0, 10 * H, 10)), INDEX], axis=-1).astype("u1")
CMYK = Image.fromarray(SMOOTH).convert("CMYK")
INKS, PAPER = np.asarray(CMYK), np.asarray(CMYK.convert("RGB"))
INKS_ALPHA, PLANES = np.dstack([INKS, GREY]), RGB.transpose(2, 0, 1).copy()
JPEG, INK_JPEG, FLAT_JPEG = jpeg(SMOOTH), jpeg(SMOOTH, mode="CMYK"), jpeg(np.full((H, W, 3), 128, "u1"))
FRAME, SCAN, ADOBE = JPEG.index(b"\xff\xc0"), JPEG.index(b"\xff\xda") + 60, INK_JPEG.index(b"\xff\xee")
PNG = png(RGB, colour=2)
DEEP_PNG = png(DEEP, depth=16, colour=6)
SECOND = {"save_all": True, "append_images": [Image.fromarray(RGBA[::-1])]}
STRIPS = tiff(RGB, RGB, photometric="rgb", rowsperstrip=5)
BROKEN, LOST = "it is no PNG, JPEG, BMP, WebP or TIFF, or its header is broken", "fetch it again"
ANIMATED = "an animation of 2 frames; save the one that is meant"

READ: dict[str, Odd] = {
    "1 bit.png": content(png(GREY >> 7, depth=1, colour=0), (GREY >> 7) * 255),
    "2 bits.png": content(png(GREY >> 6, depth=2, colour=0), (GREY >> 6) * 85),
    "4 bits.png": content(png(GREY >> 4, depth=4, colour=0), (GREY >> 4) * 17),
    "1 bit.bmp": pillow(BITS, BITS[:, :, None] * 255),
    "1 bit.tif": tiff(BITS, BITS[:, :, None] * 255, photometric="minisblack"),
    "fax.tif": pillow(BITS, BITS[:, :, None] * 255, compression="group4"),
    "white is 0.tif": tiff(BITS, ~BITS[:, :, None] * 255, photometric="miniswhite"),
    "16 bits.png": content(png(DEEP[:, :, :1], depth=16, colour=0), DEEP[:, :, :1]),
    "16 bits with alpha.png": content(png(DEEP[:, :, :2], depth=16, colour=4), DEEP[:, :, :1]),
    "16 bits RGB.png": content(png(DEEP[:, :, :3], depth=16, colour=2), DEEP[:, :, :3]),
    "16 bits RGBA.png": content(DEEP_PNG, DEEP[:, :, :3]),
    "16 bits.tif": tiff(DEEP[:, :, 0], DEEP[:, :, :1]),
    "16 bits in tiles.tif": tiff(DEEP[:, :, :3], DEEP[:, :, :3], photometric="rgb", tile=(16, 16)),
    "grey with alpha.png": content(png(RGBA[:, :, :2], colour=4), GREY),
    "RGBA.png": content(png(RGBA, colour=6), RGB),
    "RGBA.webp": pillow(RGBA, RGB, lossless=True, exact=True),
    "RGBA.tif": tiff(RGBA, RGB, photometric="rgb", extrasamples=["unassalpha"]),
    "multiplied.tif": tiff(PART, DIVIDED, photometric="rgb", extrasamples=["assocalpha"]),
    "multiplied, lzw.tif": other_tag(pillow(PART, "", compression="tiff_lzw"), "ExtraSamples", 1, DIVIDED),
    "multiplied grey, lzw.tif": other_tag(
        pillow(PART[:, :, ::3], "", compression="tiff_lzw"), "ExtraSamples", 1, DIVIDED[:, :, :1]
    ),
    "RGBX.bmp": content(bmp(RGBA[::-1, :, [2, 1, 0, 3]].tobytes(), W, H, bits=32), RGB),
    "a clear colour.png": content(png(RGB, colour=2, before=chunk(b"tRNS", bytes(6))), RGB),
    "palette.png": content(png(INDEX[:, :, None], depth=4, colour=3, before=PALETTE), INDEXED),
    "clear palette.png": content(png(INDEX[:, :, None], colour=3, before=CLEAR), INDEXED),
    "palette.bmp": content(bmp(INDEX[::-1].tobytes(), W, H, bits=8, table=QUADS), INDEXED),
    "run lengths.bmp": content(bmp(RUNS, W, H, bits=8, packing=1, table=QUADS), INDEXED),
    "palette.tif": tiff(INDEX, INDEXED, **COLOURED),
    "CMYK.jpg": content(INK_JPEG, decoded(INK_JPEG)),
    "CMYK not by Adobe.jpg": content(INK_JPEG[:ADOBE] + INK_JPEG[ADOBE + 16 :], decoded(INK_JPEG)),
    "CMYK.tif": tiff(INKS, PAPER, photometric="separated"),
    "5 bits.bmp": content(bmp(FIVE_PACKED, W, H, bits=16), FIVE_BITS * 255 // 31),
    "top down.bmp": content(bmp(RGB[:, :, ::-1].tobytes(), W, -H), RGB),
    "a JPEG.png": content(JPEG, decoded(JPEG)),
    "a TIFF.png": pillow(RGB, RGB, format="TIFF"),
    "more behind.png": content(PNG + b"PK" * 500, RGB),
    "more behind.jpg": content(JPEG + bytes(500) + FLAT_JPEG, decoded(JPEG)),
    "grey at its end.jpg": content(FLAT_JPEG, decoded(FLAT_JPEG)),
    "one frame.webp": pillow(RGB, RGB, lossless=True, save_all=True),
    "big.tif": tiff(RGB, RGB, photometric="rgb", bigtiff=True, byteorder=">"),
    "turned too late.png": content(png(RGB, colour=2, after=chunk(b"eXIf", exif(6).tobytes()[6:])), RGB),
    "ünï ☃ code.png": content(PNG, RGB),
}
for way in range(1, 9):
    deep = png(DEEP[:, :, :3], depth=16, colour=2, before=chunk(b"eXIf", exif(way).tobytes()[6:]))
    tag: dict[str, Any] = {"extratags": [(274, "H", 1, way, True)]}
    READ |= {
        f"way {way}.jpg": content(jpeg(SMOOTH, exif=exif(way)), turned(decoded(JPEG), way)),
        f"way {way}.png": pillow(RGB, turned(RGB, way), exif=exif(way)),
        f"way {way}.webp": pillow(RGB, turned(RGB, way), exif=exif(way), lossless=True),
        f"way {way}, 16 bits.png": content(deep, turned(DEEP[:, :, :3], way)),
        f"way {way}, grey.tif": tiff(RGBA[:, :, 0], turned(GREY, way), **tag),
        f"way {way}, palette.tif": tiff(INDEX, turned(INDEXED, way), **COLOURED, **tag),
        f"way {way}, CMYK.tif": tiff(INKS, turned(PAPER, way), photometric="separated", **tag),
    }

TOLD_BY_HEADERS: dict[str, Odd] = {
    "empty.png": content(b"", "the file is empty"),
    "link.png": link("nowhere", "there is no image .* it is a link to nowhere, which is not there"),
    "a web page.jpg": content(b"<html>404</html>", "it is a web page"),
    "a GIF.png": pillow(RGBA[:, :, 0], BROKEN, format="GIF"),
    "a PPM.png": pillow(RGB, BROKEN, format="PPM"),
    "animation.png": pillow(RGBA, ANIMATED, **SECOND),
    "animation.webp": pillow(RGBA, ANIMATED, **SECOND),
    "pages.tif": pillow(RGBA, "it has 2 pages; save the one that is meant", **SECOND),
    "no width.png": content(png(RGB[:, :0], colour=2), BROKEN),
    "no height.bmp": content(bmp(b"", W, 0), BROKEN),
    "no height.jpg": content(JPEG[: FRAME + 5] + bytes(2) + JPEG[FRAME + 7 :], BROKEN),
    "no height.tif": other_tag(STRIPS, "ImageLength", 0, "header is broken"),
    "one pixel.png": content(png(RGB[:1, :1], colour=2), "is 1x1 .height x width., (smaller|too small|but)"),
    "12 bits.jpg": content(JPEG[: FRAME + 4] + b"\x0c" + JPEG[FRAME + 5 :], BROKEN),
    "damaged header.png": content(PNG[:20] + b"\xff" + PNG[21:], BROKEN),
    "cut.webp": cut(pillow(RGB, "", lossless=True), f"could not create decoder object; .*{LOST}", keep=0.9),
    "floats.tif": tiff(RGB.astype("f4"), "its samples are float32 .32 bits.; unsigned", photometric="rgb"),
    "16 bits of ink.tif": tiff(DEEP, "SEPARATED in 4 samples of 16 bits; save", photometric="separated"),
    "ink and alpha.tif": tiff(INKS_ALPHA, "its layout of samples", photometric="separated", extrasamples=[2]),
    "LAB.tif": pillow(Image.fromarray(SMOOTH).convert("LAB"), "CIELAB in 3 samples of 8 bits; save it as"),
    "planes.tif": tiff(PLANES, "in planes of", photometric="ycbcr", planarconfig="separate"),
    "a strip is missing.tif": other_tag(STRIPS, "StripByteCounts", (420, 420, 420, 0), "1 of the 4 strips"),
}
TOLD_WHEN_READ: dict[str, Odd] = {
    "cut.png": content(PNG[: len(PNG) // 2], f"cut short in its chunk IDAT; {LOST}"),
    "cut behind its pixels.png": content(PNG[:-12], "cut short: its end .the chunk IEND. is missing"),
    "16 bits, cut.png": content(DEEP_PNG[:-20], f"cut short in its chunk IDAT; {LOST}"),
    "damaged.png": content(PNG[:-22] + bytes([PNG[-22] ^ 1]) + PNG[-21:], "checksum of its chunk IDAT is wr"),
    "no palette.png": content(png(INDEX[:, :, None], colour=3), "its palette .* is missing"),
    "another order.png": content(PNG[:8] + chunk(b"tEXt", b"a\0b") + PNG[8:], "does not begin with .* IHDR"),
    "cut.jpg": content(JPEG[:SCAN], f"truncated .*{LOST}"),
    "cut and ended.jpg": content(JPEG[:SCAN] + b"\xff\xd9", f"its data end before its pixels do; {LOST}"),
    "cut and filled.jpg": content(JPEG[:SCAN] + bytes(10**5), f"the mark at its end is missing; {LOST}"),
    "cut.bmp": cut(pillow(RGB, ""), f"truncated .*{LOST}"),
    "run lengths, cut.bmp": content(bmp(RUNS[:300], W, H, bits=8, packing=1, table=QUADS), "not enough"),
    "cut.tif": cut(STRIPS, "failed to read", keep=0.9),
    "cut, lzw.tif": cut(pillow(RGB, "", compression="tiff_lzw"), LOST, keep=0.9),
}


def data(root: Path, cache: str = "none") -> SRData:
    """Pairs of equal size, and one of them for validation; whatever is not there yet is a good file."""
    folders = {role: str(root / role) for role in ("gt", "lq", "val_gt", "val_lq")}
    options: dict[str, Any] = {"batch_size": 2, "steps_per_epoch": 1, "cache_dir": str(root / "cache")}
    return module(scale=1, patch_size=PATCH, cache=cache, augment=STILL, **folders, **options)


def placed(root: Path, role: str, name: str, odd: Odd) -> tuple[Path, Any]:
    """The odd file among good ones of the same stem."""
    for other in ("gt", "lq", "val_gt", "val_lq"):
        if other != role:
            write(root / other / f"{Path(name).stem}.png", H, W)
    path = root / role / name
    path.parent.mkdir(parents=True)
    return path, odd(path)


def everything(opened: SRData, *, validate: bool) -> None:
    """Open and read all there is; whatever is delivered before something is found out is a mistake."""
    opened.setup("fit")
    for _ in opened.val_dataloader() if validate else opened.train_dataloader():
        raise AssertionError("a batch was made without the odd file, or of what it is not")


@pytest.mark.parametrize("name", READ)
def test_its_pixels_are_the_right_ones_everywhere(tmp_path: Path, name: str) -> None:
    for role in ("gt", "lq", "val_gt", "val_lq"):
        (tmp_path / role).mkdir()
        expected = READ[name](tmp_path / role / name)
    image = read_image(tmp_path / "gt" / name)
    np.testing.assert_array_equal(image, expected)
    assert image.dtype == (np.uint16 if "16 bits" in name else np.uint8)
    assert image_shape(tmp_path / "gt" / name) == image.shape
    for cache in CACHES:
        opened = data(tmp_path, cache)
        opened.setup("fit")
        for batch in opened.train_dataloader():
            assert shown(batch["gt"].numpy(), expected)
            assert shown(batch["lq"].numpy(), expected)
        for batch in opened.val_dataloader():
            assert np.array_equal(batch["gt"][0].numpy(), np.broadcast_to(expected, (*expected.shape[:2], 3)))


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", TOLD_BY_HEADERS)
def test_what_headers_tell_is_told_before_anything_is_decoded(tmp_path: Path, name: str, role: str) -> None:
    path, reason = placed(tmp_path, role, name, TOLD_BY_HEADERS[name])
    with pytest.raises(ValueError, match=reason) as caught:
        data(tmp_path).check()
    assert str(path) in str(caught.value)
    assert user_message(caught.value) == str(caught.value)


@pytest.mark.filterwarnings("ignore:.*:UserWarning:PIL")
@pytest.mark.parametrize("cache", CACHES)
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", TOLD_WHEN_READ)
def test_what_is_found_when_it_is_read_names_the_file(
    tmp_path: Path, name: str, role: str, cache: str
) -> None:
    path, reason = placed(tmp_path, role, name, TOLD_WHEN_READ[name])
    with pytest.raises(ValueError, match=reason) as caught:
        everything(data(tmp_path, cache), validate=role == "val_gt")
    assert str(caught.value).startswith(f"cannot read the image {path}: ")
    assert user_message(caught.value) == str(caught.value)
    assert not list(tmp_path.glob("cache/**/index.json")) or role == "val_gt"


@pytest.mark.parametrize("cache", CACHES)
def test_no_other_image_takes_the_place_of_a_bad_one(tmp_path: Path, cache: str) -> None:
    for number in range(6):
        write(tmp_path / "gt" / f"{number}.png", H, W)
    bad = cut_short(tmp_path / "gt" / "3.png", 0.9)
    folders: dict[str, Any] = {"root": str(tmp_path / "gt"), "cache_dir": str(tmp_path / "cache")}
    opened = module(**folders, scale=1, patch_size=PATCH, batch_size=5, cache=cache)
    with pytest.raises(ValueError, match=LOST) as caught:
        everything(opened, validate=False)
    assert str(caught.value).startswith(f"cannot read the image {bad}: ")


@pytest.mark.parametrize("cache", CACHES)
def test_a_file_that_is_exchanged_after_the_check_is_named(tmp_path: Path, cache: str) -> None:
    path, _ = placed(tmp_path, "gt", "a.png", READ["way 1.png"])
    write(tmp_path / "lq" / "a.png", H, W)
    opened = data(tmp_path, cache)
    opened.check()
    for role in ("gt", "lq"):
        write(tmp_path / role / "a.png", H - 2, W - 2)
    with pytest.raises(ValueError, match=str(path)):
        everything(opened, validate=False)


def test_a_pair_of_which_one_is_turned(tmp_path: Path) -> None:
    placed(tmp_path, "gt", "a.jpg", READ["way 6.jpg"])
    with pytest.raises(ValueError, match=r"lq/a\.png is 20x28 .*, but .*gt/a\.jpg is 28x20, which needs"):
        data(tmp_path).check()


def test_bands_that_the_run_does_not_take_are_told_by_headers(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.dstack([RGBA, GREY]), photometric="minisblack", planarconfig="contig")
    look = partial(inspect, [Item(name="a", gt=path)], scale=1, minimum=1, reason="")
    assert look(channels=5) == ([(H, W)], [])
    problem = f"{path}: an image of 5 channels cannot become one of 3; set channels=5, or use other images"
    assert look(channels=3) == ([], [problem])


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    """Incident: tables and the draws of degradations, which go by the name, cannot write it down."""
    placed(tmp_path, "gt", "a.png", READ["way 1.png"])
    os.rename(tmp_path / "gt" / "a.png", os.fsencode(tmp_path / "gt") + b"/\xe4.png")
    with pytest.raises(ValueError, match=r"gt: the name '\\udce4\.png' is not UTF-8; rename the file"):
        data(tmp_path).check()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path, _ = placed(tmp_path, "gt", "a.png", READ["way 1.png"])
    path.chmod(0)
    with pytest.raises(ValueError, match=r"cannot read the image .*gt/a\.png: Permission denied"):
        data(tmp_path).check()


def test_an_image_that_would_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    placed(tmp_path, "gt", "a.png", READ["way 1.png"])
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", H * W // 2 - 1)
    with pytest.raises(ValueError, match=r"gt/a\.png: .*560 pixels.* cut it into smaller images, or raise"):
        data(tmp_path).check()
