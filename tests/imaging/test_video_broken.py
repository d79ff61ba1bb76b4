"""Videos that are cut, broken or none: what is said, to the letter, and that nothing half is left."""

import errno
import sys
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from sr_experiments.imaging.video.facts import look
from sr_experiments.imaging.video.restore import restore_video
from sr_experiments.imaging.video.whole import stated_length
from sr_experiments.imaging.video.writer import Encoding
from tests.imaging.films import film, seen

av = pytest.importorskip("av")

FAST_START = {"movflags": "faststart"}


def same(lq: Tensor) -> Tensor:
    return lq


def told(source: Path, target: str = "out.mkv", **options: Any) -> str:
    """What is said of a video, without its folder."""
    before = sorted(path.name for path in source.parent.iterdir())
    with pytest.raises(ValueError, match=r".") as caught:
        restore_video(source, source.with_name(target), restore=same, scale=1, **options)
    assert sorted(path.name for path in source.parent.iterdir()) == before, "nothing is left"
    return str(caught.value).replace(f"{source.parent}/", "")


def remuxed(source: Path, target: Path, **options: str) -> Path:
    with av.open(str(source)) as read, av.open(str(target), "w", options=options) as written:
        streams = {stream.index: written.add_stream_from_template(stream) for stream in read.streams}
        for packet in read.demux():
            if packet.size:
                packet.stream = streams[packet.stream_index]
                written.mux(packet)
    return target


def places(path: Path) -> list[tuple[int, int]]:
    """Where each packet of pictures lies, and how large it is."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return [(packet.pos, packet.size) for packet in container.demux(stream) if packet.size]


# ---- cut short


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm", ".avi"])
def test_the_stated_length_is_the_files(suffix: str, tmp_path: Path) -> None:
    codec, sound = {".webm": ("libvpx-vp9", "libopus"), ".avi": ("mpeg4", "libmp3lame")}.get(
        suffix, ("libx264", "aac")
    )
    path = film(tmp_path / f"film{suffix}", codec=codec, sound=sound)
    assert stated_length(path) == path.stat().st_size
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    stated = stated_length(path)
    assert stated is not None
    assert len(content) * 2 // 3 < stated <= len(content)


def test_a_transport_stream_states_no_length(tmp_path: Path) -> None:
    assert stated_length(film(tmp_path / "film.ts")) is None


def test_a_cut_mp4_with_its_index_in_front(tmp_path: Path) -> None:
    whole = film(tmp_path / "film.mp4", times=range(50))
    path = remuxed(whole, tmp_path / "cut.mp4", **FAST_START)
    whole.unlink()
    place, size = sorted(places(path))[30]
    total = path.stat().st_size
    path.write_bytes(path.read_bytes()[: place + size // 2])
    said = told(path)
    assert said == (
        f"cut.mp4: it is cut short: {place + size // 2:,} of {total:,} bytes are there, with its first 30 "
        "frames. Copy it again, or keep what is whole (ffmpeg -i cut.mp4 -c copy whole.mkv) and give that"
    )


def test_a_cut_mp4_without_its_index(tmp_path: Path) -> None:
    path = film(tmp_path / "cut.mp4")
    content = path.read_bytes()
    path.write_bytes(content[:4000])
    assert told(path) == (
        f"cut.mp4: it is cut short: 4,000 of {stated_length(path):,} bytes are there, and without its end it "
        "can not be opened; copy it again"
    )


@pytest.mark.parametrize(("suffix", "codec"), [(".mkv", "libx264"), (".avi", "mpeg4")])
def test_a_cut_matroska_and_avi(suffix: str, codec: str, tmp_path: Path) -> None:
    path = film(tmp_path / f"cut{suffix}", codec=codec, tracks=0, times=range(50))
    place, _ = places(path)[20]
    path.write_bytes(path.read_bytes()[:place])
    assert " are there, with its first 20 frames. Copy it again" in told(path)


def test_a_file_whose_data_end_before_its_header_says(tmp_path: Path) -> None:
    """Bytes in its middle were lost, and Matroska's parts are not found again: 300 frames become 20."""
    path = film(tmp_path / "lost.mkv", tracks=0, times=range(300), options={"g": "500"})
    place, _ = places(path)[20]
    content = bytearray(path.read_bytes())
    content[place : len(content) - 100] = bytes(len(content) - 100 - place)
    path.write_bytes(content)
    assert told(path).startswith(
        "lost.mkv: it is cut or damaged: its header says 12.0 s, and its data end after 0.8 s, with its "
        "first 20 frames."
    )


