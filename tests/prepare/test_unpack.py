"""From an archive into a set's folder: whole or not at all, and nowhere else."""

import errno
import re
import shutil
import tarfile
import zipfile
from pathlib import Path

import pytest

from sr_experiments.prepare import bundle
from sr_experiments.prepare.bundle import members, unpack
from sr_experiments.prepare.place import is_absent, place
from sr_experiments.prepare.select import choose
from tests.prepare.archives import benchmark_tree, entry_of, picture, tarred, zipped


def placed(archive: Path, root: Path, name: str = "Set5") -> None:
    entry = entry_of(name)
    inside = members(archive)
    wanted = choose(inside, entry, alone=True)
    assert wanted is not None
    place(archive, entry, root, wanted=wanted, members=inside)


def everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("file", ["benchmark.tar", "benchmark.tgz", "benchmark.zip"])
def test_a_set_comes_into_our_tree(tmp_path: Path, file: str) -> None:
    pack = zipped if file.endswith("zip") else tarred
    archive = pack(tmp_path / file, {**benchmark_tree(), "benchmark/README.txt": b"hello"})
    placed(archive, tmp_path / "data" / "Set5")
    assert everything(tmp_path / "data") == sorted(
        ["Set5", "Set5/HR", *(f"Set5/HR/img{index}.png" for index in range(5))]
    ), "its LR stays in the archive: everybody gets ours"
    assert (tmp_path / "data/Set5/HR/img3.png").read_bytes() == picture(3)


@pytest.mark.parametrize(
    "bad", ["../evil.png", "a/../../evil.png", "/tmp/evil.png", "..\\evil.png", "C:\\evil.png"]
)
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_name_that_leads_out_refuses_the_whole_archive(tmp_path: Path, bad: str, pack: object) -> None:
    assert callable(pack)
    archive = pack(tmp_path / "in" / "set.archive", {**benchmark_tree(), bad: picture()})
    with pytest.raises(ValueError, match="is refused") as caught:
        members(archive)
    assert str(caught.value) == (
        f"the archive {archive} is refused: {bad!r} in it leads out of the folder it is unpacked in, "
        "so it was made to do harm or is broken; get it from somewhere else"
    )
    assert everything(tmp_path) == ["in", "in/set.archive"]


@pytest.mark.parametrize("target", ["/etc/passwd", "../../secret.png", "img1.png", "/dev"])
def test_a_link_or_device_in_place_of_an_image_is_refused(tmp_path: Path, target: str) -> None:
    files = benchmark_tree()
    del files["benchmark/Set5/HR/img0.png"]
    archive = tarred(tmp_path / "set.tar", files, links={"benchmark/Set5/HR/img0.png": target})
    with pytest.raises(
        ValueError, match=r"^'benchmark/Set5/HR/img0\.png' in the archive is a link or a device"
    ):
        choose(members(archive), entry_of("Set5"), alone=True)


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "set.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for name, content in benchmark_tree().items():
            entry = zipfile.ZipInfo(name)
            if name.endswith("HR/img2.png"):
                entry.external_attr, content = 0o120777 << 16, b"/etc/passwd"
            file.writestr(entry, content)
    with pytest.raises(ValueError, match=r"^'benchmark/Set5/HR/img2\.png' in the archive is a link"):
        choose(members(archive), entry_of("Set5"), alone=True)


def test_a_link_elsewhere_is_never_made(tmp_path: Path) -> None:
    """The trick: a link to a folder, then a file through it."""
    files = {**benchmark_tree(), "benchmark/Set5/out/evil.png": picture()}
    archive = tarred(tmp_path / "set.tar", files, links={"benchmark/Set5/out": str(tmp_path)})
    placed(archive, tmp_path / "data" / "Set5")
    assert not (tmp_path / "evil.png").exists()
    assert not [path for path in (tmp_path / "data").rglob("*") if path.is_symlink()]


def test_what_would_grow_absurdly_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "GROWTH_OF_NOTHING", 1_000_000)
    archive = zipped(tmp_path / "set.zip", {"Set5/HR/img.png": bytes(5_000_000)})
    with pytest.raises(ValueError, match=r"is refused: its 5 kB would become 5 MB, which images do not$"):
        members(archive)


