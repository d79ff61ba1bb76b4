"""What is decoded, what is kept in memory, and what is said about files that cannot be used."""

import logging
import os
import pickle
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from sr_experiments.data.headers import inspect
from sr_experiments.data.images import EVALUATION_SEED, Images, SpoilWhole
from sr_experiments.data.memory import UNKNOWN, choose_cache, free_bytes, readable
from sr_experiments.data.sources import Folder, Item
from sr_experiments.data.threads import cores
from sr_experiments.degradations.base import Degradation
from sr_experiments.degradations.bicubic import Bicubic
from sr_experiments.imaging.io import read_image
from sr_experiments.imaging.random import name_position
from sr_experiments.imaging.resize import imresize, imresize_uint8
from tests.conftest import benchmark_dir
from tests.data.pictures import blind, cut_short, pixels, save, write


def item(path: Path, lq: Path | None = None) -> Item:
    return Item(name=path.stem, gt=path, lq=lq)


def opened(*items: Item, scale: int = 2, channels: int = 3, degradation: Degradation | None = None) -> Images:
    spoil = SpoilWhole(degradation or Bicubic(scale=scale))
    return Images(items, scale=scale, channels=channels, spoil=spoil)


def shrunk(gt: np.ndarray, scale: int) -> np.ndarray:
    small = imresize_uint8(torch.from_numpy(gt).permute(2, 0, 1), scale=1 / scale)
    return small.permute(1, 2, 0).numpy()


def shrunk_in_double(luma: np.ndarray, scale: int) -> np.ndarray:
    """What luma nets are given: not rounded."""
    return imresize(torch.from_numpy(luma[..., 0]), scale=1 / scale).numpy()


# ---- pixels


def test_gt_is_cropped_at_the_bottom_and_right_and_lq_is_made_of_the_whole(tmp_path: Path) -> None:
    path = write(tmp_path / "a.png", 31, 46)
    pair = opened(item(path), scale=4)[0]
    assert pair.lq is not None
    whole = read_image(path)
    np.testing.assert_array_equal(pair.gt, whole[:28, :44])
    np.testing.assert_array_equal(pair.lq, shrunk(whole[:28, :44], 4))
    assert not pair.grey


def test_a_published_lr_is_taken_as_it_is(tmp_path: Path) -> None:
    gt, lq = write(tmp_path / "HR" / "a.png", 32, 32), write(tmp_path / "LR" / "x2" / "a.png", 16, 16)
    pair = opened(*Folder(root=str(tmp_path), scale=2).items())[0]
    np.testing.assert_array_equal(pair.lq, read_image(lq))
    np.testing.assert_array_equal(pair.gt, read_image(gt))


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_ours_equals_the_published_lr_of_set5(scale: int) -> None:
    items = Folder(root=str(benchmark_dir("Set5")), scale=scale).items()
    published = opened(*items, scale=scale)
    ours = opened(*(item(entry.gt) for entry in items), scale=scale)
    for index, entry in enumerate(items):
        assert entry.lq is not None
        np.testing.assert_array_equal(published[index].lq, ours[index].lq)
        np.testing.assert_array_equal(published[index].gt, ours[index].gt)


@pytest.mark.parametrize("options", [("png", {}), ("bmp", {}), ("tif", {}), ("webp", {"lossless": True})])
@pytest.mark.parametrize("channels", [1, 3])
def test_lossless_kinds_of_files(tmp_path: Path, options: tuple[str, dict[str, bool]], channels: int) -> None:
    suffix, arguments = options
    image = pixels(16, 20, channels=channels)
    path = save(tmp_path / f"a.{suffix}", image, **arguments)
    expected = np.repeat(image, 3, axis=2) if channels == 1 else image
    pair = opened(item(path))[0]
    np.testing.assert_array_equal(pair.gt, expected)
    assert pair.grey == (channels == 1 and suffix != "webp")  # a WebP is always RGB


@pytest.mark.parametrize("channels", [1, 3])
def test_16_bit_files_stay_16_bit(tmp_path: Path, channels: int) -> None:
    path = write(tmp_path / "a.png", 16, 20, channels=channels, deep=True)
    pair = opened(item(path), channels=channels)[0]
    assert pair.lq is not None
    assert pair.gt.dtype == np.uint16
    if channels == 3:
        assert pair.lq.dtype == np.uint16
        np.testing.assert_array_equal(pair.lq, shrunk(pair.gt, 2))
    else:
        np.testing.assert_allclose(pair.lq[..., 0], shrunk_in_double(pair.gt / 65535, 2), atol=1e-7)


