"""WebP against Pillow's codec, and what every degradation promises."""

import io
import math
import re

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from sr_experiments.degradations.crops import Crops
from sr_experiments.degradations.webp import WebP, compress
from sr_experiments.imaging.io import to_tensor
from tests.degradations.photographs import PHOTOGRAPHS, photograph, webp_file

QUALITIES = [30, 50, 70, 90]


def by_pillow(image: np.ndarray, quality: int, method: int = 4) -> np.ndarray:
    decoded = Image.open(io.BytesIO(webp_file(image, quality, method)))
    return np.asarray(decoded.convert("L" if image.shape[2] == 1 else "RGB")).reshape(image.shape)


def levels(image: Tensor) -> np.ndarray:
    return (image * 255).round().permute(1, 2, 0).numpy()


def by_us(image: np.ndarray, quality: int) -> np.ndarray:
    return levels(compress(Crops.of(to_tensor(image)[None]), quality=torch.tensor([quality])).pixels[0])


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(np.square(a.astype(float) - b).mean(), 1e-3)))


# ---- beside Pillow


@pytest.mark.parametrize(("quality", "likeness"), [(30, 31.2), (50, 32.6), (70, 33.9), (90, 39.8)])
def test_it_is_near_what_pillow_makes(quality: int, likeness: float) -> None:
    """Two encoders choose other modes: libwebp's methods 2 and 4 are no nearer to each other."""
    gaps = []
    for name in PHOTOGRAPHS:
        image = photograph(name)
        found, expected = by_us(image, quality), by_pillow(image, quality)
        assert psnr(found, expected) > likeness, name
        assert psnr(found, expected) > psnr(by_pillow(image, quality, method=2), expected) - 0.5, name
        assert psnr(found, expected) > psnr(image, expected), name
        gaps.append(psnr(found, image) - psnr(expected, image))
    assert max(abs(gap) for gap in gaps) < 0.8  # what the coding costs, in dB
    assert abs(float(np.mean(gaps))) < 0.35


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_it_is_nearly_method_2(name: str) -> None:
    """At 100 there is no loop filter: colour, prediction, transforms and rounding are libwebp's."""
    image = photograph(name)
    assert psnr(by_us(image, 100), by_pillow(image, 100, method=2)) > 53
    assert psnr(by_us(image, 90), by_pillow(image, 90, method=2)) > 42


@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize("name", ["chelsea", "camera"])
@pytest.mark.parametrize(("height", "width"), [(101, 87), (15, 17), (33, 20)])
def test_sides_that_are_no_multiples_of_a_macroblock(
    name: str, quality: int, height: int, width: int
) -> None:
    image = photograph(name, height, width)
    found, expected = by_us(image, quality), by_pillow(image, quality, method=2)
    assert psnr(found, expected) > psnr(image, expected) + 1.5
    assert psnr(found, image) == pytest.approx(psnr(expected, image), abs=0.5)


def test_a_small_grey_image_is_the_file_to_the_bit() -> None:
    """Few modes to choose, and no neighbours to tell about them."""
    for quality in (30, 50, 100):
        image = photograph("camera", 15, 17)
        assert np.array_equal(by_us(image, quality), by_pillow(image, quality, method=2))


def blockiness(image: np.ndarray, side: int) -> float:
    """The mean step across the edges of blocks, relative to that within blocks of 4 x 4."""
    grey = image.astype(float).mean(axis=2)
    ratios = []
    for plane in (grey, grey.T):
        steps, place = np.abs(np.diff(plane, axis=1)), np.arange(1, plane.shape[1])
        ratios.append(steps[:, place % side == 0].mean() / steps[:, place % 4 != 0].mean())
    return float(np.mean(ratios))


@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize("side", [4, 16])
def test_blocks_show_as_much_as_pillows(side: int, quality: int) -> None:
    textured = [photograph(name) for name in PHOTOGRAPHS if name != "rocket"]  # not a sky: hardly any steps
    found = [blockiness(by_us(image, quality), side) for image in textured]
    expected = [blockiness(by_pillow(image, quality), side) for image in textured]
    assert found == pytest.approx(expected, rel=0.08)
    before = np.mean([blockiness(image, side) for image in textured])
    if quality <= 50:
        assert np.mean(found) > 1.15 * before


def test_more_quality_is_less_distortion() -> None:
    image = photograph("chelsea")
    found = [psnr(by_us(image, quality), image) for quality in range(0, 101, 10)]
    assert found == sorted(found)
    assert found[-1] > found[0] + 12


# ---- the contract


def batch() -> tuple[Tensor, Tensor]:
    names = ["chelsea", "coffee", "astronaut", "immunohistochemistry"]
    return torch.stack([to_tensor(photograph(name, 48, 72)) for name in names]), torch.tensor(
        [90, 5, 50, 100]
    )


