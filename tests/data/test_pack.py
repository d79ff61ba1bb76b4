"""A file of decoded images is right or it is not there.

Incidents these tests guard against: a cache cut short by a full disk that was read as black images; one of a
builder that was killed; two runs that wrote one file at once; a photograph that was replaced and trained on
as it had been.
"""

import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sr_experiments.data.images import Images, SpoilWhole
from sr_experiments.data.pack import Pack
from sr_experiments.data.sources import Item
from sr_experiments.degradations.bicubic import Bicubic
from tests.conftest import ROOT
from tests.data.pictures import write


@pytest.fixture
def items(tmp_path: Path) -> list[Item]:
    """Colour, grey and 16 bit, of different sizes, and one with an LR file of its own."""
    folder = tmp_path / "images"
    folder.mkdir()
    options: list[dict[str, Any]] = [{}, {"channels": 1}, {"deep": True}, {"height": 33, "width": 47}]
    paths = [write(folder / f"{number}.png", **each) for number, each in enumerate(options)]
    small = write(folder / "small.png", height=32, width=40)
    return [Item(name=path.stem, gt=path) for path in paths] + [Item(name="0", gt=paths[0], lq=small)]


def opened(items: list[Item], *, scale: int = 2) -> Images:
    return Images(items, scale=scale, channels=3, spoil=SpoilWhole(Bicubic(scale=scale)))


def packed(items: list[Item], root: Path, **options: Any) -> Images:
    images = opened(items, **options)
    images.pack(root, needed=1.0)
    return images


def unreadable(path: Path) -> np.ndarray:
    raise AssertionError(f"{path} was decoded again")


def the_pack(root: Path) -> Path:
    (folder,) = root.iterdir()
    return folder


def pixels_of(root: Path) -> Path:
    (path,) = the_pack(root).glob("*.bin")
    return path


def assert_right(images: Images, items: list[Item]) -> None:
    fresh = opened(items)
    for index in range(len(items)):
        ours, theirs = images[index], fresh[index]
        for a, b in ((ours.gt, theirs.gt), (ours.lq, theirs.lq)):
            assert a is not None
            assert b is not None
            assert a.dtype == b.dtype
            assert np.array_equal(a, b)
        assert ours.grey == theirs.grey


def test_it_holds_what_decoding_gives(items: list[Item], tmp_path: Path) -> None:
    images = packed(items, tmp_path / "cache")
    assert images.decoded
    assert_right(images, items)
    first, again = images[0].gt, images[0].gt
    assert np.shares_memory(first, again), "nothing is copied"
    assert_right(pickle.loads(pickle.dumps(images)), items)


