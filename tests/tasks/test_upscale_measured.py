"""`task=upscale` on GeoTIFF, DICOM and NIfTI, as one types it."""

import csv
import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import rasterio

from sr_experiments import cli
from tests.imaging.measured_files import (
    NAME,
    NUMBER,
    header_of,
    phantom,
    scene,
    write_dicom,
    write_geotiff,
    write_nifti,
)

AFFINE = np.diag([0.5, 0.5, 4.0, 1.0])


pytestmark = pytest.mark.usefixtures("here")


def upscaled(
    monkeypatch: pytest.MonkeyPatch, *arguments: str, run: str = "run", code: int = 0
) -> dict[str, Any]:
    """As on the command line; the record of the run."""
    words = ["task=upscale", "model=bicubic", "trainer=cpu", "scale=2", "output=out", f"hydra.run.dir={run}"]
    monkeypatch.setattr("sys.argv", ["sr-experiments", *words, *arguments])
    if code:
        with pytest.raises(SystemExit) as caught:
            cli.main()
        assert caught.value.code == code
    else:
        cli.main()
    found: dict[str, Any] = json.loads((Path(run) / "run.json").read_text())
    return found


def test_each_becomes_a_file_of_its_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("in/deep").mkdir(parents=True)
    stored = phantom()
    write_dicom(Path("in/deep/a.dcm"), stored)
    volume = np.random.default_rng(0).integers(-1024, 3072, (16, 14, 3)).astype(np.int16)
    write_nifti(Path("in/b.nii.gz"), volume, AFFINE)
    write_geotiff(Path("in/c.tif"), scene(1))
    record = upscaled(monkeypatch, "channels=1", "input=in", "range=[-1024,3071]")
    assert record["images"] == {"done": 3}
    made = header_of(Path("out/deep/a_x2.dcm"))
    assert (made.Rows, made.Columns, made.BitsStored) == (48, 40, 12)
    assert len(np.unique(made.pixel_array)) > 256
    image = nibabel.load("out/b_x2.nii.gz")
    assert image.shape == (32, 28, 3)
    assert image.header.get_zooms() == (0.25, 0.25, 4.0)
    with rasterio.open("in/c.tif") as old, rasterio.open("out/c_x2.tif") as new:
        assert new.bounds == old.bounds
        assert (new.crs, new.shape) == (old.crs, (48, 40))
    again = upscaled(monkeypatch, "channels=1", "input=in", "range=[-1024,3071]", run="again")
    assert again["images"] == {"skipped": 3}


def test_a_scene_of_four_bands_needs_no_range(monkeypatch: pytest.MonkeyPatch) -> None:
    write_geotiff(Path("a.tif"), scene(4), nodata=0)
    upscaled(monkeypatch, "channels=4", "input=a.tif")
    with rasterio.open("a.tif") as old, rasterio.open("out/a_x2.tif") as new:
        assert new.count == 4
        # Bicubic by another program: GDAL's own, inside.
        other = old.read(out_shape=(4, 48, 40), resampling=rasterio.enums.Resampling.cubic).astype(float)
        assert np.abs(new.read() - other)[:, 6:-6, 6:-6].max() <= 1.5


def test_what_does_not_fit_is_told_and_stops_no_other(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    Path("in").mkdir()
    write_geotiff(Path("in/four.tif"), scene(4))
    write_nifti(Path("in/open.nii"), np.zeros((16, 16, 2), np.int16), AFFINE)
    write_nifti(Path("in/time.nii"), np.zeros((16, 16, 2, 5), np.int16), AFFINE)
    write_dicom(Path("in/good.dcm"), phantom())
    Path("in/broken.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\7" * 40)
    record = upscaled(monkeypatch, "channels=1", "input=in", code=2)
    assert record["images"] == {"done": 1, "failed": 4}
    with Path("run/files.csv").open() as file:
        reasons = {Path(row["input"]).name: row["reason"] for row in csv.DictReader(file)}
    assert "an image of 4 channels does not go through a net of 1" in reasons["four.tif"]
    assert "say which values are black and white, range=[LOW,HIGH]" in reasons["open.nii"]
    assert "it has 4 dimensions (16x16x2x5); a volume of three is read" in reasons["time.nii"]
    assert "in/broken.dcm" in reasons["broken.dcm"]
    assert sorted(path.name for path in Path("out").iterdir()) == ["good_x2.dcm", "upscaled.jsonl"]
    assert "4 of 5 images could not be restored" in capsys.readouterr().err


def test_nothing_of_a_patient_is_written_down(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """The derived image is the patient's; records, tables, names and what is printed are not."""
    Path("in").mkdir()
    write_dicom(Path("in/1.dcm"), phantom())
    write_dicom(Path("in/2.dcm"), phantom(), PixelData=b"\0\0")
    write_nifti(Path("in/3.nii"), np.zeros((16, 16, 2), np.float32), AFFINE)
    write_nifti(Path("in/4.nii"), np.zeros((16, 16, 2), np.complex64), AFFINE)
    upscaled(monkeypatch, "channels=1", "input=in", "range=[-1024,3071]", code=2)
    said = "".join(capsys.readouterr())
    files = [path for path in Path().rglob("*") if path.is_file() and path.parts[0] != "in"]
    assert len(files) > 4
    for path in files:
        if path.suffix not in (".dcm", ".nii"):
            said += str(path) + path.read_text()
    for secret in (NAME, NUMBER, "Jane", header_of(Path("in/1.dcm")).SeriesInstanceUID):
        assert str(secret) not in said


def test_another_range_is_another_result(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    write_dicom(Path("a.dcm"), phantom())
    upscaled(monkeypatch, "channels=1", "input=a.dcm")
    upscaled(monkeypatch, "channels=1", "input=a.dcm", "range=[-160,240]", run="other", code=2)
    assert "overwrite=true replaces it" in capsys.readouterr().err
    upscaled(monkeypatch, "channels=1", "input=a.dcm", "range=[-160,240]", "overwrite=true", run="third")
    assert "of its values lay outside -160 to 240 and were cut off" in capsys.readouterr().out
    assert header_of(Path("out/a_x2.dcm")).pixel_array.max() <= 240 + 1024


def test_what_nobody_has_stated_is_told(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """Of weights that state no range it is not known, and they would be fed another one without a word."""
    bands = scene(1)
    bands[0, 0, 0] = 20000
    write_geotiff(Path("a.tif"), bands)
    note = (
        "measured values were restored over the range of their file: neither range= nor the weights name ano"
    )
    assert note in upscaled(monkeypatch, "channels=1", "input=a.tif")["notes"][0]
    assert note in capsys.readouterr().out
    again = upscaled(
        monkeypatch, "channels=1", "input=a.tif", "data.range=[0,10000]", "overwrite=true", run="again"
    )
    assert again["notes"] == []
    assert "0.208 % of its values lay outside 0 to 10000 and were cut off" in capsys.readouterr().out
