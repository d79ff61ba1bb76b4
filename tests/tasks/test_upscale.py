"""``task=upscale`` as it is typed."""

import csv
import json
import os
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from sr_experiments.imaging.io import read_image, write_png
from sr_experiments.imaging.resize import imresize
from sr_experiments.metrics.psnr import psnr
from sr_experiments.upscale.journal import NAME
from tests.data import odd
from tests.tasks.runs import photographs, run
from tests.tasks.test_export import typed

BICUBIC = ("task=upscale", "model=bicubic", "scale=2", "trainer=cpu")


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def wave(height: int, width: int, bands: int = 3, *, bits: int = 8) -> np.ndarray:
    """Smooth, with all its levels in use."""
    y, x = np.mgrid[:height, :width]
    planes = [0.5 + 0.45 * np.sin(x / (5 + band) + y / 7) for band in range(bands)]
    white = 2**bits - 1
    return (np.stack(planes, axis=-1) * white).round().astype(np.uint8 if bits == 8 else np.uint16)


def save(path: str, pixels: np.ndarray, **options: Any) -> Path:
    place = Path(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(place, **options)
    return place


def listed(folder: str) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in Path(folder).rglob("*") if p.is_file())


def bicubic(pixels: np.ndarray, scale: int = 2) -> np.ndarray:
    """In doubles, rounded once."""
    white = np.iinfo(pixels.dtype).max
    large = imresize(torch.from_numpy(pixels.astype(np.float64) / white).permute(2, 0, 1), scale=scale)
    return np.floor(large.clamp(0, 1).permute(1, 2, 0).numpy() * white + 0.5).astype(pixels.dtype)


def near(a: np.ndarray, b: np.ndarray, levels: int = 1) -> bool:
    alike = a.shape == b.shape and a.dtype == b.dtype
    return alike and int(np.abs(a.astype(int) - b.astype(int)).max()) <= levels


