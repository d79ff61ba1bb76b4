"""``task=upscale guide=``: one image restored by another, as it is typed; held against the net itself."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from sr_experiments.imaging.colour import to_channels, ycbcr_to_rgb
from sr_experiments.imaging.ensemble import run_ensemble
from sr_experiments.imaging.io import read_image, to_tensor, write_png
from sr_experiments.nets.guided import GuidedNet
from sr_experiments.upscale.journal import NAME
from tests.imaging.measured_files import scene, write_geotiff
from tests.tasks.test_upscale import listed, near, save, wave
from tests.typed import typed

LINE = (
    "task=upscale",
    "model=guided",
    "scale=2",
    "channels=1",
    "guide_channels=3",
    "net.features=4",
    "checkpoint=net.pth",
    "trainer=cpu",
)


@pytest.fixture(autouse=True)
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GuidedNet:
    """A net whose correction is as large as what it corrects, so that every pixel of its guide counts."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    net = GuidedNet(scale=2, features=4).eval()
    net.correction[-1].weight.data.mul_(100)  # type: ignore[operator]
    torch.save(net.state_dict(), "net.pth")
    return net


@torch.no_grad()
def restored(net: GuidedNet, pixels: np.ndarray, guide: np.ndarray, *, ensemble: bool = False) -> np.ndarray:
    """What the net makes of whole images, in levels of the input's depth."""
    lq, beside = to_tensor(pixels)[None], to_tensor(to_channels(guide, channels=3))[None]
    sr = run_ensemble(net, lq, beside) if ensemble else net(lq, beside)
    white = np.iinfo(pixels.dtype).max
    levels = np.floor(sr[0].double().clamp(0, 1).permute(1, 2, 0).numpy() * white + 0.5)
    return levels.astype(pixels.dtype)


def noise(height: int, width: int, *, bands: int = 3, seed: int = 0, bits: int = 8) -> np.ndarray:
    kind = np.uint8 if bits == 8 else np.uint16
    return np.random.default_rng(seed).integers(0, 2**bits, (height, width, bands)).astype(kind)


def upscaled(monkeypatch: pytest.MonkeyPatch, *more: str, code: int = 0) -> dict[str, str]:
    """Type it; what was said of each file."""
    run = f"runs/{len(list(Path().glob('runs/*')))}"
    assert typed(monkeypatch, *LINE, *more, f"hydra.run.dir={run}") == code
    with Path(run, "files.csv").open(encoding="utf-8") as file:
        return {Path(row["input"]).name: row["reason"] for row in csv.DictReader(file)}


def test_a_folder_by_guides_of_the_same_names(monkeypatch: pytest.MonkeyPatch, net: GuidedNet) -> None:
    """Trees alike; any suffix; 8 and 16 bit, grey and colour on both sides; the guides may lie within."""
    deep, grey = wave(12, 10, 1, bits=16), wave(9, 14, 1)
    write_png(Path("in/deep.png"), deep)
    save("in/sub/grey.bmp", grey)
    save("in/colour.png", wave(8, 8))
    guides = {"deep.jpg": noise(24, 20), "sub/grey.png": noise(18, 28), "colour.tif": noise(16, 16, bands=1)}
    for name, pixels in guides.items():
        save(f"in/guides/{name}", pixels)
    upscaled(monkeypatch, "input=in", "guide=in/guides", "output=in/out", "compare=true")
    assert listed("in/out") == ["colour_x2.png", "compare.html", "deep_x2.png", "sub/grey_x2.png", NAME]
    found = read_image(Path("in/out/deep_x2.png"))
    expected = restored(net, deep, read_image(Path("in/guides/deep.jpg")))
    assert near(found, expected, levels=2)
    assert len(np.unique(found)) > 256
    assert not near(found, restored(net, deep, noise(24, 20, seed=1)), levels=2000), "the guide is looked at"
    found = read_image(Path("in/out/sub/grey_x2.png"))
    assert near(found, restored(net, grey, guides["sub/grey.png"]))
    assert read_image(Path("in/out/colour_x2.png")).shape == (16, 16, 3)
    assert Path("in/out/compare.html").read_text(encoding="utf-8").count("data:image/webp;base64,") == 6
    record = json.loads(Path("runs/0/run.json").read_text(encoding="utf-8"))
    assert (record["guide"], record["images"]) == ("in/guides", {"done": 3})