# ---- broken inside


@pytest.mark.parametrize(
    ("suffix", "codec", "why"),
    [
        (".mp4", "libx264", "Invalid data found when processing input"),
        (".avi", "mpeg4", "a part of its data is missing or wrong"),
    ],
)
def test_a_frame_that_is_broken(suffix: str, codec: str, why: str, tmp_path: Path) -> None:
    """Without frames that are kept back, so that the broken packet is the frame of its number."""
    path = film(tmp_path / f"broken{suffix}", codec=codec, times=range(40), options={"bf": "0"})
    content = bytearray(path.read_bytes())
    place, size = places(path)[24]
    if codec == "mpeg4":  # a few bytes, which its decoder conceals
        for at in range(place + size // 2, place + size, 16):
            content[at] ^= 255
    else:
        content[place + 5 : place + size] = bytes(size - 5)
    path.write_bytes(content)
    assert told(path) == f"{path.name}: frame 25 can not be decoded: {why}; the 24 before it are whole"


def test_frames_that_are_lost_without_a_word_are_counted(tmp_path: Path) -> None:
    """The decoder of H.265 leaves out what it can not decode, and says nothing."""
    path = film(
        tmp_path / "lossy.mkv",
        codec="libx265",
        tracks=0,
        times=range(40),
        options={"x265-params": "log-level=none:bframes=0"},
    )
    content = bytearray(path.read_bytes())
    place, size = places(path)[24]
    content[place + 12 : place + size] = bytes(size - 12)
    path.write_bytes(content)
    result = restore_video(path, tmp_path / "out.mkv", restore=same, scale=1)
    assert result.frames < 40
    assert result.notes == [
        f"{40 - result.frames} of 40 packets gave no picture: they are damaged, or the video begins between "
        "key frames"
    ]


def test_a_size_that_changes(tmp_path: Path) -> None:
    first = film(tmp_path / "first.ts", tracks=0, size=(48, 64), times=range(10))
    second = film(tmp_path / "second.ts", tracks=0, size=(96, 64), times=range(10, 20))
    path = tmp_path / "both.ts"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    assert told(path) == "both.ts: from frame 11 on it has another size, 64x96 after 64x48; split it there"


def test_colours_that_no_matrix_makes(tmp_path: Path) -> None:
    path = film(tmp_path / "film.mkv", codec="ffv1", pixel_format="yuv444p", colours={"colorspace": 8})
    assert told(path) == "film.mkv: its colours are coded as YCgCo, of which no matrix makes RGB"


def test_a_turn_that_is_no_quarter(tmp_path: Path) -> None:
    path = film(tmp_path / "film.mp4")
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 44
    c, s = 46341, 46341  # a half of the root of 2
    for index, value in enumerate((c, s, 0, -s, c)):
        content[place + 4 * index : place + 4 * index + 4] = value.to_bytes(4, "big", signed=True)
    path.write_bytes(content)
    said = told(path)
    assert said.startswith("film.mp4: it is to be shown turned by ")
    assert said.endswith("45 degrees or stretched; only quarter turns and mirrors are known")


# ---- no video


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "x.mp4: the file is empty"),
        (b"this is a letter, not a video\n" * 40, "x.mp4: Invalid data found when processing input"),
    ],
)
def test_what_is_no_video(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "x.mp4").write_bytes(content)
    assert told(tmp_path / "x.mp4") == said


