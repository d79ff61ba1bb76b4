"""Which files a source lists, and what it says when they are not there."""

import logging
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sr_experiments.data.choose import choose_sources
from sr_experiments.data.demo import PHOTOGRAPHS, Demo
from sr_experiments.data.problems import shortened
from sr_experiments.data.sources import Folder, Item, Joined, Paired, Part, Source
from tests.conftest import benchmark_dir
from tests.data.pictures import folder, write


def names(items: list[Item]) -> list[str]:
    return [item.name for item in items]


# ---- one folder


def test_images_in_the_folder_itself_in_natural_order(tmp_path: Path) -> None:
    folder(tmp_path, ["b10", "b9", "a"])
    (tmp_path / "notes.txt").write_text("no image")
    items = Folder(root=str(tmp_path), scale=4).items()
    assert names(items) == ["a", "b9", "b10"]
    assert [item.gt for item in items] == [tmp_path / f"{name}.png" for name in ("a", "b9", "b10")]
    assert all(item.lq is None for item in items)


@pytest.mark.parametrize("small", ["x4", "X4"])
def test_the_published_tree(tmp_path: Path, small: str) -> None:
    folder(tmp_path / "HR", ["0001", "0002"])
    write(tmp_path / "LR" / small / "0001x4.png")
    write(tmp_path / "LR" / small / "0002.png")
    write(tmp_path / "LR" / small / "0003.png")  # more than is needed does no harm
    items = Folder(root=str(tmp_path), scale=4).items()
    assert names(items) == ["0001", "0002"]
    assert [item.lq.name for item in items if item.lq] == ["0001x4.png", "0002.png"]
    assert all(item.lq is None for item in Folder(root=str(tmp_path), scale=2).items())


def test_images_cropped_for_one_scale(tmp_path: Path) -> None:
    folder(tmp_path / "HR" / "x3", ["a"])
    assert Folder(root=str(tmp_path), scale=3).items()[0].gt == tmp_path / "HR" / "x3" / "a.png"


def test_set5_comes_with_its_lr() -> None:
    items = Folder(root=str(benchmark_dir("Set5")), scale=4, expected=5).items()
    assert names(items) == ["baby", "bird", "butterfly", "head", "woman"]
    assert all(item.lq is not None and item.lq.parent.name == "x4" for item in items)


def test_only_the_first_ones(tmp_path: Path) -> None:
    folder(tmp_path, [f"{i}" for i in range(12)])
    assert names(Folder(root=str(tmp_path), scale=4, limit=3).items()) == ["0", "1", "2"]


def test_another_number_than_was_published_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder(tmp_path, ["a", "b"])
    with caplog.at_level(logging.WARNING):
        Folder(root=str(tmp_path), scale=4, expected=2).items()
        assert not caplog.records
        Folder(root=str(tmp_path), scale=4, expected=5).items()
    assert caplog.messages == [f"{tmp_path} holds 2 images, the published set has 5"]


def test_two_files_of_one_stem_have_names_of_their_own(tmp_path: Path) -> None:
    folder(tmp_path, ["a", "b"])
    (tmp_path / "a.jpg").write_bytes((tmp_path / "a.png").read_bytes())
    assert names(Folder(root=str(tmp_path), scale=4).items()) == ["a.jpg", "a.png", "b"]


def test_a_home_folder_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    folder(tmp_path / "photos", ["a"])
    assert names(Folder(root="~/photos", scale=4).items()) == ["a"]


def test_a_missing_folder_says_what_was_expected_and_what_sets_the_place() -> None:
    with pytest.raises(ValueError, match="the folder data/DIV2K does not exist") as caught:
        Folder(root="data/DIV2K", scale=3).items()
    assert str(caught.value) == (
        "the folder data/DIV2K does not exist\n"
        "Images are read from the folder itself or from HR/ in it, published small ones from LR/x2/, LR/x3/, "
        "... Sets are looked for under data_dir=FOLDER or SR_DATA_DIR, and task=prepare fetches published "
        "ones (data/README.md)"
    )


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    path = write(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"a\.png is a file, not a folder\nImages"):
        Folder(root=str(path), scale=3).items()
    with pytest.raises(ValueError, match=r"a\.png is a file, not a folder; pairs need"):
        Paired(gt=str(path), lq=str(tmp_path), scale=3).items()


@pytest.mark.parametrize("inner", ["", "HR"])
def test_an_empty_folder(tmp_path: Path, inner: str) -> None:
    (tmp_path / inner).mkdir(exist_ok=True)
    (tmp_path / inner / "notes.txt").write_text("no image")
    text = (
        f"the folder {tmp_path / inner} holds no image; these are read: png, jpg, jpeg, bmp, webp, tif, tiff"
    )
    with pytest.raises(ValueError, match=re.escape(text)):
        Folder(root=str(tmp_path), scale=3).items()


