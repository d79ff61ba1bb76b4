"""Two nets that were tested on the same pair leave the same square of it."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from sr_experiments.callbacks.crops import write_crops


def test_the_square_is_where_bicubic_is_worst_whatever_the_net_did(tmp_path: Path) -> None:
    torch.manual_seed(0)
    gt = torch.randint(256, (3, 200, 230)) / 255
    bicubic = gt.clone()
    bicubic[:, 30:190, 60:220] = 0.5  # exactly one square of 160
    for name in ("one", "two"):
        sr = torch.randint(256, (3, 200, 230)) / 255
        write_crops(tmp_path / name, "set-x", {"sr": sr, "bicubic": bicubic, "gt": gt})
        assert np.array_equal(_read(tmp_path / name / "set-x.sr.png"), _square(sr, top=30, left=60))
    one, two = ((tmp_path / name / "set-x.gt.png").read_bytes() for name in ("one", "two"))
    assert one == two
    assert np.array_equal(_read(tmp_path / "one" / "set-x.gt.png"), _square(gt, top=30, left=60))


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
