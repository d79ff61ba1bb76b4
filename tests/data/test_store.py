"""Crops from one array of bytes: against slices of the images."""

import numpy as np
import pytest
import torch

from sr_experiments.data.pair import Pair
from sr_experiments.data.store import in_memory, in_order
from sr_experiments.data.windows import Windows
from tests.data.pictures import pixels

SIZES = [(24, 36), (30, 20), (22, 22)]


def pairs(*, deep: bool = False, floats: bool = False) -> list[Pair]:
    found = []
    for number, (height, width) in enumerate(SIZES):
        gt = pixels(height, width, seed=number, deep=deep and number == 1)
        lq = pixels(height // 2, width // 2, seed=number + 9, deep=deep and number == 1)
        small = (lq / 255).astype(np.float32) if floats else lq
        found.append(Pair(gt=gt, lq=small, grey=number == 2))
    return found


def windows(sides: list[int]) -> Windows:
    images = torch.tensor([0, 2, 1, 1])
    return Windows(
        images, torch.tensor([0, 6, 10, 2]), torch.tensor([13, 5, 5, 1]), torch.tensor(sides), max(sides)
    )


def expected(image: np.ndarray, top: int, left: int, side: int, scale: int) -> np.ndarray:
    return image[top * scale : (top + side) * scale, left * scale : (left + side) * scale]


@pytest.mark.parametrize("floats", [False, True])
def test_crops_are_slices(floats: bool) -> None:
    images = pairs(floats=floats)
    store = in_memory(pairs(floats=floats))
    wanted = windows([5, 5, 5, 5])
    found = store.read(wanted, scale=2)
    assert found["gt"].shape == (4, 10, 10, 3)
    places = zip(wanted.images, wanted.tops, wanted.lefts, strict=True)
    for row, (image, top, left) in enumerate([[int(n) for n in place] for place in places]):
        lq = images[image].lq
        assert lq is not None
        np.testing.assert_array_equal(found["gt"][row].numpy(), expected(images[image].gt, top, left, 5, 2))
        np.testing.assert_array_equal(found["lq"][row].numpy(), expected(lq, top, left, 5, 1))


def test_crops_of_different_sizes_lie_in_the_upper_left_corner() -> None:
    """The last one ends with the last image's last pixel: what is read beyond it is still the store's."""
    images = pairs()
    wanted = Windows(
        torch.tensor([2, 1]), torch.tensor([8, 0]), torch.tensor([8, 0]), torch.tensor([3, 10]), largest=10
    )
    found = in_memory(pairs()).read(wanted, scale=2)["gt"]
    assert found.shape == (2, 20, 20, 3)
    np.testing.assert_array_equal(found[0, :6, :6].numpy(), images[2].gt[16:22, 16:22])
    np.testing.assert_array_equal(found[1].numpy(), images[1].gt[:20, :20])


def test_two_depths_in_one_batch() -> None:
    images = pairs(deep=True)
    found = in_memory(pairs(deep=True)).read(windows([5, 5, 5, 5]), scale=2)
    assert found["gt"].dtype == found["lq"].dtype == torch.uint16
    np.testing.assert_array_equal(found["gt"][0].numpy(), images[0].gt[:10, 26:36].astype(np.uint16) * 257)
    np.testing.assert_array_equal(found["gt"][2].numpy(), images[1].gt[20:30, 10:20])


def test_whole_images_are_not_copied_and_the_list_is_emptied() -> None:
    given = pairs()
    store = in_memory(given)
    assert given == []
    assert len(store) == 3
    for number, pair in enumerate(pairs()):
        assert np.array_equal(store[number].gt, pair.gt)
        assert pair.lq is not None
        small = store[number].lq
        assert small is not None
        assert np.array_equal(small, pair.lq)
        assert store[number].grey == pair.grey
        assert np.shares_memory(store[number].gt, store.pixels.numpy())
    assert store.nbytes == sum(pair.nbytes for pair in pairs())
    assert store.to(torch.device("cpu"))[1].gt.shape == (30, 20, 3)


def test_parts_come_together_in_their_order() -> None:
    parts = [(torch.tensor([2, 0]), torch.tensor([2, 0])), (torch.tensor([1]), torch.tensor([1]))]
    crops = [(rows, values.to(torch.uint8).view(-1, 1, 1, 1)) for rows, values in parts]
    assert in_order(crops).flatten().tolist() == [0, 1, 2]
