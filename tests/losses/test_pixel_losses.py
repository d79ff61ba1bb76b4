"""Losses without a pretrained network, against closed forms, numpy and numerical gradients."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sr_experiments.losses.frequency import FrequencyLoss
from sr_experiments.losses.pixel import CharbonnierLoss, L1Loss, MSELoss
from sr_experiments.losses.variation import TotalVariationLoss

Reference = Callable[[np.ndarray, np.ndarray], float]


def _charbonnier(sr: np.ndarray, gt: np.ndarray) -> float:
    return float(np.mean(np.hypot(sr - gt, 0.02)))


def _variation(sr: np.ndarray, gt: np.ndarray) -> float:
    total = np.abs(np.diff(sr, axis=2)).sum() + np.abs(np.diff(sr, axis=3)).sum()
    return float(total / sr.size)


def _frequency(sr: np.ndarray, gt: np.ndarray) -> float:
    """The discrete Fourier transform as two matrix products, written out."""
    rows, columns = (np.exp(-2j * np.pi * np.outer(k, k) / n) for n in sr.shape[2:] for k in [np.arange(n)])
    spectra = [rows @ image @ columns / np.sqrt(image.shape[2] * image.shape[3]) for image in (sr, gt)]
    return float(np.mean(np.abs(spectra[0] - spectra[1])))


CASES: dict[str, tuple[nn.Module, Reference]] = {
    "mse": (MSELoss(), lambda sr, gt: float(np.mean((sr - gt) ** 2))),
    "l1": (L1Loss(), lambda sr, gt: float(np.mean(np.abs(sr - gt)))),
    "charbonnier": (CharbonnierLoss(eps=0.02), _charbonnier),
    "tv": (TotalVariationLoss(), _variation),
    "frequency": (FrequencyLoss(), _frequency),
}


def _images(bands: int = 3) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(7)
    sr, gt = torch.rand(2, 2, bands, 6, 5, dtype=torch.float64, generator=generator)
    return sr.requires_grad_(), gt


@pytest.mark.parametrize("bands", [1, 3, 5])
@pytest.mark.parametrize("name", CASES)
def test_value_is_numpys(name: str, bands: int) -> None:
    loss, reference = CASES[name]
    sr, gt = _images(bands)
    value = loss(sr, gt)
    assert value.ndim == 0
    assert value.item() == pytest.approx(reference(sr.detach().numpy(), gt.numpy()), rel=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_gradient_is_the_numerical_one(name: str) -> None:
    loss, _ = CASES[name]
    sr, gt = _images()
    assert torch.autograd.gradcheck(lambda image: loss(image, gt), (sr,))


@pytest.mark.parametrize("name", CASES)
def test_equal_images_have_a_finite_gradient(name: str) -> None:
    """A square root or a modulus at 0 gives nan where its derivative is written carelessly."""
    loss, _ = CASES[name]
    sr = torch.full((1, 3, 4, 4), 0.5, requires_grad=True)
    (gradient,) = torch.autograd.grad(loss(sr, sr.detach().clone()), sr)
    assert torch.equal(gradient, torch.zeros_like(gradient))


def test_charbonnier_of_equal_images_is_eps() -> None:
    sr = torch.rand(1, 3, 8, 8)
    assert CharbonnierLoss(eps=1e-3)(sr, sr).item() == pytest.approx(1e-3, rel=1e-6)


@pytest.mark.parametrize("eps", [0.0, -1e-3, float("nan")])
def test_charbonnier_refuses_eps_of_nothing(eps: float) -> None:
    with pytest.raises(
        ValueError, match=r"eps=.*: the Charbonnier loss needs eps above 0; for none take L1Loss"
    ):
        CharbonnierLoss(eps=eps)


def test_variation_of_a_step_is_its_height_times_its_length() -> None:
    sr = torch.zeros(1, 1, 8, 10)
    sr[..., 4:] = 0.25
    assert TotalVariationLoss()(sr, torch.zeros_like(sr)).item() == pytest.approx(8 * 0.25 / 80)


def test_variation_of_a_single_row_counts_the_other_direction() -> None:
    sr = torch.tensor([0.0, 1.0, 0.5]).view(1, 1, 1, 3)
    assert TotalVariationLoss()(sr, sr).item() == pytest.approx(1.5 / 3)


@pytest.mark.parametrize("phase", [0.0, 0.4, 1.1])
def test_frequency_does_not_see_the_phase(phase: float) -> None:
    """A wave of amplitude a is two frequencies of modulus a sqrt(HW) / 2: sum / HW = a / sqrt(HW)."""
    x = torch.arange(16, dtype=torch.float64)
    wave = 0.3 * torch.cos(2 * torch.pi * 3 * x / 16 + phase).expand(1, 1, 16, 16)
    assert FrequencyLoss()(wave, torch.zeros_like(wave)).item() == pytest.approx(0.3 / 16, rel=1e-12)


@pytest.mark.parametrize("side", [32, 128])
def test_frequency_has_the_units_of_l1_at_every_size(side: int) -> None:
    """The docstring's 0.89 and 0.80. Unnormalised, the value would grow with the patch."""
    noise = 0.1 * torch.randn(4, 3, side, side, generator=torch.Generator().manual_seed(3))
    zero = torch.zeros_like(noise)
    assert FrequencyLoss()(noise, zero).item() == pytest.approx(0.0886, rel=0.02)
    assert F.l1_loss(noise, zero).item() == pytest.approx(0.0798, rel=0.02)