def test_a_published_lr_must_be_complete(tmp_path: Path) -> None:
    folder(tmp_path / "HR", [f"{i}" for i in range(13)])
    write(tmp_path / "LR" / "x2" / "0.png")
    with pytest.raises(ValueError, match="no image with the same stem") as caught:
        Folder(root=str(tmp_path), scale=2).items()
    text = str(caught.value)
    assert text.startswith(
        f"no image with the same stem (or the stem and x2) in {tmp_path}/LR/x2 for: {tmp_path}/HR/1.png, "
    )
    assert text.endswith(f"{tmp_path}/HR/10.png, and 2 more")


def test_a_limit_below_one() -> None:
    with pytest.raises(ValueError, match="Folder: limit=0 must be 1 or more, or null for all images"):
        Folder(root=".", scale=2, limit=0)


# ---- pairs


def test_pairs_by_stem(tmp_path: Path) -> None:
    folder(tmp_path / "sharp", ["a", "b"])
    folder(tmp_path / "small", ["ax2", "b"])
    items = Paired(gt=str(tmp_path / "sharp"), lq=str(tmp_path / "small"), scale=2).items()
    assert [(item.name, item.gt.name, item.lq.name) for item in items if item.lq] == [
        ("a", "a.png", "ax2.png"),
        ("b", "b.png", "b.png"),
    ]


def test_pairs_without_partners_are_named_on_both_sides(tmp_path: Path) -> None:
    folder(tmp_path / "gt", ["a", "b", "c"])
    folder(tmp_path / "lq", ["b", "d"])
    with pytest.raises(ValueError, match="no image") as caught:
        Paired(gt=str(tmp_path / "gt"), lq=str(tmp_path / "lq"), scale=4).items()
    assert str(caught.value).splitlines() == [
        f"no image with the same stem (or the stem and x4) in {tmp_path}/lq for: "
        f"{tmp_path}/gt/a.png, {tmp_path}/gt/c.png",
        f"no image with the same stem in {tmp_path}/gt for: {tmp_path}/lq/d.png",
    ]


def test_pairs_that_are_not_clear(tmp_path: Path) -> None:
    folder(tmp_path / "gt", ["a"])
    folder(tmp_path / "lq", ["a"])
    (tmp_path / "lq" / "a.jpg").write_bytes((tmp_path / "lq" / "a.png").read_bytes())
    text = f"several images have one stem, so pairs are not clear: {tmp_path}/lq/a.jpg, {tmp_path}/lq/a.png"
    with pytest.raises(ValueError, match=re.escape(text)):
        Paired(gt=str(tmp_path / "gt"), lq=str(tmp_path / "lq"), scale=4).items()


def test_pairs_in_missing_or_empty_folders(tmp_path: Path) -> None:
    folder(tmp_path / "gt", ["a"])
    with pytest.raises(ValueError, match=r"lq does not exist; pairs need data\.gt=FOLDER and"):
        Paired(gt=str(tmp_path / "gt"), lq=str(tmp_path / "lq"), scale=4).items()
    (tmp_path / "lq").mkdir()
    with pytest.raises(ValueError, match="lq holds no image"):
        Paired(gt=str(tmp_path / "gt"), lq=str(tmp_path / "lq"), scale=4).items()


def test_a_published_lr_folder_that_is_empty(tmp_path: Path) -> None:
    folder(tmp_path / "HR", ["a"])
    (tmp_path / "LR" / "x2").mkdir(parents=True)
    with pytest.raises(ValueError, match="in an empty folder for: "):
        Folder(root=str(tmp_path), scale=2).items()


# ---- several sources, parts


def test_sources_are_joined_in_their_order(tmp_path: Path) -> None:
    folder(tmp_path / "one", ["b"])
    folder(tmp_path / "two", ["a"])
    joined = Joined(sources=[Folder(root=str(tmp_path / name), scale=4) for name in ("one", "two")])
    assert names(joined.items()) == ["b", "a"]
    assert not joined.paired
    with pytest.raises(ValueError, match="Joined: sources is empty; give at least one"):
        Joined(sources=[])


def test_joined_sources_tell_everything_that_is_wrong() -> None:
    joined = Joined(sources=[Folder(root="missing/one", scale=4), Folder(root="missing/two", scale=4)])
    with pytest.raises(ValueError, match=r"(?s)missing/one does not exist.*missing/two does not exist"):
        joined.items()


@pytest.mark.parametrize(
    ("count", "held_out", "expected"), [(60, 10, 10), (20, 10, 4), (6, 10, 1), (2, 1, 1)]
)
def test_the_last_images_are_held_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, count: int, held_out: int, expected: int
) -> None:
    folder(tmp_path, [f"{i:02}" for i in range(count)], height=16, width=16)
    source = Folder(root=str(tmp_path), scale=4)
    train = names(Part(source, held_out=held_out, part="train").items())
    with caplog.at_level(logging.INFO):
        part = Part(source, held_out=held_out, part="val")
        val = names(part.items())
        assert names(part.items()) == val, "task=prepare asks twice, and is told once"
    assert train + val == names(source.items())
    assert len(val) == expected
    assert caplog.messages == [
        f"held out for validation: the last {expected} of {count} images, {val[0]} to {val[-1]}"
    ]


