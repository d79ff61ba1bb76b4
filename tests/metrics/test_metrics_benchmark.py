"""The published bicubic rows of Set5, image by image."""

import json
import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from sr_experiments.imaging.colour import to_channels, to_levels
from sr_experiments.imaging.io import list_images, read_image, to_tensor
from sr_experiments.imaging.resize import imresize, imresize_uint8
from sr_experiments.metrics.per_image import PerImage
from sr_experiments.metrics.protocol import image_metrics
from sr_experiments.metrics.psnr import psnr
from sr_experiments.metrics.ssim import ssim
from tests.conftest import benchmark_dir

PUBLISHED = {2: (33.66, 0.9299), 3: (30.39, 0.8682), 4: (28.42, 0.8104)}
SCALES = pytest.mark.parametrize("scale", [2, 3, 4])


def expected(protocol: str, scale: int) -> dict[str, list[float]]:
    results = json.loads(benchmark_dir("Set5", "expected.json").read_text())["results"]
    return results[f"x{scale}"][protocol]


def double(image: torch.Tensor) -> torch.Tensor:
    """A float32 image of bytes with float64's precision, (1, C, H, W)."""
    return (to_levels(image) / 255)[None]


@SCALES
def test_networks_that_see_rgb_are_measured_from_the_lr_file(scale: int) -> None:
    """PSNR to 1e-4 dB, SSIM to 2e-6: the reference upscaled in float32, whose halves round otherwise."""
    rows = {"y": expected("lrpng_rgb_round", scale), "rgb": expected("lrpng_rgb_round_RGB", scale)}
    means = {"psnr_y": PerImage(), "ssim_y": PerImage()}
    for i, path in enumerate(list_images(benchmark_dir("Set5", "HR", f"x{scale}"))):
        lq = read_image(benchmark_dir("Set5", "LR", f"x{scale}", path.name))
        sr = imresize(double(to_tensor(lq)), scale=scale)
        result = image_metrics(sr, to_tensor(read_image(path))[None], scale=scale)
        for name, row in rows.items():
            assert result[f"psnr_{name}"].item() == pytest.approx(row[path.stem][0], abs=1e-4)
            assert result[f"ssim_{name}"].item() == pytest.approx(row[path.stem][1], abs=2e-6)
        for name, mean in means.items():
            mean.update(torch.tensor([i]), result[name])
    assert means["psnr_y"].compute().item() == pytest.approx(rows["y"]["mean"][0], abs=1e-4)
    assert means["ssim_y"].compute().item() == pytest.approx(rows["y"]["mean"][1], abs=2e-6)


@SCALES
def test_matlabs_integer_upscaling(scale: int) -> None:
    rows = expected("lrpng_rgb_matlab_u8", scale)
    for path in list_images(benchmark_dir("Set5", "HR", f"x{scale}")):
        lq = read_image(benchmark_dir("Set5", "LR", f"x{scale}", path.name))
        sr = to_tensor(
            imresize_uint8(torch.from_numpy(lq).permute(2, 0, 1), scale=scale).permute(1, 2, 0).numpy()
        )
        result = image_metrics(sr[None], to_tensor(read_image(path))[None], scale=scale)
        assert result["psnr_y"].item() == pytest.approx(rows[path.stem][0], abs=1e-6)
        assert result["ssim_y"].item() == pytest.approx(rows[path.stem][1], abs=1e-6)


@SCALES
def test_the_published_bicubic_row_from_rounded_luma(scale: int) -> None:
    rows = expected("paper_Y8", scale)
    values = []
    for path in list_images(benchmark_dir("Set5", "HR", f"x{scale}")):
        gt = double(to_tensor(to_channels(read_image(path), channels=1)))
        sr = imresize(imresize(gt, scale=1 / scale), scale=scale)
        result = image_metrics(sr, gt, scale=scale)
        assert result["psnr_y"].item() == pytest.approx(rows[path.stem][0], abs=1e-6)
        assert result["ssim_y"].item() == pytest.approx(rows[path.stem][1], abs=1e-6)
        values.append((result["psnr_y"].item(), result["ssim_y"].item()))
    mean = torch.tensor(values).mean(dim=0)
    assert (round(mean[0].item(), 2), round(mean[1].item(), 4)) == PUBLISHED[scale]


