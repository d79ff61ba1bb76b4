"""A guide lies on its image, pixel on pixel, wherever images are kept and whatever is done to crops."""

import itertools
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from sr_experiments.data.augment import Augmentation
from sr_experiments.data.datamodule import SRData
from sr_experiments.data.images import Images, SpoilWhole
from sr_experiments.data.sources import Folder
from sr_experiments.degradations.bicubic import Bicubic
from sr_experiments.imaging.colour import to_channels
from sr_experiments.imaging.io import write_png
from sr_experiments.imaging.resize import imresize_uint8
from tests.data.pictures import STILL, blind, module, pixels

EVERYTHING = Augmentation(crop_scale=[1, 1.5], mixup=0.3, cutmix=0.3, cutblur=0.0)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of noise, with guides whose green is the image, so that what lies on what can be seen."""
    folder = tmp_path_factory.mktemp("guided")
    for number in range(6):
        image = pixels(66, 81, channels=1, seed=number)
        red, blue = (pixels(66, 81, channels=1, seed=100 * (number + 1) + n) for n in (1, 2))
        write_png(folder / "HR" / f"{number}.png", image)
        write_png(folder / "guide" / f"{number}.png", np.concatenate([red, image, blue], axis=2))
    return folder


def guided(root: Path, **options: object) -> SRData:
    given = {"scale": 2, "channels": 1, "guide_channels": 3, "held_out": 2, "patch_size": 16}
    return module(root=str(root), **{**given, **options})


def batches(data: SRData) -> list[dict[str, Tensor]]:
    data.setup("fit")
    return [data.on_after_batch_transfer(batch, 0) for batch in data.train_dataloader()]


@pytest.mark.parametrize(
    "augment", [STILL, Augmentation(), EVERYTHING], ids=["still", "turned", "everything"]
)
@pytest.mark.parametrize("late", [False, True], ids=["bicubic", "random"])
def test_a_crop_of_the_guide_is_that_of_the_image(root: Path, late: bool, augment: Augmentation) -> None:
    data = guided(root, augment=augment, degradation=blind(2) if late else Bicubic(scale=2))
    for batch in batches(data):
        assert batch["guide"].shape == (4, 3, 16, 16)
        assert batch["lq"].shape == (4, 1, 8, 8)
        assert torch.equal(batch["guide"][:, 1:2], batch["gt"])
        assert not torch.equal(batch["guide"][:, :1], batch["gt"])


def test_the_guide_is_not_spoilt(root: Path) -> None:
    """What a degradation makes of `gt` it does not make of the guide."""
    (one, *_), (other, *_) = (batches(guided(root, degradation=d)) for d in (Bicubic(scale=2), blind(2)))
    assert torch.equal(one["guide"], other["guide"])
    assert not torch.equal(one["lq"], other["lq"])


@pytest.mark.parametrize("augment", [Augmentation(), EVERYTHING], ids=["turned", "everything"])
def test_where_images_are_kept_and_who_reads_changes_no_bit(
    root: Path, tmp_path: Path, augment: Augmentation
) -> None:
    ways = [("memory", 0), ("memory", 2), ("disk", 0), ("device", 0), ("none", 0)]
    found = [
        batches(guided(root, augment=augment, cache=cache, workers=workers, cache_dir=str(tmp_path)))
        for cache, workers in ways
    ]
    for step in zip(*found, strict=True):
        for one, other in itertools.pairwise(step):
            assert one.keys() == other.keys() == {"position", "gt", "lq", "guide"}
            assert all(torch.equal(one[key], other[key]) for key in one)


def test_processes_read_the_same(root: Path) -> None:
    alone, several = (batches(guided(root, cache="none", workers=n)) for n in (0, 2))
    for one, other in zip(alone, several, strict=True):
        assert all(torch.equal(one[key], other[key]) for key in one)


def test_a_pack_with_guides_is_another_one(root: Path, tmp_path: Path) -> None:
    """One that was made without must not be taken for one with them, and a changed guide is seen."""
    for channels in (0, 3, 1, 3):
        found = batches(guided(root, guide_channels=channels, cache="disk", cache_dir=str(tmp_path)))[0]
        assert ("guide" in found) == (channels > 0)
        assert not channels or found["guide"].shape[1] == channels
    assert len(list(tmp_path.glob("*/index.json"))) == 3
    path = root / "guide" / "0.png"
    kept = path.read_bytes()
    try:
        write_png(path, np.zeros((66, 81, 3), np.uint8))
        data = guided(root, cache="disk", cache_dir=str(tmp_path))
        data.setup("fit")
        images = data.library["train"]
        assert isinstance(images, Images)
        changed = images[0].guide
        assert changed is not None
        assert not changed.any()
    finally:
        path.write_bytes(kept)


def test_a_guide_of_16_bit_and_of_luma(tmp_path: Path) -> None:
    gt, guide = pixels(40, 44, channels=1, deep=True), pixels(40, 44, seed=1, deep=True)
    write_png(tmp_path / "HR" / "a.png", gt)
    write_png(tmp_path / "guide" / "a.png", guide)
    items = Folder(root=str(tmp_path), scale=4).items()
    for channels in (3, 1):
        images = Images(
            items, scale=4, channels=1, spoil=SpoilWhole(Bicubic(scale=4)), guide_channels=channels
        )
        found = images[0].guide
        assert found is not None
        np.testing.assert_array_equal(found, to_channels(guide, channels=channels))
        assert found.dtype == np.uint16


def test_whole_images_bring_theirs(root: Path) -> None:
    data = guided(root, scale=4)
    data.setup("fit")
    for batch in data.val_dataloader():
        ready = data.on_after_batch_transfer(batch, 0)
        assert ready["gt"].shape == (1, 1, 64, 80), "cropped to a multiple of the scale"
        assert torch.equal(ready["guide"][:, 1:2], ready["gt"])


def test_nobody_asks_and_nobody_looks(root: Path) -> None:
    """Photographs with a folder of that name beside them are photographs."""
    data = guided(root, guide_channels=0)
    assert set(batches(data)[0]) == {"position", "gt", "lq"}


def test_colours_change_places_in_the_image_only(tmp_path: Path) -> None:
    for number in range(3):
        image = pixels(40, 40, seed=number)
        write_png(tmp_path / "HR" / f"{number}.png", image)
        write_png(tmp_path / "guide" / f"{number}.png", image)
    data = guided(tmp_path, channels=3, augment=Augmentation(permute_rgb=1.0))
    for batch in batches(data):
        assert not torch.equal(batch["guide"], batch["gt"])
        torch.testing.assert_close(batch["guide"].sum(1), batch["gt"].sum(1))


def test_real_small_images_beside_guides(root: Path, tmp_path: Path) -> None:
    for path in sorted((root / "HR").iterdir()):
        (tmp_path / "HR").mkdir(exist_ok=True)
        (tmp_path / "HR" / path.name).write_bytes(path.read_bytes())
        (tmp_path / "guide").mkdir(exist_ok=True)
        (tmp_path / "guide" / path.name).write_bytes((root / "guide" / path.name).read_bytes())
        write_png(tmp_path / "LR" / "x2" / path.name, np.full((33, 40, 1), 77, np.uint8))
    batch = batches(guided(tmp_path, degradation=Bicubic(scale=2, quantise=True)))[0]
    assert torch.equal(batch["guide"][:, 1:2], batch["gt"])
    torch.testing.assert_close(batch["lq"], torch.full((4, 1, 8, 8), 77 / 255))


@pytest.mark.parametrize("size", [(66, 80), (65, 81), (33, 40)])
def test_a_guide_that_changed_its_size(root: Path, tmp_path: Path, size: tuple[int, int]) -> None:
    """After the headers were checked, too."""
    write_png(tmp_path / "HR" / "a.png", pixels(66, 81, channels=1))
    write_png(tmp_path / "guide" / "a.png", pixels(66, 81))
    (item,) = Folder(root=str(tmp_path), scale=2).items()
    images = Images([item], scale=2, channels=1, spoil=None, guide_channels=3)
    write_png(tmp_path / "guide" / "a.png", pixels(*size))
    told = f"a.png is {size[0]}x{size[1]} (height x width), but {item.gt}, which it guides, is 66x81"
    with pytest.raises(ValueError, match=re.escape(told)):
        images[0]


def test_sets_that_have_no_room_for_a_guide(root: Path, tmp_path: Path) -> None:
    from sr_experiments.data.shards import Sharded

    with pytest.raises(ValueError, match="guide_channels=3 does not go together with a set in shards"):
        module(
            train=Sharded(url=str(tmp_path)),
            val=Folder(root=str(root), scale=4),
            guide_channels=3,
            channels=1,
            cache="auto",
        )


def test_guides_do_not_change_the_image(root: Path) -> None:
    """The same crops with and without: what is compared is what was compared."""
    given, none = (batches(guided(root, guide_channels=channels)) for channels in (3, 0))
    for one, other in zip(given, none, strict=True):
        assert all(torch.equal(one[key], other[key]) for key in other)


def test_lq_is_matlabs(root: Path) -> None:
    data = guided(root, degradation=Bicubic(scale=2, quantise=True))
    data.setup("fit")
    pair = data.library["val"][0]
    assert pair.lq is not None
    expected = imresize_uint8(torch.from_numpy(pair.gt[:, :, 0])[None, None], size=(33, 40))
    np.testing.assert_array_equal(pair.lq[:, :, 0], expected[0, 0].numpy())