def test_one_image_cannot_be_divided(tmp_path: Path) -> None:
    folder(tmp_path, ["a"])
    with pytest.raises(
        ValueError, match=r"a\.png is the only image, so none can be held out for validation; add"
    ):
        Part(Folder(root=str(tmp_path), scale=4), held_out=1, part="train").items()
    with pytest.raises(ValueError, match="held_out=0 must be 1 or more"):
        Part(Folder(root=str(tmp_path), scale=4), held_out=0, part="train")


# ---- demo photographs


def test_every_demo_photograph_is_in_the_wheel() -> None:
    items = Demo(names=list(PHOTOGRAPHS)).items()
    assert names(items) == list(PHOTOGRAPHS)
    assert all(item.gt.is_file() for item in items)


def test_photographs_without_a_stated_licence_are_not_offered() -> None:
    with pytest.raises(
        ValueError, match="demo photographs: motorcycle_left, moon given, but there are astronaut, "
    ):
        Demo(names=["motorcycle_left", "coffee", "moon"])
    with pytest.raises(ValueError, match="demo photographs: none given"):
        Demo(names=[])


def test_the_demo_needs_no_network_and_does_not_import_scikit_image() -> None:
    code = (
        "import socket, sys\n"
        "def refuse(*a, **k): raise AssertionError('network')\n"
        "socket.socket.connect = refuse\n"
        "socket.getaddrinfo = refuse\n"
        "from sr_experiments.data.demo import Demo\n"
        "from sr_experiments.imaging.io import read_image\n"
        "print(read_image(Demo(names=['chelsea']).items()[0].gt).shape, 'skimage' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(300, 451, 3) False"


def test_missing_demo_photographs_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sr_experiments.data.demo.package_folder", lambda: tmp_path)
    with pytest.raises(
        ValueError, match=r"demo photographs are missing: .*chelsea\.png; reinstall scikit-image"
    ):
        Demo(names=["chelsea"]).items()


def test_without_scikit_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        ValueError, match="come with scikit-image, which is not installed: pip install scikit-image"
    ):
        Demo(names=["chelsea"]).items()


# ---- the ways of giving images


def chosen(
    *,
    train: Source | None = None,
    root: str | None = None,
    val_root: str | None = None,
    gt: str | None = None,
    lq: str | None = None,
    val_gt: str | None = None,
    val_lq: str | None = None,
) -> tuple[Source, Source]:
    return choose_sources(
        given=(train, None),
        root=root,
        val_root=val_root,
        pairs=(gt, lq),
        val_pairs=(val_gt, val_lq),
        held_out=3,
        scale=2,
    )


def test_folders_and_pairs_become_sources() -> None:
    train, val = chosen(root="a", val_root="b")
    assert isinstance(train, Folder)
    assert isinstance(val, Folder)
    assert (train.root, val.root) == (Path("a"), Path("b"))
    train, val = chosen(gt="a", lq="b", val_gt="c", val_lq="d")
    assert isinstance(train, Paired)
    assert isinstance(val, Paired)
    assert (train.gt, train.lq, val.gt, val.lq) == (Path("a"), Path("b"), Path("c"), Path("d"))


@pytest.mark.parametrize("given", [{"root": "a"}, {"gt": "a", "lq": "b"}, {"train": Demo(names=["coffee"])}])
def test_without_validation_images_some_are_held_out(given: dict[str, Any]) -> None:
    train, val = chosen(**given)
    assert isinstance(train, Part)
    assert isinstance(val, Part)
    assert (train.part, val.part, val.held_out) == ("train", "val", 3)
    assert train.paired == ("gt" in given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "training images are given by nothing; choose one: data=folder data.root=FOLDER, data=paired"),
        ({"root": "a", "train": Demo(names=["coffee"])}, "images are given by data.train and by data.root;"),
        ({"root": "a", "lq": "b"}, "training images are given by data.root and by data.gt and lq;"),
        ({"gt": "a"}, "data.gt=a and data.lq=None: pairs need both folders"),
        ({"gt": "a", "lq": "b", "val_lq": "c"}, "data.val_gt=None and data.val_lq=c: pairs need both"),
        ({"val_root": "a"}, "validation images are given, but no training images"),
        ({"val_gt": "a", "val_lq": "a"}, "validation images are given, but no training images"),
    ],
)  # fmt: skip
def test_unclear_ways_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        chosen(**given)


def test_long_lists_are_shortened() -> None:
    assert shortened(["a", "b"]) == "a, b"
    assert shortened([str(i) for i in range(12)]) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, and 2 more"
