"""What is done to both crops of a sample: against what is read, computed anew and without the program."""

import itertools
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from sr_experiments.data.augment import PERMUTATIONS, Augmentation
from sr_experiments.data.datamodule import SRData
from sr_experiments.data.finish import MARGIN, _turned_here, _turned_there
from sr_experiments.degradations.bicubic import Bicubic
from sr_experiments.imaging.io import read_image, to_tensor
from sr_experiments.imaging.ledger import Ledger
from sr_experiments.imaging.random import Draw
from sr_experiments.imaging.resize import imresize
from tests.data.pictures import STILL, blind, folder, module, write

POSITIONS = torch.arange(40, 64)


def still(**options: Any) -> Augmentation:
    return Augmentation(flip=False, rotate=False, **options)


def opened(augment: Augmentation, **options: Any) -> SRData:
    data = module(augment=augment, **options)
    data.setup("fit")
    return data


def made(data: SRData, positions: Tensor = POSITIONS, ledger: Ledger | None = None) -> dict[str, Tensor]:
    dataset: Any = data.train_dataloader().dataset
    return data.finish(dataset.__getitems__(positions.tolist()), positions, ledger=ledger)


def levels(image: Tensor) -> Tensor:
    return (image * 255).round().int()


# ---- the size of crops


@pytest.mark.parametrize("factor", [0.5, 1.5, 2.0])
def test_a_crop_of_another_size_is_brought_to_the_patch_by_matlabs_rule(
    tmp_path: Path, factor: float
) -> None:
    """The image is just as large as the crop, so that the whole image can be shrunk for comparison."""
    patch, scale = 32, 2
    whole = patch + 2 * MARGIN * scale
    for name in "abcdef":
        write(tmp_path / f"{name}.png", int(whole * factor), int(whole * factor))
    augment = still(crop_scale=(factor, factor))
    data = opened(augment, root=str(tmp_path), scale=scale, patch_size=patch if factor > 1 else 8)
    if factor < 1:  # the image holds no crop that is larger than itself
        assert made(data)["gt"].shape[-1] == 8
        return
    ledger = Ledger()
    batch = made(data, ledger=ledger)
    for row, page in enumerate(ledger.pages):
        image = read_image(data.library["train"].items[int(page["image"])].gt)
        resized = imresize(torch.from_numpy(image).double().permute(2, 0, 1), size=(whole, whole))
        gt = resized.clamp(0, 255).add(0.5).floor().to(torch.uint8)[None]
        lq = Bicubic(scale=scale)(gt, seed=0, positions=torch.zeros(1, dtype=torch.int64))
        inside = slice(MARGIN, -MARGIN)
        border = slice(MARGIN * scale, -MARGIN * scale)
        # In float32 a value near a half may round the other way.
        assert (levels(batch["gt"][row]) - gt[0, :, border, border].int()).abs().max() <= 1
        assert (levels(batch["lq"][row]) - lq[0, :, inside, inside].int()).abs().max() <= 1
        assert (levels(batch["gt"][row]) != gt[0, :, border, border].int()).float().mean() < 1e-3


def test_every_size_of_the_range_is_as_likely_and_comes_from_anywhere() -> None:
    ledger = Ledger()
    data = opened(still(crop_scale=(1, 2)), scale=4, patch_size=32)  # 8 and 2 x 2 of margin: 12 to 24
    made(data, torch.arange(1000), ledger)
    sides = [int(page["side"]) for page in ledger.pages]
    assert set(sides) == set(range(12, 25))
    assert stats.chisquare(np.bincount(sides)[12:]).pvalue > 0.01


def test_crops_are_no_larger_than_their_image(tmp_path: Path) -> None:
    data = opened(
        still(crop_scale=(1, 8)), root=str(folder(tmp_path, "abcdef", 48, 64)), scale=2, patch_size=16
    )
    ledger = Ledger()
    made(data, torch.arange(200), ledger)
    assert max(int(page["side"]) for page in ledger.pages) == 24


