"""Videos in ``task=upscale``: found, restored, left alone the second time, and told when they fail."""

import shutil
import sys
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from sr_experiments.imaging.video.writer import Encoding
from sr_experiments.restorer import Restorer
from sr_experiments.upscale.names import place_of
from sr_experiments.upscale.video import Videos
from tests.imaging.films import film, seen
from tests.typed import typed_line

pytest.importorskip("av")

LINE = "task=upscale model=nearest scale=2 trainer=cpu output=out video.options={preset:ultrafast}"


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "in" / "old"
    folder.mkdir(parents=True)
    film(tmp_path / "in" / "a b.mp4", times=range(6))
    film(folder / "tape.AVI", codec="mpeg4", sound="libmp3lame", times=range(6), size=(32, 48))
    (tmp_path / "in" / "broken.mov").write_bytes(b"no video")
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "in" / "photo.png")
    (tmp_path / "in" / "notes.txt").write_text("nothing")
    return tmp_path


def test_a_folder_of_videos_and_photographs(
    desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed_line(monkeypatch, f"{LINE} hydra.run.dir=r0 input=in") == 2
    said = capsys.readouterr()
    assert "done     1 image and 2 videos in out: nearest x2" in said.out
    assert "ignored  1 files that are neither images nor videos by their names" in said.out
    assert "1 of 4 files could not be restored; the others are done" in said.err
    assert "broken.mov: in/broken.mov: Invalid data found when processing input" in said.err
    made = {path.relative_to("out").as_posix(): path.stat().st_mtime_ns for path in Path("out").rglob("*.*")}
    assert set(made) == {"a b_x2.mp4", "old/tape_x2.mkv", "photo_x2.png", "upscaled.jsonl"}
    before, after = seen(Path("in/a b.mp4")), seen(Path("out/a b_x2.mp4"))
    assert before[1] == after[1]
    assert np.abs(np.stack(after[0])[:, ::2, ::2].astype(int) - np.stack(before[0])).mean() < 3

    Path("in/broken.mov").unlink()
    assert typed_line(monkeypatch, f"{LINE} hydra.run.dir=r1 input=in") == 0
    assert "skipped  3 that were done before" in capsys.readouterr().out
    for name, time in made.items():
        assert (Path("out") / name).stat().st_mtime_ns == time

    assert typed_line(monkeypatch, f"{LINE} hydra.run.dir=r2 input=in video.crf=40") == 2
    said = capsys.readouterr()
    assert "skipped  1 that were done before" in said.out, "the photograph knows no crf"
    assert "out/a b_x2.mp4 is there already and was made with crf=None, and this is crf=40" in said.err
    large = Path("out/a b_x2.mp4").stat().st_size
    assert typed_line(monkeypatch, f"{LINE} hydra.run.dir=r3 input=in video.crf=40 overwrite=true") == 0
    assert Path("out/a b_x2.mp4").stat().st_size < large


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("video.codec=x264", "error: codec=x264: this PyAV has no such encoder (libx264, libx265, ...)"),
        ("video.batch=0", "error: batch=0: must be at least 1"),
        ("video.codec=ffv1 video.crf=3", "error: crf=3: codec=ffv1 has none; libx264, libx265, libsvtav1, "),
        ("video.crf=fine", "error: task.video.crf='fine': must be int | None, not str"),
        ("video.codecs=libx264", "error: video.codecs: no such key. Did you mean 'video.codec'?"),
    ],
)
def test_what_is_wrong_for_all_videos_is_said_before_the_first(
    options: str, said: str, desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed_line(monkeypatch, f"{LINE} hydra.run.dir=r4 input=in {options}") == 2
    assert capsys.readouterr().err.startswith(said)
    assert not Path("out").exists()


def test_without_pyav_photographs_need_none(
    desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    assert typed_line(monkeypatch, f"{LINE} hydra.run.dir=r5 input=in") == 2
    assert capsys.readouterr().err == 'error: videos need PyAV: pip install "sr-experiments[video]"\n'
    assert typed_line(monkeypatch, f"{LINE} hydra.run.dir=r6 input=in/photo.png") == 0


def test_two_videos_of_one_name_are_refused(
    desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy("in/old/tape.AVI", "in/old/tape.mkv")
    assert typed_line(monkeypatch, f"{LINE} hydra.run.dir=r7 input=in") == 2
    assert "would both become old/tape_x2.mkv" in capsys.readouterr().err


def test_the_name_keeps_the_inputs_suffix() -> None:
    facts: dict[str, Any] = {"kind": "png", "scale": 4, "model": "edsr", "suffix": ".mkv"}
    place = place_of(Path("a/b.c.avi"), name="{stem}_{suffix}_{model}", **facts)
    assert place == Path("a/b.c_avi_edsr.mkv")


def test_a_net_without_numbers_is_told(tmp_path: Path) -> None:
    def broken(lq: Tensor) -> Tensor:
        return torch.full((len(lq), 3, 2 * lq.shape[2], 2 * lq.shape[3]), torch.nan)

    net = type("Net", (), {"scale": 2, "__call__": staticmethod(broken)})()
    videos = Videos(cast(Restorer, net), Encoding())
    with pytest.raises(ValueError, match="values that are not numbers"):
        videos.enlarge(film(tmp_path / "film.mp4"), tmp_path / "out.mp4", advance=lambda share: None)
    assert not (tmp_path / "out.mp4").exists()


def test_progress_is_by_frames(tmp_path: Path) -> None:
    heard: list[float] = []

    class Twice:
        scale = 2

        def __call__(self, lq: Tensor) -> Tensor:
            return lq.repeat_interleave(2, -1).repeat_interleave(2, -2)

    videos = Videos(cast(Restorer, Twice()), Encoding(batch=3))
    path = film(tmp_path / "film.mp4", times=range(8))
    assert videos.pixels(path) == 8 * 48 * 64
    assert videos.enlarge(path, tmp_path / "out.mp4", advance=heard.append) == []
    assert heard == [pytest.approx((number + 1) / 8) for number in range(8)]