def test_the_second_time_nothing_is_decoded(
    items: list[Item], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed(items, tmp_path / "cache")
    with monkeypatch.context() as patch:
        patch.setattr("sr_experiments.data.sources.read_image", unreadable)
        again = packed(items, tmp_path / "cache")
        kept = [again[index].gt.copy() for index in range(len(items))]
    assert_right(again, items)
    assert len(kept) == len(items)


def test_a_file_that_changes_is_decoded_again(items: list[Item], tmp_path: Path) -> None:
    packed(items, tmp_path / "cache")
    before = pixels_of(tmp_path / "cache")
    write(items[1].gt, seed=77, channels=1)
    assert_right(packed(items, tmp_path / "cache"), items)
    assert pixels_of(tmp_path / "cache") != before, "the old pixels are gone"


def test_other_settings_have_a_pack_of_their_own(items: list[Item], tmp_path: Path) -> None:
    alone = items[:4]
    packed(alone, tmp_path / "cache")
    packed(alone, tmp_path / "cache", scale=4)
    other = Images(alone, scale=2, channels=3, spoil=SpoilWhole(Bicubic(scale=2, border="symmetric")))
    other.pack(tmp_path / "cache", needed=1.0)
    assert len(list((tmp_path / "cache").iterdir())) == 3
    assert_right(packed(alone, tmp_path / "cache"), alone)


@pytest.mark.parametrize("harm", ["cut", "longer", "no index", "index cut", "index changed"])
def test_what_is_not_whole_is_made_again(items: list[Item], tmp_path: Path, harm: str) -> None:
    packed(items, tmp_path / "cache")
    pixels, index = pixels_of(tmp_path / "cache"), the_pack(tmp_path / "cache") / "index.json"
    if harm in ("cut", "longer"):
        os.truncate(pixels, pixels.stat().st_size + (1 if harm == "longer" else -5000))
    elif harm == "no index":
        index.unlink()
    elif harm == "index cut":
        os.truncate(index, index.stat().st_size // 2)
    else:
        index.write_text(index.read_text().replace("|u1", "|i1"))
    with pytest.raises(ValueError, match=r"is no(t whole| pack)"):
        Pack(the_pack(tmp_path / "cache"))
    assert_right(packed(items, tmp_path / "cache"), items)


def test_changed_pixels_are_noticed_when_they_are_read(items: list[Item], tmp_path: Path) -> None:
    packed(items, tmp_path / "cache")
    path = pixels_of(tmp_path / "cache")
    with path.open("r+b") as stream:
        stream.seek(100)
        stream.write(b"\x00\x01\x02")
    images = packed(items, tmp_path / "cache")
    with pytest.raises(ValueError, match="was changed: remove"):
        images[0]
    assert images[1].grey


BUILDER = """
import sys, time
from pathlib import Path
import sr_experiments.data.sources as sources
from tests.data.test_pack import packed
from sr_experiments.data.sources import Item
folder, cache, marks, pause = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), float(sys.argv[4])
read = sources.read_image
def slowly(path):
    with marks.open("a") as stream:
        stream.write(f"{path.stem}\\n")
    time.sleep(pause)
    return read(path)
sources.read_image = slowly
packed([Item(name=path.stem, gt=path) for path in sorted(folder.glob("?.png"))], cache)
""".replace("\\\\n", "\\n")


def builder(tmp_path: Path, *, pause: float) -> "subprocess.Popen[bytes]":
    arguments = [str(tmp_path / name) for name in ("images", "cache", "marks")]
    return subprocess.Popen([sys.executable, "-c", BUILDER, *arguments, str(pause)], cwd=ROOT)


def test_a_killed_builder_leaves_nothing_that_is_taken(items: list[Item], tmp_path: Path) -> None:
    with builder(tmp_path, pause=3) as process:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob("cache/*/*.tmp")):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    assert list(tmp_path.glob("cache/*/*.tmp"))
    assert_right(packed(items[:4], tmp_path / "cache"), items[:4])
    assert not list(tmp_path.glob("cache/*/*.tmp")), "what it left is cleared away"


def test_of_two_builders_at_once_one_waits_for_the_other(items: list[Item], tmp_path: Path) -> None:
    with builder(tmp_path, pause=0.5) as first, builder(tmp_path, pause=0.5) as second:
        assert first.wait(60) == second.wait(60) == 0
    assert sorted((tmp_path / "marks").read_text().split()) == ["0", "1", "2", "3"], "each decoded once"
    assert_right(packed(items[:4], tmp_path / "cache"), items[:4])


def test_a_disk_that_is_full_is_told_and_leaves_nothing(
    items: list[Item], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(stream: Any, array: Any) -> None:
        raise OSError(28, "No space left on device", "pixels")

    with monkeypatch.context() as patch:
        patch.setattr("sr_experiments.data.pack._written", full)
        with pytest.raises(OSError, match="No space left on device"):
            packed(items, tmp_path / "cache")
    assert sorted(path.name for path in the_pack(tmp_path / "cache").iterdir()) == ["lock", "used"]
    assert_right(packed(items, tmp_path / "cache"), items)


LIMITED = """
import resource, signal, sys
from pathlib import Path
from tests.data.test_pack import packed
from sr_experiments.data.sources import Item
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))
folder, cache = Path(sys.argv[1]), Path(sys.argv[2])
try:
    packed([Item(name=path.stem, gt=path) for path in sorted(folder.glob("?.png"))], cache)
except OSError as error:
    sys.exit(f"told: {error.strerror}")
"""


def test_the_system_really_refuses_to_write_more(items: list[Item], tmp_path: Path) -> None:
    """A limit on the size of files stands for a full disk: the write fails in the middle of an image."""
    arguments = [str(tmp_path / name) for name in ("images", "cache")]
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, *arguments], cwd=ROOT, capture_output=True, text=True
    )
    assert done.stderr.strip().endswith("told: File too large")
    assert sorted(path.name for path in the_pack(tmp_path / "cache").iterdir()) == ["lock", "used"]
    assert_right(packed(items[:4], tmp_path / "cache"), items[:4])


def test_the_room_is_looked_at_before_anything_is_written(
    items: list[Item], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "sr_experiments.data.room.shutil.disk_usage", lambda path: SimpleNamespace(free=2_000_000)
    )
    with pytest.raises(
        OSError, match=r"take 5 MB; .* may hold 1 MB and the disk has 2 MB left: raise data.cache_limit="
    ):
        opened(items).pack(tmp_path / "cache", needed=5e6)


def test_a_file_that_can_not_be_read_is_named_and_nothing_stays(items: list[Item], tmp_path: Path) -> None:
    items[2].gt.write_bytes(items[2].gt.read_bytes()[:200])
    with pytest.raises(ValueError, match=r"2\.png"):
        packed(items, tmp_path / "cache")
    assert not list(tmp_path.glob("cache/*/*.bin"))