def test_jpeg(tmp_path: Path) -> None:
    path = save(tmp_path / "a.jpg", pixels(16, 20))
    np.testing.assert_array_equal(opened(item(path))[0].gt, read_image(path))


def test_a_luma_run_spoils_the_luma(tmp_path: Path) -> None:
    path = write(tmp_path / "a.png", 16, 20)
    pair = opened(item(path), channels=1)[0]
    assert pair.lq is not None
    assert pair.gt.shape == (16, 20, 1)
    assert pair.gt.min() >= 16
    np.testing.assert_allclose(pair.lq[..., 0], shrunk_in_double(pair.gt / 255, 2), atol=1e-7)


def test_a_random_degradation_of_a_whole_image_depends_on_its_name_only(tmp_path: Path) -> None:
    """A further image in the folder, or another seed of the run, must not change the test."""
    first, second = write(tmp_path / "a.png"), write(tmp_path / "b.png")
    together = opened(item(first), item(second), degradation=blind(2))
    alone = opened(item(second), degradation=blind(2))
    np.testing.assert_array_equal(together[1].lq, alone[0].lq)
    gt = torch.from_numpy(alone[0].gt).permute(2, 0, 1)[None] / 255.0
    positions = torch.tensor([name_position("b")])
    expected = blind(2)(gt, seed=EVALUATION_SEED, positions=positions)[0]
    assert alone[0].lq is not None
    assert alone[0].lq.dtype == np.float32
    np.testing.assert_array_equal(alone[0].lq, expected.permute(1, 2, 0).numpy())


def test_without_spoiling_there_is_no_lq(tmp_path: Path) -> None:
    images = Images([item(write(tmp_path / "a.png"))], scale=2, channels=3, spoil=None)
    assert images[0].lq is None
    assert images[0].nbytes == 64 * 80 * 3


# ---- memory


def test_filling_reads_every_file_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = [item(write(tmp_path / f"{i}.png")) for i in range(5)]
    images, fresh = opened(*items), opened(*items)
    read: list[Path] = []

    def reading(path: Path) -> np.ndarray:
        read.append(path)
        return read_image(path)

    monkeypatch.setattr("sr_experiments.data.sources.read_image", reading)
    with caplog.at_level(logging.INFO):
        images.fill()
        images.fill()
    assert images.decoded
    assert re.fullmatch(r"decoded 5 images \(96 kB\) in \d+\.\d s", caplog.messages[0])
    assert len(caplog.messages) == 1
    for index in range(5):
        np.testing.assert_array_equal(images[index].gt, images[index].gt)
    assert sorted(read) == sorted(entry.gt for entry in items)
    for index in range(5):
        np.testing.assert_array_equal(images[index].gt, fresh[index].gt)
        np.testing.assert_array_equal(images[index].lq, fresh[index].lq)


def test_every_unreadable_file_is_named(tmp_path: Path) -> None:
    items = [item(write(tmp_path / f"{i}.png")) for i in range(4)]
    cut_short(items[1].gt)
    cut_short(items[3].gt)
    with pytest.raises(ValueError, match="cannot read the image") as caught:
        opened(*items).fill()
    lines = str(caught.value).splitlines()
    assert [line.split(":")[0] for line in lines] == [f"cannot read the image {items[i].gt}" for i in (1, 3)]


def test_a_truncated_file_is_named_when_it_is_read(tmp_path: Path) -> None:
    path = cut_short(write(tmp_path / "a.png"))
    with pytest.raises(ValueError, match=re.escape(f"cannot read the image {path}: ")):
        opened(item(path))[0]


def test_a_file_that_vanishes_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.png")
    images = opened(item(path))
    path.unlink()
    with pytest.raises(FileNotFoundError, match=re.escape(f"there is no image {path}")):
        images[0]
    with pytest.raises(ValueError, match=re.escape(f"there is no image {path}")):
        images.fill()


def test_a_file_of_other_channels_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.png")
    text = f"{path}: an image of 3 channels cannot become one of 5; set channels=3"
    with pytest.raises(ValueError, match=re.escape(text)):
        opened(item(path), channels=5)[0]


def test_a_pair_that_changed_since_the_check_is_named(tmp_path: Path) -> None:
    gt, lq = write(tmp_path / "gt.png", 32, 32), write(tmp_path / "lq.png", 15, 16)
    with pytest.raises(
        ValueError, match=r"lq\.png is 15x16 \(height x width\), but .*gt\.png is 32x32, which needs 16x16"
    ):
        opened(item(gt, lq))[0]


