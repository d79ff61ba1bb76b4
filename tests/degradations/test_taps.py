"""Resampling by a factor and a kernel of each image's own, against torch's and MATLAB's on each image."""

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats
from torch import Tensor
from torch.nn import functional as F

from sr_experiments.data.demo import Demo
from sr_experiments.degradations.crops import Crops
from sr_experiments.degradations.resample import Rescale, Shrink
from sr_experiments.degradations.taps import MODES, Mode, resample, taps
from sr_experiments.imaging.io import read_image
from sr_experiments.imaging.random import Draw
from sr_experiments.imaging.resize import imresize

SIZES = [(7, 9), (40, 51), (21, 30), (1, 60), (33, 3), (20, 24)]


def image(count: int) -> Tensor:
    return torch.rand(count, 3, 20, 24, generator=torch.Generator().manual_seed(0))


def reference(mode: Mode, one: Tensor, size: tuple[int, int]) -> Tensor:
    if mode in ("matlab", "lanczos"):
        return imresize(one, size=size, kernel="bicubic" if mode == "matlab" else "lanczos3")
    options = {} if mode in ("area", "nearest") else {"align_corners": False}
    return F.interpolate(one, size=size, mode=mode, **options)


@pytest.mark.parametrize("mode", MODES)
def test_each_image_is_what_it_would_be_alone(mode: Mode) -> None:
    images = image(len(SIZES))
    heights, widths = (torch.tensor(column) for column in zip(*SIZES, strict=True))
    modes = torch.full((len(SIZES),), MODES.index(mode))
    found = resample(Crops.of(images), heights=heights, widths=widths, modes=modes)
    assert found.sizes == SIZES
    for number, (height, width) in enumerate(SIZES):
        expected = reference(mode, images[number : number + 1], (height, width))[0]
        torch.testing.assert_close(found.pixels[number, :, :height, :width], expected, rtol=0, atol=2e-6)


def test_images_and_modes_of_all_kinds_at_once_and_twice() -> None:
    """A second time from images of many sizes; bit for bit what each is without the others."""
    modes = torch.arange(len(SIZES)) % len(MODES)
    images = image(len(SIZES))
    heights, widths = (torch.tensor(column) for column in zip(*SIZES, strict=True))

    def twice(rows: list[int]) -> Crops:
        part = Crops.of(images[rows])
        first = resample(part, heights=heights[rows], widths=widths[rows], modes=modes[rows])
        after = torch.full((len(rows),), 10), torch.full((len(rows),), 12)
        return resample(first, heights=after[0], widths=after[1], modes=modes.flip(0)[rows])

    whole = twice(list(range(len(SIZES))))
    for number in range(len(SIZES)):
        size, mirrored = SIZES[number], len(SIZES) - 1 - number
        once = reference(MODES[int(modes[number])], images[number : number + 1], size)
        expected = reference(MODES[int(modes[mirrored])], once, (10, 12))[0]
        torch.testing.assert_close(whole.pixels[number], expected, rtol=0, atol=3e-6)
    assert torch.equal(twice([1, 4]).pixels, whole.pixels[[1, 4]])


@pytest.mark.parametrize("mode", MODES)
def test_weights_sum_to_one_and_lie_inside(mode: Mode) -> None:
    before, after = torch.tensor([5, 17, 64]), torch.tensor([64, 5, 17])
    places, weights = taps(before, after, torch.full((3,), MODES.index(mode)))
    for number in range(3):
        own = places[number, : after[number]]
        assert own.min() >= 0
        assert own.max() < before[number]
        sums = weights[number, : after[number]].sum(dim=1)
        torch.testing.assert_close(sums, torch.ones_like(sums), rtol=0, atol=1e-12)


