"""Blur kernels against their closed forms by another hand, and the blur against scipy."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy import ndimage, special, stats
from torch import Tensor

from sr_experiments.degradations import kernels
from sr_experiments.degradations.blur import KINDS, Blur
from sr_experiments.imaging.ledger import Ledger
from sr_experiments.imaging.random import Draw

POSITIONS = torch.arange(100, 116)
X, Y = np.meshgrid(np.arange(-10, 11), np.arange(-10, 11))  # x to the right, y downwards


def one(value: float) -> Tensor:
    return torch.tensor([value], dtype=torch.float64)


def close(ours: Tensor, expected: np.ndarray, *, atol: float = 1e-15) -> None:
    found = kernels.fitted(ours, torch.tensor([21]))[0].numpy()
    np.testing.assert_allclose(found, expected / expected.sum(), rtol=1e-9, atol=atol)


def mahalanobis(sigma_x: float, sigma_y: float, angle: float) -> np.ndarray:
    rotation = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    inverse = np.linalg.inv(rotation @ np.diag([sigma_x**2, sigma_y**2]) @ rotation.T)
    offsets = np.stack([X, Y], axis=-1)
    return np.einsum("...i,ij,...j", offsets, inverse, offsets)


@pytest.mark.parametrize(("sigma_x", "sigma_y", "degrees"), [(1.3, 1.3, 0), (3.0, 0.8, 0), (3.0, 0.8, 30)])
def test_elliptic_kernels(sigma_x: float, sigma_y: float, degrees: float) -> None:
    angle = math.radians(degrees)
    q = kernels.elliptic(21, sigma_x=one(sigma_x), sigma_y=one(sigma_y), angle=one(angle))
    distance = mahalanobis(sigma_x, sigma_y, angle)
    close(kernels.gaussian(q, one(1)), np.exp(-distance / 2))
    close(kernels.gaussian(q, one(0.7)), np.exp(-(distance**0.7) / 2))
    close(kernels.plateau(q, one(1.6)), 1 / (1 + distance**1.6))


@pytest.mark.parametrize("cutoff", [math.pi / 3, 2.0, math.pi])
def test_the_sinc_kernel(cutoff: float) -> None:
    radius = np.hypot(X, Y)
    with np.errstate(invalid="ignore"):
        away = cutoff * special.j1(cutoff * radius) / (2 * np.pi * radius)
    expected = np.where(radius == 0, cutoff**2 / (4 * np.pi), away)
    close(kernels.sinc(21, cutoff=one(cutoff)), expected, atol=1e-6)  # torch's J1 is no better


def test_the_sinc_kernel_lets_low_frequencies_pass_and_no_high_ones() -> None:
    """Its frequency response: 1 within the cutoff, 0 outside, by the window's width blurred."""
    cutoff, size = 1.5, 101
    kernel = kernels.fitted(kernels.sinc(size, cutoff=one(cutoff)), torch.tensor([size]))[0].numpy()
    response = np.abs(np.fft.fft2(kernel, (256, 256)))
    frequency = 2 * np.pi * np.fft.fftfreq(256)
    radius = np.hypot(frequency[:, None], frequency[None])
    assert np.abs(response[radius < cutoff - 0.15] - 1).max() < 0.1
    assert response[radius > cutoff + 0.15].max() < 0.1


def test_a_movement_and_a_lens_out_of_focus() -> None:
    along = np.clip(7 / 2 + 0.5 - np.abs(X), 0, 1) * np.clip(1 - np.abs(Y), 0, 1)
    close(kernels.motion(21, length=one(7), angle=one(0)), along)
    assert along.sum() == 7
    close(kernels.defocus(21, radius=one(4.2)), np.clip(4.7 - np.hypot(X, Y), 0, 1))
    still = kernels.fitted(kernels.motion(21, length=one(0), angle=one(0)), torch.tensor([21]))[0]
    assert still[10, 10] == 1


def blur(**options: Any) -> Blur:
    return Blur(**({"kinds": dict.fromkeys(KINDS, 1.0), "kernel_size": (7, 21)} | options))


def test_blur_agrees_with_scipy_sample_by_sample() -> None:
    image = torch.rand(16, 3, 30, 40, generator=torch.Generator().manual_seed(0))
    blurred = blur()(image, seed=3, positions=POSITIONS)
    weights = blur().kernels(Draw(3, POSITIONS)).double().numpy()
    for sample in range(16):
        for channel in range(3):
            plane = image[sample, channel].double().numpy()
            expected = ndimage.correlate(plane, weights[sample], mode="mirror")
            np.testing.assert_allclose(blurred[sample, channel].numpy(), expected, atol=2e-6)