def test_sound_alone(tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    whole = film(tmp_path / "film.mp4")
    with av.open(str(whole)) as read, av.open(str(path), "w") as written:
        stream = written.add_stream_from_template(read.streams.audio[0])
        for packet in read.demux(read.streams.audio[0]):
            if packet.size:
                packet.stream = stream
                written.mux(packet)
    assert told(path) == "sound.mp4: there are no moving pictures in it"


def test_nothing_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nothing\.mp4: there is no such file"):
        look(tmp_path / "nothing.mp4")
    with pytest.raises(ValueError, match="it is a folder"):
        look(tmp_path)


def test_without_pyav(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = film(tmp_path / "film.mp4")
    monkeypatch.setitem(sys.modules, "av", None)
    assert told(path) == 'videos need PyAV: pip install "sr-experiments[video]"'


# ---- what can not be written


@pytest.mark.parametrize(
    ("target", "encoding", "said"),
    [
        ("out.gif", Encoding(), "out.gif: videos are written as .mp4, .m4v, .mov, .mkv, .webm"),
        (
            "out.mkv",
            Encoding(codec="x264"),
            "film.mp4: codec=x264: this PyAV has no such encoder (libx264, libx265, ...)",
        ),
        ("out.mkv", Encoding(codec="aac"), "film.mp4: codec=aac encodes audio, not videos"),
        (
            "out.mkv",
            Encoding(codec="ffv1", crf=10),
            "film.mp4: crf=10: codec=ffv1 has none; libx264, libx265, libsvtav1, libvpx-vp9 have",
        ),
        (
            "out.mkv",
            Encoding(codec="libsvtav1", pixel_format="yuv444p"),
            "film.mp4: pixel_format=yuv444p: codec=libsvtav1 is written in one of yuv420p, yuv420p10le",
        ),
        ("out.webm", Encoding(), "film.mp4: codec=libx264 does not go into webm; .mkv takes any"),
        (
            "out.mkv",
            Encoding(options={"presett": "slow"}),
            "film.mp4: codec=libx264 has no option presett",
        ),
        (
            "out.mkv",
            Encoding(options={"preset": "quickly"}),
            "film.mp4: codec=libx264 refuses 64x48 yuv420p with {'crf': '18', 'preset': 'quickly'}: ",
        ),
    ],
)
def test_what_can_not_be_written(target: str, encoding: Encoding, said: str, tmp_path: Path) -> None:
    path = film(tmp_path / "film.mp4")
    assert told(path, target, encoding=encoding).startswith(said)


def test_a_net_that_fails_leaves_nothing(tmp_path: Path) -> None:
    path = film(tmp_path / "film.mp4")

    def fails(lq: Tensor) -> Tensor:
        raise RuntimeError("memory ran out")

    with pytest.raises(RuntimeError, match="memory ran out"):
        restore_video(path, tmp_path / "out.mp4", restore=fails, scale=2)
    assert [one.name for one in tmp_path.iterdir()] == ["film.mp4"]


def test_a_full_disk_is_not_the_videos_fault(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    path = film(tmp_path / "film.mp4", size=(240, 320), times=range(30))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, hard))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            restore_video(path, tmp_path / "out.mp4", restore=same, scale=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.errno == errno.EFBIG
    assert [one.name for one in tmp_path.iterdir()] == ["film.mp4"]


def test_frames_without_times_are_given_some(tmp_path: Path) -> None:
    """A bare stream of H.264, as some recorders write it: no container, no times."""
    path = film(tmp_path / "bare.h264", tracks=0, options={"bf": "2"})
    result = restore_video(path, tmp_path / "out.mkv", restore=same, scale=1)
    assert result.frames == 12
    assert result.notes == ["frames without a time, or with that of an earlier one, were given the next time"]
    times = [float(time) for time in seen(tmp_path / "out.mkv")[1]]
    assert times == pytest.approx([number / 25 for number in range(12)], abs=1e-3)
