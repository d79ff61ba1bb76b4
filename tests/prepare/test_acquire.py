"""Missing sets: downloaded, verified, placed; or told exactly what to do."""

import fcntl
import hashlib
import os
import re
from pathlib import Path

import pytest

from sr_experiments.prepare.acquire import (
    Missing,
    absent,
    acquire,
    acquire_from_address,
    acquire_from_file,
)
from sr_experiments.prepare.catalogue import CATALOGUE, Archive, published
from sr_experiments.prepare.fetch import Patience
from tests.prepare.archives import benchmark_tree, entry_of, picture, served_from, tarred, zipped
from tests.prepare.server import serving

SHORT = Patience(attempts=2, timeout=5.0, pause=0.001)


def missing(data_dir: Path, *names: str) -> list[Missing]:
    return [Missing(entry=entry_of(name), root=data_dir / name) for name in names]


def everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def archive(tmp_path: Path) -> bytes:
    """Of Set5 and Set14, as the EDSR authors serve them."""
    path = tarred(tmp_path / "made" / "benchmark.tar", benchmark_tree() | benchmark_tree("Set14", 14, grey=1))
    return path.read_bytes()


def test_two_sets_of_one_archive_are_downloaded_once(
    tmp_path: Path, archive: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    digest = hashlib.md5(archive).hexdigest()
    with serving(archive, name="benchmark.tar") as served:
        served_from(
            monkeypatch, served.url, "Set5", "Set14", checksums={"md5": digest}, recorded_by="the test"
        )
        outcome = acquire(missing(data, "Set5", "Set14"), data_dir=data, patience=SHORT, keep=False)
        assert len(served.asked) == 1
    assert outcome.problems == []
    assert outcome.told == [
        "benchmark.tar: checksum as recorded by the test",
        f"Set5: 5 images in {data / 'Set5' / 'HR'}",
        f"Set14: 14 images in {data / 'Set14' / 'HR'}",
    ]
    assert len(everything(data)) == 5 + 14, "and no archive is left"
    assert not (data / "archives").exists()


def test_an_archive_that_is_kept_is_not_downloaded_again(
    tmp_path: Path, archive: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    with serving(archive, name="benchmark.tar") as served:
        served_from(monkeypatch, served.url, "Set5", "Set14")
        first = acquire(missing(data, "Set5"), data_dir=data, patience=SHORT, keep=True)
        assert (data / "archives" / "benchmark.tar").read_bytes() == archive
        acquire(missing(data, "Set14"), data_dir=data, patience=SHORT, keep=True)
        assert len(served.asked) == 1
    digest = hashlib.sha256(archive).hexdigest()
    assert first.told[0] == (
        f"benchmark.tar: no published checksum; sha256 is {digest}, so it is verified by counting"
    )


def test_a_wrong_checksum(tmp_path: Path, archive: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "data"
    with serving(archive, name="benchmark.tar") as served:
        served_from(monkeypatch, served.url, "Set5", checksums={"sha256": "0" * 64}, recorded_by="the test")
        outcome = acquire(missing(data, "Set5"), data_dir=data, patience=SHORT, keep=True)
    digest = hashlib.sha256(archive).hexdigest()
    assert outcome.told == []
    [problem] = outcome.problems
    assert problem.splitlines() == [
        f"Set5: benchmark.tar from {served.url} is not the published file: its sha256 is {digest}, "
        f"the published file's {'0' * 64} (recorded by the test); it was deleted",
        f"  by hand: download benchmark.tar from {served.url} in any way",
        "  then: the same command with task.archive=FILE unpacks, counts and places it (zip or tar), "
        f"or put the 5 images into {data / 'Set5' / 'HR'}",
        "  terms of Set5: no licence is stated; collected for research "
        "(http://people.rennes.inria.fr/Aline.Roumy/results/SR_BMVC12.html)",
        "  or: the same command with task.url=ADDRESS, if somebody else serves the archive",
    ]
    assert everything(data) == []


def test_an_evil_archive_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "data"
    evil = zipped(tmp_path / "made" / "set.zip", {**benchmark_tree(), "../../evil.png": picture()})
    with serving(evil.read_bytes()) as served:
        served_from(monkeypatch, served.url, "Set5")
        outcome = acquire(missing(data, "Set5"), data_dir=data, patience=SHORT, keep=False)
    assert "'../../evil.png' in it leads out of the folder it is unpacked in" in outcome.problems[0]
    assert not list(tmp_path.rglob("evil.png"))
    assert not (data / "Set5").exists()


def test_an_archive_without_the_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "data"
    other = tarred(tmp_path / "made" / "benchmark.tar", benchmark_tree(images=4))
    with serving(other.read_bytes(), name="benchmark.tar") as served:
        served_from(monkeypatch, served.url, "Set5")
        outcome = acquire(missing(data, "Set5"), data_dir=data, patience=SHORT, keep=False)
    assert outcome.problems[0].startswith(
        f"Set5 is not in {data / 'Set5'}, and its 5 images were not found in "
        f"{data / 'archives/benchmark.tar'}, which holds benchmark/Set5/HR (4), "
        "benchmark/Set5/LR_bicubic/X2 (4), "
    )
    assert everything(data) == ["archives/benchmark.tar"], "it may be looked into"


def test_what_nobody_serves_is_described(tmp_path: Path) -> None:
    outcome = acquire(missing(tmp_path, "Manga109", "T91"), data_dir=tmp_path, patience=SHORT, keep=False)
    manga, t91 = outcome.problems
    assert manga.startswith(
        "Manga109: no address serves it to everybody\n  by hand: apply for it on the page; "
    )
    assert f"put the 109 images into {tmp_path / 'Manga109' / 'HR'}" in manga
    assert (
        "terms of Manga109: given on application, for academic use, not to be passed on (http://www.manga109.org/en/)"
        in manga
    )
    assert "ScSR.rar" in t91
    assert not list(tmp_path.iterdir())


def test_terms_are_told_once_with_the_sets_that_they_are_of(tmp_path: Path) -> None:
    outcome = absent(missing(tmp_path / "data", "Set5", "Set14"))
    [problem] = outcome.problems
    assert [line for line in problem.splitlines() if "licence" in line] == [
        "  terms of Set5, Set14: no licence is stated; collected for research "
        "(http://people.rennes.inria.fr/Aline.Roumy/results/SR_BMVC12.html, "
        "https://sites.google.com/site/romanzeyde/research-interests)"
    ]


def test_nothing_is_fetched_where_that_is_not_wanted(tmp_path: Path) -> None:
    outcome = absent(missing(tmp_path, "DIV2K", "DIV2K_valid", "BSD100", "BSDS200"))
    first, second, third = outcome.problems
    assert first.startswith("DIV2K: not there\n  by hand: download DIV2K_train_HR.zip (3.5 GB) from https://")
    assert second.startswith("DIV2K_valid: not there\n  by hand: download DIV2K_valid_HR.zip (449 MB) from ")
    assert third.startswith("BSD100, BSDS200: not there\n"), "one archive"
    assert third.count("BSDS300-images.tgz from") == 1
    assert not list(tmp_path.iterdir())


def test_one_server_that_is_away_does_not_hold_up_the_others(
    tmp_path: Path, archive: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    with serving(archive, name="benchmark.tar") as served, serving(b"", status=[404]) as away:
        served_from(monkeypatch, served.url, "Set5")
        served_from(monkeypatch, away.url, "BSD100")
        outcome = acquire(missing(data, "BSD100", "Set5"), data_dir=data, patience=SHORT, keep=False)
    [problem] = outcome.problems
    assert problem.startswith(
        f"BSD100: cannot download {away.url}: the server answers 404 Not Found\n  by hand: "
    )
    assert (data / "Set5" / "HR" / "img0.png").is_file()


def test_an_archive_of_the_users(tmp_path: Path, archive: bytes) -> None:
    """Its name is a published one, its content is not: it may have been packed anew, so it is taken."""
    data, mine = tmp_path / "data", tmp_path / "mine" / "benchmark.tar"
    mine.parent.mkdir()
    mine.write_bytes(archive)
    outcome = acquire_from_file(missing(data, "Set5", "Set14"), mine, data_dir=data)
    assert outcome.problems == []
    assert outcome.told[0].startswith("benchmark.tar: not the published file (its md5 is ")
    assert outcome.told[0].endswith("), so it is verified by counting")
    assert mine.read_bytes() == archive, "it stays"
    assert len(everything(data)) == 5 + 14


def test_an_archive_of_the_users_with_another_layout(tmp_path: Path) -> None:
    data = tmp_path / "data"
    mine = zipped(
        tmp_path / "faces.zip", {f"some/where/{index}.bmp": picture(index, kind="BMP") for index in range(5)}
    )
    outcome = acquire_from_file(missing(data, "Set5"), mine, data_dir=data)
    assert outcome.problems == []
    assert everything(data / "Set5") == [f"HR/{index}.bmp" for index in range(5)]


def test_a_users_archive_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^task\.archive=.*no\.zip: there is no such file$"):
        acquire_from_file(missing(tmp_path, "Set5"), tmp_path / "no.zip", data_dir=tmp_path)


def test_what_is_not_needed_is_told(tmp_path: Path) -> None:
    mine = zipped(tmp_path / "mine.zip", {"a.png": picture()})
    assert acquire_from_file([], mine, data_dir=tmp_path).told == [
        f"task.archive={mine} was not opened: no set is missing"
    ]
    url = "http://127.0.0.1:1/set.zip"
    outcome = acquire_from_address([], url, data_dir=tmp_path, patience=SHORT, keep=False)
    assert outcome.told == [f"task.url={url} was not opened: no set is missing"]


def test_an_address_of_the_users(tmp_path: Path, archive: bytes) -> None:
    data = tmp_path / "data"
    with serving(archive, name="mirror%20of.tar") as served:
        outcome = acquire_from_address(
            missing(data, "Set5", "Set14"), served.url, data_dir=data, patience=SHORT, keep=True
        )
    assert outcome.problems == []
    assert outcome.told[0].startswith("mirror of.tar: no published checksum; sha256 is ")
    assert (data / "archives" / "mirror of.tar").is_file()


def test_an_address_for_several_archives_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"is one archive") as caught:
        acquire_from_address(
            missing(tmp_path, "Set5", "T91"),
            "http://127.0.0.1:1/x.zip",
            data_dir=tmp_path,
            patience=SHORT,
            keep=False,
        )
    assert str(caught.value) == (
        "task.url=http://127.0.0.1:1/x.zip is one archive, but sets of several are missing: Set5, T91; "
        "choose one of them, for example benchmark=set5 alone"
    )


def test_two_at_once_do_not_write_the_same_files(tmp_path: Path) -> None:
    handle = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        mine = zipped(tmp_path / "mine.zip", benchmark_tree())
        with pytest.raises(
            ValueError, match=re.escape(f"another task=prepare is at work in {tmp_path}; wait")
        ):
            acquire_from_file(missing(tmp_path, "Set5"), mine, data_dir=tmp_path)
    finally:
        os.close(handle)


def test_the_catalogue_is_in_order() -> None:
    assert len({entry.name for entry in CATALOGUE}) == len(CATALOGUE)
    for entry in CATALOGUE:
        assert (entry.archive is None) == bool(entry.by_hand)
        assert (entry.archive is None) == (not entry.pattern)
        assert entry.page.startswith("http")
        if entry.archive is not None:
            assert entry.archive.url.startswith("https://")
            assert entry.archive.url.endswith(f"/{entry.archive.file}")
            assert bool(entry.archive.checksums) == bool(entry.archive.recorded_by)
            for name, digest in entry.archive.checksums.items():
                assert re.fullmatch(rf"[0-9a-f]{{{2 * hashlib.new(name).digest_size}}}", digest)


def test_a_set_is_known_by_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert published(tmp_path / "data" / "Set5", data_dir=Path("data")) == entry_of("Set5")
    assert published(Path("data/BSDS500/val"), data_dir=tmp_path / "data") == entry_of("BSDS500/val")
    assert published(tmp_path / "Set5", data_dir=tmp_path / "data") is None
    assert published(tmp_path / "data", data_dir=tmp_path / "data") is None
    assert Archive(file="a.zip", url="https://a/a.zip").described == "a.zip"
