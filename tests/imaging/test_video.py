"""Videos: times, sound and what else is in a file are those of what was read."""

import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torch import Tensor

from sr_experiments.imaging.video.streams import main_stream, suffix_of
from sr_experiments.imaging.video.writer import Encoding
from tests.conftest import ROOT
from tests.imaging.films import enlarged, film, packets, pictures, restored, seen

av = pytest.importorskip("av")

UNEVEN = (0, 1, 3, 4, 9, 10, 15, 16, 17, 30)


def lengths(path: Path) -> list[Fraction]:
    """Seconds of the file and of each stream; 0 where the container does not say."""
    with av.open(str(path)) as container:
        streams = [(stream.duration or 0) * stream.time_base for stream in container.streams]
        return [Fraction(container.duration, 1_000_000), *streams]


# ---- times, sound, what else is in the file


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize(
    ("times", "time_base"),
    [
        (range(12), Fraction(1, 25)),
        (UNEVEN, Fraction(1, 25)),
        ([1001 * time for time in range(12)], Fraction(1, 30_000)),
        ([5 + time for time in UNEVEN], Fraction(1, 24)),
    ],
    ids=["even", "uneven", "ntsc", "late"],
)
def test_times_and_sound_are_the_inputs(suffix: str, times: Any, time_base: Fraction, tmp_path: Path) -> None:
    source = film(tmp_path / f"film{suffix}", times=times, time_base=time_base, tracks=2)
    target, result = restored(source)
    before, after = seen(source), seen(target)
    assert result.frames == len(after[0]) == len(times)
    assert after[1] == before[1], "the times of the frames, exactly"
    for index in (1, 2):
        assert packets(target, index=index) == packets(source, index=index)
    if suffix == ".mkv":  # whose header counts the last packet of sound whole
        assert abs(lengths(target)[0] - lengths(source)[0]) <= Fraction(1024, 16_000)
    else:  # MP4 counts a track in the order of decoding: with uneven times it is that order's length
        places = slice(None) if times == range(12) else slice(0, None, 2)
        assert lengths(target)[places] == lengths(source)[places]
    with av.open(str(target)) as container:
        assert container.metadata["title"] == "a test"
        assert container.streams[2].metadata["language"] == "eng"
        video = container.streams.video[0]
        assert (video.width, video.height) == (128, 96)
    assert not result.notes
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([source.name, target.name])


def with_subtitles(path: Path) -> Path:
    """A film with subtitles and chapters, its streams copied into Matroska."""
    text = path.with_name("words.srt")
    text.write_text(
        "1\n00:00:00,100 --> 00:00:00,300\nWho is there?\n\n2\n00:00:00,320 --> 00:00:00,450\nNobody.\n"
    )
    film(plain := path.with_name("plain.mkv"))
    with av.open(str(plain)) as read, av.open(str(text)) as words, av.open(str(path), "w") as written:
        streams = [(one, written.add_stream_from_template(one, opaque=True)) for one in read.streams]
        streams.append((words.streams[0], written.add_stream_from_template(words.streams[0], opaque=True)))
        streams[-1][1].metadata["language"] = "nld"
        written.set_chapters(
            [
                {
                    "id": 1,
                    "start": 0,
                    "end": 200,
                    "time_base": Fraction(1, 1000),
                    "metadata": {"title": "one"},
                },
                {
                    "id": 2,
                    "start": 200,
                    "end": 480,
                    "time_base": Fraction(1, 1000),
                    "metadata": {"title": "two"},
                },
            ]
        )
        for source, target in streams:
            for packet in source.container.demux(source):
                if packet.size:
                    packet.stream = target
                    written.mux(packet)
            if source.container is read:
                read.seek(0)
    plain.unlink()
    text.unlink()
    return path


def test_subtitles_and_chapters(tmp_path: Path) -> None:
    source = with_subtitles(tmp_path / "film.mkv")
    target, result = restored(source)
    assert not result.notes
    with av.open(str(target)) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio", "subtitle"]
        assert container.streams[2].metadata["language"] == "nld"
        assert [one["metadata"]["title"] for one in container.chapters()] == ["one", "two"]
    assert [one[0] for one in packets(target, index=2)] == [b"Who is there?", b"Nobody."]
    for index in (1, 2):
        assert packets(target, index=index) == packets(source, index=index)


def test_what_the_container_does_not_take_is_left_out_and_told(tmp_path: Path) -> None:
    """MP4 has no room for Matroska's subtitles of plain text."""
    source = with_subtitles(tmp_path / "film.mkv")
    target, result = restored(source, suffix=".mp4")
    assert result.notes == ["stream 2 (subtitle) is left out: the container does not take it"]
    assert packets(target, index=1)[2][0] == packets(source, index=1)[2][0]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_cover_is_no_moving_picture(suffix: str, tmp_path: Path) -> None:
    """As downloaders put it into a file: a stream of pictures with one picture."""
    plain, source = film(tmp_path / "plain.mp4"), tmp_path / f"film{suffix}"
    Image.fromarray(np.full((40, 40, 3), 200, np.uint8)).save(tmp_path / "cover.png")
    with (
        av.open(str(plain)) as read,
        av.open(str(tmp_path / "cover.png")) as picture,
        av.open(str(source), "w") as written,
    ):
        if suffix == ".mp4":
            cover = written.add_stream_from_template(picture.streams[0], opaque=True)
            cover.disposition = 0x400
        else:
            written.add_attachment("cover.png", "image/png", (tmp_path / "cover.png").read_bytes())
        copies = {one.index: written.add_stream_from_template(one, opaque=True) for one in read.streams}
        for packet in picture.demux() if suffix == ".mp4" else ():
            if packet.size:
                packet.stream = cover
                written.mux(packet)
        for packet in read.demux():
            if packet.size:
                packet.stream = copies[packet.stream_index]
                written.mux(packet)
    target, result = restored(source)
    assert (result.frames, result.size) == (12, (96, 128))
    with av.open(str(target)) as container:
        dispositions = [int(stream.disposition) & 0x400 for stream in container.streams.video]
    assert dispositions == ([0, 0x400] if suffix == ".mp4" else [0])
    assert result.notes == (
        [] if suffix == ".mp4" else ["stream 2 (cover) is left out: the container does not take it"]
    )
    first = SimpleNamespace(disposition=0x400)
    second = SimpleNamespace(disposition=1)
    assert main_stream(SimpleNamespace(streams=SimpleNamespace(video=[first, second]))) is second


