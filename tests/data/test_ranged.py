"""`data.range` and what the files say of themselves."""

import json
from pathlib import Path

import pytest

from sr_experiments.data.ranged import range_of, refuse_other_range
from sr_experiments.data.sources import Folder, Joined, Part
from sr_experiments.imaging.span import Span


def folder(root: Path, text: str) -> Folder:
    root.mkdir()
    (root / "range.json").write_text(text)
    return Folder(root=str(root), scale=2)


def test_it_must_be_that_of_the_files(tmp_path: Path) -> None:
    ct = folder(tmp_path / "ct", json.dumps({"range": [-1024, 3071]}))
    source = Joined(sources=[Part(ct, held_out=1, part="train")])
    refuse_other_range([source, Folder(root=str(tmp_path / "absent"), scale=2)], [-1024, 3071])
    assert range_of(tmp_path / "ct") == Span(-1024, 3071)
    said = r"ct stand for values from -1024 to 3071, and data.range=null: say data.range=\[-1024,3071\]$"
    with pytest.raises(ValueError, match=said):
        refuse_other_range([source], None)
    with pytest.raises(ValueError, match=r"and data.range=\[0, 4095\]: say"):
        refuse_other_range([source, source], [0, 4095])


def test_photographs_have_none(tmp_path: Path) -> None:
    refuse_other_range([Folder(root=str(tmp_path), scale=2)], None)
    refuse_other_range([Folder(root=str(tmp_path), scale=2)], [0, 10000])
    assert range_of(tmp_path) is None


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"range": [1]}', '{"range": "ab"}', '{"range": null}'])
def test_a_broken_note_is_told(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match=r"range.json is not what task=convert writes: .*; convert again"):
        refuse_other_range([folder(tmp_path / "x", text)], None)
