"""task=prepare from the composed config on: what is fetched, what is said, what ends with exit code 2."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import DictConfig

from sr_experiments.check import check
from sr_experiments.config import register
from sr_experiments.imaging.io import write_png
from tests.conftest import ROOT, benchmark_dir
from tests.prepare.archives import benchmark_tree, served_from, tarred, zipped
from tests.prepare.server import serving


def config_of(data_dir: Path, *overrides: str) -> DictConfig:
    register()
    given = ["name=test", "task=prepare", f"data_dir='{data_dir}'", "scale=2", "task.timeout=5", *overrides]
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = compose("config", overrides=given)
    check(config)
    return config


def prepare(data_dir: Path, *overrides: str) -> dict[str, Any]:
    """Run the task; what its run.json says."""
    config = config_of(data_dir, *overrides)
    run_dir = data_dir.parent / f"run{len(list(data_dir.parent.glob('run*')))}"
    try:
        instantiate(config.task)(config, run_dir)
    finally:
        assert [path.name for path in run_dir.glob("*")] in ([], ["run.json"]), "nothing else is left there"
    record = json.loads((run_dir / "run.json").read_text(encoding="utf-8"))
    assert isinstance(record, dict)
    return record


def refused(data_dir: Path, *overrides: str) -> str:
    with pytest.raises(ValueError, match=r".") as caught:
        prepare(data_dir, *overrides)
    return str(caught.value)


def photographs(folder: Path, count: int = 12, height: int = 64, width: int = 80, seed: int = 0) -> Path:
    for index in range(count):
        noise = np.random.default_rng(seed + index).integers(0, 256, (height, width, 3))
        write_png(folder / f"{index}.png", noise.astype(np.uint8))
    return folder


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def test_missing_benchmarks_are_downloaded_once_and_then_found(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files = benchmark_tree() | benchmark_tree("Set14", 14, grey=1)
    made = tarred(tmp_path / "made" / "benchmark.tar", files)
    with serving(made.read_bytes(), name="benchmark.tar") as served:
        served_from(monkeypatch, served.url, "Set5", "Set14")
        first = prepare(data, "benchmark=[set5,set14]")
        second = prepare(data, "benchmark=[set5,set14]")
        assert len(served.asked) == 1
    assert first["status"] == second["status"] == "finished"
    assert [row["name"] for row in first["sets"]] == ["Set5", "Set14"], "the demo is not meant"
    row = second["sets"][1]
    assert (row["images"], row["expected"], row["pairs"]) == (14, 14, 0), "LR stays in the archive"
    assert (row["smallest"], row["kinds"]) == ([48, 60], {"RGB": 13, "grey": 1})
    assert (second["problems"], second["warnings"]) == ([], [])
    said = capsys.readouterr().out
    assert "Set5: verified, 5 images, every image decoded" in said
    assert "14 of 14" in said
    assert "48x60" in said


def test_without_a_network_everything_is_told_at_once(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    served_from(monkeypatch, "http://127.0.0.1:9/benchmark.tar", "Set5")
    text = refused(data, "data=t91", "benchmark=[set5]")
    first, second = text.split("\nSet5: ")
    assert first.startswith("T91: no address serves it to everybody\n")
    assert second.startswith("cannot download http://127.0.0.1:9/benchmark.tar: there is no connection")
    record = json.loads((data.parent / "run0" / "run.json").read_text(encoding="utf-8"))
    assert record["status"] == "failed"
    assert len(record["problems"]) == 2


def test_nothing_is_downloaded_against_the_users_will(data: Path) -> None:
    text = refused(data, "data=div2k", "task.download=false")
    assert text.startswith("DIV2K: not there\n  by hand: download DIV2K_train_HR.zip (3.5 GB) from https://")
    assert "\nDIV2K_valid: not there\n" in text
    assert not data.exists()


def test_an_archive_fetched_by_hand(tmp_path: Path, data: Path) -> None:
    mine = zipped(tmp_path / "set.zip", benchmark_tree())
    record = prepare(data, "benchmark=[set5]", f"task.archive='{mine}'")
    assert record["sets"][0]["images"] == 5
    assert (data / "Set5" / "HR" / "img0.png").is_file()


def test_a_mirror(tmp_path: Path, data: Path) -> None:
    mine = zipped(tmp_path / "made" / "set.zip", benchmark_tree())
    with serving(mine.read_bytes()) as served:
        prepare(data, "benchmark=[set5]", f"task.url='{served.url}'", "task.keep_archive=true")
    assert (data / "archives" / "set.zip").is_file()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            ["task.url=http://a/b", "task.archive=c"],
            "task.url=http://a/b and task.archive=c: give one of the two",
        ),
        (
            ["task.url=http://a/b", "task.download=false"],
            "task.download=false fetches nothing, so task.url=http://a/b would not be used",
        ),
        (["task.attempts=0"], "task.attempts=0 must be 1 or more"),
    ],
)
def test_options_that_contradict(data: Path, options: list[str], text: str) -> None:
    assert refused(data, "benchmark=[set5]", *options) == text


def test_a_good_folder_of_the_users(tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = photographs(tmp_path / "photos")
    record = prepare(data, "data=folder", f"data.root='{root}'", "data.patch_size=32")
    [row] = record["sets"]
    assert (row["name"], row["roles"], row["images"], row["expected"]) == (
        str(root),
        ["train", "val"],
        12,
        None,
    )
    assert (row["smallest"], row["median"], row["largest"]) == ([64, 80], [64, 80], [64, 80])
    assert "photos" in capsys.readouterr().out


def test_a_long_path_stands_in_a_line_of_its_own(
    tmp_path: Path,
    data: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The table once broke it over six lines; and what is held out was told twice."""
    monkeypatch.setenv("COLUMNS", "80")
    photos = photographs(tmp_path / "a folder with a long name" / "and another" / "photographs", 5)
    with caplog.at_level("INFO"):
        prepare(data, "data=folder", f"data.root='{photos}'", "data.patch_size=16")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("│")[1].strip() for line in lines if line.startswith("│")] == ["folder 1"]
    assert f"folder 1: {photos}" in lines
    assert max(len(line) for line in lines if str(photos) not in line) <= 80
    assert [message.split(":")[0] for message in caplog.messages] == ["held out for validation"]