@pytest.mark.parametrize(
    ("codec", "pixel_format", "options", "note"),
    [
        ("libx264", "yuv420p", {"x264-params": "interlaced=1"}, "it is interlaced: its two fields are"),
        ("ffv1", "yuva420p", {}, "its transparency is left out"),
    ],
)
def test_what_is_not_handled_is_told(
    codec: str, pixel_format: str, options: dict[str, str], note: str, tmp_path: Path
) -> None:
    source = film(tmp_path / "film.mkv", codec=codec, pixel_format=pixel_format, options=options)
    _, result = restored(source)
    assert len(result.notes) == 1
    assert result.notes[0].startswith(note)


def test_without_sound(tmp_path: Path) -> None:
    target, _ = restored(film(tmp_path / "silent.mp4", tracks=0))
    with av.open(str(target)) as container:
        assert [stream.type for stream in container.streams] == ["video"]


@pytest.mark.parametrize(
    ("suffix", "codec", "sound"),
    [(".avi", "mpeg4", "libmp3lame"), (".webm", "libvpx-vp9", "libopus"), (".mpg", "mpeg2video", "mp2")],
)
def test_other_containers_become_matroska(suffix: str, codec: str, sound: str, tmp_path: Path) -> None:
    source = film(tmp_path / f"film{suffix}", codec=codec, sound=sound)
    assert suffix_of(source, codec="libx264") == ".mkv"
    target, result = restored(source, suffix=".mkv")
    before, after = seen(source), seen(target)
    assert result.frames == len(before[1]) == len(after[1])
    assert [round(float(time), 3) for time in after[1]] == [round(float(time), 3) for time in before[1]]
    assert [one[0] for one in packets(target, index=1)] == [one[0] for one in packets(source, index=1)]


def test_webm_stays_webm_with_a_codec_of_its_own(tmp_path: Path) -> None:
    source = film(tmp_path / "film.webm", codec="libvpx-vp9", sound="libopus")
    assert suffix_of(source, codec="libvpx-vp9") == ".webm"
    target, _ = restored(source, encoding=Encoding(codec="libvpx-vp9"))
    assert seen(target)[1] == seen(source)[1]
    assert packets(target, index=1) == packets(source, index=1)


def test_pixels_that_are_not_square(tmp_path: Path) -> None:
    target, _ = restored(film(tmp_path / "film.mp4", shape=Fraction(16, 11)))
    with av.open(str(target)) as container:
        assert container.streams.video[0].sample_aspect_ratio == Fraction(16, 11)


def test_batches_and_progress(tmp_path: Path) -> None:
    source, sizes, heard = film(tmp_path / "film.mp4", times=range(10)), [], []

    def restore(lq: Tensor) -> Tensor:
        sizes.append(len(lq))
        return enlarged(2)(lq)

    one, _ = restored(source, suffix=".mkv")
    target, result = restored(
        source,
        restore=restore,
        encoding=Encoding(options={"preset": "ultrafast"}, batch=4),
        told=lambda done, all: heard.append((done, all)),
    )
    assert sizes == [4, 4, 2]
    assert heard == [(number, 10) for number in range(1, 11)]
    assert result.frames == 10
    assert all(np.array_equal(a, b) for a, b in zip(seen(one)[0], seen(target)[0], strict=True))


# ---- memory

GROWTH = """
import resource, sys
from pathlib import Path
from sr_experiments.imaging.video.restore import restore_video
from sr_experiments.imaging.video.writer import Encoding
from tests.imaging.test_video import enlarged

def peak(name):
    source = Path(sys.argv[1]) / name
    restore_video(source, source.with_name("out.mp4"), restore=enlarged(2), scale=2,
                  encoding=Encoding(options={"preset": "ultrafast"}))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

short, long = peak("short.mp4"), peak("long.mp4")
print(f"{short:.0f} MiB after 60 frames, {long:.0f} after 600")
sys.exit(long - short > 40)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is in other units elsewhere")
def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    """540 more frames of 320x240 would be 500 MB in float, and 60 in 8 bit."""
    film(tmp_path / "short.mp4", times=range(60), size=(120, 160), options={"preset": "ultrafast"})
    shown = pictures(60, height=120, width=160) * 10
    film(
        tmp_path / "long.mp4", times=range(600), size=(120, 160), shown=shown, options={"preset": "ultrafast"}
    )
    told = subprocess.run(
        [sys.executable, "-c", GROWTH, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert told.returncode == 0, told.stdout + told.stderr