def test_images_can_be_sent_to_another_process(tmp_path: Path) -> None:
    images = opened(item(write(tmp_path / "a.png")), degradation=blind(2))
    copy = pickle.loads(pickle.dumps(images))
    np.testing.assert_array_equal(copy[0].lq, images[0].lq)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1 kB"), (6.94e9, "6.9 GB"), (5e12, "5000.0 GB")],
)
def test_sizes_are_readable(size: float, text: str) -> None:
    assert readable(size) == text


def test_free_memory_is_the_least_of_what_the_system_and_the_container_allow(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:  100 kB\nMemFree:  10 kB\nMemAvailable:  50 kB\n")
    cgroup = tmp_path / "cgroup"
    cgroup.mkdir()
    assert free_bytes(meminfo=meminfo, cgroup=cgroup) == 50 * 1024
    (cgroup / "memory.current").write_text("1000\n")
    (cgroup / "memory.max").write_text("max\n")
    assert free_bytes(meminfo=meminfo, cgroup=cgroup) == 50 * 1024
    (cgroup / "memory.max").write_text("31000\n")
    assert free_bytes(meminfo=meminfo, cgroup=cgroup) == 30000
    (cgroup / "memory.max").write_text("900\n")
    assert free_bytes(meminfo=meminfo, cgroup=cgroup) == 0
    assert 2**20 < free_bytes() < 2**50


def test_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 1 <= cores() <= (os.cpu_count() or 1)
    monkeypatch.delattr("os.sched_getaffinity", raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: None)
    assert cores() == 1


def test_free_memory_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = tmp_path / "nowhere"
    empty = tmp_path / "meminfo"
    empty.write_text("MemTotal:  100 kB\n")
    assert free_bytes(meminfo=empty, cgroup=nowhere) > 2**20
    monkeypatch.setattr("os.sysconf_names", {})
    assert free_bytes(meminfo=nowhere, cgroup=nowhere) == UNKNOWN


def test_a_quarter_of_the_free_memory_is_allowed_and_half_of_the_disk(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def usage(path: Path) -> SimpleNamespace:
        asked.append(path)
        return SimpleNamespace(free=6_000_000)

    monkeypatch.setattr("sr_experiments.data.memory.free_bytes", lambda: 4_000_000)
    monkeypatch.setattr("sr_experiments.data.memory.shutil.disk_usage", usage)
    place = tmp_path / "not" / "there" / "yet"
    assert choose_cache("auto", 1_000_000, place) == "memory"
    assert choose_cache("auto", 1_100_000, place) == "disk"
    assert choose_cache("auto", 3_000_000, place) == "disk"
    assert asked == [tmp_path] * 2
    assert choose_cache("memory", 9_000_000, place) == "memory"
    # To decode very many files at each start takes long, whatever the memory.
    assert choose_cache("auto", 1_000_000, place, files=4999) == "memory"
    assert choose_cache("auto", 1_000_000, place, files=5000) == "disk"
    assert choose_cache("auto", 1_000_000, place, files=5000, limit=900_000) == "memory"
    assert choose_cache("memory", 1_000_000, place, files=5000) == "memory"
    assert not caplog.messages
    assert choose_cache("auto", 3_100_000, place) == "none"
    assert caplog.messages == [
        "images are decoded anew for every crop: they take 3 MB, more than a quarter of the free memory "
        "(4 MB) and half of the free disk (6 MB); data.cache=memory or disk overrules this, data.cache_dir= "
        "names another disk, data.workers=N decodes in more processes"
    ]


# ---- headers


def test_headers_tell_sizes_and_problems_without_decoding(tmp_path: Path) -> None:
    good = item(write(tmp_path / "good.png", 33, 64))
    cut = item(cut_short(write(tmp_path / "cut.png", 64, 64)))  # its header is whole
    small = item(write(tmp_path / "small.png", 31, 64))
    pair = item(write(tmp_path / "gt.png", 41, 60), write(tmp_path / "lq.png", 21, 30))
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG, but no more")
    empty = tmp_path / "empty.png"
    empty.touch()
    every = [good, cut, small, pair, item(broken), item(empty), item(tmp_path / "gone.png")]
    sizes, problems = inspect(every, scale=2, minimum=32, reason="smaller than data.patch_size=32")
    assert sizes == [(33, 64), (64, 64), (31, 64), (41, 60)]
    assert problems == [
        f"{small.gt} is 31x64 (height x width), smaller than data.patch_size=32",
        f"{pair.lq} is 21x30 (height x width), but {pair.gt} is 41x60, which needs 20x30 at scale=2",
        f"cannot read the image {broken}: it is no PNG, JPEG, BMP, WebP or TIFF, or its header is broken",
        f"cannot read the image {empty}: the file is empty",
        f"there is no image {tmp_path / 'gone.png'}",
    ]
