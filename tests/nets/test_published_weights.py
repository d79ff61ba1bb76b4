"""The authors' weights give the published numbers by the papers' protocol: luma of 8 bits throughout."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from sr_experiments.imaging.io import read_image
from sr_experiments.imaging.resize import imresize
from sr_experiments.nets.base import SRNet
from sr_experiments.nets.baselines import Interpolation
from sr_experiments.nets.srcnn import SRCNN
from sr_experiments.nets.vdsr import VDSR
from sr_experiments.nets.weights import load_matching, read_state_dict
from tests.conftest import benchmark_dir


def luma(path: Path) -> Tensor:
    """(1, 1, H, W) float64: whole numbers of 255."""
    rgb = torch.from_numpy(read_image(path)).double() / 255
    y = 16 + rgb @ torch.tensor([65.481, 128.553, 24.966], dtype=torch.float64)
    return (y + 0.5).floor()[None, None]


@torch.no_grad()
def mean_psnr(net: SRNet) -> float:
    scale = net.scale
    values = []
    for path in sorted(benchmark_dir("Set5", "HR", f"x{scale}").glob("*.png")):
        gt = luma(path)
        sr = net.eval()(imresize(gt / 255, scale=1 / scale).float()).double()
        error = (255 * sr).round().clamp(0, 255) - gt
        error = error[..., scale:-scale, scale:-scale]
        values.append(10 * math.log10(255**2 / error.square().mean().item()))
    assert len(values) == 5
    return sum(values) / len(values)


def loaded(net: SRNet, name: str) -> SRNet:
    report = load_matching(net, read_state_dict(benchmark_dir("weights", name)))
    assert (report.skipped, report.missing) == ({}, [])
    return net


@pytest.mark.parametrize(("scale", "published"), [(2, 33.6614), (3, 30.3922), (4, 28.4207)])
def test_bicubic(scale: int, published: float) -> None:
    assert mean_psnr(Interpolation(scale=scale, in_channels=1)) == pytest.approx(published, abs=1e-3)


def test_srcnn_915_x3() -> None:
    """Published 32.39 to 32.44; zero padding instead of replicate would give 26.8."""
    net = loaded(SRCNN(scale=3, in_channels=1, kernels=(9, 1, 5)), "srcnn_915_x3.safetensors")
    assert mean_psnr(net) == pytest.approx(32.4407, abs=2e-3)


def test_vdsr_x2() -> None:
    """Published 37.53."""
    net = loaded(VDSR(scale=2, in_channels=1), "vdsr_official.safetensors")
    assert mean_psnr(net) == pytest.approx(37.527, abs=2e-3)
