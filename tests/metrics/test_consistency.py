"""The consistency of a restored image with its input, by real MATLAB's files and by closed forms."""

import math

import pytest
import torch
from torch import Tensor

from sr_experiments.imaging.io import list_images, read_image, to_tensor
from sr_experiments.metrics.consistency import LRConsistency
from tests.conftest import benchmark_dir


def flat(level: float, *, side: int, channels: int = 3) -> Tensor:
    return torch.full((1, channels, side, side), level / 255)


def measured(sr: Tensor, lq: Tensor, *, scale: int) -> float:
    value = LRConsistency(scale=scale)(sr, sr, lq=lq)
    assert value.dtype == torch.float64
    return value.item()


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_truth_is_consistent_with_matlabs_own_lr(scale: int) -> None:
    """And with that LR made brighter by 3 levels: 20 log10(255 / 3) dB."""
    for path in list_images(benchmark_dir("Set5", "HR", f"x{scale}")):
        gt = to_tensor(read_image(path))[None]
        lq = to_tensor(read_image(benchmark_dir("Set5", "LR", f"x{scale}", path.name)))[None]
        assert measured(gt, lq, scale=scale) == math.inf
        off = torch.where(lq > 0.5, lq - 3 / 255, lq + 3 / 255)
        assert measured(gt, off, scale=scale) == pytest.approx(20 * math.log10(255 / 3), abs=1e-9)


@pytest.mark.parametrize("channels", [1, 3, 8])
@pytest.mark.parametrize("scale", [1, 2, 3, 5, 49])
def test_a_tint_is_seen(scale: int, channels: int) -> None:
    """Of flat images, in one channel of `channels`; 1/49 is a scale that floats cannot hold."""
    sr, lq = flat(100, side=7 * scale, channels=channels), flat(100, side=7, channels=channels)
    sr[:, 0] = 110 / 255
    expected = 10 * math.log10(255**2 / (10**2 / channels))
    assert measured(sr, lq, scale=scale) == pytest.approx(expected, abs=1e-9)


def test_both_are_rounded_to_8_bit() -> None:
    """Luma that was shrunk without rounding is compared as the file that would be written of it."""
    assert measured(flat(100.4, side=16), flat(99.6, side=8), scale=2) == math.inf
    assert measured(flat(300, side=16), flat(255.3, side=8), scale=2) == math.inf
    assert measured(flat(-9, side=16), flat(0, side=8), scale=2) == math.inf
    assert measured(flat(100.6, side=16), flat(100.4, side=8), scale=2) == pytest.approx(20 * math.log10(255))


def test_each_image_is_measured_alone_and_a_diverged_one_shows() -> None:
    sr = torch.cat([flat(level, side=16) for level in (100, 101, 100, 100)])
    lq = flat(100, side=8).repeat(4, 1, 1, 1)
    sr[2, 0, 3, 3] = torch.nan
    lq[3, 0, 3, 3] = torch.nan
    metric = LRConsistency(scale=2)
    values = metric(sr, torch.rand(1), lq=lq)
    assert values[:2].tolist() == pytest.approx([math.inf, 20 * math.log10(255)])
    assert values[2:].isnan().tolist() == [True, True]
    assert metric.higher_is_better
    assert metric.state_dict() == {}


@pytest.mark.parametrize("shape", [(1, 3, 16, 17), (1, 1, 16, 16), (2, 3, 16, 16), (1, 3, 24, 24)])
def test_another_size_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"sr \(.*\) is not 2 times as large as lq \(1, 3, 8, 8\): the cons"):
        measured(torch.rand(shape), torch.rand(1, 3, 8, 8), scale=2)


def test_another_scale_is_refused() -> None:
    with pytest.raises(ValueError, match="scale=0: sr must be 1 or more times as large as lq"):
        LRConsistency(scale=0)