def test_a_size_that_is_a_lie_is_noticed(tmp_path: Path) -> None:
    """The directory of a zip file may claim less than there is."""
    archive = zipped(tmp_path / "set.zip", {"Set5/HR/img.png": bytes(100_000)})
    content = bytearray(archive.read_bytes())
    directory = content.rfind(b"PK\x01\x02")
    content[directory + 24 : directory + 28] = (1000).to_bytes(4, "little")
    archive.write_bytes(content)
    with pytest.raises(ValueError, match="is broken or was cut off"):
        unpack(archive, wanted={"Set5/HR/img.png": tmp_path / "out.png"}, title="Set5")


@pytest.mark.parametrize(
    ("file", "keep"),
    [("set.tar", 0.3), ("set.tgz", 0.3), ("set.tgz", 0.97), ("set.zip", 0.3), ("set.zip", 0.97)],
)
def test_an_archive_that_was_cut_off(tmp_path: Path, file: str, keep: float) -> None:
    pack = zipped if file.endswith("zip") else tarred
    archive = pack(tmp_path / file, benchmark_tree())
    content = archive.read_bytes()
    archive.write_bytes(content[: int(len(content) * keep)])
    (tmp_path / "data").mkdir()
    with pytest.raises(ValueError, match=re.escape(f"the archive {archive} is broken or was cut off: ")):
        placed(archive, tmp_path / "data" / "Set5")
    assert everything(tmp_path / "data") == []


def test_a_tar_file_cut_between_two_files_is_too_short_a_set(tmp_path: Path) -> None:
    """Nothing in a tar file says how many files should follow: only counting finds this."""
    archive = tarred(tmp_path / "set.tar", benchmark_tree())
    with tarfile.open(archive) as file:
        cut = file.getmembers()[12].offset
    archive.write_bytes(archive.read_bytes()[:cut])
    assert len(members(archive)) == 12
    assert choose(members(archive), entry_of("Set5"), alone=True) is None


def test_a_byte_that_changed_is_noticed(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "set.zip", benchmark_tree())
    content = bytearray(archive.read_bytes())
    content[500] ^= 0xFF  # in the first of the good images
    archive.write_bytes(content)
    with pytest.raises(ValueError, match="is broken or was cut off"):
        placed(archive, tmp_path / "data" / "Set5")
    assert everything(tmp_path / "data") == []


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (
            b"Rar!\x1a\x07\x00" + bytes(100),
            "is a RAR file; zip and tar files are unpacked here, so unpack it by hand",
        ),
        (b"7z\xbc\xaf\x27\x1c" + bytes(100), "is a 7z file; zip and tar files are unpacked here"),
        (b"<!DOCTYPE html><html>", "is a web page; zip and tar files are unpacked here"),
        (b"nothing of the kind" * 100, "is no zip or tar file, or it was cut off at its beginning"),
        (b"", "is no zip or tar file, or it was cut off at its beginning"),
    ],
)
def test_files_that_are_no_archives(tmp_path: Path, content: bytes, text: str) -> None:
    (tmp_path / "set").write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(f"{tmp_path / 'set'} {text}")):
        members(tmp_path / "set")