def test_everything_that_is_wrong_with_a_folder_is_named(tmp_path: Path, data: Path) -> None:
    """More than the ten names that other messages stop at."""
    root = photographs(tmp_path / "photos", count=24)
    for index in range(12):
        small = np.random.default_rng(100 + index).integers(0, 256, (30, 90, 3)).astype(np.uint8)
        write_png(root / f"{index}.png", small)
    cut = root / "13.png"
    cut.write_bytes(cut.read_bytes()[:5000])
    (root / "14.png").write_bytes(b"")
    text = refused(data, "data=folder", f"data.root='{root}'", "data.patch_size=32")
    lines = text.splitlines()
    assert len(lines) == 14
    for index in range(12):
        assert f"{root / f'{index}.png'} is 30x90 (height x width), smaller than data.patch_size=32" in lines
    assert f"cannot read the image {root / '14.png'}: the file is empty" in lines
    assert any(line.startswith(f"cannot read the image {cut}: ") for line in lines)
    text = refused(data, "data=folder", f"data.root='{root}'", "data.patch_size=32", "task.decode=false")
    assert str(cut) not in text, "its header is whole"


def test_duplicates_and_leaks_are_named_and_stop_nothing(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, other = photographs(tmp_path / "photos"), photographs(tmp_path / "others", count=3, seed=50)
    shutil.copy(root / "2.png", root / "copy.png")
    shutil.copy(root / "5.png", other / "again.png")
    options = ["data=folder", f"data.root='{root}'", f"data.val_root='{other}'", "data.patch_size=32"]
    record = prepare(data, *options)
    duplicate = f"train: the same pixels in {root / '2.png'}, {root / 'copy.png'}"
    leak = (
        f"trained on and measured on (val): {root / '5.png'} and {other / 'again.png'} have the same pixels, "
        "so results on it are too good"
    )
    assert record["warnings"] == [duplicate, leak]
    said = capsys.readouterr().out
    assert f"note: {duplicate}" in said
    assert f"note: {leak}" in said


def test_pairs_that_do_not_match(tmp_path: Path, data: Path) -> None:
    gt = photographs(tmp_path / "gt")
    lq = photographs(tmp_path / "lq", height=32, width=40)
    options = ["data=paired", f"data.gt='{gt}'", f"data.lq='{lq}'", "data.patch_size=32"]
    record = prepare(data, *options)
    assert record["sets"][0]["pairs"] == 12
    photographs(lq, count=2, height=31, width=40)
    text = refused(data, *options)
    assert text.splitlines()[0] == (
        f"{lq / '0.png'} is 31x40 (height x width), but {gt / '0.png'} is 64x80, which needs 32x40 at scale=2"
    )
    assert len(text.splitlines()) == 2
    (lq / "7.png").unlink()
    (gt / "8.png").unlink()
    text = refused(data, *options)
    assert f"no image with the same stem (or the stem and x2) in {lq} for: {gt / '7.png'}" in text
    assert f"no image with the same stem in {gt} for: {lq / '8.png'}" in text


def test_a_folder_that_is_not_there(tmp_path: Path, data: Path) -> None:
    text = refused(data, "data=folder", f"data.root='{tmp_path / 'no'}'")
    assert text.startswith(f"the folder {tmp_path / 'no'} does not exist\nImages are read from ")


def test_a_single_image_leaves_none_for_validation(tmp_path: Path, data: Path) -> None:
    root = photographs(tmp_path / "photos", count=1)
    text = refused(data, "data=folder", f"data.root='{root}'", "data.patch_size=32")
    assert "is the only image, so none can be held out for validation" in text


def test_channels_that_a_run_cannot_have(tmp_path: Path, data: Path) -> None:
    import tifffile

    root = tmp_path / "bands"
    root.mkdir()
    for index in range(5):
        bands = np.random.default_rng(index).integers(0, 256, (40, 48, 5)).astype(np.uint8)
        tifffile.imwrite(root / f"{index}.tif", bands, photometric="minisblack", planarconfig="contig")
    options = ["data=folder", f"data.root='{root}'", "data.patch_size=32"]
    assert "an image of 5 channels cannot become one of 3; set channels=5" in refused(data, *options)
    assert prepare(data, *options, "channels=5")["sets"][0]["kinds"] == {"5 bands": 5}


def test_a_published_set_that_is_incomplete_is_told(tmp_path: Path, data: Path) -> None:
    photographs(data / "Set14" / "HR", count=13)
    record = prepare(data, "benchmark=[set14]")
    assert record["warnings"] == [
        "Set14 holds 13 images, the published set has 14: results on it compare with nothing published; "
        "to get it again, move the folder away"
    ]


def test_a_grey_image_that_became_colour_is_told(data: Path) -> None:
    photographs(data / "Set14" / "HR", count=14)
    record = prepare(data, "benchmark=[set14]")
    assert record["warnings"][0].startswith(
        "Set14 has 1 grey image, but 0 are grey here: one that was saved as RGB"
    )


def test_a_set_is_looked_at_as_a_whole_also_where_a_run_takes_a_part(data: Path) -> None:
    """Validation takes ten images of DIV2K_valid; the other ninety are the benchmark's."""
    photographs(data / "DIV2K", count=800, height=16, width=16)
    photographs(data / "DIV2K_valid", count=100, height=20, width=20, seed=5000)
    options = ["data=div2k", "benchmark=[div2k_valid]", "data.patch_size=16"]
    record = prepare(data, *options)
    assert [(row["name"], row["roles"], row["images"]) for row in record["sets"]] == [
        ("DIV2K", ["train"], 800),
        ("DIV2K_valid", ["val", "test div2k_valid"], 100),
    ]
    (data / "DIV2K_valid" / "99.png").write_bytes(b"broken")
    assert refused(data, "data=div2k", "data.patch_size=16").startswith("cannot read the image ")


def test_the_demo_needs_nothing(data: Path) -> None:
    [row] = prepare(data)["sets"]
    assert (row["name"], row["roles"]) == ("demo photographs", ["train", "val"])
    assert not data.exists()


def test_real_images(data: Path) -> None:
    """Nothing is wrong with them, but that T91 has one photograph twice."""
    data.mkdir()
    (data / "T91").symlink_to(benchmark_dir("train291", "T91"))
    (data / "BSDS200").symlink_to(benchmark_dir("train291", "BSDS200"))
    (data / "Set14").symlink_to(benchmark_dir("Set14"))
    (data / "Set5").mkdir()
    (data / "Set5" / "HR").symlink_to(benchmark_dir("Set5", "original"))
    (data / "Set5" / "LR").symlink_to(benchmark_dir("Set5", "LR"))
    record = prepare(data, "data='291'", "benchmark=[set14]")
    assert [(row["name"], row["images"], row["pairs"]) for row in record["sets"]] == [
        ("T91", 91, 0),
        ("BSDS200", 200, 0),
        ("Set5", 5, 5),
        ("Set14", 14, 0),
    ]
    assert record["sets"][0]["smallest"] == [78, 78]
    assert record["sets"][3]["kinds"] == {"RGB": 13, "grey": 1}
    [warning] = record["warnings"]
    assert warning.startswith("train: the same pixels in ")
    assert {"t36", "t65"} == {
        Path(name).stem for name in warning.removeprefix("train: the same pixels in ").split(", ")
    }


def test_shards_are_written_and_then_prepared_from(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images, shards = photographs(data / "photographs"), tmp_path / "shards"
    options = ["data=folder", f"data.root='{images}'", "data.patch_size=32", f"task.shards='{shards}'"]
    record = prepare(data, *options, "task.tile=40", "task.shard_size=20000")
    assert record["shards"]["written"] == 5
    assert record["shards"]["lq"] == "Bicubic(scale=2, quantise=auto, border=auto)"
    assert (
        f"5, 5 of them written now; data=shards data.train.url={shards} reads them" in capsys.readouterr().out
    )
    assert prepare(data, *options, "task.tile=40", "task.shard_size=20000")["shards"]["written"] == 0
    reads = ["data=shards", f"data.train.url='{shards}'", f"data.val.root='{images}'"]
    assert [row["roles"] for row in prepare(data, *reads, "data.patch_size=32")["sets"]] == [["val"]]
    told = refused(data, *reads, "data.patch_size=64")
    assert told.endswith("holds images of 32 pixels, smaller than data.patch_size=64")


def test_shards_of_benchmarks_are_refused(data: Path) -> None:
    photographs(data / "Set5" / "HR", count=5)
    assert (
        refused(data, "benchmark=[set5]", "task.shards=x")
        == "task.shards=x: there is no training set; choose data="
    )
