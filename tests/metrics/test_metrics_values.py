"""PSNR, SSIM and the protocol against numpy and scipy in float64."""

import math

import numpy as np
import pytest
import torch
from scipy.signal import convolve2d

from sr_experiments.imaging.io import read_image
from sr_experiments.imaging.resize import imresize
from sr_experiments.metrics.border import without_border
from sr_experiments.metrics.protocol import PROTOCOLS, image_metrics, protocol_of
from sr_experiments.metrics.psnr import psnr
from sr_experiments.metrics.ssim import ssim
from tests.conftest import benchmark_dir


def images(channels: int = 3, batch: int = 3, noise: float = 0.1) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(channels)
    gt = torch.randint(0, 256, (batch, channels, 26, 31), generator=generator) / 255
    sr = gt + noise * torch.randn(gt.shape, generator=generator)  # beyond [0, 1] here and there
    return sr, gt


def psnr_reference(x: np.ndarray, y: np.ndarray) -> float:
    """Of images 0 to 255."""
    return 20 * math.log10(255 / math.sqrt(np.mean((x - y) ** 2)))


def ssim_reference(x: np.ndarray, y: np.ndarray) -> float:
    """Of one channel, 0 to 255, variances as weighted means of squared deviations from the local mean."""
    grid = np.arange(11) - 5
    window = np.exp(-(grid[:, None] ** 2 + grid[None, :] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    patches_x, patches_y = (np.lib.stride_tricks.sliding_window_view(image, (11, 11)) for image in (x, y))
    mx, my = convolve2d(x, window, mode="valid"), convolve2d(y, window, mode="valid")
    dx, dy = patches_x - mx[..., None, None], patches_y - my[..., None, None]
    vx, vy, cov = ((window * product).sum((-1, -2)) for product in (dx * dx, dy * dy, dx * dy))
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    return float(np.mean((2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))))


def levels(image: torch.Tensor) -> np.ndarray:
    return np.floor(np.clip(image.double().numpy(), 0, 1) * 255 + 0.5)


@pytest.mark.parametrize("border", [0, 1, 4])
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_psnr_and_ssim(channels: int, border: int) -> None:
    sr, gt = images(channels)
    inside = np.s_[border : 26 - border, border : 31 - border]
    for metric in (psnr, ssim):
        result = metric(sr, gt, border=border)
        assert result.dtype == torch.float64
        assert result.shape == (3,)
        for b in range(3):
            x, y = ([c[inside] * 255 for c in image[b].double().numpy()] for image in (sr, gt))
            if metric is psnr:
                expected = psnr_reference(np.stack(x), np.stack(y))
            else:
                expected = float(np.mean([ssim_reference(*pair) for pair in zip(x, y, strict=True)]))
            assert result[b].item() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("dataset", "name"), [("Set5", "butterfly"), ("Set5", "woman"), ("Set14", "img_003")]
)
def test_psnr_and_ssim_of_real_images(dataset: str, name: str) -> None:
    """A photograph against itself blurred; unrounded, so that no digit is hidden by the rounding."""
    folder = benchmark_dir(dataset) if dataset == "Set14" else benchmark_dir(dataset, "HR", "x4")
    gt = torch.from_numpy(read_image(folder / f"{name}.png")).permute(2, 0, 1)[None].double() / 255
    height, width = (side // 4 * 4 for side in gt.shape[-2:])
    gt = gt[..., :height, :width]
    sr = imresize(imresize(gt, scale=0.25), scale=4)
    x, y = ([c[4:-4, 4:-4] * 255 for c in image[0].numpy()] for image in (sr, gt))
    assert psnr(sr, gt, border=4).item() == pytest.approx(psnr_reference(np.stack(x), np.stack(y)), abs=1e-9)
    expected = float(np.mean([ssim_reference(*pair) for pair in zip(x, y, strict=True)]))
    assert ssim(sr, gt, border=4).item() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("scale", [2, 3])
def test_protocol_of_rgb(scale: int) -> None:
    sr, gt = images()
    result = image_metrics(sr, gt, scale=scale)
    assert list(result) == ["psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb"]
    inside = np.s_[:, scale:-scale, scale:-scale]
    for b in range(3):
        x, y = levels(sr[b])[inside], levels(gt[b])[inside]
        luma_x, luma_y = (
            16 + np.tensordot([65.481, 128.553, 24.966], image, axes=(0, 0)) / 255 for image in (x, y)
        )
        expected = {
            "psnr_y": psnr_reference(luma_x, luma_y),
            "ssim_y": ssim_reference(luma_x, luma_y),
            "psnr_rgb": psnr_reference(x, y),
            "ssim_rgb": np.mean([ssim_reference(x[c], y[c]) for c in range(3)]),
        }
        assert {name: values[b].item() for name, values in result.items()} == pytest.approx(
            expected, abs=1e-9
        )


def test_grey_images_are_measured_as_they_are() -> None:
    sr, gt = images(1)
    result = image_metrics(sr, gt, scale=2)
    assert list(result) == ["psnr_y", "ssim_y"]
    x, y = levels(sr[0, 0])[2:-2, 2:-2], levels(gt[0, 0])[2:-2, 2:-2]
    assert result["psnr_y"][0].item() == pytest.approx(psnr_reference(x, y), abs=1e-9)
    assert result["ssim_y"][0].item() == pytest.approx(ssim_reference(x, y), abs=1e-9)


def test_rgb_made_of_a_grey_file_is_measured_on_grey() -> None:
    """The net may return three different channels: they count by luma of the full range."""
    sr, grey_gt = images(3)[0], images(1)[1]
    result = image_metrics(sr, grey_gt.repeat(1, 3, 1, 1), scale=2, grey=True)
    assert list(result) == ["psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb"]
    for b in range(3):
        x = np.tensordot([0.299, 0.587, 0.114], levels(sr[b]), axes=(0, 0))[2:-2, 2:-2]
        y = levels(grey_gt[b, 0])[2:-2, 2:-2]
        assert result["psnr_y"][b].item() == pytest.approx(psnr_reference(x, y), abs=1e-9)
        assert result["ssim_y"][b].item() == pytest.approx(ssim_reference(x, y), abs=1e-9)
    as_before = image_metrics(sr, grey_gt.repeat(1, 3, 1, 1), scale=2)
    for name in ("psnr_rgb", "ssim_rgb"):
        assert torch.equal(result[name], as_before[name])
    one = images(1)
    for name, value in image_metrics(*one, scale=2, grey=True).items():
        assert torch.equal(value, image_metrics(*one, scale=2)[name]), "one channel is grey anyway"


def test_every_grey_level_survives_its_luma() -> None:
    """Not by a bit off, or a perfect grey image would not have an infinite PSNR."""
    ramp = (torch.arange(256.0) / 255).view(1, 1, 16, 16).repeat(1, 3, 1, 1)
    assert image_metrics(ramp, ramp, scale=2, grey=True)["psnr_y"].item() == math.inf


@pytest.mark.parametrize(
    ("channels", "name"), [(1, "luma"), (2, "bands"), (3, "rgb"), (4, "bands"), (31, "bands")]
)
def test_what_is_printed_beside_a_number(channels: int, name: str) -> None:
    assert protocol_of(channels) == name
    line = PROTOCOLS[name]
    assert "`scale` pixels cut off each side" in line
    assert "mean over images" in line
    assert "8 bit" in line or "8-bit" in line
    assert "\n" not in line


@pytest.mark.parametrize("channels", [2, 4, 8])
def test_other_numbers_of_channels_are_bands(channels: int) -> None:
    sr, gt = images(channels)
    result = image_metrics(sr, gt, scale=2)
    assert list(result) == ["psnr_bands", "ssim_bands"]
    x, y = levels(sr[0])[:, 2:-2, 2:-2], levels(gt[0])[:, 2:-2, 2:-2]
    assert result["psnr_bands"][0].item() == pytest.approx(psnr_reference(x, y), abs=1e-9)


def test_restored_images_are_rounded_to_8_bits_first() -> None:
    """What a metric says of a tensor is what it says of the file written from it."""
    _, gt = images()
    nearly = (gt + 0.4 / 255).clamp(max=1.0)
    assert torch.equal(image_metrics(nearly, gt, scale=2)["psnr_rgb"], torch.full((3,), torch.inf).double())
    assert psnr(nearly, gt, border=2).max() < 60


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_identical_images(dtype: torch.dtype) -> None:
    _, gt = images()
    result = image_metrics(gt.to(dtype), gt.to(dtype), scale=2)
    for name, values in result.items():
        assert values.tolist() == [torch.inf if name.startswith("psnr") else 1.0] * 3


def test_a_diverged_network_shows() -> None:
    sr, gt = images()
    sr[1, 0, 10, 10] = torch.nan
    for name, values in image_metrics(sr, gt, scale=2).items():
        assert values.isnan().tolist() == [False, True, False], name


def test_each_image_is_measured_alone() -> None:
    sr, gt = images()
    together = image_metrics(sr, gt, scale=2)
    for b in range(3):
        alone = image_metrics(sr[b : b + 1], gt[b : b + 1], scale=2)
        for name, values in together.items():
            assert values[b].item() == pytest.approx(alone[name].item(), abs=1e-12)


@pytest.mark.parametrize("metric", [psnr, ssim])
def test_different_shapes(metric) -> None:
    expected = r"one shape, got sr \(1, 3, 20, 20\) and gt \(1, 3, 20, 24\)"
    with pytest.raises(ValueError, match=expected):
        metric(torch.zeros(1, 3, 20, 20), torch.zeros(1, 3, 20, 24), border=0)
    with pytest.raises(ValueError, match=expected):
        image_metrics(torch.zeros(1, 3, 20, 20), torch.zeros(1, 3, 20, 24), scale=2)


def test_too_small_to_measure() -> None:
    def of(metric, size: int, **arguments: int) -> None:
        metric(torch.zeros(1, 1, size, 40), torch.zeros(1, 1, size, 40), **arguments)

    of(psnr, 9, border=4)
    with pytest.raises(
        ValueError, match="8x40 pixels is too small to measure: with 4 pixels cut off each side it mu"
    ):
        of(psnr, 8, border=4)
    of(ssim, 19, border=4)
    with pytest.raises(ValueError, match=r"18x40 pixels .* at least 19x19; leave it out of the data set"):
        of(ssim, 18, border=4)
    with pytest.raises(ValueError, match=r"14x40 pixels .* at least 15x15"):
        of(image_metrics, 14, scale=2)


def test_negative_border() -> None:
    with pytest.raises(ValueError, match="the border to cut off must be 0 or more pixels, got -1"):
        without_border(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4), border=-1)
