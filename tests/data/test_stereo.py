"""The stereo pair in scikit-image's wheel: parts that share nothing, disparity as it was measured."""

import itertools
import socket
from pathlib import Path

import numpy as np
import pytest

from sr_experiments.data.demo import package_folder
from sr_experiments.data.stereo import Excerpt, Stereo
from tests.data.test_data_presets import built


def parts() -> dict[str, Excerpt]:
    data = built("data=stereo", "model=guided", "scale=8")
    found = {}
    for name, source in {"train": data.train, "val": data.val, **data.test}.items():
        (item,) = source.items()
        assert isinstance(item, Excerpt)
        found[name] = item
    return found


def test_parts_are_apart() -> None:
    found = sorted((item.first, item.last) for item in parts().values())
    assert list(parts()) == ["train", "val", "stereo"]
    for (_, last), (first, _) in itertools.pairwise(found):
        assert first - last >= 16, "the reach of bicubic shrinking at x8, twice"
    assert all((last - first) % 8 == 0 for first, last in found)


def test_levels_are_the_disparity(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    with np.load(package_folder() / "motorcycle_disp.npz") as archive:
        disparity = archive["arr_0"]
    share = []
    for item in parts().values():
        levels = item.read(item.gt)[:, :, 0]
        truth = disparity[:, item.first : item.last]
        there = np.isfinite(truth)
        np.testing.assert_array_equal(levels > 0, there)
        assert np.abs(levels[there] / 65535 * 64 - truth[there]).max() <= 64 / 65535 / 2 + 1e-6
        share.append(1 - there.mean())
    assert 0.02 < min(share) < max(share) < 0.15


def test_the_guide_is_the_left_image() -> None:
    from skimage import data

    left = data.stereo_motorcycle()[0]
    for item in parts().values():
        assert item.guide is not None
        np.testing.assert_array_equal(item.read(item.guide), left[:, item.first : item.last])
        assert item.shape(item.guide) == item.read(item.guide).shape
        assert item.shape(item.gt) == item.read(item.gt).shape


def test_other_columns_make_another_pack(tmp_path: Path) -> None:
    """Both parts are of the same files."""
    for columns in ("[128,560]", "[128,552]"):
        data = built(
            "data=stereo",
            "model=guided",
            "scale=8",
            f"data.train.columns={columns}",
            "data.cache=disk",
            f"data_dir={tmp_path}",
        )
        data.setup("fit")
        pair = data.library["train"][0]
        assert pair.gt.shape == (496, int(columns[5:8]) - 128, 1)
        assert pair.guide is not None
        assert pair.guide.shape == (*pair.gt.shape[:2], 3)


@pytest.mark.parametrize("columns", [[5], [-1, 5], [5, 5], [0, 742]])
def test_columns_that_are_not_there(columns: list[int]) -> None:
    with pytest.raises(ValueError, match=r"must be the first and one after the last, from 0 to 741"):
        Stereo(name="it", columns=columns, range=[0, 64])


def test_a_wheel_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sr_experiments.data.stereo.package_folder", lambda: tmp_path)
    with pytest.raises(
        ValueError, match=r"the stereo pair is missing: .*motorcycle_disp\.npz.*reinstall scikit"
    ):
        Stereo(name="it", columns=[0, 8], range=[0, 64]).items()