@SCALES
def test_the_same_without_any_rounding(scale: int) -> None:
    rows = expected("all_float_Y", scale)
    weights = torch.tensor([65.481, 128.553, 24.966], dtype=torch.float64).reshape(1, 3, 1, 1)
    for path in list_images(benchmark_dir("Set5", "HR", f"x{scale}")):
        gt = ((double(to_tensor(read_image(path))) * weights).sum(1, keepdim=True) + 16) / 255
        sr = imresize(imresize(gt, scale=1 / scale), scale=scale)
        assert psnr(sr, gt, border=scale).item() == pytest.approx(rows[path.stem][0], abs=1e-6)
        assert ssim(sr, gt, border=scale).item() == pytest.approx(rows[path.stem][1], abs=1e-6)


# --- Set14, one image of which is grey ----------------------------------------------------------------


def set14_at_x4() -> Iterator[tuple[str, np.ndarray]]:
    """Name and (H, W, C) of the 14 images, cut to a multiple of 4."""
    for path in list_images(benchmark_dir("Set14")):
        image = read_image(path)
        yield path.stem, image[: image.shape[0] // 4 * 4, : image.shape[1] // 4 * 4]


def luma_protocol(image: np.ndarray) -> float:
    """PSNR of bicubic on rounded luma, or on the grey image."""
    gt = double(to_tensor(to_channels(image, channels=1)))
    sr = imresize(imresize(gt, scale=0.25), scale=4)
    return image_metrics(sr, gt, scale=4)["psnr_y"].item()


def test_set14_has_the_published_bicubic_figure_when_its_grey_image_stays_grey() -> None:
    """Everything made RGB first, as most loaders do, shifts the set's mean by .09 dB: 26.00 becomes 26.09.

    The luma of RGB has 219 levels from black to white, a grey file's channel has 255. An image that is made
    RGB of it, and luma of that, has an error smaller by 219 / 255, and so a PSNR higher by 1.32 dB.
    """
    images = dict(set14_at_x4())
    assert [name for name, image in images.items() if image.shape[2] == 1] == ["img_003"]
    right = {name: luma_protocol(image) for name, image in images.items()}
    wrong = {name: luma_protocol(to_channels(image, channels=3)) for name, image in images.items()}
    assert round(math.fsum(right.values()) / 14, 2) == 26.00
    assert round(math.fsum(wrong.values()) / 14, 2) == 26.09
    assert wrong.pop("img_003") - right.pop("img_003") == pytest.approx(20 * math.log10(255 / 219), abs=0.01)
    assert wrong == right


def test_a_net_that_needs_rgb_is_measured_on_a_grey_files_own_channel() -> None:
    """`grey=True` tells the metric; without it psnr_y of such an image is 1.32 dB too high."""
    image = dict(set14_at_x4())["img_003"]
    assert image.shape[2] == 1
    lq = imresize_uint8(torch.from_numpy(image).permute(2, 0, 1), scale=0.25)
    gt, sr = double(to_tensor(image)), imresize(lq[None].double() / 255, scale=4)
    one = image_metrics(sr, gt, scale=4)
    rgb = (sr.repeat(1, 3, 1, 1), gt.repeat(1, 3, 1, 1))
    told, untold = image_metrics(*rgb, scale=4, grey=True), image_metrics(*rgb, scale=4)
    for name in ("psnr_y", "ssim_y"):  # strips of four planes are lower, so sums have another order
        assert told[name].item() == pytest.approx(one[name].item(), rel=1e-14)
    # Three equal channels have the error of one, so the RGB figures need not be told.
    assert (
        told["psnr_rgb"].item() == untold["psnr_rgb"].item() == pytest.approx(one["psnr_y"].item(), abs=1e-9)
    )
    gained = untold["psnr_y"].item() - told["psnr_y"].item()
    assert gained == pytest.approx(20 * math.log10(255 / 219), abs=1e-3)
