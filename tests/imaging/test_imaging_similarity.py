"""SSIM's maps against scipy with the full two-dimensional window."""

import numpy as np
import pytest
import torch
from scipy.signal import convolve2d

from sr_experiments.imaging.similarity import gaussian_window, ssim_maps


def reference_maps(
    x: np.ndarray, y: np.ndarray, size: int = 11, sigma: float = 1.5, data_range: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Wang's ssim_index.m, with variances from centred weights' moments."""
    grid = np.arange(size) - (size - 1) / 2
    window = np.exp(-(grid[:, None] ** 2 + grid[None, :] ** 2) / (2 * sigma**2))
    window /= window.sum()

    def mean(image: np.ndarray) -> np.ndarray:
        return convolve2d(image, window, mode="valid")

    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    structure = (2 * cov + c2) / (vx + vy + c2)
    return (2 * mx * my + c1) / (mx * mx + my * my + c1) * structure, structure


def images(dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(2, 3, 17, 24, generator=generator, dtype=torch.float64)
    noise = torch.rand(2, 3, 17, 24, generator=generator, dtype=torch.float64)
    return x.to(dtype), (0.7 * x + 0.3 * noise).to(dtype)


@pytest.mark.parametrize(("size", "sigma"), [(11, 1.5), (7, 1.0), (8, 2.0)])
@pytest.mark.parametrize("data_range", [1.0, 255.0])
def test_maps_equal_the_reference(size: int, sigma: float, data_range: float) -> None:
    x, y = images()
    maps = ssim_maps(x * data_range, y * data_range, window_size=size, sigma=sigma, data_range=data_range)
    for b in range(2):
        for c in range(3):
            pair = (x[b, c].numpy() * data_range, y[b, c].numpy() * data_range)
            for ours, theirs in zip(maps, reference_maps(*pair, size, sigma, data_range), strict=True):
                np.testing.assert_allclose(ours[b, c].numpy(), theirs, rtol=0, atol=1e-12)


def test_identical_images_are_one_everywhere() -> None:
    x, _ = images()
    for result in ssim_maps(x, x):
        assert torch.equal(result, torch.ones(2, 3, 7, 14, dtype=torch.float64))


def test_float32_is_close_and_half_precisions_become_float32() -> None:
    exact, _ = ssim_maps(*images())
    result, _ = ssim_maps(*images(torch.float32))
    torch.testing.assert_close(result.double(), exact, rtol=0, atol=2e-5)
    half, _ = ssim_maps(*images(torch.bfloat16))
    assert half.dtype == torch.float32
    x, y = images(torch.bfloat16)
    assert torch.equal(half, ssim_maps(x.float(), y.float())[0])


def test_autocast_changes_nothing() -> None:
    """A convolution would have been done in bfloat16, whose variances are noise."""
    pair = images(torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result, _ = ssim_maps(*pair)
    assert torch.equal(result, ssim_maps(*pair)[0])


def test_gradient() -> None:
    x, y = (image[:1, :1, :12, :13].clone().requires_grad_() for image in images())
    assert torch.autograd.gradcheck(lambda a, b: ssim_maps(a, b), (x, y))


def test_window() -> None:
    window = gaussian_window(11, 1.5, dtype=torch.float64)
    assert window.sum().item() == pytest.approx(1, abs=1e-15)
    assert torch.equal(window, window.flip(0))
    assert (window[5] / window[6]).item() == pytest.approx(np.exp(1 / (2 * 1.5**2)))
    assert gaussian_window(3, 1.0).dtype == torch.float32


def test_wrong_shapes() -> None:
    with pytest.raises(ValueError, match=r"of one shape, got \(1, 1, 12, 12\) and \(1, 3, 12, 12\)"):
        ssim_maps(torch.zeros(1, 1, 12, 12), torch.zeros(1, 3, 12, 12))
    with pytest.raises(ValueError, match=r"SSIM compares two \(B, C, H, W\)"):
        ssim_maps(torch.zeros(12, 12), torch.zeros(12, 12))
    with pytest.raises(ValueError, match="SSIM needs images of at least 11x11 pixels, got 10x30"):
        ssim_maps(torch.zeros(1, 1, 10, 30), torch.zeros(1, 1, 10, 30))
