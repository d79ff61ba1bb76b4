"""An image and its guide in one tensor: what cuts, pads or turns the one does the same to the other."""

import re

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from sr_experiments.imaging.ensemble import run_ensemble
from sr_experiments.imaging.fold import fold, unfolding
from sr_experiments.imaging.pad import run_padded
from sr_experiments.imaging.tile import run_tiled

SCALE = 3


def both(height: int, width: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(height)
    lq = torch.rand(2, 2, height, width, dtype=torch.float64, generator=generator)
    guide = torch.rand(2, 5, SCALE * height, SCALE * width, dtype=torch.float64, generator=generator)
    return lq, guide


def joint(lq: Tensor, guide: Tensor) -> Tensor:
    """Looks at two pixels of `lq` around, and at six of the guide."""
    kernel = torch.randn(2, 2, 5, 5, dtype=lq.dtype, generator=torch.Generator().manual_seed(0))
    wide = torch.randn(2, 5, 13, 13, dtype=lq.dtype, generator=torch.Generator().manual_seed(1)) / 8
    of_lq = F.interpolate(F.conv2d(lq, kernel, padding=2), scale_factor=SCALE, mode="nearest")
    return torch.tanh(of_lq) * F.conv2d(guide, wide, padding=6)


def test_what_was_folded_comes_out_as_it_was() -> None:
    seen: list[Tensor] = []

    def look(lq: Tensor, guide: Tensor) -> Tensor:
        seen.extend((lq, guide))
        return lq

    lq, guide = both(7, 4)
    folded = fold(lq, guide, scale=SCALE)
    assert folded.shape == (2, 2 + 5 * 9, 7, 4)
    unfolding(look, channels=2, scale=SCALE)(folded)
    assert torch.equal(seen[0], lq)
    assert torch.equal(seen[1], guide)


def test_a_cut_of_both_is_the_cut_of_each() -> None:
    lq, guide = both(8, 9)
    cut = fold(lq, guide, scale=SCALE)[..., 2:6, 3:8]
    alone = fold(lq[..., 2:6, 3:8], guide[..., 6:18, 9:24], scale=SCALE)
    assert torch.equal(cut, alone)


@pytest.mark.parametrize("size", [(20, 17), (9, 30), (8, 8)])
@pytest.mark.parametrize(("tile", "overlap"), [(8, 2), (11, 3)])
def test_tiles_are_the_whole_image(size: tuple[int, int], tile: int, overlap: int) -> None:
    lq, guide = both(*size)
    run = unfolding(joint, channels=2, scale=SCALE)
    tiled = run_tiled(run, fold(lq, guide, scale=SCALE), scale=SCALE, tile=tile, overlap=overlap)
    torch.testing.assert_close(tiled, joint(lq, guide), rtol=0, atol=1e-12)


def test_tiles_need_the_reach_of_the_guide_too() -> None:
    """The comparison above can fail."""
    lq, guide = both(20, 17)
    run = unfolding(joint, channels=2, scale=SCALE)
    tiled = run_tiled(run, fold(lq, guide, scale=SCALE), scale=SCALE, tile=8, overlap=1)
    assert (tiled - joint(lq, guide)).abs().max() > 1e-3


def test_both_are_padded_and_cut_again() -> None:
    lq, guide = both(7, 5)
    seen: list[Tensor] = []

    def look(lq: Tensor, guide: Tensor) -> Tensor:
        seen.extend((lq, guide))
        return guide

    run = unfolding(look, channels=2, scale=SCALE)
    folded = fold(lq, guide, scale=SCALE)
    assert torch.equal(run_padded(run, folded, scale=SCALE, multiple_of=4, minimum=1), guide)
    assert seen[0].shape[-2:] == (8, 8)
    assert seen[1].shape[-2:] == (24, 24)
    assert torch.equal(seen[1][..., :21, :15], guide)


def test_the_ensemble_turns_both() -> None:
    lq, guide = both(6, 9)
    expected = torch.zeros_like(joint(lq, guide))
    for quarter in range(4):
        for mirrored in (False, True):
            turned = [torch.rot90(image, quarter, (-2, -1)) for image in (lq, guide)]
            turned = [image.flip(-1) if mirrored else image for image in turned]
            result = joint(*turned)
            result = result.flip(-1) if mirrored else result
            expected += torch.rot90(result, -quarter, (-2, -1)) / 8
    torch.testing.assert_close(run_ensemble(joint, lq, guide), expected, rtol=0, atol=1e-12)


def test_a_guide_of_another_size() -> None:
    lq, guide = both(6, 9)
    told = "a guide of 18x26 (height x width) does not fit an image of 6x9 at scale=3: 18x27 does"
    with pytest.raises(ValueError, match=re.escape(told)):
        fold(lq, guide[..., :-1], scale=SCALE)