def test_drawn_factors_follow_the_configured_distribution() -> None:
    rescale = Rescale(
        up=(1.0, 1.5),
        down=(0.15, 1.0),
        directions={"up": 0.2, "down": 0.7, "keep": 0.1},
        modes={"area": 1, "bicubic": 3},
    )
    count = 20000
    factors = rescale.factors(Draw(0, torch.arange(count))).numpy()
    observed = [(factors > 1).sum(), (factors < 1).sum(), (factors == 1).sum()]
    assert stats.chisquare(observed, [0.2 * count, 0.7 * count, 0.1 * count]).pvalue > 0.01
    assert stats.kstest(factors[factors > 1], "uniform", (1.0, 0.5)).pvalue > 0.01
    assert stats.kstest(factors[factors < 1], "uniform", (0.15, 0.85)).pvalue > 0.01


def test_sizes_count_from_gt_and_come_back_to_one() -> None:
    options = {"up": (1.0, 1.2), "down": (0.3, 1.0), "directions": {"up": 1, "down": 1}}
    rescale = Rescale(**options, modes={"area": 1}, of=4)  # type: ignore[arg-type]
    crops = Crops.of(torch.rand(16, 3, 64, 80))
    draw = Draw(0, torch.arange(16))
    small = rescale.spoil(crops, draw)
    factors = rescale.factors(draw) / 4
    assert small.sizes == [(int(64 * factor), int(80 * factor)) for factor in factors.tolist()]
    back = Shrink(scale=4, modes={"bilinear": 1, "bicubic": 1}).spoil(small, draw)
    assert back.tensor().shape == (16, 3, 16, 20)


def test_factors_that_are_uniform_in_their_inverse() -> None:
    """BSRGAN divides by 1 to 8."""
    rescale = Rescale(
        up=(1, 1), down=(0.125, 1), directions={"down": 1}, modes={"bilinear": 1}, uniform="divisor"
    )
    factors = rescale.factors(Draw(0, torch.arange(4000))).numpy()
    assert stats.kstest(1 / factors, "uniform", (1, 7)).pvalue > 0.01


@pytest.mark.parametrize("size", [(64, 96), (50, 71), (31, 40), (150, 200)])
@pytest.mark.parametrize(
    ("mode", "pillows"),
    [("matlab", Image.Resampling.BICUBIC), ("lanczos", Image.Resampling.LANCZOS)],
)
def test_a_photograph_is_resized_as_by_pillow(
    mode: Mode, pillows: Image.Resampling, size: tuple[int, int]
) -> None:
    """In floats, and away from the border: there Pillow cuts its kernel off and ours mirrors the image."""
    photograph = read_image(Demo(names=["chelsea"]).items()[0].gt)[60:188, 100:292]
    planes = torch.from_numpy(photograph).permute(2, 0, 1)[None].float() / 255
    lengths = [torch.tensor([length]) for length in size]
    wanted = torch.tensor([MODES.index(mode)])
    ours = resample(Crops.of(planes), heights=lengths[0], widths=lengths[1], modes=wanted).tensor()[0]
    reach = [-(-3 * max(1, length) // old) + 3 for length, old in zip(size, (128, 192), strict=True)]
    for channel in range(3):
        plane = Image.fromarray(planes[0, channel].numpy())
        assert plane.mode == "F"
        theirs = torch.from_numpy(np.array(plane.resize((size[1], size[0]), pillows)))
        inside = (slice(reach[0], -reach[0]), slice(reach[1], -reach[1]))
        assert float((ours[channel][inside] - theirs[inside]).abs().max()) < 2e-5


@pytest.mark.parametrize("factor", [2, 4])
def test_area_of_a_whole_factor_is_pillows_box(factor: int) -> None:
    photograph = read_image(Demo(names=["coffee"]).items()[0].gt)[40:168, 60:252]
    planes = torch.from_numpy(photograph).permute(2, 0, 1)[None].float() / 255
    size = (128 // factor, 192 // factor)
    lengths = [torch.tensor([length]) for length in size]
    wanted = torch.tensor([MODES.index("area")])
    ours = resample(Crops.of(planes), heights=lengths[0], widths=lengths[1], modes=wanted).tensor()[0]
    for channel in range(3):
        plane = Image.fromarray(planes[0, channel].numpy())
        theirs = torch.from_numpy(np.array(plane.resize((size[1], size[0]), Image.Resampling.BOX)))
        assert float((ours[channel] - theirs).abs().max()) < 1e-6