def test_pairs_are_resized_together(tmp_path: Path) -> None:
    for name in "abcdef":
        write(tmp_path / "gt" / f"{name}.png", 64, 64)
        write(tmp_path / "lq" / f"{name}.png", 16, 16)
    augment = still(crop_scale=(2, 2))
    data = opened(augment, gt=str(tmp_path / "gt"), lq=str(tmp_path / "lq"), patch_size=32)
    ledger = Ledger()
    batch = made(data, ledger=ledger)
    for row, page in enumerate(ledger.pages):
        item = data.library["train"].items[int(page["image"])]
        for key, path, side in (("gt", item.gt, 32), ("lq", item.lq, 8)):
            assert path is not None
            exact = imresize(to_tensor(read_image(path)).double(), size=(side, side)).clamp(0, 1)
            assert torch.allclose(batch[key][row].double(), exact, atol=0.5001 / 255)


# ---- channels


def test_channels_change_places_in_both() -> None:
    ledger = Ledger()
    positions = torch.arange(400)
    plain = made(opened(STILL), positions)
    batch = made(opened(still(permute_rgb=0.5)), positions, ledger)
    names = ["".join("rgb"[channel] for channel in order) for order in PERMUTATIONS]
    for row, page in enumerate(ledger.pages):
        order = list(PERMUTATIONS[names.index(str(page["channels"]))])
        for key in ("gt", "lq"):
            assert torch.equal(batch[key][row], plain[key][row, order])
    found = [names.index(str(page["channels"])) for page in ledger.pages]
    assert stats.binomtest(len(found) - found.count(0), len(found), 0.5).pvalue > 0.01
    assert stats.chisquare([found.count(number) for number in range(1, 6)]).pvalue > 0.01


# ---- two samples in one


def partners(data: SRData, pages: list[dict[str, Any]]) -> dict[str, Tensor]:
    """The second crops, read by what the ledger says."""
    images = data.library["train"]
    pairs = [(images[int(page["partner/image"])], page) for page in pages]
    found: dict[str, list[Tensor]] = {"gt": [], "lq": []}
    for pair, page in pairs:
        for key, image, scale in (("gt", pair.gt, data.scale), ("lq", pair.lq, 1)):
            assert image is not None
            side = data.patch_size // data.scale * scale
            top, left = (int(page[f"partner/{name}"]) * scale for name in ("top", "left"))
            found[key].append(to_tensor(image[top : top + side, left : left + side]))
    return {key: torch.stack(crops) for key, crops in found.items()}


def test_mixup() -> None:
    positions = torch.arange(600)
    ledger = Ledger()
    data = opened(still(mixup=0.5))
    batch, plain = made(data, positions, ledger), made(opened(STILL), positions)
    rows = [row for row, page in enumerate(ledger.pages) if page["mix"] == "mixup"]
    assert stats.binomtest(len(rows), len(positions), 0.5).pvalue > 0.01
    share = torch.tensor([float(ledger.pages[row]["mixup"]) for row in rows])
    many, _ = data.augment.mix(Draw(0, torch.arange(20_000)), side=1)
    assert stats.kstest(many.flatten(), stats.beta(1.2, 1.2).cdf).pvalue > 0.01
    second = partners(data, [ledger.pages[row] for row in rows])
    share = share[:, None, None, None]
    for key in ("gt", "lq"):
        expected = plain[key][rows] * (1 - share) + second[key] * share
        assert torch.allclose(batch[key][rows], expected, atol=1e-6)
        others = [row for row in range(len(positions)) if row not in set(rows)]
        assert torch.equal(batch[key][others], plain[key][others])


def test_cutmix_puts_the_same_rectangle_into_both() -> None:
    positions = torch.arange(200)
    ledger = Ledger()
    data = opened(still(cutmix=1.0, cut_size=(0.25, 0.75)))
    batch, plain = made(data, positions, ledger), made(opened(STILL), positions)
    second = partners(data, ledger.pages)
    assert {int(page["cutmix/height"]) for page in ledger.pages} == {2, 3, 4, 5, 6}
    for row, page in enumerate(ledger.pages):
        inside = torch.zeros(8, 8, dtype=torch.bool)
        top, left = int(page["cutmix/start of height"]), int(page["cutmix/start of width"])
        inside[top : top + int(page["cutmix/height"]), left : left + int(page["cutmix/width"])] = True
        assert int(inside.sum()) == int(page["cutmix/height"]) * int(page["cutmix/width"])
        for key, mask in (("lq", inside), ("gt", inside.repeat_interleave(4, 0).repeat_interleave(4, 1))):
            assert torch.equal(batch[key][row], torch.where(mask, second[key][row], plain[key][row]))


