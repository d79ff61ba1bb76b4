"""Videos: times, sound and colours of what is written are those of what was read."""

import itertools
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from sr_experiments.imaging.video.restore import Restored, restore_video
from sr_experiments.imaging.video.streams import main_stream, suffix_of
from sr_experiments.imaging.video.writer import Encoding
from tests.conftest import ROOT
from tests.imaging.films import film, packets, pictures, seen

av = pytest.importorskip("av")

UNEVEN = (0, 1, 3, 4, 9, 10, 15, 16, 17, 30)
LOSSLESS = Encoding(codec="ffv1")
QUICK = Encoding(options={"preset": "ultrafast"})


def enlarged(scale: int) -> Any:
    def nearest(lq: Tensor) -> Tensor:
        return lq.repeat_interleave(scale, dim=-2).repeat_interleave(scale, dim=-1)

    return nearest


def restored(
    source: Path, *, scale: int = 2, suffix: str | None = None, **options: Any
) -> tuple[Path, Restored]:
    target = source.with_name(f"restored{suffix or source.suffix}")
    options = {"encoding": QUICK, "restore": enlarged(scale)} | options
    return target, restore_video(source, target, scale=scale, **options)


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


# ---- pictures


def test_the_net_sees_the_frames_in_their_order(tmp_path: Path) -> None:
    """Beside PyAV's own conversion, which is up to 1.5 levels from the formulas."""
    source = film(tmp_path / "film.mp4", options={"bf": "3"}, times=range(20), size=(46, 62))
    given: list[Tensor] = []

    def restore(lq: Tensor) -> Tensor:
        given.append(lq)
        return enlarged(2)(lq)

    restored(source, restore=restore)
    theirs = seen(source, interpolation="BILINEAR")[0]
    assert len(given) == len(theirs) == 20
    for ours, frame in zip(given, theirs, strict=True):
        assert ours.dtype == torch.float32
        assert ours.shape == (1, 3, 46, 62)
        difference = np.abs(ours[0].permute(1, 2, 0).numpy() * 255 - frame)
        assert difference.mean() < 2
    assert all(not torch.equal(a, b) for a, b in itertools.pairwise(given))


COLOURS = [(16, 128, 128), (235, 128, 128), (81, 90, 240), (145, 54, 34), (41, 240, 110), (126, 140, 100)]


