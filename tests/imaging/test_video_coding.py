"""Colours of videos against H.273's formulas in float64."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sr_experiments.imaging.video.coding import Coding

SHARES = {1: (0.2126, 0.0722), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}
CODINGS = [
    Coding(kind="yuv", bits=bits, full=full, matrix=matrix)
    for bits in (8, 10, 12)
    for full in (False, True)
    for matrix in SHARES
]


def planes_of(rgb: np.ndarray, coding: Coding) -> list[np.ndarray]:
    """(3, ...) float64 in [0, 1] to luma and chroma, rounded: equations 25 to 40 of H.273, written out."""
    of_red, of_blue = SHARES[coding.matrix]
    luma = of_red * rgb[0] + (1 - of_red - of_blue) * rgb[1] + of_blue * rgb[2]
    blue = 0.5 * (rgb[2] - luma) / (1 - of_blue)
    red = 0.5 * (rgb[0] - luma) / (1 - of_red)
    step, top = 2 ** (coding.bits - 8), 2**coding.bits - 1
    if coding.full:
        return [np.floor(v + 0.5) for v in (top * luma, top * blue + 128 * step, top * red + 128 * step)]
    return [np.floor(v * step + 0.5) for v in (219 * luma + 16, 224 * blue + 128, 224 * red + 128)]


@pytest.mark.parametrize("coding", CODINGS, ids=str)
def test_colours_are_those_of_the_formulas(coding: Coding) -> None:
    rgb = np.random.default_rng(0).random((3, 8, 8))
    planes = planes_of(rgb, coding)
    found = coding.to_rgb([torch.from_numpy(plane) for plane in planes])
    # A rounding of half a level in each of luma and chroma, at most 2 (1 - .0593) of it in blue.
    level = 1 / (219 * 2 ** (coding.bits - 8))
    assert np.abs(found.numpy() - rgb).max() < 0.5 * level * 3
    for ours, theirs in zip(coding.to_planes(torch.from_numpy(rgb)), planes, strict=True):
        assert np.abs(ours.numpy() - theirs).max() <= (ours.numpy() != theirs).any()
        assert (ours.numpy() != theirs).mean() < 0.02, "float32 decides a few halves otherwise"


@pytest.mark.parametrize("coding", CODINGS, ids=str)
@pytest.mark.parametrize(("across", "down"), [(1, 1), (2, 1), (2, 2)])
def test_flat_colours_come_back_to_the_level(coding: Coding, across: int, down: int) -> None:
    coding = replace(coding, across=across, down=down)
    for seed in range(20):
        colour = np.random.default_rng(seed).random(3)
        numbers = planes_of(colour, coding)
        planes = [
            torch.full((4, 6) if index == 0 else (4 // down, 6 // across), int(number))
            for index, number in enumerate(numbers)
        ]
        rgb = coding.to_rgb(planes)
        if rgb.min() == 0 or rgb.max() == 1:
            continue  # rounded out of the cube, and cut off
        for before, after in zip(planes, coding.to_planes(rgb), strict=True):
            assert torch.equal(before.int(), after)


def test_black_and_white() -> None:
    for full, black, white in ((False, 16, 235), (True, 0, 255)):
        coding = Coding(kind="yuv", bits=8, full=full)
        planes = coding.to_planes(torch.tensor([0.0, 1.0]).expand(3, 1, 2))
        assert planes[0].tolist() == [[black, white]]
        assert [plane.tolist() for plane in planes[1:]] == [[[128, 128]]] * 2
        assert (
            Coding(kind="grey", bits=8, full=full).to_rgb([torch.tensor([[black, white]])]).tolist()
            == [[[0, 1]]] * 3
        )


def test_rgb_in_planes_is_green_blue_red() -> None:
    coding = Coding(kind="rgb", bits=10, full=True)
    rgb = torch.tensor([0.0, 0.5, 1.0])[:, None, None]
    assert [int(plane) for plane in coding.to_planes(rgb)] == [512, 1023, 0]
    assert coding.to_rgb(coding.to_planes(rgb)).flatten().tolist() == pytest.approx([0, 512 / 1023, 1])


def chroma_read(columns: list[int], *, centred: bool) -> np.ndarray:
    """A row of blue differences in 4:2:0, as they arrive at the columns of luma."""
    coding = Coding(kind="yuv", bits=8, full=True, across=2, down=2, centred=centred)
    blue = torch.tensor([columns])
    rgb = coding.to_rgb([torch.full((2, 2 * len(columns)), 128), blue, torch.full_like(blue, 128)])
    luma = 128 / 255
    return ((rgb[2] - luma) / (2 * (1 - 0.0722)) * 255 + 128).numpy()[0]


def test_chroma_lies_where_the_standard_puts_it() -> None:
    """On the first of its two columns; between them in JPEG's. Shifted chroma is a fringe at each edge."""
    np.testing.assert_allclose(
        chroma_read([100, 120, 140], centred=False), [100, 110, 120, 130, 140, 140], atol=1e-3
    )
    np.testing.assert_allclose(
        chroma_read([100, 120, 140], centred=True), [100, 105, 115, 125, 135, 140], atol=1e-3
    )


@pytest.mark.parametrize("centred", [False, True])
def test_a_ramp_of_chroma_stays_where_it_is(centred: bool) -> None:
    coding = Coding(kind="yuv", bits=16, full=True, across=2, down=2, centred=centred)
    ramp = torch.linspace(20_000, 45_000, 16).round().int().expand(8, -1)
    flat = torch.full_like(ramp, 2**15)
    rgb = coding.to_rgb([torch.full((16, 32), 2**15), ramp, flat])
    after = coding.to_planes(rgb)[1]
    assert int((after - ramp)[:, 1:-1].abs().max()) <= 1


def test_sizes_that_are_no_multiple() -> None:
    """4:2:0 of 5x7 has 3x4 of chroma, and 4:1:1 of 7 columns has 2."""
    coding = Coding(kind="yuv", bits=8, full=False, across=2, down=2)
    rgb = coding.to_rgb([torch.full((5, 7), 126), torch.full((3, 4), 128), torch.full((3, 4), 128)])
    assert rgb.shape == (3, 5, 7)
    assert torch.allclose(rgb, torch.tensor(110 / 219))
    coding = replace(coding, across=4, down=1)
    assert coding.to_rgb([torch.full((5, 7), 126), *[torch.full((5, 2), 128)] * 2]).shape == (3, 5, 7)