def test_an_encrypted_archive(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "set.zip", {"a.png": picture()})
    content = bytearray(archive.read_bytes())
    content[content.rfind(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(content)
    with pytest.raises(ValueError, match=r"set\.zip is encrypted; unpack it by hand$"):
        members(archive)


def test_an_image_that_cannot_be_read_leaves_nothing(tmp_path: Path) -> None:
    files = {**benchmark_tree(), "benchmark/Set5/HR/img4.png": b"no image"}
    archive = tarred(tmp_path / "benchmark.tar", files)
    with pytest.raises(ValueError, match="does not hold Set5 as it was published") as caught:
        placed(archive, tmp_path / "data" / "Set5")
    assert "cannot read the image Set5/HR/img4.png: it is no PNG, JPEG, BMP, WebP or TIFF" in str(
        caught.value
    )
    assert everything(tmp_path / "data") == []


def test_being_interrupted_leaves_nothing_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tarred(tmp_path / "benchmark.tar", benchmark_tree())
    original, calls = bundle._write, []

    def stop_at_the_third(*arguments: object, **options: object) -> None:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        original(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(bundle, "_write", stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        placed(archive, tmp_path / "data" / "Set5")
    assert len(calls) == 3
    assert everything(tmp_path / "data") == []


def test_a_disk_that_gets_full_leaves_nothing_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the disk's fault, not the archive's."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    archive = tarred(tmp_path / "benchmark.tar", benchmark_tree())
    monkeypatch.setattr(bundle, "_write", full)
    with pytest.raises(OSError, match="No space left on device") as caught:
        placed(archive, tmp_path / "data" / "Set5")
    assert not isinstance(caught.value, ValueError)
    assert everything(tmp_path / "data") == []


def test_what_a_killed_attempt_left_is_cleared_away(tmp_path: Path) -> None:
    half = tmp_path / "data" / ".Set5.unpacking" / "HR"
    half.mkdir(parents=True)
    (half / "img0.png").write_bytes(b"half")
    placed(tarred(tmp_path / "benchmark.tar", benchmark_tree()), tmp_path / "data" / "Set5")
    assert everything(tmp_path / "data")[0] == "Set5"
    assert (tmp_path / "data/Set5/HR/img0.png").read_bytes() == picture(0)


def test_an_empty_folder_is_filled_and_another_is_the_users(tmp_path: Path) -> None:
    root = tmp_path / "Set5"
    assert is_absent(root)
    root.mkdir()
    (root / "Thumbs.db").write_bytes(b"")
    assert is_absent(root)
    placed(tarred(tmp_path / "benchmark.tar", benchmark_tree()), root)
    assert not is_absent(root)
    (tmp_path / "file").write_bytes(b"")
    assert not is_absent(tmp_path / "file")


def test_a_disk_that_is_too_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tarred(tmp_path / "benchmark.tar", benchmark_tree())
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9000, 0, 1000))
    with pytest.raises(
        ValueError, match=r"^1 kB are free in .*, but the images need \d+ kB; make room, or set"
    ):
        placed(archive, tmp_path / "data" / "Set5")


def test_the_layouts_of_the_catalogue() -> None:
    """Each as its archive has it, with what else lies there."""
    layouts = {
        "DIV2K": ("DIV2K_train_HR/{:04}.png", 800),
        "DIV2K_valid": ("DIV2K_valid_HR/{:04}.png", 100),
        "Flickr2K": ("Flickr2K/Flickr2K_HR/{:06}.png", 2650),
        "BSDS500/train": ("BSR/BSDS500/data/images/train/{}.jpg", 200),
        "BSDS500/test": ("BSR/BSDS500/data/images/test/{}.jpg", 200),
        "BSDS500/val": ("BSR/BSDS500/data/images/val/{}.jpg", 100),
        "BSDS200": ("BSDS300/images/train/{}.jpg", 200),
        "BSD100": ("BSDS300/images/test/{}.jpg", 100),
        "Set5": ("benchmark/Set5/HR/{}.png", 5),
        "Set14": ("benchmark/Set14/HR/{}.png", 14),
        "Urban100": ("benchmark/Urban100/HR/{}.png", 100),
    }
    rest = ["Flickr2K/Flickr2K_LR_bicubic/X2/000001x2.png", "BSR/BSDS500/data/images/test/Thumbs.db"]
    rest += ["__MACOSX/benchmark/Set5/HR/._1.png", "benchmark/Set5/HR/._1.png"]
    inside = [bundle.Member(name=name, size=1) for name in rest]
    for pattern, count in layouts.values():
        inside += [bundle.Member(name=pattern.format(index), size=1) for index in range(1, count + 1)]
    for name, (pattern, count) in layouts.items():
        wanted = choose(inside, entry_of(name), alone=False)
        assert wanted == {
            pattern.format(index): Path("HR") / Path(pattern.format(index)).name
            for index in range(1, count + 1)
        }


@pytest.mark.parametrize(
    ("folder", "alone", "found"),
    [
        ("SR_training_datasets/T91", False, True),
        ("t91", False, True),
        ("data/T91/HR", False, True),
        ("Train_91", True, True),  # the only folder of 91 images
        ("Train_91", False, False),
    ],
)
def test_archives_that_others_made(folder: str, alone: bool, found: bool) -> None:
    inside = [bundle.Member(name=f"{folder}/t{index}.png", size=1) for index in range(91)]
    inside += [
        bundle.Member(name=f"SR_training_datasets/General100/im_{index}.bmp", size=1) for index in range(100)
    ]
    wanted = choose(inside, entry_of("T91"), alone=alone)
    assert (wanted is not None) == found
    if wanted is not None:
        assert wanted[f"{folder}/t7.png"] == Path("HR/t7.png")


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    files = {name.replace("img1.png", "IMG0.png"): content for name, content in benchmark_tree().items()}
    archive = tarred(tmp_path / "set.tar", files)
    with pytest.raises(ValueError, match=r"^the archive has 'img0\.png' more than once in HR$"):
        choose(members(archive), entry_of("Set5"), alone=True)
