"""Tiles against the whole image, with networks whose reach is known."""

import itertools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from sr_experiments.imaging.pad import run_padded
from sr_experiments.imaging.resize import imresize
from sr_experiments.imaging.tile import run_tiled


def network(*, scale: int, reach: int, channels: int = 3) -> Callable[[Tensor], Tensor]:
    """`reach` 3x3 convolutions with zero padding and ReLU, then pixel shuffle; float64."""
    generator = torch.Generator().manual_seed(reach)
    widths = [channels, *[4] * (reach - 1), channels * scale**2]
    kernels = [
        torch.randn(after, before, 3, 3, dtype=torch.float64, generator=generator) / before
        for before, after in itertools.pairwise(widths)
    ]

    def run(x: Tensor) -> Tensor:
        for kernel in kernels:
            x = F.relu(F.conv2d(x, kernel, padding=1)) + 0.1
        return F.pixel_shuffle(x, scale)

    return run


class Recorded:
    """Notes the size of everything that the network gets."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        self.function = function
        self.sizes: list[tuple[int, int]] = []

    def __call__(self, x: Tensor) -> Tensor:
        self.sizes.append((x.shape[-2], x.shape[-1]))
        return self.function(x)


@pytest.mark.parametrize("size", [(40, 33), (17, 90), (16, 16), (15, 31), (64, 48)])
@pytest.mark.parametrize(("tile", "overlap", "reach"), [(16, 3, 3), (16, 4, 2), (9, 4, 4), (17, 0, 0)])
@pytest.mark.parametrize("scale", [1, 3])
def test_equal_to_the_whole_image(
    scale: int, tile: int, overlap: int, reach: int, size: tuple[int, int]
) -> None:

    def pixelwise(x: Tensor) -> Tensor:
        return imresize(x.square(), scale=scale, kernel="nearest")

    function = Recorded(network(scale=scale, reach=reach) if reach else pixelwise)
    image = torch.rand(2, 3, *size, dtype=torch.float64)
    expected = function(image)
    function.sizes.clear()
    result = run_tiled(function, image, scale=scale, tile=tile, overlap=overlap)
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-13)
    assert set(function.sizes) == {(min(tile, size[0]), min(tile, size[1]))}, "all tiles have one size"


def test_too_little_overlap_is_seen() -> None:
    """The comparison above can fail: one pixel of context less, and seams differ."""
    function = network(scale=2, reach=3)
    image = torch.rand(1, 3, 40, 33, dtype=torch.float64)
    wrong = (run_tiled(function, image, scale=2, tile=16, overlap=2) - function(image)).abs().amax(dim=(0, 1))
    assert wrong.max() > 1e-3
    seam = 2 * (16 - 2)  # where the first tile's part ends
    assert wrong[:, seam - 2 : seam + 2].max() > 1e-3
    assert wrong[: seam - 4, : seam - 4].max() < 1e-13


def test_every_pixel_comes_from_one_tile() -> None:
    """The number of the tile that wrote a pixel: rectangles that neither blend nor leave a gap."""
    calls = iter(range(1000))
    image = torch.zeros(1, 1, 30, 22)
    result = run_tiled(lambda x: torch.full_like(x, next(calls)), image, scale=1, tile=12, overlap=2)
    # Rows: tiles at 0, 8, 16 and, moved inwards, 18; columns: at 0, 8 and 10.
    columns = [0] * 10 + [1] * 8 + [2] * 4
    rows = [0] * 10 + [1] * 8 + [2] * 8 + [3] * 4
    assert result[0, 0].tolist() == [[3 * row + column for column in columns] for row in rows]


def test_memory_is_bounded_by_the_tile() -> None:
    function = Recorded(network(scale=2, reach=2))
    run_tiled(function, torch.rand(1, 3, 200, 170, dtype=torch.float64), scale=2, tile=32, overlap=2)
    assert max(max(size) for size in function.sizes) == 32
    assert len(function.sizes) == 7 * 6  # ceil((200 - 32) / 28) + 1 rows of tiles


@pytest.mark.parametrize("tile", [33, 40, 1000])
def test_an_image_that_fits_is_one_call(tile: int) -> None:
    function = Recorded(network(scale=2, reach=2))
    image = torch.rand(1, 3, 33, 20, dtype=torch.float64)
    expected = function(image)
    assert torch.equal(run_tiled(function, image, scale=2, tile=tile, overlap=4), expected)
    assert function.sizes == [(33, 20)] * 2


def unshuffling(x: Tensor) -> Tensor:
    """A network that takes multiples of 4 only, and reaches 4 pixels."""
    assert x.shape[-2] % 4 == 0
    assert x.shape[-1] % 4 == 0
    blocks = F.pixel_unshuffle(x, 4)
    kernel = torch.randn(48, 48, 3, 3, dtype=x.dtype, generator=torch.Generator().manual_seed(0)) / 48
    return F.pixel_shuffle(F.relu(F.conv2d(blocks, kernel, padding=1)), 4)


@pytest.mark.parametrize("tile", [24, 26, 27])
@pytest.mark.parametrize("overlap", [7, 8, 9])
@pytest.mark.parametrize("size", [(64, 48), (61, 43), (62, 33), (21, 70)])
def test_tiles_keep_to_the_multiple(size: tuple[int, int], overlap: int, tile: int) -> None:
    """Blocks of 4 pixels must be the same blocks in every tile, also where the image itself is padded."""

    function = Recorded(unshuffling)

    def padded(x: Tensor) -> Tensor:
        return run_padded(function, x, scale=1, multiple_of=4, minimum=8)

    image = torch.rand(1, 3, *size, dtype=torch.float64)
    expected = padded(image)
    function.sizes.clear()
    result = run_tiled(padded, image, scale=1, tile=tile, overlap=overlap, multiple_of=4)
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-13)
    assert max(max(size) for size in function.sizes) <= tile


def test_other_channels_and_dtypes_of_the_output() -> None:
    image = torch.rand(2, 1, 20, 20)
    result = run_tiled(lambda x: x.expand(-1, 5, -1, -1).double(), image, scale=1, tile=8, overlap=1)
    assert torch.equal(result, image.expand(-1, 5, -1, -1).double())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"tile": 64, "overlap": -1}, "a tile's overlap is 0 pixels or more, not -1"),
        (
            {"tile": 64, "overlap": 32},
            "tile=64: with 32 pixels of overlap on both .* a tile of at least 65 pixels",
        ),
        ({"tile": 0, "overlap": 0}, "tile=0: .* at least 1 pixels"),
        ({"tile": 22, "overlap": 8, "multiple_of": 8}, "tile=22: .* at least 24 pixels or a smaller overlap"),
        ({"tile": 31, "overlap": 9, "multiple_of": 8}, "tile=31: .* at least 32 pixels or a smaller overlap"),
    ],
)
def test_impossible_values(values: dict[str, int], message: str) -> None:
    """Also where this image would fit into one tile: the next one may not."""
    with pytest.raises(ValueError, match=message):
        run_tiled(lambda x: x, torch.zeros(1, 1, 8, 8), scale=1, **values)


@pytest.mark.parametrize(("overlap", "multiple_of"), [(32, 1), (8, 8), (9, 8), (0, 4)])
def test_the_smallest_tile_that_the_message_names_works(overlap: int, multiple_of: int) -> None:
    image = torch.rand(1, 1, 160, 168)
    with pytest.raises(ValueError, match="at least") as caught:
        run_tiled(
            lambda x: x, image, scale=1, tile=1 if overlap else 0, overlap=overlap, multiple_of=multiple_of
        )
    smallest = int(str(caught.value).split("at least ")[1].split()[0])
    values = {"overlap": overlap, "multiple_of": multiple_of}
    assert torch.equal(run_tiled(lambda x: x, image, scale=1, tile=smallest, **values), image)
    with pytest.raises(ValueError, match="nothing of a tile would be kept"):
        run_tiled(lambda x: x, image, scale=1, tile=smallest - 1, **values)


def test_a_network_of_another_scale_is_our_fault() -> None:
    with pytest.raises(AssertionError, match=r"\(16, 16\) expected, got \(1, 1, 8, 8\)"):
        run_tiled(lambda x: x, torch.zeros(1, 1, 20, 20), scale=2, tile=8, overlap=0)