def patches(path: Path, *, pixel_format: str, colours: dict[str, int], codec: str = "ffv1") -> Path:
    """Six patches of 16x16 of known luma and chroma, in 8-bit numbers; no conversion of anybody's between."""
    name = pixel_format
    bits = 10 if name.endswith("10le") else 8
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=25)
        video.width, video.height, video.pix_fmt = 96, 16, name
        video.options = {"crf": "1"} if codec == "libx264" else {}
        for key, value in colours.items():
            setattr(video.codec_context, key, value)
        for number in range(3):
            frame = av.VideoFrame(96, 16, name)
            frame.pts = number
            frame.color_range = colours["color_range"]
            for index, plane in enumerate(frame.planes):
                kind = np.uint8 if bits == 8 else np.uint16
                rows = np.zeros((plane.height, plane.line_size // np.dtype(kind).itemsize), kind)
                for place, colour in enumerate(COLOURS):
                    wide = plane.width // 6
                    rows[:, place * wide : (place + 1) * wide] = colour[index] * 2 ** (bits - 8)
                plane.update(rows.tobytes())
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    return path


def middles(path: Path) -> tuple[np.ndarray, Any]:
    """(patch, plane) numbers in the middle of each patch of the first frame; and the frame."""
    with av.open(str(path)) as container:
        frame = next(container.decode(container.streams.video[0]))
        kind = np.uint8 if frame.format.components[0].bits == 8 else np.uint16
        planes = [np.frombuffer(p, kind).reshape(p.height, -1)[:, : p.width].copy() for p in frame.planes]
    return np.array(
        [[p[len(p) // 2, (2 * n + 1) * p.shape[1] // 12] for p in planes] for n in range(6)]
    ), frame


def formula(numbers: np.ndarray, *, matrix: int, full: bool) -> np.ndarray:
    """RGB of 8-bit numbers by H.273, in float64."""
    of_red, of_blue = {1: (0.2126, 0.0722), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}[matrix]
    y, cb, cr = numbers.astype(np.float64).T
    luma = y / 255 if full else (y - 16) / 219
    blue, red = ((value - 128) / (255 if full else 224) for value in (cb, cr))
    r, b = luma + 2 * (1 - of_red) * red, luma + 2 * (1 - of_blue) * blue
    return np.stack([r, (luma - of_red * r - of_blue * b) / (1 - of_red - of_blue), b], axis=-1).clip(0, 1)


@pytest.mark.parametrize("matrix", [1, 6, 9])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv444p", "yuv420p10le"])
def test_colours_come_back(matrix: int, full: bool, pixel_format: str, tmp_path: Path) -> None:
    """The net sees the RGB of the formulas; what is written has the numbers that were read, and says so."""
    colours = {
        "colorspace": matrix,
        "color_range": 2 if full else 1,
        "color_primaries": matrix,
        "color_trc": 1,
    }
    source = patches(tmp_path / "patches.mkv", pixel_format=pixel_format, colours=colours)
    given: list[Tensor] = []

    def restore(lq: Tensor) -> Tensor:
        given.append(lq)
        return enlarged(2)(lq)

    target, _ = restored(source, restore=restore, encoding=LOSSLESS)
    rgb = np.stack([given[0][0, :, 8, 16 * place + 8].numpy() for place in range(6)])
    numbers = np.array(COLOURS, np.float64)
    if pixel_format.endswith("10le") and full:  # of which white is 1023, not four times 255
        numbers = (numbers * 4 - [0, 512, 512]) * 255 / 1023 + [0, 128, 128]
    truth = formula(numbers, matrix=matrix, full=full)
    assert np.abs(rgb - truth).max() < 1e-5
    before, _ = middles(source)
    after, frame = middles(target)
    inside = (truth > 0).all(-1) & (truth < 1).all(-1) | (np.arange(6) < 2)
    assert np.array_equal(after[inside], before[inside])
    assert frame.format.name == pixel_format
    assert (frame.colorspace, frame.color_range) == (matrix, 2 if full else 1)
    assert (frame.color_primaries, frame.color_trc) == (matrix, 1)


@pytest.mark.parametrize("matrix", [1, 6])
@pytest.mark.parametrize("full", [False, True])
def test_colours_come_back_through_h264(matrix: int, full: bool, tmp_path: Path) -> None:
    colours = {"colorspace": matrix, "color_range": 2 if full else 1, "color_primaries": 1, "color_trc": 1}
    source = patches(tmp_path / "patches.mp4", pixel_format="yuv420p", colours=colours, codec="libx264")
    target, _ = restored(source, encoding=Encoding(crf=10))
    (before, _), (after, frame) = middles(source), middles(target)
    inside = [0, 1, 5]  # the others are outside of RGB's cube in one or the other
    assert np.abs(after[inside].astype(int) - before[inside]).max() <= 2
    assert (frame.colorspace, frame.color_range) == (matrix, 2 if full else 1)


@pytest.mark.parametrize(("size", "matrix"), [((48, 64), 6), ((64, 1280), 1)])
def test_a_matrix_that_nobody_stated_is_guessed_and_written_down(
    size: tuple[int, int], matrix: int, tmp_path: Path
) -> None:
    """Players guess by the size: a video of 480 rows became one of 1920, and its reds another red."""
    target, _ = restored(film(tmp_path / "film.mp4", size=size, times=range(3)))
    with av.open(str(target)) as container:
        frame = next(container.decode(container.streams.video[0]))
        assert (frame.colorspace, frame.color_range) == (matrix, 1)


@pytest.mark.parametrize(
    ("codec", "pixel_format", "written_by", "written_as"),
    [
        ("libx264", "yuv420p10le", "libx264", "yuv420p10le"),
        ("libx264", "yuv422p10le", "libx264", "yuv422p10le"),
        ("libx264", "yuv422p10le", "libsvtav1", "yuv420p10le"),
        ("libx264", "gray", "libx264", "yuv420p"),
        ("ffv1", "gbrp10le", "ffv1", "gbrp10le"),
        ("ffv1", "bgr0", "libx264", "yuv444p"),
        ("ffv1", "yuv411p", "libx264", "yuv422p"),
        ("ffv1", "yuv420p12le", "libx264", "yuv420p10le"),
        ("mjpeg", "yuvj420p", "libx264", "yuv420p"),
        ("rawvideo", "yuyv422", "libx264", "yuv422p"),
        ("png", "rgb24", "libx264", "yuv444p"),
        ("qtrle", "rgb24", "libx264", "yuv444p"),
    ],
)
def test_depth_and_chroma_are_kept_where_the_codec_can(
    codec: str, pixel_format: str, written_by: str, written_as: str, tmp_path: Path
) -> None:
    source = film(
        tmp_path / ("film.mov" if codec in ("qtrle", "png") else "film.mkv"),
        codec=codec,
        pixel_format=pixel_format,
        tracks=0,
        times=range(3),
        size=(64, 64),
    )
    target, _ = restored(source, encoding=Encoding(codec=written_by), suffix=".mkv")
    with av.open(str(target)) as container:
        frame = next(container.decode(container.streams.video[0]))
    full = "yuvj" if codec == "mjpeg" else "yuv"
    assert frame.format.name == written_as.replace("yuv", full)
    small = np.stack(seen(target)[0])[:, ::2, ::2].astype(float)
    assert np.abs(small - np.stack(seen(source)[0])).mean() < 4, "the picture is the same"


def test_ten_bits_are_more_than_256_levels(tmp_path: Path) -> None:
    source = tmp_path / "ramp.mkv"
    with av.open(str(source), "w") as container:
        video = container.add_stream("ffv1", rate=25)
        video.width, video.height, video.pix_fmt = 876, 16, "yuv444p10le"
        frame = av.VideoFrame(876, 16, "yuv444p10le")
        for index, plane in enumerate(frame.planes):
            rows = np.full((16, plane.line_size // 2), 512, np.uint16)
            if index == 0:
                rows[:, :876] = np.arange(64, 940)
            plane.update(rows.tobytes())
        container.mux(video.encode(frame))
        container.mux(video.encode(None))
    target, _ = restored(source, scale=1, encoding=LOSSLESS)
    with av.open(str(target)) as container:
        luma = next(container.decode(container.streams.video[0])).planes[0]
        assert np.array_equal(np.frombuffer(luma, np.uint16)[:876], np.arange(64, 940))


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_odd_sizes(scale: int, tmp_path: Path) -> None:
    source = film(tmp_path / "odd.mkv", codec="ffv1", size=(33, 47), times=range(3))
    target, result = restored(source, scale=scale, encoding=Encoding(crf=1))
    even = (33 * scale + scale % 2, 47 * scale + scale % 2)
    assert result.size == even
    assert bool(result.notes) == (scale % 2 == 1)
    frame, first = seen(target)[0][0].astype(int), seen(source)[0][0]
    assert frame.shape == (*even, 3)
    if scale % 2:
        assert result.notes == [
            f"{47 * scale}x{33 * scale} has an odd side, which yuv420p has not: the last row or column is "
            "there twice"
        ]
        assert np.abs(frame[-1] - frame[-2]).mean() < 4
    assert np.abs(frame[::scale, ::scale][:33, :47] - first).mean() < 4
    exact, result = restored(source, scale=scale, encoding=Encoding(pixel_format="yuv444p"))
    assert result.size == seen(exact)[0][0].shape[:2] == (33 * scale, 47 * scale)


MATRICES = {
    "quarter": (0, 1, -1, 0),
    "half": (-1, 0, 0, -1),
    "three quarters": (0, -1, 1, 0),
    "mirrored": (-1, 0, 0, 1),
}


@pytest.mark.parametrize("name", MATRICES)
def test_a_turned_video_becomes_an_upright_one(name: str, tmp_path: Path) -> None:
    """The matrix maps (x, y) to (a x + c y, b x + d y): where a corner goes, it must lie afterwards."""
    a, b, c, d = MATRICES[name]
    shown = [np.zeros((48, 64, 3), np.uint8) for _ in range(3)]
    for picture in shown:
        picture[:16, :16] = 255  # white, top left
        picture[:16, -16:] = 128  # grey, top right
    source = film(tmp_path / "turned.mp4", shown=shown, times=range(3), shape=Fraction(4, 3))
    content = bytearray(source.read_bytes())
    place = content.index(b"tkhd") + 44
    turned = np.array([a, b, 0, c, d, 0, 0, 0, 16384]) * 65536
    content[place : place + 36] = turned.astype(">i4").tobytes()
    source.write_bytes(content)
    target, result = restored(source, encoding=Encoding(crf=1))
    after = seen(target)[0][0].astype(int)
    assert after.shape[:2] == result.size == ((128, 96) if a == 0 else (96, 128))

    def corner(x: int, y: int) -> float:
        right, down = a * x + c * y > 0, b * x + d * y > 0
        rows, columns = (slice(-16, -4) if far else slice(4, 16) for far in (down, right))
        return float(after[rows, columns].mean())

    assert [round(corner(*place) / 64) for place in ((-1, -1), (1, -1), (-1, 1), (1, 1))] == [4, 2, 0, 0]
    with av.open(str(target)) as container:
        frame = next(container.decode(container.streams.video[0]))
        assert frame.rotation == 0
        assert container.streams.video[0].sample_aspect_ratio == (
            Fraction(3, 4) if a == 0 else Fraction(4, 3)
        )


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
