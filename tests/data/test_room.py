"""Files of decoded images take so much room and no more, and none goes that somebody uses."""

import logging
import os
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from sr_experiments.data.pack import Pack
from sr_experiments.data.room import Claim, make_room
from sr_experiments.data.sources import Item
from tests.data.pictures import write
from tests.data.test_pack import assert_right, opened, the_pack


def filled(root: Path, name: str, size: int, used: float) -> Path:
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "pixels.bin").write_bytes(bytes(size))
    (folder / "index.json").write_text("{}")
    (folder / "used").touch()
    os.utime(folder / "used", (used, used))
    return folder


def left(root: Path) -> list[str]:
    return sorted(path.parent.name for path in root.glob("*/*.bin"))


def test_what_was_not_used_for_longest_makes_room(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name, used in (("a", 3.0), ("b", 1.0), ("c", 2.0)):
        filled(tmp_path, name, 1000, used)
    make_room(tmp_path, needed=500, limit=3500, but=tmp_path / "new")
    assert left(tmp_path) == ["a", "b", "c"]
    with caplog.at_level(logging.INFO):
        make_room(tmp_path, needed=1500, limit=3000, but=tmp_path / "new")
    assert left(tmp_path) == ["a"]
    assert [message.startswith("removed decoded images") for message in caplog.messages] == [True, True]


def test_what_is_in_use_stays(tmp_path: Path) -> None:
    for name, used in (("a", 3.0), ("b", 1.0)):
        filled(tmp_path, name, 1000, used)
    claim = Claim(tmp_path / "b")
    os.utime(tmp_path / "b" / "used", (1.0, 1.0))
    make_room(tmp_path, needed=1000, limit=2000, but=tmp_path / "new")
    assert left(tmp_path) == ["b"]
    expected = "take 2 kB; .* may hold 2 kB, others in use take 1 kB of them and the disk has"
    with pytest.raises(OSError, match=expected):
        make_room(tmp_path, needed=1500, limit=2000, but=tmp_path / "new")
    del claim
    make_room(tmp_path, needed=1500, limit=2000, but=tmp_path / "new")
    assert left(tmp_path) == []


def test_using_a_file_is_remembered(tmp_path: Path) -> None:
    folder = filled(tmp_path, "a", 10, 1.0)
    Claim(folder)
    assert (folder / "used").stat().st_mtime > 1e9


def test_without_a_limit_half_of_the_disk_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sr_experiments.data.room.shutil.disk_usage", lambda path: SimpleNamespace(free=2000))
    make_room(tmp_path, needed=1000, limit=None, but=tmp_path / "new")
    message = f"the decoded images take 1 kB; {tmp_path} may hold 1 kB and the disk has 2 kB left"
    with pytest.raises(OSError, match=re.escape(message)):
        make_room(tmp_path, needed=1001, limit=None, but=tmp_path / "new")


def test_a_pack_that_is_open_is_in_use(tmp_path: Path) -> None:
    items = [Item(name=str(n), gt=write(tmp_path / f"{n}.png", seed=n)) for n in range(3)]
    images = opened(items)
    images.pack(tmp_path / "cache", needed=1.0)
    with pytest.raises(OSError, match=r"others in use take"):
        make_room(tmp_path / "cache", needed=100.0, limit=200.0, but=tmp_path / "new")
    assert_right(images, items)
    folder = the_pack(tmp_path / "cache")
    del images
    make_room(tmp_path / "cache", needed=100.0, limit=200.0, but=tmp_path / "new")
    with pytest.raises(ValueError, match=r"is no pack"):
        Pack(folder)
