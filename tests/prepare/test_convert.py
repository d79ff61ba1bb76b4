"""`task=convert`: what is written stands for what the files hold, and for nobody."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from omegaconf import OmegaConf

from sr_experiments import cli
from sr_experiments.data.ranged import range_of
from sr_experiments.imaging.io import list_images, read_image
from sr_experiments.imaging.span import Span
from sr_experiments.tasks.convert import convert
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


def typed(monkeypatch: pytest.MonkeyPatch, words: str) -> dict[str, Any]:
    """On the command line; the record."""
    monkeypatch.setattr(
        "sys.argv", ["sr-experiments", "task=convert", "hydra.run.dir=run", *shlex.split(words)]
    )
    cli.main()
    found: dict[str, Any] = json.loads(Path("run/run.json").read_text())
    return found


def converted(words: str) -> dict[str, Any]:
    """The same without Hydra, which takes a while."""
    options = dict(word.split("=") for word in shlex.split(words))
    folder = Path(f"run{len(list(Path().glob('run*')))}")
    convert(OmegaConf.create({}), folder, **{key: yaml.safe_load(text) for key, text in options.items()})
    found: dict[str, Any] = json.loads((folder / "run.json").read_text())
    return found


def test_slices_stand_for_their_values_and_persons_are_not_divided(
    monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    for person in range(3):
        for number in range(2):
            path = Path(f"in/{NAME}{person}/{number}.dcm")
            path.parent.mkdir(parents=True, exist_ok=True)
            write_dicom(path, phantom(seed=9 * person + number), PatientID=f"{NUMBER}-{person}")
    record = typed(monkeypatch, "input=in output=out")
    assert (record["images"], record["bodies"]) == ({"train": 4, "val": 2}, {"train": 2, "val": 1})
    assert (record["range"], record["cut_off"]) == ([-1024, 3071], 0.0)
    names = [path.name for role in ("train", "val") for path in list_images(Path("out") / role)]
    assert names == [f"{number:04d}.png" for number in range(1, 7)]
    for number, path in enumerate(sorted(Path("in").rglob("*.dcm")), start=1):
        levels = read_image(Path("out") / ("train" if number < 5 else "val") / f"{number:04d}.png")
        assert levels.dtype == np.uint16
        values = Span(-1024, 3071).from_unit(levels / 65535)[:, :, 0]
        assert np.array_equal(np.floor(values + 1024 + 0.5), header_of(path).pixel_array)
    assert range_of(Path("out/train")) == range_of(Path("out/val")) == Span(-1024, 3071)
    said = capsys.readouterr().out
    assert "window   the files ask for [40,400], which shows -160 to 240" in said
    assert "experiment=medical_x2 data.root=out/train data.val_root=out/val 'data.range=[-1024,3071]'" in said
    for path in [*Path("out").rglob("*.json"), *Path("run").rglob("*")]:
        if path.is_file():
            said += path.read_text()
    assert not any(word in said for word in (NAME, NUMBER)), "neither of headers nor of folders"


def test_a_window_is_a_range() -> None:
    for number in range(2):
        write_dicom(Path(f"{number}.dcm"), phantom(seed=number), PatientID=str(number))
    record = converted("input=. output=out window=[40,400]")
    assert record["range"] == [-160, 240]
    assert record["cut_off"] > 0.5
    level = read_image(Path("out/train/0001.png"))[:, :, 0]
    stored = header_of(Path("0.dcm")).pixel_array
    assert level[0, 0] == 0
    assert level[-1, -1] == 65535
    assert np.array_equal(level == 65535, stored - 1024.0 >= 240)


def test_volumes_are_cut_into_slices_and_empty_ones_left_out(capsys: Any) -> None:
    values = np.random.default_rng(0).integers(-1024, 3072, (12, 14, 4)).astype(np.int16)
    values[:, :, 2] = -1024
    write_nifti(Path("a.nii.gz"), values, AFFINE)
    write_nifti(Path("b.nii.gz"), values, AFFINE)
    record = converted("input=. output=out range=[-1024,3071]")
    assert record["images"] == {"train": 3, "val": 3}
    assert [path.name for path in list_images(Path("out/train"))] == [
        "0001-0001.png",
        "0001-0002.png",
        "0001-0004.png",
    ]
    assert read_image(Path("out/val/0002-0001.png")).shape == (14, 12, 1)
    assert "left out 2 slices or tiles that hold one value only, or a hole" in capsys.readouterr().out
    record = converted("input=. output=side range=[-1024,3071] axis=sagittal")
    assert record["images"] == {"train": 12, "val": 12}


def test_scenes_are_cut_into_tiles_without_holes(capsys: Any) -> None:
    bands = scene(4, 70, 66)
    bands[2, 40, 40] = 0
    write_geotiff(Path("a.tif"), bands, nodata=0)
    record = converted("input=a.tif output=out range=[0,10000] tile=16 held_out=0.25")
    assert record["images"] == {"train": 11, "val": 4}, "rows of tiles of the one scene are divided"
    assert [path.name for path in list_images(Path("out/val"))] == [
        f"0001-04-0{column}.tif" for column in (1, 2, 3, 4)
    ]
    assert not Path("out/train/0001-03-03.tif").exists(), "where the hole is"
    tile = read_image(Path("out/train/0001-02-03.tif"))
    assert tile.dtype == np.uint16
    values = np.floor(Span(0, 10000).from_unit(tile / 65535) + 0.5)
    assert np.array_equal(values, np.moveaxis(bands[:, 16:32, 32:48], 0, -1))
    assert "experiment=satellite_x2 channels=4 data.root=out/train" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("input=x", "task=convert needs input=FILE_OR_FOLDER and output=FOLDER"),
        ("input=x output=out", "input=x: there is no such file or folder"),
        ("input=empty output=out", "input=empty: no DICOM, NIfTI (.nii, .nii.gz) or GeoTIFF there"),
        ("input=ct output=out", "all is of one body, and its neighbouring slices say nothing of others"),
        ("input=ct output=out range=[5,1]", "range=[5, 1]: the range [5, 1] is none: give [LOW, HIGH]"),
        ("input=ct output=out range=[0,1] window=[0,1]", "say the same in two ways: give one of them"),
        ("input=ct output=out held_out=1", "task.held_out=1: must be 0 or more and less than 1"),
        ("input=ct output=out tile=0", "task.tile=0: must be 1 or more"),
        (
            "input=ct output=out tile=99 held_out=0",
            "nothing is left to train on: all planes are flat or small",
        ),
        ("input=ct output=out axis=top range=[0,1]", "all is of one body"),
        ("input=ct output=full held_out=0", "full/train holds files already; give another output=FOLDER"),
        ("input=nii output=out", "whose range nothing states: say which values are black and white, range="),
        ("input=mixed output=out", "the files have different numbers of bands: "),
        ("input=bits output=out", "the files state different ranges ("),
        ("input=bad output=out", "task.skip=true leaves such files out"),
        (
            "input=photo.png output=out",
            "photo.png is no DICOM, NIfTI or GeoTIFF; pictures need no conversion",
        ),
    ],
)
def test_mistakes(words: str, said: str) -> None:
    for folder in ("empty", "ct", "full/train", "nii", "mixed", "bits", "bad"):
        Path(folder).mkdir(parents=True)
    Path("full/train/a.txt").write_text("")
    Path("photo.png").write_bytes(b"")
    write_dicom(Path("ct/a.dcm"), phantom())
    write_nifti(Path("nii/a.nii"), np.zeros((4, 4, 4), np.int16), AFFINE)
    write_geotiff(Path("mixed/a.tif"), scene(1))
    write_geotiff(Path("mixed/b.tif"), scene(3))
    write_dicom(Path("bits/a.dcm"), phantom())
    write_dicom(Path("bits/b.dcm"), phantom(), RescaleIntercept="0")
    write_dicom(Path("bad/a.dcm"), phantom(), RescaleSlope="0")
    write_dicom(Path("bad/b.dcm"), phantom(), PatientID="1")
    write_dicom(Path("bad/c.dcm"), phantom(), PatientID="2")
    with pytest.raises((ValueError, OSError), match=re.escape(said)):
        converted(words)
    assert not Path("out/train").exists()


def test_files_that_are_of_no_use_can_be_left_out(capsys: Any) -> None:
    write_dicom(Path("a.dcm"), phantom(), RescaleSlope="0")
    for number in (1, 2):
        write_dicom(Path(f"b{number}.dcm"), phantom(), PatientID=str(number))
    assert converted("input=. output=out skip=true")["images"] == {"train": 1, "val": 1}
    assert "skipped  a.dcm: its rescale slope is 0" in capsys.readouterr().out
