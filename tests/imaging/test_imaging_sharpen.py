"""Real-ESRGAN's unsharp mask, against scipy in float64."""

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import correlate1d
from torch import Tensor

from sr_experiments.imaging.sharpen import opencv_sigma, usm_sharpen
from tests.conftest import benchmark_dir


def reference(
    image: np.ndarray, *, weight: float = 0.5, radius: int = 50, threshold: float = 10.0
) -> np.ndarray:
    """The same in numpy and scipy; image (C, H, W) in float64."""
    side = radius if radius % 2 else radius + 1
    offsets = np.arange(side) - side // 2
    sigma = 0.3 * ((side - 1) * 0.5 - 1) + 0.8
    window = np.exp(-(offsets**2) / (2 * sigma**2))
    window /= window.sum()

    def blur(plane: np.ndarray) -> np.ndarray:
        rows = correlate1d(plane, window, axis=1, mode="mirror")
        return np.asarray(correlate1d(rows, window, axis=2, mode="mirror"))

    residual = image - blur(image)
    mask = blur((np.abs(residual) * 255 > threshold).astype(np.float64))
    sharp = np.clip(image + weight * residual, 0, 1)
    return mask * sharp + (1 - mask) * image


def noise(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(*shape, generator=generator, dtype=torch.float64).to(dtype)


@pytest.fixture(scope="module")
def photograph() -> Tensor:
    """(3, 288, 288) in [0, 1]."""
    path = sorted(benchmark_dir("Set5", "HR", "x3").glob("*bird*"))[0]
    pixels = np.asarray(Image.open(path).convert("RGB"))
    return torch.from_numpy(pixels.transpose(2, 0, 1) / 255)


# --- the numbers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [{}, {"weight": 1.5}, {"radius": 21}, {"radius": 20, "threshold": 3.0}, {"radius": 1}],
    ids=str,
)
def test_a_photograph_equals_the_reference(photograph: Tensor, options: dict[str, Any]) -> None:
    found = usm_sharpen(photograph, **options)
    assert found.dtype == torch.float64
    np.testing.assert_allclose(found.numpy(), reference(photograph.numpy(), **options), rtol=0, atol=1e-13)


def test_a_photograph_is_changed_and_not_everywhere(photograph: Tensor) -> None:
    change = (usm_sharpen(photograph) - photograph).abs() * 255
    assert change.max() > 10
    assert (change < 0.5).double().mean() > 0.1, "smooth parts stay as they are"


def test_float32_differs_by_rounding(photograph: Tensor) -> None:
    """A pixel that is on the other side of the threshold moves the mask by 1/400 at most."""
    found = usm_sharpen(photograph.float())
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), usm_sharpen(photograph), rtol=0, atol=1e-4)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (2, 3), (7, 25), (26, 26), (30, 60)], ids=str)
def test_images_smaller_than_the_blur(size: tuple[int, int]) -> None:
    """A patch of 16 pixels in a quick trial run; torch's own reflection refuses what is below 26."""
    image = noise(3, *size)
    np.testing.assert_allclose(usm_sharpen(image).numpy(), reference(image.numpy()), rtol=0, atol=1e-13)


@pytest.mark.parametrize("bands", [1, 2, 3, 5])
def test_bands_and_images_are_sharpened_by_themselves(bands: int) -> None:
    images = noise(2, bands, 30, 40)
    found = usm_sharpen(images)
    assert found.shape == images.shape
    for b in range(2):
        for c in range(bands):
            torch.testing.assert_close(found[b, c], usm_sharpen(images[b, c]), rtol=0, atol=1e-15)


def test_an_even_radius_is_the_next_odd_one() -> None:
    image = noise(1, 60, 60)
    assert torch.equal(usm_sharpen(image, radius=50), usm_sharpen(image, radius=51))
    assert not torch.equal(usm_sharpen(image, radius=50), usm_sharpen(image, radius=49))
    assert opencv_sigma(51) == pytest.approx(8.0, rel=1e-15)


# --- what it does -------------------------------------------------------------------------------------


def test_flat_images_and_faint_noise_stay() -> None:
    flat = torch.full((1, 3, 64, 64), 0.6)
    torch.testing.assert_close(usm_sharpen(flat), flat, rtol=0, atol=2e-7)
    faint = 0.5 + (noise(1, 3, 64, 64) - 0.5) * 18 / 255  # up to 9 of 255 from the mean
    assert torch.equal(usm_sharpen(faint), faint)
    assert not torch.equal(usm_sharpen(faint, threshold=3.0), faint)


def test_an_edge_becomes_steeper_and_stays_in_range() -> None:
    edge = torch.full((1, 1, 40, 120), 0.3, dtype=torch.float64)
    edge[..., 60:] = 0.7
    sharp = usm_sharpen(edge)[0, 0, 20]
    assert sharp[60] - sharp[59] > 0.5
    black_and_white = (edge - 0.3) / 0.4
    sharp = usm_sharpen(black_and_white)
    assert sharp.min() >= 0
    assert sharp.max() <= 1


def test_weight_0_changes_nothing() -> None:
    image = noise(1, 3, 40, 40)
    torch.testing.assert_close(usm_sharpen(image, weight=0.0), image, rtol=0, atol=1e-15)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_float32(dtype: torch.dtype) -> None:
    image = noise(1, 3, 40, 40, dtype=dtype)
    found = usm_sharpen(image)
    assert found.dtype == dtype
    assert torch.equal(found, usm_sharpen(image.float()).to(dtype))


def test_autocast_changes_nothing() -> None:
    image = noise(1, 3, 40, 40, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = usm_sharpen(image)
    assert torch.equal(found, usm_sharpen(image))


def test_the_image_itself_is_left_alone() -> None:
    image = noise(1, 3, 40, 40)
    before = image.clone()
    usm_sharpen(image)
    assert torch.equal(image, before)


@pytest.mark.parametrize("radius", [0, -5])
def test_no_blur_is_refused(radius: int) -> None:
    text = rf"usm_sharpen: radius={radius} must be at least 1, the side of the blur in pixels"
    with pytest.raises(ValueError, match=text):
        usm_sharpen(noise(1, 8, 8), radius=radius)
