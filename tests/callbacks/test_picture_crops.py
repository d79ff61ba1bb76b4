"""Two nets that were tested on the same pair leave the same square of it."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from sr_experiments.callbacks.crops import write_crops
from sr_experiments.callbacks.images import Images, _Words


def test_the_square_is_where_bicubic_left_detail_whatever_the_net_did(tmp_path: Path) -> None:
    torch.manual_seed(0)
    gt = torch.randint(256, (3, 200, 230)) / 255
    bicubic = torch.full_like(gt, 0.5)
    bicubic[:, 30:190, 60:220] = gt[:, 30:190, 60:220]  # exactly one square of 160
    for name in ("one", "two"):
        sr = torch.randint(256, (3, 200, 230)) / 255
        write_crops(tmp_path / name, "set-x", {"sr": sr, "bicubic": bicubic, "gt": gt})
        assert np.array_equal(_read(tmp_path / name / "set-x.sr.png"), _square(sr, top=30, left=60))
    one, two = ((tmp_path / name / "set-x.gt.png").read_bytes() for name in ("one", "two"))
    assert one == two
    assert np.array_equal(_read(tmp_path / "one" / "set-x.gt.png"), _square(gt, top=30, left=60))


def test_the_labelled_pictures_of_two_nets_show_the_same_square(tmp_path: Path) -> None:
    """They showed where the net differed from bicubic, so that no two nets could be compared."""
    torch.manual_seed(0)
    gt = torch.rand(3, 60, 80)
    bicubic = torch.full_like(gt, 0.5)
    bicubic[:, 10:42, 20:52] = gt[:, 10:42, 20:52]  # exactly one square of 32
    drawn = []
    for worst in (0, 40):
        sr = bicubic.clone()
        sr[:, worst : worst + 20, worst : worst + 20] = 1.0
        pictures = Images(tmp_path, net_name="net", side=32, zoom=1)
        drawn.append(pictures._draw(_Words("x", "", ""), {"sr": sr, "bicubic": bicubic, "gt": gt}))
    one, two = drawn
    columns = np.flatnonzero((one != two).any(axis=(0, 2)))
    assert np.ptp(columns) < 32, "only the square of the net itself is another"
    shown = np.floor(gt[:, 10:42, 20:52].permute(1, 2, 0).numpy() * 255 + 0.5)
    assert np.array_equal(one[8 : 8 + 32, -8 - 32 : -8], shown), "the truth where bicubic has detail"


def test_a_small_grey_image_is_taken_whole(tmp_path: Path) -> None:
    images = {key: torch.rand(1, 40, 50) for key in ("sr", "bicubic", "gt")}
    write_crops(tmp_path, "x", images)
    assert _read(tmp_path / "x.sr.png").shape[:2] == (40, 40)


def _read(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def _square(image: torch.Tensor, *, top: int, left: int) -> np.ndarray:
    cut = image[:, top : top + 160, left : left + 160].permute(1, 2, 0).numpy()
    return np.floor(cut * 255 + 0.5).astype(np.uint8)
