"""JPEG against Pillow's codec."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from sr_experiments.data.demo import Demo
from sr_experiments.degradations.crops import Crops
from sr_experiments.degradations.jpeg import JPEG, compress, tables
from sr_experiments.imaging.io import read_image, to_tensor

QUALITIES = [30, 50, 70, 90]


def photograph(name: str, height: int, width: int) -> np.ndarray:
    (item,) = Demo(names=[name]).items()
    return read_image(item.gt)[40 : 40 + height, 100 : 100 + width]


def by_pillow(image: np.ndarray, quality: int) -> np.ndarray:
    stream = io.BytesIO()
    Image.fromarray(image.squeeze()).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream)).reshape(image.shape)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.square(a.astype(float) - b).mean()))


def levels(image: Tensor) -> np.ndarray:
    return (image * 255).round().permute(1, 2, 0).numpy()


@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize("name", ["chelsea", "coffee", "astronaut"])
@pytest.mark.parametrize(("height", "width"), [(192, 192), (101, 87)])
def test_it_is_what_pillow_makes(name: str, quality: int, height: int, width: int) -> None:
    """Also where the sides are no multiples of a block. What the coding itself costs is far more."""
    image = photograph(name, height, width)
    found = compress(Crops.of(to_tensor(image)[None]), quality=torch.tensor([quality]))
    expected = by_pillow(image, quality)
    assert psnr(levels(found.pixels[0]), expected) > 45
    assert psnr(levels(found.pixels[0]), expected) > psnr(image, expected) + 5


@pytest.mark.parametrize("quality", QUALITIES)
def test_grey(quality: int) -> None:
    image = photograph("camera", 101, 87)
    assert image.shape[2] == 1
    found = compress(Crops.of(to_tensor(image)[None]), quality=torch.tensor([quality])).pixels[0]
    assert psnr(levels(found), by_pillow(image, quality)) > 50  # no chroma: only rounding differs


def test_each_image_has_its_own_quality_and_size() -> None:
    image = to_tensor(photograph("chelsea", 64, 80))
    sizes = [(64, 80), (33, 47), (8, 8), (5, 80)]
    pixels = torch.rand(4, 3, 64, 80)
    for number, (height, width) in enumerate(sizes):
        pixels[number, :, :height, :width] = image[:, :height, :width]
    heights, widths = (torch.tensor(column) for column in zip(*sizes, strict=True))
    quality = torch.tensor([30, 95, 50, 10])
    found = compress(Crops(pixels, heights, widths, torch.arange(4), (64, 80)), quality=quality)
    for number, (height, width) in enumerate(sizes):
        alone = compress(Crops.of(image[None, :, :height, :width]), quality=quality[number : number + 1])
        assert torch.equal(found.pixels[number, :, :height, :width], alone.pixels[0])


def test_the_tables_are_pillows() -> None:
    base = torch.arange(1, 65).reshape(8, 8).tolist()
    assert torch.equal(tables(base, torch.tensor([50]))[0], torch.tensor(base).float())
    stream = io.BytesIO()
    Image.new("L", (8, 8)).save(stream, "JPEG", quality=37)
    # Pillow gives them in zigzag order or not, by version: the sums agree either way.
    written = Image.open(stream).quantization[0]  # type: ignore[attr-defined]
    from sr_experiments.degradations.jpeg import _LUMA

    assert sorted(written) == sorted(tables(_LUMA, torch.tensor([37]))[0].flatten().int().tolist())


def test_every_quality_in_the_range_is_drawn() -> None:
    image = to_tensor(photograph("chelsea", 16, 16))[None].repeat(64, 1, 1, 1)
    spoilt = JPEG(quality=(30, 32))(image, seed=0, positions=torch.arange(64))
    expected = [compress(Crops.of(image[:1]), quality=torch.tensor([q])).pixels[0] for q in (30, 31, 32)]
    found = [next(n for n, one in enumerate(expected) if torch.equal(one, each)) for each in spoilt]
    assert set(found) == {0, 1, 2}
