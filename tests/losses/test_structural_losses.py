"""1 - SSIM and 1 - MS-SSIM, against scikit-image, scipy and closed forms."""

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate1d
from skimage.metrics import structural_similarity
from torch import Tensor

from sr_experiments.losses.structural import EXPONENTS, MSSSIMLoss, SSIMLoss


def _images(height: int, width: int, *, bands: int = 3) -> tuple[Tensor, Tensor]:
    """A smooth random picture and a noisy copy, so that no similarity is near 0 or 1."""
    generator = np.random.default_rng(5)
    gt = generator.random((2, bands, height, width))
    for axis in (2, 3):
        gt = correlate1d(gt, np.full(5, 0.2), axis=axis)
    sr = np.clip(gt + generator.normal(0, 0.1, gt.shape), 0, 1)
    return torch.from_numpy(sr), torch.from_numpy(gt)


def _reference(sr: np.ndarray, gt: np.ndarray, levels: int) -> float:
    """MS-SSIM in numpy and scipy, image by image and band by band, as in the authors' description."""
    offsets = np.arange(-5, 6)
    window = np.exp(-(offsets**2) / (2 * 1.5**2))
    window /= window.sum()

    def blur(image: np.ndarray) -> np.ndarray:
        both = correlate1d(correlate1d(image, window, axis=0), window, axis=1)
        return np.asarray(both[5:-5, 5:-5])

    def halve(image: np.ndarray) -> np.ndarray:
        padded = np.pad(image, ((0, 1), (0, 1)), mode="symmetric")
        mean = (padded[:-1, :-1] + padded[1:, :-1] + padded[:-1, 1:] + padded[1:, 1:]) / 4
        return np.asarray(mean[::2, ::2])

    exponents = np.array(EXPONENTS[:levels]) / sum(EXPONENTS[:levels])
    indices = []
    for x, y in zip(sr.reshape(-1, *sr.shape[2:]), gt.reshape(-1, *gt.shape[2:]), strict=True):
        index = 1.0
        for level in range(levels):
            mean_x, mean_y = blur(x), blur(y)
            variance = blur(x * x) - mean_x**2 + blur(y * y) - mean_y**2
            structure = (2 * (blur(x * y) - mean_x * mean_y) + 9e-4) / (variance + 9e-4)
            luminance = (2 * mean_x * mean_y + 1e-4) / (mean_x**2 + mean_y**2 + 1e-4)
            factor = structure if level < levels - 1 else structure * luminance
            index *= factor.mean() ** exponents[level]
            x, y = halve(x), halve(y)
        indices.append(index)
    return float(np.mean(indices))


@pytest.mark.parametrize("bands", [1, 3, 4])
def test_ssim_is_scikit_images(bands: int) -> None:
    sr, gt = _images(24, 19, bands=bands)
    expected = [
        structural_similarity(
            a,
            b,
            channel_axis=0,
            data_range=1.0,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        for a, b in zip(sr.numpy(), gt.numpy(), strict=True)
    ]
    assert SSIMLoss()(sr, gt).item() == pytest.approx(1 - np.mean(expected), rel=1e-10)


@pytest.mark.parametrize(
    ("height", "width", "levels"),
    [(23, 11, 1), (21, 30, 2), (41, 47, 3), (96, 96, 3), (81, 90, 4), (161, 163, 5)],
)
def test_ms_ssim_is_the_independent_one(height: int, width: int, levels: int) -> None:
    """Odd sizes on purpose, at the least side that each number of levels allows."""
    sr, gt = _images(height, width, bands=2)
    expected = 1 - _reference(sr.numpy(), gt.numpy(), levels)
    assert MSSSIMLoss(levels=levels)(sr, gt).item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("levels", [1, 3])
def test_ms_ssim_of_flat_images_is_the_luminance_of_the_last_level(levels: int) -> None:
    sr, gt = (torch.full((1, 1, 41, 41), value, dtype=torch.float64) for value in (0.2, 0.6))
    luminance = (2 * 0.2 * 0.6 + 1e-4) / (0.2**2 + 0.6**2 + 1e-4)
    exponent = EXPONENTS[levels - 1] / sum(EXPONENTS[:levels])
    assert MSSSIMLoss(levels=levels)(sr, gt).item() == pytest.approx(1 - luminance**exponent, rel=1e-9)


@pytest.mark.parametrize("loss", [SSIMLoss(), MSSSIMLoss(levels=2)])
def test_gradient_is_the_numerical_one(loss: torch.nn.Module) -> None:
    sr, gt = _images(21, 22, bands=1)
    sr = sr[:1].requires_grad_()
    assert torch.autograd.gradcheck(lambda image: loss(image, gt[:1]), (sr,), fast_mode=True)


@pytest.mark.parametrize("loss", [SSIMLoss(), MSSSIMLoss(levels=3)])
def test_equal_images_lose_nothing(loss: torch.nn.Module) -> None:
    sr, _ = _images(41, 41)
    assert loss(sr, sr).item() == pytest.approx(0.0, abs=1e-12)


def test_ms_ssim_of_a_negative_picture_is_bounded_and_finite() -> None:
    """Contrast and structure are negative there, and a fractional power of a negative mean is nan."""
    _, gt = _images(41, 41)
    sr = (1 - gt).requires_grad_()
    loss = MSSSIMLoss(levels=3)(sr, gt)
    (gradient,) = torch.autograd.grad(loss, sr)
    assert 0.9 < loss.item() < 1.0
    assert gradient.isfinite().all()


def test_gradient_step_makes_pictures_more_alike() -> None:
    sr, gt = _images(48, 48)
    for loss in (SSIMLoss(), MSSSIMLoss(levels=3)):
        image = sr.clone().requires_grad_()
        before = loss(image, gt)
        (gradient,) = torch.autograd.grad(before, image)
        after = loss(image - 1e-2 * gradient / gradient.abs().max(), gt)
        assert after.item() < before.item()


def test_ssim_refuses_an_image_smaller_than_its_window() -> None:
    small = torch.rand(1, 3, 10, 20)
    with pytest.raises(ValueError, match="at least 11x11 pixels, got 10x20"):
        SSIMLoss()(small, small)


@pytest.mark.parametrize(
    ("levels", "side", "message"),
    [
        (
            5,
            160,
            r"levels=5 needs images of at least 161 pixels a side, and these are 160x300: levels=4 would fit",
        ),
        (5, 41, r"levels=5 needs .* 161 .*: levels=3 would fit; or take larger patches"),
        (3, 40, r"levels=3 needs .* 41 .*: levels=2 would fit"),
        (2, 10, r"levels=2 needs .* 21 .*: one level needs 11"),
        (1, 10, r"levels=1 needs .* 11 .*: one level needs 11"),
    ],
)
def test_ms_ssim_says_how_many_levels_would_fit(levels: int, side: int, message: str) -> None:
    small = torch.rand(1, 1, side, 300)
    with pytest.raises(ValueError, match=message):
        MSSSIMLoss(levels=levels)(small, small)


@pytest.mark.parametrize("levels", [0, 6])
def test_ms_ssim_refuses_other_numbers_of_levels(levels: int) -> None:
    with pytest.raises(ValueError, match=f"levels={levels}: MS-SSIM has 1 to 5 levels"):
        MSSSIMLoss(levels=levels)
