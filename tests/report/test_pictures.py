"""Which pictures belong together, and that they are what the files hold."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sr_experiments.report.gather import gather
from sr_experiments.report.pictures import album, scenes
from tests.report.made import make_run


@pytest.mark.parametrize("room", [10_000_000, 0])
def test_squares_of_one_name_but_another_truth_stand_apart(tmp_path: Path, room: int) -> None:
    for seed in (1, 2, 3):
        make_run(tmp_path / f"{seed}", [30.0] * 6, seed=seed, pictures=2)
    other = tmp_path / "3" / "images" / "crops" / "set5-image001.gt.png"
    other.write_bytes((other.parent / "set5-image000.gt.png").read_bytes())
    runs = gather([str(tmp_path)]).runs
    found = scenes(runs)
    assert [(scene.name, len(scene.shots)) for scene in found] == [
        ("set5-image000", 5),
        ("set5-image001", 4),
        ("set5-image001", 3),
    ]
    pictures = album(found, room=room)
    if room == 0:
        assert (pictures.scenes, pictures.left_out) == ({}, 12)
        return
    assert list(pictures.scenes) == ["set5-image000", "set5-image001", "set5-image001 (2)"]
    assert pictures.left_out == 0
    for number, path in enumerate(tmp_path / f"{seed}" for seed in (1, 2, 3)):
        uri = pictures.scenes["set5-image000"][str(number)]
        with (
            Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) as shown,
            Image.open(path / "images" / "crops" / "set5-image000.sr.png") as file,
        ):
            assert np.array_equal(np.asarray(shown), np.asarray(file.convert("RGB"))), "without loss"