def test_a_sample_does_not_depend_on_its_batch() -> None:
    image, quality = batch()
    whole = compress(Crops.of(image), quality=quality).pixels
    for numbers in ([0], [1], [2], [3], [0, 1], [2, 3], [3, 1, 0, 2]):
        part = compress(Crops.of(image[numbers]), quality=quality[numbers]).pixels
        assert torch.equal(part, whole[numbers])
    drawn = WebP(quality=(0, 100))
    positions = torch.arange(7, 11)
    together = drawn(image, seed=3, positions=positions)
    for number in range(4):
        alone = drawn(image[number : number + 1], seed=3, positions=positions[number : number + 1])
        assert torch.equal(alone[0], together[number])


@pytest.mark.parametrize("bands", [3, 1])
def test_each_image_has_its_own_quality_and_size(bands: int) -> None:
    image = to_tensor(photograph("chelsea", 64, 80))[:bands]
    sizes = [(64, 80), (33, 47), (16, 32), (5, 80), (1, 1), (15, 17)]
    pixels = torch.rand(len(sizes), bands, 64, 80, generator=torch.Generator().manual_seed(0))
    for number, (height, width) in enumerate(sizes):
        pixels[number, :, :height, :width] = image[:, :height, :width]
    heights, widths = (torch.tensor(column) for column in zip(*sizes, strict=True))
    quality = torch.tensor([30, 95, 50, 10, 70, 0])
    found = compress(Crops(pixels, heights, widths, torch.arange(len(sizes)), (64, 80)), quality=quality)
    for number, (height, width) in enumerate(sizes):
        alone = compress(Crops.of(image[None, :, :height, :width]), quality=quality[number : number + 1])
        assert torch.equal(found.pixels[number, :, :height, :width], alone.pixels[0])


@pytest.mark.parametrize(
    ("bands", "height", "width"), [(3, 1, 1), (1, 15, 17), (5, 15, 17), (2, 40, 3), (3, 16, 9)]
)
def test_any_size_and_number_of_bands(bands: int, height: int, width: int) -> None:
    image = torch.rand(2, bands, height, width, generator=torch.Generator().manual_seed(0)) * 1.4 - 0.2
    found = compress(Crops.of(image), quality=torch.tensor([20, 80])).pixels
    assert found.shape == image.shape
    assert found.dtype == torch.float32
    assert float(found.min()) >= 0
    assert float(found.max()) <= 1
    assert torch.equal(found, (found * 255).round() / 255)
    if bands != 3:
        for band in range(bands):
            alone = compress(Crops.of(image[:, band : band + 1]), quality=torch.tensor([20, 80])).pixels
            assert torch.equal(found[:, band : band + 1], alone)


def test_what_is_flat_stays_flat() -> None:
    for level in (0, 77, 255):
        image = torch.full((1, 3, 40, 40), level / 255)
        found = compress(Crops.of(image), quality=torch.tensor([75])).pixels * 255
        assert float((found - level).abs().max()) <= 3, level


def test_nothing_asks_for_gradients_and_autocast_is_off() -> None:
    image, _ = batch()
    plain = WebP(quality=(40, 60))(image, seed=0, positions=torch.arange(4))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        spoilt = WebP(quality=(40, 60))(image.requires_grad_(), seed=0, positions=torch.arange(4))
    assert not spoilt.requires_grad
    assert torch.equal(spoilt, plain)


def test_nothing_waits_for_the_device() -> None:
    """The meta device has no values: whatever asked for one would fail."""
    image = torch.rand(2, 3, 33, 50, device="meta")
    crops = Crops(image, torch.tensor([33, 8]), torch.tensor([50, 20]), torch.arange(2), (33, 50))
    assert compress(crops, quality=torch.tensor([30, 90])).pixels.shape == image.shape


def test_every_quality_in_the_range_is_drawn() -> None:
    image = to_tensor(photograph("chelsea", 16, 16))[None].repeat(64, 1, 1, 1)
    spoilt = WebP(quality=(20, 40.5))(image, seed=0, positions=torch.arange(64))
    possible = compress(Crops.of(image[:21]), quality=torch.arange(20, 41)).pixels
    assert all(any(torch.equal(one, each) for each in possible) for one in spoilt)
    assert len(spoilt.flatten(1).unique(dim=0)) > 10


@pytest.mark.parametrize(
    ("quality", "message"),
    [
        ((-1, 50), "quality=[-1, 50] must be two numbers [low, high] from 0 to 100"),
        ((50, 101), "quality=[50, 101] must be two numbers [low, high] from 0 to 100"),
        ((60, 50), "quality=[60, 50] must be two numbers [low, high], the smaller one first"),
        ((60,), "quality=[60] must be two numbers [low, high]"),
        ((0, math.nan), "quality=[0, nan] must be two numbers [low, high]"),
        ((50.2, 50.8), "quality=[50.2, 50.8] must hold a whole number"),
    ],
)
def test_impossible_ranges_are_refused(quality: tuple[float, ...], message: str) -> None:
    with pytest.raises(ValueError, match=rf"^WebP: {re.escape(message)}"):
        WebP(quality=quality)
