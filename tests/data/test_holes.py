"""Pixels that were not measured: filled for lq, left out of loss and metrics."""

import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from sr_experiments.data.augment import Augmentation
from sr_experiments.data.datamodule import SRData
from sr_experiments.data.holes import filled, measured
from sr_experiments.imaging.io import write_png
from sr_experiments.imaging.resize import imresize
from sr_experiments.metrics.protocol import ranged_metrics
from sr_experiments.metrics.rmse import RMSE
from sr_experiments.models.base import known_pixels
from tests.data.pictures import module


def with_holes(height: int = 48, width: int = 56, *, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    image = generator.integers(1, 65536, (height, width, 1)).astype(np.uint16)
    image[generator.random((height, width)) < 0.2] = 0
    image[10:20, 30:41] = 0
    return image


def test_a_hole_gets_the_nearest_level_that_was_measured() -> None:
    image = with_holes(20, 24)
    result = filled(image, name="it")
    there = [(y, x) for y in range(20) for x in range(24) if image[y, x, 0]]
    for y in range(20):
        for x in range(24):
            distance = min((y - v) ** 2 + (x - u) ** 2 for v, u in there)
            nearest = {int(image[v, u, 0]) for v, u in there if (y - v) ** 2 + (x - u) ** 2 == distance}
            assert int(result[y, x, 0]) in nearest
    np.testing.assert_array_equal(measured(image)[:, :, 0], np.where(image[:, :, 0] > 0, 255, 0))


def test_what_is_whole_stays_as_it_is() -> None:
    image = with_holes().clip(min=1)
    assert filled(image, name="it") is image
    assert measured(image).min() == 255


def test_nothing_was_measured() -> None:
    told = "depth.png: all levels are 0, so nothing was measured (data.holes=true)"
    with pytest.raises(ValueError, match=re.escape(told)):
        filled(np.zeros((8, 8, 1), np.uint16), name="depth.png")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for number in range(5):
        write_png(tmp_path / "HR" / f"{number}.png", with_holes(seed=number))
    return tmp_path


def opened(root: Path, **options: object) -> SRData:
    given = {"scale": 2, "channels": 1, "holes": True, "range": [0, 64], "patch_size": 16, "held_out": 1}
    data = module(root=str(root), **{**given, **options})
    data.setup("fit")
    return data


def ready(data: SRData) -> list[dict[str, Tensor]]:
    return [data.on_after_batch_transfer(batch, 0) for batch in data.train_dataloader()]


def test_an_image_its_mask_and_its_small_one(root: Path) -> None:
    pair = opened(root).library["train"][0]
    image = with_holes(seed=0)
    assert pair.known is not None
    assert pair.lq is not None
    np.testing.assert_array_equal(pair.known[:, :, 0] > 0, image[:, :, 0] > 0)
    np.testing.assert_array_equal(pair.gt, filled(image, name="it"))
    planes = torch.from_numpy(pair.gt[:, :, 0].astype(np.float64) / 65535)[None, None]
    expected = imresize(planes, size=(24, 28)).float()
    np.testing.assert_allclose(pair.lq[:, :, 0], expected[0, 0].numpy(), atol=1e-7)


def test_small_images_of_a_sensor_have_holes_too(root: Path) -> None:
    for number in range(5):
        write_png(root / "LR" / "x2" / f"{number}.png", with_holes(24, 28, seed=10 + number))
    from sr_experiments.degradations.bicubic import Bicubic

    pair = opened(root, degradation=Bicubic(scale=2, quantise=True)).library["train"][0]
    assert pair.lq is not None
    np.testing.assert_array_equal(pair.lq, filled(with_holes(24, 28, seed=10), name="it"))


@pytest.mark.parametrize("cache", ["memory", "disk", "device", "none"])
def test_the_mask_turns_with_its_image(root: Path, tmp_path: Path, cache: str) -> None:
    """A hole is filled by the level of another pixel, so levels that come once in an image were measured."""
    for batch in ready(opened(root, cache=cache, cache_dir=str(tmp_path / "cache"))):
        known = known_pixels(batch)
        assert known is not None
        assert known.shape == (4, 1, 16, 16)
        assert 0.5 < known.float().mean() < 0.95
        for gt, mask in zip(batch["gt"], known, strict=True):
            there = set(gt[mask].tolist())
            assert len(there) > 0.9 * int(mask.sum()), "of measured noise nearly every level comes once"


def test_a_mixture_is_known_where_both_were(root: Path) -> None:
    for augment in (Augmentation(mixup=1.0), Augmentation(crop_scale=[1, 1.5]), Augmentation(cutmix=1.0)):
        for batch in ready(opened(root, augment=augment)):
            known = known_pixels(batch)
            assert known is not None
            share = float(known.float().mean())
            assert 0.1 < share < 0.9
            assert torch.equal(known, batch["known"] > 0.999)


def test_no_holes_no_mask(root: Path) -> None:
    assert known_pixels(ready(opened(root, holes=False))[0]) is None


# ---- metrics


def test_metrics_leave_out_what_was_not_measured() -> None:
    generator = torch.Generator().manual_seed(0)
    gt, sr = (torch.rand(2, 1, 40, 44, dtype=torch.float64, generator=generator) for _ in range(2))
    known = torch.rand(2, 1, 40, 44, generator=generator) > 0.3
    found = ranged_metrics(sr, gt, scale=4, known=known)
    error = RMSE(scale=4, range=[10, 74])(sr, gt, lq=gt, known=known)
    for number in range(2):
        inside = (number, 0, slice(4, -4), slice(4, -4))
        squared = (sr[inside] - gt[inside]).square()[known[inside]].mean().item()
        assert found["psnr_16"][number].item() == pytest.approx(-10 * math.log10(squared), abs=1e-3)
        assert error[number].item() == pytest.approx(64 * math.sqrt(squared), rel=1e-9)
    other = torch.where(known, sr, torch.rand_like(sr))
    assert torch.equal(ranged_metrics(other, gt, scale=4, known=known)["psnr_16"], found["psnr_16"])


def test_with_all_measured_they_are_what_they_were() -> None:
    gt, sr = (torch.rand(1, 1, 40, 44, generator=torch.Generator().manual_seed(n)) for n in (0, 1))
    every = torch.ones(1, 1, 40, 44, dtype=torch.bool)
    masked, plain = ranged_metrics(sr, gt, scale=2, known=every), ranged_metrics(sr, gt, scale=2)
    for name in plain:
        torch.testing.assert_close(masked[name], plain[name], rtol=0, atol=1e-12)


def test_ssim_is_taken_in_windows_of_measured_pixels() -> None:
    from sr_experiments.imaging.similarity import ssim_maps
    from sr_experiments.metrics.ssim import ssim

    gt, sr = (
        torch.rand(1, 1, 30, 34, dtype=torch.float64, generator=torch.Generator().manual_seed(n))
        for n in (0, 1)
    )
    known = torch.rand(1, 1, 30, 34, generator=torch.Generator().manual_seed(2)) > 0.5
    maps = ssim_maps(sr[..., 2:-2, 2:-2], gt[..., 2:-2, 2:-2], window_size=11)[0]
    expected = maps[known[..., 7:-7, 7:-7]].mean()
    torch.testing.assert_close(ssim(sr, gt, border=2, known=known)[0], expected, rtol=0, atol=1e-12)
