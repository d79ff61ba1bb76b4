"""The experiments of docs/fields, from scanners' and satellites' files to enlarged ones, in toy steps."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image

from sr_experiments import cli
from sr_experiments.imaging.span import Span
from sr_experiments.prepare.convert import convert_files
from tests.imaging.measured_files import header_of, phantom, scene, write_dicom, write_geotiff

TOY = [
    "net.features=4",
    "net.blocks=1",
    "data.patch_size=16",
    "data.batch_size=2",
    "data.steps_per_epoch=2",
    "data.cache=memory",
    "trainer.max_epochs=1",
    "trainer.log_every_n_steps=1",
    "trainer=cpu",
]


pytestmark = pytest.mark.usefixtures("here")


def typed(monkeypatch: pytest.MonkeyPatch, run: str, *words: str) -> dict[str, Any]:
    monkeypatch.setattr("sys.argv", ["sr-experiments", *words, f"hydra.run.dir={run}"])
    cli.main()
    found: dict[str, Any] = json.loads((Path(run) / "run.json").read_text())
    return found


def test_medical(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    for person in range(3):
        write_dicom(Path(f"{person}.dcm"), phantom(48, 40, seed=person), PatientID=str(person))
    convert_files(sorted(Path().glob("*.dcm")), Path("ct"))
    data = ["data.root=ct/train", "data.val_root=ct/val"]
    record = typed(monkeypatch, "run", "experiment=medical_x2", *data, *TOY)
    assert set(record["metrics"]["folder"]) == {"psnr_16", "ssim_16", "psnr_window", "bicubic"}
    assert "range: 16-bit images of measured values" in capsys.readouterr().out
    picture = np.asarray(Image.open("run/images/crops/folder-0003.gt.png"))
    stored = header_of(Path("2.dcm")).pixel_array
    # Soft tissue alone fills the picture: -160 to 240 HU, and the crop is the whole slice.
    shown = np.clip((stored - 1024.0 + 160) / 400, 0, 1) * 255
    top = int(np.argmin([np.abs(picture[:, :, 0] - shown[k : k + 40]).sum() for k in range(9)]))
    assert np.abs(picture[:, :, 0] - shown[top : top + 40]).max() <= 1
    evaluated = typed(
        monkeypatch, "again", "task=evaluate", "experiment=medical_x2", "checkpoint=run", *data, "trainer=cpu"
    )
    assert evaluated["metrics"]["folder"]["psnr_16"] == pytest.approx(
        record["metrics"]["folder"]["psnr_16"], abs=1e-3
    )
    typed(monkeypatch, "up", "task=upscale", "checkpoint=run", "input=0.dcm", "output=out", "trainer=cpu")
    restored = header_of(Path("out/0_x2.dcm")).pixel_array
    assert restored.shape == (96, 80)
    typed(monkeypatch, "export", "task=export", "checkpoint=run", "format=[safetensors,onnx]", "output=files")
    for weights in sorted(Path("files").glob("*[sx]")):  # which once forgot what their numbers stood for
        said = typed(
            monkeypatch,
            f"up{weights.suffix}",
            "task=upscale",
            f"checkpoint={weights}",
            "input=0.dcm",
            f"output=out{weights.suffix}",
            "trainer=cpu",
        )
        assert said["notes"] == []
        again = header_of(Path(f"out{weights.suffix}/0_x2.dcm")).pixel_array
        assert np.abs(again.astype(int) - restored).max() <= 1
    assert {path.name for path in Path().glob("out.*")} == {"out.safetensors", "out.onnx"}


def test_satellite(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    paths = [write_geotiff(Path(f"{number}.tif"), scene(5, 48, 40, seed=number)) for number in range(3)]
    with rasterio.open(paths[0], "r+") as file:
        high = file.read()
        high[0, 0, 0] = 30000  # beyond data.range
        file.write(high)
    convert_files(paths, Path("s2"), span=Span(0, 10000))
    data = ["data.root=s2/train", "data.val_root=s2/val", "channels=5", "data.range=[0,10000]"]
    record = typed(monkeypatch, "run", "experiment=satellite_x2", *data, *TOY)
    bands = {f"psnr_16_band{band}" for band in range(1, 6)}
    assert set(record["metrics"]["folder"]) == {"psnr_16", "ssim_16", "sam", "ergas", "bicubic"} | bands
    with Path("run/per_image.csv").open() as table:
        rows = list(csv.DictReader(table))
    assert len(rows) == 1
    assert float(rows[0]["sam"]) == record["metrics"]["folder"]["sam"]
    picture = np.asarray(Image.open("run/images/crops/folder-0003.gt.png"))
    red_green_blue = scene(5, 48, 40, seed=2)[[2, 1, 0]] / 10000 * 255
    assert picture.mean(axis=(0, 1)) == pytest.approx(red_green_blue.mean(axis=(1, 2)), abs=3)
    typed(monkeypatch, "up", "task=upscale", "checkpoint=run", "input=0.tif", "output=out", "trainer=cpu")
    assert "of its values lay outside 0 to 10000 and were cut off" in capsys.readouterr().out
    with rasterio.open("0.tif") as old, rasterio.open("out/0_x2.tif") as new:
        assert (new.bounds, new.crs, new.count) == (old.bounds, old.crs, 5)


def test_other_ranges_and_bands_are_refused_before_training(
    monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    paths = [write_geotiff(Path(f"{number}.tif"), scene(5, 48, 40, seed=number)) for number in range(2)]
    convert_files(paths, Path("s2"), span=Span(0, 10000))
    data = ["data.root=s2/train", "data.val_root=s2/val"]
    for words, said in (
        (
            ["channels=5", "data.range=null"],
            "stand for values from 0 to 10000, and data.range=null: say data.r",
        ),
        (
            ["channels=4"],
            "an image of 5 channels cannot become one of 4; set channels=5, or use other images",
        ),
        (
            ["channels=5", "callbacks.images.bands=[6,2,1]"],
            "callbacks.images.bands=[6, 2, 1]: give one band or",
        ),
    ):
        with pytest.raises(SystemExit) as caught:
            typed(monkeypatch, f"run{len(said)}", "experiment=satellite_x2", *data, *words, *TOY)
        assert caught.value.code == 2
        assert said in capsys.readouterr().err