def test_luma_of_a_colour_image(monkeypatch: pytest.MonkeyPatch, net: GuidedNet) -> None:
    """A grey sensor's file often has three channels alike: then the result is grey, and that of its luma."""
    grey = wave(10, 12, 1)
    save("a.png", np.repeat(grey, 3, axis=2))
    save("g.png", noise(20, 24))
    upscaled(monkeypatch, "input=a.png", "guide=g.png", "output=out")
    luma = (to_tensor(grey).double() * 219 + 16) / 255
    with torch.no_grad():
        sr = net(luma[None].float(), to_tensor(noise(20, 24))[None]).double()
    expected = ycbcr_to_rgb(torch.cat([sr, torch.full_like(sr, 128 / 255).expand(-1, 2, -1, -1)], dim=1))
    levels = np.floor(expected[0].clamp(0, 1).permute(1, 2, 0).numpy() * 255 + 0.5).astype(np.uint8)
    assert near(read_image(Path("out/a_x2.png")), levels)


def test_tiles_and_the_self_ensemble_take_the_guide_along(
    monkeypatch: pytest.MonkeyPatch, net: GuidedNet
) -> None:
    pixels, guide = noise(61, 43, bands=1, bits=16), noise(122, 86, seed=3)
    write_png(Path("a.png"), pixels)
    save("g.png", guide)
    given = ("input=a.png", "guide=g.png")
    upscaled(monkeypatch, *given, "output=tiles", "tile=32", "tile_overlap=10")
    # It looks 10 pixels far: tests/models/test_reach.py.
    assert near(read_image(Path("tiles/a_x2.png")), restored(net, pixels, guide), levels=4)
    upscaled(monkeypatch, *given, "output=few", "tile=32", "tile_overlap=0")
    assert not near(read_image(Path("few/a_x2.png")), restored(net, pixels, guide), levels=400)
    upscaled(monkeypatch, *given, "output=plus", "self_ensemble=true")
    plus = restored(net, pixels, guide, ensemble=True)
    assert near(read_image(Path("plus/a_x2.png")), plus, levels=4)
    assert not near(plus, restored(net, pixels, guide), levels=400)


def test_alpha_is_kept_and_may_go_through_the_net(monkeypatch: pytest.MonkeyPatch, net: GuidedNet) -> None:
    grey = np.concatenate([wave(8, 9, 1), np.full((8, 9, 1), 255, np.uint8)], axis=2)
    Image.fromarray(grey, "LA").save("a.png")
    save("g.png", noise(16, 18))
    upscaled(monkeypatch, "input=a.png", "guide=g.png", "output=out")
    upscaled(monkeypatch, "input=a.png", "guide=g.png", "output=net", "alpha=net")
    for name, alpha in {
        "out": np.full((16, 18, 1), 255, np.uint8),
        "net": restored(net, grey[:, :, 1:], noise(16, 18)),
    }.items():
        with Image.open(f"{name}/a_x2.png") as image:
            assert image.mode == "LA"
            found = np.asarray(image)
        assert near(found[:, :, :1], restored(net, grey[:, :, :1], noise(16, 18)))
        assert near(found[:, :, 1:], alpha)


