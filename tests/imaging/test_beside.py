"""A file is there whole or not at all, and nothing is left of what was being written."""

import os
from pathlib import Path

import pytest

from sr_experiments.imaging.beside import beside
from sr_experiments.imaging.io import whole_file


def test_it_takes_its_place_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.nii.gz"
    with beside(path, suffix=".nii.gz") as temporary:
        temporary.write_text("all of it", encoding="utf-8")
        assert temporary.parent == path.parent, "on the same disk"
        assert temporary.name.startswith("."), "hidden from whoever lists images"
        assert temporary.name.endswith(".nii.gz"), "for writers that choose by it"
        assert not path.exists()
    assert path.read_text(encoding="utf-8") == "all of it"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_what_fails_leaves_nothing_and_takes_nothing_away(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "a"
    path.write_text("as before", encoding="utf-8")

    def write() -> None:
        with beside(path) as temporary:
            temporary.write_text("half of", encoding="utf-8")
            raise error

    with pytest.raises(type(error)):
        write()
    assert path.read_text(encoding="utf-8") == "as before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_can_not_be_taken(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.mkdir()
    with pytest.raises(OSError, match="directory"), whole_file(path) as stream:
        stream.write(b"all of it")
    assert list(tmp_path.iterdir()) == [path]


def test_others_may_read_it_as_any_new_file(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with whole_file(tmp_path / "a") as stream:
            stream.write(b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640
