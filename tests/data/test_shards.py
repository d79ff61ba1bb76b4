"""Sets in shards: what is read is what was written, from anywhere, in a bounded room, or it is told.

Incidents that were measured in engines for such sets: after a bad checksum the second read handed out the bad
bytes; after a failed download every later read waited for ever; the limit of the cache was broken; a shard
went while it was read.
"""

import importlib.util
import json
import multiprocessing
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
import torch

from sr_experiments.data.choose import choose_sources
from sr_experiments.data.datamodule import SRData
from sr_experiments.data.library import Keeping
from sr_experiments.data.room import alone
from sr_experiments.data.sampler import PositionSampler
from sr_experiments.data.shard_writer import Cut
from sr_experiments.data.shards import Sharded, Shards
from sr_experiments.data.sources import Folder
from sr_experiments.degradations.bicubic import Bicubic
from sr_experiments.imaging.io import read_image
from tests.data.pictures import blind, folder, module, write
from tests.data.test_stream import FORKED, same

SIZE = 40_000  # bytes of a shard, about
TILE = 48


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Ten images of 100 x 72, so about two to a shard and five shards."""
    return folder(tmp_path / "images", "abcdefghij", 100, 72)


def write_shards(images: Path, url: str, *, size: float = SIZE, **options: Any) -> dict[str, Any]:
    data = module(**{"root": str(images), "val_root": str(images), **options})
    data.check("look")
    return data.library.write_shards(url, tile=TILE, size=size)


@pytest.fixture
def remote(images: Path, tmp_path: Path) -> Path:
    write_shards(images, str(tmp_path / "remote"))
    return tmp_path / "remote"


def reading(url: Path | str, cache: Path, **options: Any) -> SRData:
    given: dict[str, Any] = {"window": 1}
    source = Sharded(url=str(url), **{**given, **options.pop("source", {})})
    val = Folder(root=str(cache.parent / "images"), scale=4)
    data = module(train=source, val=val, cache="auto", cache_dir=str(cache), **options)
    data.setup("fit")
    return data


def batches(data: SRData, *, start: int = 0, count: int = 12) -> list[dict[str, Any]]:
    data.steps_per_epoch = count
    loader = data.train_dataloader()
    assert isinstance(loader.batch_sampler, PositionSampler)
    loader.batch_sampler.start = lambda: start
    return [data.on_after_batch_transfer(batch, 0) for batch in loader]


def entry(remote: Path, number: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((remote / "shards.json").read_text())["shards"][number]
    return found


def pixels_of(remote: Path, number: int = 0) -> Path:
    shard = entry(remote, number)
    return remote / shard["name"] / shard["file"]


def shards_of(data: SRData) -> Shards:
    found = data.library["train"]
    assert isinstance(found, Shards)
    return found


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sr_experiments.data.shard_cache._PAUSE", 0.01)
    monkeypatch.setenv("no_proxy", "127.0.0.1")


# ---- what is written is what is read


def test_tiles_put_together_are_the_images_and_lq_is_of_the_whole_image(images: Path, remote: Path) -> None:
    found = shards_of(reading(remote, remote.parent / "cache"))
    gt = {path.stem: np.zeros((100, 72, 3), np.uint8) for path in images.iterdir()}
    lq = {name: np.zeros((25, 18, 3), np.uint8) for name in gt}
    for index, item in enumerate(found.items):
        name, top, left = item.name.split("_")
        pair = found[index]
        assert pair.lq is not None
        for image, tile, y, x in (
            (gt, pair.gt, int(top), int(left)),
            (lq, pair.lq, int(top) // 4, int(left) // 4),
        ):
            image[name][y : y + tile.shape[0], x : x + tile.shape[1]] = tile
    whole = module(root=str(images), val_root=str(images), cache="none")
    whole.setup("fit")
    for number, item in enumerate(whole.library["train"].items):
        pair = whole.library["train"][number]
        np.testing.assert_array_equal(gt[item.name], pair.gt)
        assert pair.lq is not None
        np.testing.assert_array_equal(lq[item.name], pair.lq)


def test_tiles_are_of_about_equal_size_and_begin_at_multiples_of_the_scale() -> None:
    cut = Cut(tile=512, size=1, scale=4)
    assert cut.places(2040) == [(0, 508), (508, 1020), (1020, 1528), (1528, 2040)]
    assert cut.places(512) == [(0, 512)]
    assert cut.places(513) == [(0, 256), (256, 513)]


@FORKED
@pytest.mark.parametrize("workers", [1, 2])
def test_workers_change_nothing(remote: Path, workers: int) -> None:
    reference = batches(reading(remote, remote.parent / "cache", workers=0))
    assert same(reference, batches(reading(remote, remote.parent / "other", workers=workers)))


def test_a_run_that_continues_has_the_batches_of_one_that_did_not_stop(remote: Path) -> None:
    whole = batches(reading(remote, remote.parent / "cache"))
    assert same(whole[7:], batches(reading(remote, remote.parent / "cache"), start=7, count=5))


@pytest.mark.parametrize("stripes", [1, 2])
def test_two_ranks_make_the_batches_of_one_and_each_its_own_stripe(remote: Path, stripes: int) -> None:
    source = {"stripes": stripes}
    whole = reading(remote, remote.parent / "cache", batch_size=4, source=source)
    plan: Any = whole.train_dataloader().dataset
    for batch, joined in enumerate(batches(whole, count=6)):
        halves = [torch.arange(4 * batch + 2 * rank, 4 * batch + 2 * rank + 2) for rank in (0, 1)]
        for rank, positions in enumerate(halves):
            part = whole.finish(plan.__getitems__(positions.tolist()), positions)
            for key in ("gt", "lq"):
                assert torch.equal(part[key], joined[key][2 * rank : 2 * rank + 2])
            names = [entry_of(whole, index) for index in plan.plan.order.images_at(positions).tolist()]
            assert stripes == 1 or {number % 2 for number in names} == {rank}


def entry_of(data: SRData, index: int) -> int:
    return int(shards_of(data)._places(torch.tensor([index]))[0])


def test_a_random_degradation_makes_lq_of_crops(remote: Path) -> None:
    data = reading(remote, remote.parent / "cache", degradation=blind(4))
    for batch in batches(data, count=2):
        expected = data.degradation(batch["gt"], seed=0, positions=batch["position"])
        assert torch.equal(batch["lq"], expected)


def test_16_bit_images_and_pairs(tmp_path: Path) -> None:
    for name in "abcdef":
        write(tmp_path / "gt" / f"{name}.png", 64, 64, deep=True)
        write(tmp_path / "lq" / f"{name}.png", 16, 16, deep=True)
    pairs: dict[str, Any] = {
        "gt": str(tmp_path / "gt"),
        "lq": str(tmp_path / "lq"),
        "root": None,
        "val_root": None,
    }
    made = write_shards(tmp_path, str(tmp_path / "remote"), **pairs)
    assert made["lq"] == "pairs"
    folder(tmp_path / "images", "ab", 64, 64)
    found = shards_of(reading(tmp_path / "remote", tmp_path / "cache"))
    for index, item in enumerate(found.items):
        name, top, left = item.name.split("_")
        y, x = int(top), int(left)
        lq = read_image(tmp_path / "lq" / f"{name}.png")[y // 4 : y // 4 + 8, x // 4 : x // 4 + 8]
        assert found[index].gt.dtype == np.uint16
        np.testing.assert_array_equal(found[index].lq, lq)


# ---- writing


def test_writing_again_writes_what_is_missing_or_was_changed(images: Path, remote: Path) -> None:
    before = [pixels_of(remote, number) for number in range(5)]
    assert write_shards(images, str(remote))["written"] == 0
    pixels_of(remote, 1).unlink()
    (remote / entry(remote, 2)["name"] / "entry.json").write_text("{")
    assert write_shards(images, str(remote))["written"] == 2
    name = entry(remote, 4)["names"][0].split("_")[0]
    write(images / f"{name}.png", 100, 72, seed=99)
    assert write_shards(images, str(remote))["written"] == 1
    after = [pixels_of(remote, number) for number in range(5)]
    assert [old == new for old, new in zip(before, after, strict=True)] == [True, False, False, True, False]
    assert all(path.exists() for path in after)


def test_a_writer_that_is_stopped_goes_on_where_it_was(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, count = str(tmp_path / "remote"), [0]
    put = "sr_experiments.data.shard_writer._put"
    from sr_experiments.data.shard_writer import _put

    def stops(*arguments: Any) -> None:
        count[0] += 1
        if count[0] > 2:
            raise KeyboardInterrupt
        _put(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(put, stops)
        with pytest.raises(KeyboardInterrupt):
            write_shards(images, url)
    assert not (tmp_path / "remote" / "shards.json").exists()
    assert write_shards(images, url)["written"] == 3


@pytest.mark.parametrize(("tile", "size"), [(2, 1e6), (48, 0)])
def test_impossible_cuts_are_refused(images: Path, tmp_path: Path, tile: int, size: float) -> None:
    data = module(root=str(images), val_root=str(images))
    data.check("look")
    with pytest.raises(ValueError, match=rf"task\.tile={tile} and task\.shard_size=.*: at least 4 and 1"):
        data.library.write_shards(str(tmp_path / "remote"), tile=tile, size=size)


# ---- the room on this disk


def cached(cache: Path) -> int:
    """Bytes at one moment: while they are counted none goes and none comes."""
    with alone(cache / "room"):
        return sum(path.stat().st_size for path in cache.glob("*/*.bin"))


def test_the_limit_holds_and_shards_come_again(images: Path) -> None:
    remote, cache = images.parent / "remote", images.parent / "cache"
    assert len(write_shards(images, str(remote), size=1)["shards"]) == 10
    largest = max(entry(remote, number)["bytes"] for number in range(10))
    free = batches(reading(remote, images.parent / "free"), count=40)
    assert cached(images.parent / "free") > 6 * largest
    data = reading(remote, cache, cache_limit=6 * largest)
    most, found = 0, []
    data.steps_per_epoch = 40
    for batch in data.train_dataloader():
        found.append(data.on_after_batch_transfer(batch, 0))
        most = max(most, cached(cache))
    assert same(free, found)
    assert 3 * largest < most <= 6 * largest


def test_a_limit_that_can_not_hold_what_is_needed_at_a_time_is_refused(remote: Path) -> None:
    with pytest.raises(
        OSError, match=r"data\.cache_limit=1000: 1 windows of 1 shards of up to \d+ bytes need"
    ):
        reading(remote, remote.parent / "cache", cache_limit=1000)


def read_all(url: str, cache: str, answers: "multiprocessing.Queue[list[int]]") -> None:
    data = reading(url, Path(cache))
    answers.put([int(batch["gt"].sum() * 255) for batch in batches(data)])


def test_two_runs_at_once_share_what_is_fetched(remote: Path) -> None:
    cache = remote.parent / "cache"
    context = multiprocessing.get_context("spawn")  # a fork of a process with threads may hang
    answers: Any = context.Queue()
    runs = [context.Process(target=read_all, args=(str(remote), str(cache), answers)) for _ in range(2)]
    for run in runs:
        run.start()
    first, second = (answers.get(timeout=60) for _ in runs)
    for run in runs:
        run.join(60)
    expected = [int(batch["gt"].sum() * 255) for batch in batches(reading(remote, remote.parent / "alone"))]
    assert first == second == expected
    assert len(list(cache.glob("*/*.bin"))) == 5


# ---- what goes wrong


def test_a_shard_that_was_changed_where_it_lies_is_told_every_time_until_it_is_mended(remote: Path) -> None:
    path = pixels_of(remote)
    right = path.read_bytes()
    path.write_bytes(bytes([right[0] ^ 1]) + right[1:])
    found = shards_of(reading(remote, remote.parent / "cache"))
    for _ in range(3):
        with pytest.raises(
            OSError, match=r"pixels-.*\.bin could not be fetched in 3 attempts: it is not what"
        ):
            found[0]
    assert cached(remote.parent / "cache") == 0
    path.write_bytes(right)
    assert found[0].gt.shape[2] == 3


@pytest.mark.parametrize("harm", ["cut", "missing", "index cut"])
def test_a_shard_that_is_not_whole_is_told(remote: Path, harm: str) -> None:
    path = pixels_of(remote) if harm != "index cut" else pixels_of(remote).with_name("index.json")
    if harm == "missing":
        path.unlink()
    else:
        os.truncate(path, path.stat().st_size // 2)
    found = shards_of(reading(remote, remote.parent / "cache"))
    for _ in range(2):
        with pytest.raises(
            OSError, match=r"could not be fetched in 3 attempts: (FileNotFoundError|it is not)"
        ):
            found[0]


def test_what_is_damaged_on_this_disk_is_fetched_again(remote: Path) -> None:
    cache = remote.parent / "cache"
    reference = batches(reading(remote, cache))
    for path in cache.glob("*/*.bin"):
        with path.open("r+b") as stream:
            stream.seek(200)
            stream.write(b"\x00" * 3000)
    assert same(reference, batches(reading(remote, cache)))
    shutil.copy(next(iter(cache.glob("*/*.bin"))), cache / "x")
    for path in cache.glob("*/*.bin"):
        os.truncate(path, 100)
    assert same(reference, batches(reading(remote, cache)))


def test_what_a_killed_run_left_is_not_taken(remote: Path) -> None:
    """It had the room and a part of the pixels, but no index."""
    cache = remote.parent / "cache"
    data = reading(remote, cache)
    place = shards_of(data)._cache.folder(entry(remote))
    place.mkdir(parents=True)
    (place / entry(remote)["file"]).write_bytes(bytes(entry(remote)["bytes"]))
    assert same(batches(data), batches(reading(remote, remote.parent / "other")))


def test_what_is_got_ready_beforehand_and_fails_is_told_when_it_is_needed(remote: Path) -> None:
    pixels_of(remote).unlink()
    found = shards_of(reading(remote, remote.parent / "cache"))
    found.expect(torch.arange(len(found)))
    assert found._fetching is not None
    found._fetching.join()
    with pytest.raises(OSError, match="could not be fetched"):
        found[0]


def test_shards_are_got_ready_beforehand(remote: Path) -> None:
    found = shards_of(reading(remote, remote.parent / "cache"))
    found.expect(torch.arange(len(found)))
    assert found._fetching is not None
    found._fetching.join()
    shutil.rmtree(remote)
    assert all(found[index].gt.size for index in range(len(found)))


@contextmanager
def served(root: Path, *, fail: int = 0) -> Iterator[tuple[str, list[str]]]:
    """Over HTTP; the first so many requests of pixels end before they begin."""
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

        def do_GET(self) -> None:
            asked.append(self.path)
            if self.path.endswith(".bin") and sum(path.endswith(".bin") for path in asked) <= fail:
                self.send_error(503)
                return
            super().do_GET()

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(root)))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@FORKED
@pytest.mark.parametrize("workers", [0, 2])
def test_over_http_and_a_server_that_fails_at_first(remote: Path, workers: int) -> None:
    reference = batches(reading(remote, remote.parent / "cache"))
    with served(remote, fail=2) as (url, asked):
        assert same(reference, batches(reading(url, remote.parent / "other", workers=workers)))
        pixels = [path for path in asked if path.endswith(".bin")]
        assert len(pixels) == 2 + len(set(pixels))


def test_a_set_that_is_not_there_is_told(tmp_path: Path) -> None:
    folder(tmp_path / "images", "ab")
    with pytest.raises(ValueError, match=r"nowhere: there is no shards\.json in it, so it is no set"):
        reading(tmp_path / "nowhere", tmp_path / "cache")
    (tmp_path / "shards.json").write_text('{"format": 99, "shards": []}')
    with pytest.raises(
        ValueError, match=r"shards\.json can not be read \(ValueError: format 99 with 0 shards"
    ):
        reading(tmp_path, tmp_path / "cache")


def test_a_file_system_that_is_not_installed_names_what_to_install(tmp_path: Path) -> None:
    if importlib.util.find_spec("s3fs") is not None:
        pytest.skip("s3fs is installed")
    folder(tmp_path / "images", "ab")
    with pytest.raises(ValueError, match=r'pip install "sr-experiments\[streaming\]"'):
        reading("s3://bucket/folder", tmp_path / "cache")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channels": 1}, "holds images of 3 channels, but channels=1"),
        ({"scale": 2, "patch_size": 16}, "at x4, this run needs those of Bicubic(scale=2, "),
        ({"patch_size": 64}, "holds images of 32 pixels, smaller than data.patch_size=64"),
        (
            {"source": {"stripes": 3}},
            "data.train.stripes=3 must divide the samples of all devices and one step (4)",
        ),
        ({"source": {"stripes": 4}, "batch_size": 4}, None),
        ({"scales": [2, 4]}, "a set in shards is neither kept in memory nor trained at several scales"),
        ({"cache": "device"}, "a set in shards is neither kept in memory nor trained at several scales"),
        ({"source": {"window": 0}}, "Sharded: window=0 and stripes=1 must be 1 or more"),
    ],
)
def test_what_does_not_fit_is_refused(remote: Path, options: dict[str, Any], message: str | None) -> None:
    given = dict(options)
    source = given.pop("source", {})

    def opened() -> None:
        data = module(
            train=Sharded(url=str(remote), **source),
            val=Folder(root=str(remote.parent / "images"), scale=4),
            **{"cache": "auto", "cache_dir": str(remote.parent / "cache"), **given},
        )
        data.setup("fit")

    if message is None:
        opened()
        return
    with pytest.raises(ValueError, match=re.escape(message)):
        opened()


def test_shards_have_no_validation_images(remote: Path) -> None:
    with pytest.raises(ValueError, match=r"validation images are missing: .* data\.val\.root=FOLDER"):
        choose_sources(
            given=(Sharded(url=str(remote)), None),
            root=None,
            val_root=None,
            pairs=(None, None),
            val_pairs=(None, None),
            held_out=1,
            scale=4,
        )


def test_shards_are_written_from_files_only(remote: Path) -> None:
    data = reading(remote, remote.parent / "cache")
    with pytest.raises(ValueError, match="shards are written from files, of one scale"):
        data.library.write_shards(str(remote.parent / "again"), tile=48, size=1e6)


def test_a_place_says_where_images_are_kept(tmp_path: Path) -> None:
    keeping = Keeping("auto", tmp_path, None, 1, torch.device("cpu"))
    assert keeping.folder == tmp_path
    assert repr(Bicubic(scale=4)) == "Bicubic(scale=4, quantise=auto, border=auto)"