def test_mixing_comes_before_a_random_degradation() -> None:
    """So that both halves are spoilt alike, as one photograph would be."""
    data = opened(still(mixup=1.0), degradation=blind(4))
    batch = made(data)
    assert torch.equal(batch["lq"], data.degradation(batch["gt"], seed=0, positions=POSITIONS))


# ---- CutBlur


def test_cutblur_leaves_a_part_unspoilt() -> None:
    """Where lq is smaller than gt, what is pasted is gt shrunk by MATLAB's rule (the paper enlarges lq)."""
    positions = torch.arange(200)
    ledger = Ledger()
    data = opened(still(cutblur=0.5, cut_size=(0.5, 0.5)), degradation=blind(4))
    batch, plain = made(data, positions, ledger), made(opened(STILL, degradation=blind(4)), positions)
    assert torch.equal(batch["gt"], plain["gt"])
    clean = Bicubic(scale=4)(batch["gt"], seed=0, positions=positions)
    rows = [row for row, page in enumerate(ledger.pages) if page["cutblur"]]
    assert stats.binomtest(len(rows), len(positions), 0.5).pvalue > 0.01
    outside = [row for row in rows if ledger.pages[row]["cutblur/outside"]]
    assert stats.binomtest(len(outside), len(rows), 0.5).pvalue > 0.01
    for row, page in enumerate(ledger.pages):
        here = torch.zeros(8, 8, dtype=torch.bool)
        if row in rows:
            top, left = int(page["cutblur/start of height"]), int(page["cutblur/start of width"])
            here[top : top + 4, left : left + 4] = True
            here ^= bool(page["cutblur/outside"])
        assert torch.equal(batch["lq"][row], torch.where(here, clean[row], plain["lq"][row]))


def test_cutblur_of_enlarged_images_pastes_gt_itself() -> None:
    data = opened(still(cutblur=1.0), scales=[2, 4], scale=2, patch_size=20)
    batch, plain = made(data), made(opened(STILL, scales=[2, 4], scale=2, patch_size=20))
    here = (batch["enlarged"] == batch["gt"]).all(dim=1)
    there = (batch["enlarged"] == plain["enlarged"]).all(dim=1)
    assert bool((here | there).all())
    shares = here.float().mean(dim=(1, 2))
    assert set((shares * 400).round().int().tolist()) >= {14 * 14, 400 - 14 * 14}


# ---- together


EVERYTHING: dict[str, Any] = {
    "crop_scale": (0.75, 2),
    "permute_rgb": 0.5,
    "mixup": 0.3,
    "cutmix": 0.3,
    "cut_size": (0.2, 0.8),
}


@pytest.mark.parametrize("degradation", ["fixed", "random"])
def test_a_sample_is_the_same_in_any_batch(degradation: str) -> None:
    options: dict[str, Any] = {} if degradation == "fixed" else {"degradation": blind(4)}
    augment = Augmentation(**EVERYTHING, cutblur=0.0 if degradation == "fixed" else 0.5)
    data = opened(augment, **options)
    whole = made(data)
    assert whole["gt"].shape == (24, 3, 32, 32)
    assert whole["lq"].shape == (24, 3, 8, 8)
    halves = [made(data, part) for part in POSITIONS.split([10, 14])]
    alone = [made(data, part) for part in POSITIONS.split(1)]
    for key in ("gt", "lq"):
        assert torch.equal(torch.cat([half[key] for half in halves]), whole[key])
        assert torch.equal(torch.cat([one[key] for one in alone]), whole[key])


