"""Images of different sizes in one tensor, against numpy image by image."""

import numpy as np
import pytest
import torch

from sr_experiments.degradations.crops import WASTE, Crops, joined

SIZES = [(12, 9), (5, 17), (1, 1), (16, 16), (7, 2)]


def crops() -> Crops:
    """Random pixels, also beyond the images, which nobody may look at."""
    pixels = torch.rand(len(SIZES), 3, 16, 17, generator=torch.Generator().manual_seed(0))
    heights, widths = (torch.tensor(column) for column in zip(*SIZES, strict=True))
    return Crops(pixels, heights, widths, torch.arange(len(SIZES)), (16, 17))


def image(of: Crops, number: int) -> np.ndarray:
    height, width = of.sizes[number]
    return of.pixels[number, :, :height, :width].numpy()


@pytest.mark.parametrize("mirror", [True, False])
def test_every_image_is_padded_at_its_own_border(mirror: bool) -> None:
    whole = crops()
    padded = whole.padded(4, 7, 2, 9, mirror=mirror)
    for number, (height, width) in enumerate(whole.sizes):
        around = ((0, 0), (4, 7), (2, 9))
        if mirror and 1 in (height, width):  # numpy mirrors nothing there; a mirror of one pixel is the pixel
            expected = np.pad(image(whole, number), around, mode="edge")
        else:
            expected = np.pad(image(whole, number), around, mode="reflect" if mirror else "edge")
        found = padded[number, :, : height + 11, : width + 11].numpy()
        assert np.array_equal(found, expected), (height, width)


@pytest.mark.parametrize("mirror", [True, False])
def test_images_of_one_size_are_padded_alike(mirror: bool) -> None:
    """There the library's own padding is used, unless it is more than it mirrors."""
    pixels = torch.rand(2, 3, 6, 8)
    small = Crops.of(pixels).padded(2, 3, 4, 5, mirror=mirror)
    expected = np.pad(pixels.numpy(), ((0, 0), (0, 0), (2, 3), (4, 5)), mode="reflect" if mirror else "edge")
    assert np.array_equal(small.numpy(), expected)
    far = Crops.of(pixels).padded(20, 20, 20, 20, mirror=mirror)
    around = ((0, 0), (0, 0), (20, 20), (20, 20))
    assert np.array_equal(far.numpy(), np.pad(pixels.numpy(), around, mode="reflect" if mirror else "edge"))


def test_groups_by_size_hold_every_image_once_and_waste_little() -> None:
    whole = crops()
    groups = whole.by_size()
    assert len(groups) > 1
    assert sorted(row for group in groups for row in group.rows.tolist()) == list(range(len(SIZES)))
    for group in groups:
        longest = torch.maximum(group.heights, group.widths)
        assert longest.max() <= WASTE * longest.min()
        assert list(group.pixels.shape[-2:]) == [int(group.heights.max()), int(group.widths.max())]
        for number, row in enumerate(group.rows.tolist()):
            assert np.array_equal(image(group, number), image(whole, row))


def test_groups_are_joined_in_the_order_of_the_batch() -> None:
    whole = crops()
    parts = [whole.take(torch.tensor(rows)) for rows in ([1, 4], [0, 3], [2])]
    together = joined(parts)
    assert together.rows.tolist() == [0, 1, 2, 3, 4]
    assert together.sizes == SIZES
    for number in range(len(SIZES)):
        assert np.array_equal(image(together, number), image(whole, number))
    assert parts[0].rows_in(whole).tolist() == [1, 4]
    assert joined(together.by_size()).sizes == SIZES


def test_different_sizes_are_no_tensor() -> None:
    with pytest.raises(AssertionError):
        crops().tensor()