def test_what_has_no_fitting_guide_fails_and_the_others_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("good", "none", "small", "bands", "two", "cut", "gone"):
        save(f"in/{name}.png", wave(8, 9, 1))
    Path("in/v.mp4").touch()
    pytest.importorskip("av")
    good = save("g/good.png", noise(16, 18))
    save("g/small.png", noise(16, 17))
    write_geotiff(Path("g/bands.tif"), scene(4)[:, :16, :18])
    save("g/two.jpg", noise(16, 18))
    save("g/two.bmp", noise(16, 18))
    Path("g/cut.png").write_bytes(good.read_bytes()[:200])
    Path("g/gone.png").symlink_to("nowhere.png")
    said = upscaled(monkeypatch, "input=in", "guide=g", "output=out", code=2)
    assert listed("out") == ["good_x2.png", NAME]
    how = "; a guide has the name of its input, in the same place of the tree"
    assert said["good.png"] == ""
    assert said["none.png"] == f"there is no guide g/none.png (or .jpg, .tif, ...){how}"
    assert said["small.png"] == (
        "its guide g/small.png is 16x17 (height x width), but in/small.png is 8x9, which at scale=2 "
        "takes 16x18: crop or resize the guide to that, so that it lies pixel on pixel of the result"
    )
    assert said["bands.png"] == "its guide g/bands.tif has 4 channels, and guided takes guides of 3"
    assert said["two.png"] == "it has several guides in g: two.bmp, two.jpg; leave one there"
    assert said["cut.png"].startswith("cannot read the image g/cut.png: it is cut short")
    assert said["gone.png"].startswith("there is no image g/gone.png: it is a link to nowhere.png")
    assert said["v.mp4"] == "a video is restored without a guide, and guided takes one"


def test_of_two_guides_the_one_of_the_whole_name(monkeypatch: pytest.MonkeyPatch, net: GuidedNet) -> None:
    save("in/a.png", wave(8, 9, 1))
    save("g/a.png", noise(16, 18))
    save("g/a.bmp", noise(16, 18, seed=1))
    upscaled(monkeypatch, "input=in", "guide=g", "output=out")
    assert near(read_image(Path("out/a_x2.png")), restored(net, wave(8, 9, 1), noise(16, 18)))


def test_a_result_is_of_its_guide_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A second call does nothing; with another guide under the name it says so."""
    save("in/a.png", wave(8, 9, 1))
    save("g/a.png", noise(16, 18))
    given = ("input=in", "guide=g", "output=out")
    upscaled(monkeypatch, *given)
    upscaled(monkeypatch, *given)
    assert "skipped  1 that were done before" in capsys.readouterr().out
    save("g/a.png", noise(16, 18, seed=1)[:, :, :1])
    said = upscaled(monkeypatch, *given, code=2)
    assert said["a.png"] == (
        "out/a_x2.png is there already and is not what was made of this input and its guide: one of the "
        "three has changed since; overwrite=true replaces it"
    )
    upscaled(monkeypatch, *given, "overwrite=true")


def test_a_geotiff_by_a_photograph(monkeypatch: pytest.MonkeyPatch, net: GuidedNet) -> None:
    """In its own unit, with its corners where they were; of a file of several slices it is refused."""
    rasterio = pytest.importorskip("rasterio")
    write_geotiff(Path("a.tif"), scene(1))
    with rasterio.open("a.tif") as old:
        values, bounds = old.read().astype(np.float64), old.bounds
    height, width = values.shape[1:]
    guide = noise(2 * height, 2 * width)
    save("g.png", guide)
    upscaled(monkeypatch, "input=a.tif", "guide=g.png", "output=out", "range=[0,10000]")
    with rasterio.open("out/a_x2.tif") as new:
        found = new.read().astype(np.float64)
        assert new.bounds == bounds
    lq = torch.from_numpy(values / 10000).clamp(0, 1).float()[None]
    with torch.no_grad():
        sr = net(lq, to_tensor(guide)[None])[0].double().clamp(0, 1).numpy()
    assert np.abs(found - 10000 * sr).max() <= 1.0


def test_a_volume_has_no_guide(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("nibabel")
    from tests.imaging.measured_files import write_nifti

    write_nifti(Path("a.nii.gz"), np.zeros((16, 14, 3), np.int16), np.eye(4))
    save("g/a.png", noise(32, 28))
    given: tuple[Any, ...] = ("input=a.nii.gz", "guide=g", "output=out", "range=[0,100]")
    said = upscaled(monkeypatch, *given, code=2)
    assert said["a.nii.gz"] == "a.nii.gz has 3 slices, and a guide is one image"