def test_what_the_ledger_says_makes_the_sample_again() -> None:
    """Of another seed and position: all that is left to them is fields of noise, of which there are none."""
    augment = Augmentation(**EVERYTHING)
    ledger = Ledger()
    first = opened(augment, cache="device")
    batch = first.finish({}, POSITIONS, ledger=ledger)
    other = opened(augment, cache="device", seed=9)
    again = other.finish({}, POSITIONS + 1000, ledger=Ledger(ledger.pages))
    for key in ("gt", "lq"):
        assert torch.equal(batch[key], again[key])
    assert not torch.equal(batch["gt"], other.finish({}, POSITIONS + 1000)["gt"])


def test_a_prescribed_crop_must_lie_in_its_image() -> None:
    data = opened(STILL, cache="device")
    with pytest.raises(ValueError, match=r"^a prescribed crop does not lie in its image$"):
        data.finish({}, POSITIONS[:1], ledger=Ledger([{"top": 10_000}]))


def test_16_bit_images_keep_their_levels(tmp_path: Path) -> None:
    for name in "abcdef":
        write(tmp_path / f"{name}.png", 64, 64, deep=True)
    batch = made(opened(Augmentation(crop_scale=(1, 1.5)), root=str(tmp_path), scale=2, patch_size=24))
    for key in ("gt", "lq"):
        in_levels = batch[key].double() * 65535
        assert torch.allclose(in_levels, in_levels.round(), atol=0.01)
        assert not torch.allclose(in_levels / 257, (in_levels / 257).round(), atol=0.01)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mixup": 1.5}, "data.augment.mixup=1.5 is a probability and must be from 0 to 1"),
        ({"permute_rgb": -0.5}, "data.augment.permute_rgb=-0.5 is a probability and must be from 0 to 1"),
        ({"mixup": 0.6, "cutmix": 0.6}, "data.augment.mixup=0.6 and cutmix=0.6: a sample gets one of them"),
        ({"mixup_alpha": 0.0}, "data.augment.mixup_alpha=0.0 must be more than 0"),
        ({"crop_scale": (2, 1)}, "data.augment.crop_scale=[2, 1] must be two numbers [low, high]"),
        ({"crop_scale": (0, 1)}, "data.augment.crop_scale=[0, 1] must be two numbers [low, high]"),
        ({"cut_size": (0.5,)}, "data.augment.cut_size=[0.5] must be two numbers [low, high]"),
    ],
)
def test_impossible_values_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        Augmentation(**options)


@pytest.mark.parametrize(
    ("augment", "options", "message"),
    [
        ({"permute_rgb": 0.5}, {"channels": 1}, "data.augment.permute_rgb=0.5 needs channels=3"),
        ({"crop_scale": (1, 2)}, {"scales": [2, 4]}, "leave data.augment.crop_scale=null"),
        ({"cutblur": 0.5}, {}, "data.augment.cutblur pastes what degradation=bicubic makes"),
    ],
)
def test_what_would_do_nothing_is_refused(
    augment: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        module(augment=Augmentation(**augment), **options)


def test_orientations_do_not_depend_on_other_augmentations() -> None:
    draw = Draw(0, POSITIONS)
    plain, full = Augmentation(), Augmentation(**EVERYTHING)
    assert torch.equal(plain.orientations(draw), full.orientations(draw))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.float32])
def test_a_cpu_turns_as_a_gpu_does(dtype: torch.dtype) -> None:
    """By numpy in one go, or by torch; to the bit, and as the words of `orientations` say."""
    codes = torch.tensor(list(itertools.product((0, 1), repeat=3)))
    read = torch.rand(8, 5, 5, 3)
    if not dtype.is_floating_point:
        read = (read * torch.iinfo(dtype).max).round().to(dtype)
    image = read.permute(0, 3, 1, 2)
    turned = _turned_here(image, codes)
    assert torch.equal(turned, _turned_there(image, codes))
    white = 1.0 if dtype.is_floating_point else float(torch.iinfo(dtype).max)
    for number, (horizontal, vertical, quarter) in enumerate(codes.tolist()):
        expected = read[number].numpy().astype(np.float32) / np.float32(white)
        expected = np.fliplr(expected) if horizontal else expected
        expected = np.flipud(expected) if vertical else expected
        expected = np.rot90(expected, quarter)
        np.testing.assert_array_equal(turned[number].permute(1, 2, 0).numpy(), expected)