def test_the_smallest_sigma_leaves_the_image_as_it_is() -> None:
    image = torch.rand(16, 3, 24, 24)
    sharp = blur(kinds={"isotropic": 1}, sigma=(0.05, 0.05))
    assert torch.equal(sharp(image, seed=0, positions=POSITIONS), image)


def test_an_image_smaller_than_the_kernel_is_mirrored_again_and_again() -> None:
    """A random enlargement of 0.15 leaves ten pixels of a crop, and kernels of 21 come after it."""
    flat = torch.full((16, 3, 5, 4), 0.25)
    torch.testing.assert_close(blur()(flat, seed=0, positions=POSITIONS), flat)


def test_drawn_sigmas_angles_and_kinds_follow_the_configured_ranges() -> None:
    count = 2000
    drawn = blur(
        kernel_size=(41, 41), kinds={"isotropic": 0.7, "anisotropic": 0.3}, sigma=(0.5, 4.0)
    ).kernels(Draw(1, torch.arange(count)))
    x = torch.arange(41.0) - 20
    second = torch.stack([(drawn.sum(axis) * x**2).sum(-1) for axis in (1, 2)])  # along x, along y
    mixed = (drawn * x[:, None] * x[None, :]).sum(dim=(1, 2))
    isotropic = ((second[0] - second[1]).abs() < 1e-3) & (mixed.abs() < 1e-3)
    assert stats.binomtest(int(isotropic.sum()), count, 0.7).pvalue > 0.01
    measured = second[0][isotropic].sqrt()
    wide = measured[measured > 1]  # below, pixels are too coarse for the variance to be sigma squared
    assert stats.kstest(wide.numpy(), "uniform", (1, 3)).pvalue > 0.01
    difference = second[0] - second[1]
    angles = (0.5 * torch.atan2(2 * mixed, difference))[~isotropic].remainder(math.pi / 2)
    assert stats.kstest(angles.numpy(), "uniform", (0, math.pi / 2)).pvalue > 0.01


def test_every_odd_side_is_drawn_as_often() -> None:
    drawn = blur(kinds={"defocus": 1}, radius=(30, 30)).kernels(Draw(0, torch.arange(4000)))
    sides = (drawn > 0).any(dim=1).sum(dim=1).numpy()  # a disc that fills the kernel shows its side
    values, counts = np.unique(sides, return_counts=True)
    assert values.tolist() == [7, 9, 11, 13, 15, 17, 19, 21]
    assert stats.chisquare(counts).pvalue > 0.01


def test_half_of_the_exponents_are_below_one() -> None:
    from sr_experiments.degradations.blur import _beta

    draw = Draw(0, torch.arange(4000))
    beta = _beta(draw, (0.5, 4.0)).numpy()
    assert stats.binomtest(int((beta < 1).sum()), 4000, 0.5).pvalue > 0.01
    assert stats.kstest(beta[beta < 1], "uniform", (0.5, 0.5)).pvalue > 0.01
    assert stats.kstest(beta[beta > 1], "uniform", (1.0, 3.0)).pvalue > 0.01
    plateau = _beta(draw, (1.0, 2.0)).numpy()
    assert stats.binomtest(int((plateau == 1).sum()), 4000, 0.5).pvalue > 0.01
    assert stats.kstest(plateau[plateau > 1], "uniform", (1.0, 1.0)).pvalue > 0.01


def test_large_sinc_kernels_have_a_range_of_their_own() -> None:
    options = {"kinds": {"sinc": 1}, "cutoff": (3.0, 3.1), "cutoff_large": (0.7, 0.8)}
    drawn = blur(**options).kernels(Draw(0, torch.arange(200)))
    middle = drawn[:, drawn.shape[1] // 2, drawn.shape[2] // 2]
    sides = ((drawn != 0).any(dim=1).sum(dim=1)).clamp(min=7)
    assert middle[sides >= 13].max() < 0.1
    assert middle[sides < 13].min() > 0.5


def test_deviations_that_are_uniform_in_their_square() -> None:
    """BSRGAN draws the eigenvalues of the covariance."""
    ledger = Ledger()
    blur(kinds={"anisotropic": 1}, sigma=(0.5, 2), uniform="variance").kernels(
        Draw(0, torch.arange(4000), ledger=ledger)
    )
    for name in ("sigma", "second sigma"):
        variances = np.array([float(page[name]) ** 2 for page in ledger.pages])
        assert stats.kstest(variances, "uniform", (0.25, 3.75)).pvalue > 0.01
