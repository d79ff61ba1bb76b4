"""PSNR and SSIM strip by strip are those of whole images, by another implementation in float64."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate1d

from sr_experiments.imaging.colour import rgb_to_y, to_levels
from sr_experiments.imaging.similarity import ssim_maps
from sr_experiments.metrics import compare as module
from sr_experiments.metrics.protocol import image_metrics, ranged_metrics
from sr_experiments.metrics.ssim import ssim


def images(height: int, width: int, channels: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    """Smooth waves, so that SSIM's variances are small differences of large numbers, and a noisy copy."""
    generator = torch.Generator().manual_seed(height * width)
    down, right = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    phases = torch.arange(channels).view(-1, 1, 1)
    gt = 0.5 + 0.4 * torch.sin(down / 9 + phases) * torch.cos(right / 13 - phases)
    sr = gt + 0.03 * torch.randn(gt.shape, generator=generator)
    return sr[None].float(), gt[None].float()


def mean_ssim(x: np.ndarray, y: np.ndarray) -> float:
    """Of one channel of 0 to 255: separable sums by scipy."""
    line = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    line /= line.sum()

    def mean(image: np.ndarray) -> np.ndarray:
        return correlate1d(correlate1d(image, line, axis=0), line, axis=1)[5:-5, 5:-5]

    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    return float(np.mean((2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))))


@pytest.mark.parametrize("numbers", [1, 1 << 14, 1 << 30])
@pytest.mark.parametrize(("height", "width"), [(15, 15), (38, 61), (39, 300), (150, 47)])
def test_strips_of_any_height_add_up(
    numbers: int, height: int, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one block, of several, of the whole image; with rests in both directions."""
    monkeypatch.setattr(module, "_CACHED", numbers)
    sr, gt = images(height, width)
    found = {name: value.item() for name, value in image_metrics(sr, gt, scale=2).items()}
    x, y = ((to_levels(image)[0, :, 2:-2, 2:-2]).numpy() for image in (sr, gt))
    luma = [np.tensordot([65.481, 128.553, 24.966], image, axes=(0, 0)) / 255 + 16 for image in (x, y)]
    expected = {
        "psnr_y": 10 * math.log10(255**2 / np.mean((luma[0] - luma[1]) ** 2)),
        "ssim_y": mean_ssim(*luma),
        "psnr_rgb": 10 * math.log10(255**2 / np.mean((x - y) ** 2)),
        "ssim_rgb": float(np.mean([mean_ssim(*pair) for pair in zip(x, y, strict=True)])),
    }
    assert found == pytest.approx(expected, abs=1e-11)


@pytest.mark.parametrize("numbers", [1, 1 << 30])
def test_strips_and_what_was_not_measured(numbers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CACHED", numbers)
    sr, gt = images(90, 40, channels=2)
    known = torch.rand(1, 1, 90, 40, generator=torch.Generator().manual_seed(0)) > 0.4
    found = ranged_metrics(sr, gt, scale=3, known=known)
    x, y = (to_levels(image, white=65535)[..., 3:-3, 3:-3] / 65535 for image in (sr, gt))
    inside = known[0, 0, 3:-3, 3:-3]
    errors = (x - y).square()[0, :, inside].mean(dim=1)
    assert found["psnr_16"].item() == pytest.approx(-10 * math.log10(errors.mean()), abs=1e-10)
    assert found["psnr_16_band2"].item() == pytest.approx(-10 * math.log10(errors[1]), abs=1e-10)
    maps = ssim_maps(x, y)[0][0, :, known[0, 0, 8:-8, 8:-8]]
    assert found["ssim_16"].item() == pytest.approx(maps.mean().item(), abs=1e-12)


@pytest.mark.parametrize("numbers", [1, 1 << 30])
def test_equal_images_are_equal_to_the_last_bit(numbers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CACHED", numbers)
    _, gt = images(77, 53)
    found = {name: value.tolist() for name, value in image_metrics(gt, gt, scale=1).items()}
    assert found == {"psnr_y": [math.inf], "ssim_y": [1.0], "psnr_rgb": [math.inf], "ssim_rgb": [1.0]}


def test_a_batch_is_its_images_one_by_one() -> None:
    """To the bit: which images come together is a matter of memory and devices."""
    pairs = [images(40, 44), tuple(image.flip(-1) for image in images(40, 44))]
    together = image_metrics(*(torch.cat(both) for both in zip(*pairs, strict=True)), scale=2)
    for number, pair in enumerate(pairs):
        alone = image_metrics(*pair, scale=2)
        assert all(torch.equal(together[name][number], alone[name][0]) for name in alone)


def test_luma_is_that_of_rgb_to_y() -> None:
    sr, gt = images(30, 34)
    found = image_metrics(sr, gt, scale=1)["ssim_y"]
    of_y = ssim(*(rgb_to_y(to_levels(image) / 255) for image in (sr, gt)), border=1)
    assert found.item() == pytest.approx(of_y.item(), abs=1e-12)


def test_a_broken_pixel_spoils_no_other_image() -> None:
    sr, gt = (torch.cat([image] * 3) for image in images(60, 44))
    sr[1, 2, 20, 20] = torch.nan
    for name, values in image_metrics(sr, gt, scale=2).items():
        assert values.isnan().tolist() == [False, True, False], name


def test_nothing_is_kept_for_a_gradient() -> None:
    sr, gt = images(30, 30)
    sr.requires_grad_()
    assert not any(value.requires_grad for value in image_metrics(sr, gt, scale=2).values())


@pytest.mark.parametrize(
    ("height", "width", "channels"), [(98, 512, 1), (209, 257, 1), (70, 1030, 3), (357, 33, 4)]
)
def test_the_number_of_threads_changes_no_bit(height: int, width: int, channels: int) -> None:
    """Of one plane torch splits a sum over rows and columns among its threads: the last bit differed."""
    random = torch.Generator().manual_seed(0)
    gt = torch.rand(1, channels, height, width, generator=random)
    sr = gt + 0.1 * torch.randn(gt.shape, generator=random)
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(image_metrics(sr, gt, scale=2))
    finally:
        torch.set_num_threads(before)
    assert found[0] == found[1] == found[2]
