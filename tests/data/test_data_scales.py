"""Training one net for several scales, and what nets that see luma only are given."""

from pathlib import Path

import numpy as np
import pytest
import torch

from sr_experiments.data.demo import Demo
from sr_experiments.data.sources import Folder
from sr_experiments.degradations.bicubic import Bicubic
from sr_experiments.imaging.colour import to_channels
from sr_experiments.imaging.io import read_image
from sr_experiments.imaging.resize import imresize
from tests.conftest import benchmark_dir
from tests.data.pictures import STILL, blind, folder, module


def test_every_image_comes_at_every_scale(tmp_path: Path) -> None:
    data = module(
        train=Folder(root=str(folder(tmp_path, "ab", height=66)), scale=2),
        val=Demo(names=["chelsea"]),
        scales=[2, 3, 4],
        scale=2,
        channels=1,
        patch_size=41,
        augment=STILL,
    )
    data.setup("fit")
    images = data.library["train"]
    assert [item.name for item in images.items] == ["a", "b"] * 3
    for number, scale in enumerate([2, 2, 3, 3, 4, 4]):
        pair = images[number]
        luma = to_channels(read_image(images.items[number].gt), channels=1)
        height, width = (length // scale * scale for length in luma.shape[:2])
        np.testing.assert_array_equal(pair.gt, luma[:height, :width])
        double = torch.from_numpy(pair.gt[..., 0] / 255.0)
        expected = imresize(imresize(double, scale=1 / scale).float().double(), size=(height, width))
        assert pair.lq is not None
        assert pair.lq.dtype == np.float32
        np.testing.assert_allclose(pair.lq[..., 0], expected.numpy(), atol=1e-7)
    batch = data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0)
    assert "lq" not in batch
    assert batch["gt"].shape == batch["enlarged"].shape == (4, 1, 41, 41)
    # Crops lie at the same place: noise that was shrunk and enlarged still correlates with itself.
    for gt, enlarged in zip(batch["gt"], batch["enlarged"], strict=True):
        assert torch.corrcoef(torch.stack([gt.flatten(), enlarged.flatten()]))[0, 1] > 0.15


def test_validation_keeps_the_one_scale() -> None:
    data = module(scales=[2, 3], scale=3, channels=1, patch_size=41)
    data.setup("fit")
    batch = data.on_after_batch_transfer(next(iter(data.val_dataloader())), 0)
    assert batch["gt"].shape[-1] == 3 * batch["lq"].shape[-1]


def test_an_enlarged_crop_needs_the_bicubic_degradation() -> None:
    with pytest.raises(ValueError, match=r"data\.scales enlarges what degradation=bicubic made; choose that"):
        module(scales=[2, 3], degradation=blind(4))
    with pytest.raises(ValueError, match=r"data.scales=\[0, 2\]: each must be 1 or more"):
        module(scales=[0, 2])


def test_luma_nets_get_what_their_papers_shrank() -> None:
    """Rounding the small image to 8 bit, as files are, costs SRCNN and VDSR hundredths of a dB."""
    published = Folder(root=str(benchmark_dir("Set5")), scale=3)
    assert published.items()[0].lq is not None, "there are LR files, of RGB, and they are not what is meant"
    data = module(scale=3, channels=1, test={"set5": published})
    data.setup("test")
    for batch in data.test_dataloader()[0]:
        batch = data.on_after_batch_transfer(batch, 0)
        expected = imresize(batch["gt"].double(), scale=1 / 3)
        torch.testing.assert_close(batch["lq"].double(), expected, rtol=0, atol=1e-7)
        levels = batch["lq"] * 255
        assert (levels - levels.round()).abs().max() > 0.4, "not rounded"


def test_luma_can_be_quantised_like_a_file() -> None:
    data = module(channels=1, degradation=Bicubic(scale=4, quantise=True))
    data.setup("validate")
    batch = data.on_after_batch_transfer(next(iter(data.val_dataloader())), 0)
    levels = batch["lq"] * 255
    torch.testing.assert_close(levels, levels.round(), rtol=0, atol=1e-4)


def test_float_crops_belong_to_their_gt(tmp_path: Path) -> None:
    """Crops of unrounded luma: float32 images used to have no place in a batch of integers."""
    data = module(channels=1, scale=2, patch_size=16)
    data.setup("fit")
    batch = data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0)
    assert batch["lq"].dtype == torch.float32
    inner = imresize(batch["gt"], scale=0.5)[..., 2:-2, 2:-2]
    torch.testing.assert_close(batch["lq"][..., 2:-2, 2:-2], inner, rtol=0, atol=1e-5)