def rows_of(path: str) -> list[dict[str, str]]:
    with Path(path).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_folder_keeps_its_tree(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("in/a.png", "in/sub/b.jpg", "in/sub/deep er/c.webp", "in/.hidden.png", "in/notes.txt"):
        save(name.replace(".txt", ".png"), wave(12, 10)).rename(name)
    assert typed(monkeypatch, *BICUBIC, "input=in", "output=out", "hydra.run.dir=r") == 0
    assert listed("out") == ["a_x2.png", "sub/b_x2.png", "sub/deep er/c_x2.png", NAME]
    assert near(read_image(Path("out/a_x2.png")), bicubic(wave(12, 10)))
    told = capsys.readouterr().out
    assert told.startswith("done     3 images in out: bicubic x2\nignored  1 files that are neither images")
    record = json.loads(Path("r/run.json").read_text())
    facts = {"task": "upscale", "status": "finished", "scale": 2, "images": {"done": 3}, "source": None}
    assert {key: record[key] for key in facts} == facts
    rows = rows_of("r/files.csv")
    assert [(Path(row["input"]).name, row["status"]) for row in rows] == [
        ("a.png", "done"),
        ("b.jpg", "done"),
        ("c.webp", "done"),
    ]


def test_a_file_and_a_glob(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("in/a1.png", "in/x/a2.png", "in/x/b.png", "in/[a].png"):
        save(name, wave(8, 9))
    assert typed(monkeypatch, *BICUBIC, "input=in/**/a*.png", "output=out") == 0
    assert listed("out") == ["a1_x2.png", NAME, "x/a2_x2.png"]
    assert typed(monkeypatch, *BICUBIC, "input=in/[a].png", "output=one") == 0, "a file before a pattern"
    assert listed("one") == ["[a]_x2.png", NAME]


@pytest.mark.parametrize("name", ['[a=b], it\'s "x" (1) {c}', "#ä 写 $HOME & !"])
def test_awkward_names_just_work(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """tests/test_arguments.py has more of them."""
    save(f"{name}/{name}.png", wave(8, 9))
    assert typed(monkeypatch, *BICUBIC, f"input={name}", f"output=out {name}") == 0
    assert typed(monkeypatch, *BICUBIC, f"input={name}/{name}.png", f"output=one {name}") == 0
    assert listed(f"out {name}") == listed(f"one {name}") == sorted([f"{name}_x2.png", NAME])


def test_a_second_call_does_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the input's size and date, the output's size, and how it was made; other results are not touched."""
    save("in/a.png", wave(8, 9))
    save("in/b.png", wave(8, 9))
    line = [*BICUBIC, "input=in", "output=out"]
    assert typed(monkeypatch, *line) == 0
    written = Path("out/a_x2.png").stat().st_mtime_ns
    assert typed(monkeypatch, *line) == 0
    assert Path("out/a_x2.png").stat().st_mtime_ns == written
    assert "done     0 images in out: bicubic x2\nskipped  2 that were done before" in capsys.readouterr().out
    save("in/a.png", wave(16, 9))
    Path("out/b_x2.png").write_bytes(b"somebody's")
    save("in/c.png", wave(8, 9))
    assert typed(monkeypatch, *line) == 2
    told = capsys.readouterr()
    assert "done     1 image in out" in told.out
    changed = "is there already and is not what was made of this input: one of the two has changed since"
    for name in ("a", "b"):
        assert f"  {name}.png: out/{name}_x2.png {changed}; overwrite=true replaces it" in told.err
    assert Path("out/b_x2.png").read_bytes() == b"somebody's"
    assert typed(monkeypatch, *line, "model=nearest") == 2
    other = "out/c_x2.png is there already and was made with model=bicubic, and this is model=nearest"
    assert other in capsys.readouterr().err
    assert typed(monkeypatch, *line, "overwrite=true") == 0
    assert read_image(Path("out/a_x2.png")).shape == (32, 18, 3)
    with Path("out", NAME).open("a") as journal:
        journal.write('{"output": "a_x2')  # killed there
    assert typed(monkeypatch, *line) == 0


def test_16_bits_in_and_out(monkeypatch: pytest.MonkeyPatch) -> None:
    truth = wave(64, 64, bits=16)
    small = truth[::2, ::2]
    write_png(Path("in/rgb.png"), small)
    write_png(Path("in/grey.png"), small[:, :, :1])
    tifffile.imwrite("in/t.tif", small, photometric="rgb")
    Image.fromarray(wave(8, 8)).save("in/eight.png")
    assert typed(monkeypatch, *BICUBIC, "input=in", "output=out") == 0
    assert typed(monkeypatch, *BICUBIC, "input=in", "output=same", "format=same") == 0
    expected = bicubic(small)
    for path in ("out/rgb_x2.png", "out/t_x2.png", "same/rgb_x2.png", "same/t_x2.tif"):
        result = read_image(Path(path))
        assert near(result, expected, levels=2), path
        assert len(np.unique(result)) > 256
    assert near(read_image(Path("out/grey_x2.png")), expected[:, :, :1], levels=2)
    assert read_image(Path("out/eight_x2.png")).dtype == np.uint8
    # PSNR by its definition over 65535; 8 bits in between would leave 59 dB.
    a, b = (
        torch.from_numpy(one.astype(np.float64) / 65535).permute(2, 0, 1)[None] for one in (result, truth)
    )
    measured = psnr(a, b, border=2)
    error = np.mean((result.astype(np.float64) - truth)[2:-2, 2:-2] ** 2)
    assert float(measured) == pytest.approx(10 * np.log10(65535**2 / error), abs=1e-3)


def test_alpha_palette_grey_orientation_and_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    rgba = np.concatenate([wave(10, 14), wave(10, 14, 1)], axis=2)
    rgba[:4, :, 3] = 255
    save("in/rgba.png", rgba)
    Image.fromarray(wave(10, 14)).quantize(16).save("in/palette.png")
    save("in/grey.png", wave(10, 14, 1))
    Image.fromarray(wave(10, 14)[..., 0]).convert("1").save("in/bit.png")
    turned = odd.exif(6)
    turned[271] = "a maker"
    save("in/turned.jpg", wave(10, 14), quality=100, subsampling=0, exif=turned, icc_profile=profile)
    assert typed(monkeypatch, *BICUBIC, "input=in", "output=out") == 0
    shapes = {}
    for path in Path("out").glob("*.png"):
        with Image.open(path) as image:
            shapes[path.stem] = (image.mode, image.size)
    assert shapes == {
        "rgba_x2": ("RGBA", (28, 20)),
        "palette_x2": ("RGB", (28, 20)),
        "grey_x2": ("L", (28, 20)),
        "bit_x2": ("L", (28, 20)),
        "turned_x2": ("RGB", (20, 28)),
    }
    with Image.open("out/rgba_x2.png") as image:
        alpha = np.asarray(image)[:, :, 3:]
    assert near(alpha, bicubic(rgba[:, :, 3:]))
    assert (alpha[:4] == 255).all(), "what is opaque stays so"
    with Image.open("out/turned_x2.png") as image:
        assert image.info["icc_profile"] == profile
        assert image.getexif().get(271) == "a maker"
        assert image.getexif().get(274, 1) == 1, "it is upright now"
    upright = read_image(Path("in/turned.jpg"))
    assert near(read_image(Path("out/turned_x2.png")), bicubic(upright))


@pytest.mark.parametrize("kind", ["jpg", "webp", "tiff", "bmp", "png"])
def test_formats_hold_what_they_can_and_say_what_they_can_not(
    kind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rgba = np.concatenate([wave(20, 24), np.full((20, 24, 1), 255, np.uint8)], axis=2)
    rgba[:, :12, 3] = 0
    rgba[:, :12, :3] = 0  # black, under what is transparent
    save("in/a.png", rgba)
    assert typed(monkeypatch, *BICUBIC, "input=in", "output=out", f"format={kind}", "quality=100") == 0
    (path,) = (p for p in Path("out").iterdir() if p.name != NAME)
    note = "does not hold its alpha, so it stands on white" in capsys.readouterr().out
    assert note == (kind in ("jpg", "bmp"))
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGBA"))
    assert pixels.shape == (40, 48, 4)
    if note:
        assert (pixels[:, :20] >= 253).all()
    else:
        assert (pixels[:, :22, 3] == 0).all()
        assert (pixels[:, 26:, 3] == 255).all()
    # Black under transparent pixels has not come near to the edge: it would be 40 darker there.
    assert (
        np.abs(pixels[:, 26:30, :3].astype(int) - bicubic(wave(20, 24))[:, 26:30].astype(int)) <= 24
    ).all()


def test_a_run_restores_and_a_page_compares(monkeypatch: pytest.MonkeyPatch) -> None:
    photos = photographs(Path("photos"))
    run(photos, Path("run").absolute(), "net.features=4", "net.mapped_features=4")
    line = ["task=upscale", "checkpoint=run", "input=photos", "trainer=cpu"]
    assert typed(monkeypatch, *line, "output=out", "compare=true") == 0
    results = [read_image(path) for path in sorted(Path("out").glob("*.png"))]
    assert [one.shape for one in results] == [(80, 80, 3)] * 4
    page = Path("out/compare.html").read_text(encoding="utf-8")
    assert page.count("data:image/webp;base64,") == 8
    assert "http" not in page
    text = " ".join(re.sub(r"<[^>]+>", " ", page.partition("<body>")[2].partition("<script>")[0]).split())
    assert text.startswith(
        "bicubic | toy x2 4 images, enlarged 2 times in two ways: left of the red line by bicubic "
        "interpolation, right of it by the net toy."
    )
    assert text.count("bicubic toy x2 0.png: the 80x80 pixels from column 0, row 0 of the 80x80") == 1
    for name, more in {"plus": ["self_ensemble=true"], "tiles": ["tile=24", "tile_overlap=8"]}.items():
        assert typed(monkeypatch, *line, f"output={name}", *more) == 0
    tiles = [read_image(path) for path in sorted(Path("tiles").glob("*.png"))]
    assert all(near(a, b) for a, b in zip(tiles, results, strict=True))
    plus = [read_image(path) for path in sorted(Path("plus").glob("*.png"))]
    assert not all(np.array_equal(a, b) for a, b in zip(plus, results, strict=True))


def test_500_files_of_all_kinds(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Good ones are done, the others listed with their reasons, and a second call does nothing."""
    size = struct.pack(">IIBBBBB", 65536, 65536, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + odd.chunk(b"IHDR", size) + odd.chunk(b"IDAT", b"") + odd.chunk(b"IEND", b"")
    makers: dict[str, Callable[[Path], object]] = {
        "a.png": lambda p: save(str(p), wave(7, 5)),
        "b.jpg": lambda p: save(str(p), wave(6, 9)),
        "c.webp": lambda p: save(str(p), wave(5, 5)),
        "d.bmp": lambda p: save(str(p), wave(4, 8)),
        "e.tif": lambda p: save(str(p), wave(6, 6)),
        "f.png": lambda p: write_png(p, wave(5, 7, bits=16)),
        "g.png": lambda p: save(str(p), wave(5, 7, 1)),
        "h.png": lambda p: save(str(p), np.concatenate([wave(5, 7), wave(5, 7, 1)], axis=2)),
        "i.png": lambda p: save(str(p), wave(1, 1)),
    }
    wrong: dict[str, tuple[Callable[[Path], object], str]] = {
        "cut.png": (odd.cut(odd.pillow(wave(30, 30), ""), ""), "it is cut short"),
        "cut.jpg": (odd.cut(odd.pillow(wave(30, 30), ""), ""), "cannot read the image in"),
        "empty.png": (lambda p: p.touch(), "the file is empty"),
        "text.png": (lambda p: p.write_text("hello"), "it is no PNG, JPEG, BMP, WebP or TIFF"),
        "page.jpg": (lambda p: p.write_text("<html></html>"), "it is a web page"),
        "bomb.png": (lambda p: p.write_bytes(bomb), "exceeds limit"),
        "moving.webp": (
            lambda p: Image.new("RGB", (4, 4)).save(
                p, save_all=True, append_images=[Image.new("RGB", (4, 4), "red")], duration=90
            ),
            "it is an animation of 2 frames",
        ),
        "gone.png": (lambda p: p.symlink_to("nowhere"), "it is a link to nowhere, which is not there"),
        "float.tif": (lambda p: tifffile.imwrite(p, np.zeros((4, 4), np.float32)), "its samples are float32"),
    }
    for number in range(500):
        kinds = list(wrong if number % 10 == 0 else makers)
        kind = kinds[number // (10 if number % 10 == 0 else 1) % len(kinds)]
        path = Path("in") / f"{number % 7}" / f"{number:03d}{kind}"
        path.parent.mkdir(parents=True, exist_ok=True)
        (wrong[kind][0] if number % 10 == 0 else makers[kind])(path)
    line = [*BICUBIC, "input=in", "output=out"]
    assert typed(monkeypatch, *line, "hydra.run.dir=r1") == 2
    told = capsys.readouterr()
    assert "done     450 images in out" in told.out
    assert "50 of 500 images could not be restored; the others are done" in told.err
    assert "and 30 more" in told.err
    rows = rows_of("r1/files.csv")
    assert len(rows) == 500
    for row in rows:
        kind = Path(row["input"]).name[3:]
        assert (row["status"] == "failed") == (kind in wrong), (kind, row["reason"])
        if kind in wrong:
            assert wrong[kind][1] in row["reason"]
        else:
            assert Path(row["output"]).is_file()
    before = {path: path.stat().st_mtime_ns for path in Path("out").rglob("*.png")}
    assert len(before) == 450
    assert typed(monkeypatch, *line, "hydra.run.dir=r2") == 2
    assert (
        "done     0 images in out: bicubic x2\nskipped  450 that were done before" in capsys.readouterr().out
    )
    assert before == {path: path.stat().st_mtime_ns for path in Path("out").rglob("*.png")}
    assert not [path for path in Path("out").rglob("*") if path.name.endswith(".tmp")]


def test_a_full_disk_ends_it_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in "ab":
        save(f"in/{name}.png", wave(8, 8))

    def full(*args: object, **options: object) -> None:
        raise OSError(28, os.strerror(28), "out/a_x2.png")

    monkeypatch.setattr("sr_experiments.tasks.upscale.write_picture", full)
    assert typed(monkeypatch, *BICUBIC, "input=in", "output=out", "hydra.run.dir=r") == 2
    assert "No space left on device; make room" in capsys.readouterr().err
    assert json.loads(Path("r/run.json").read_text())["status"] == "failed"
