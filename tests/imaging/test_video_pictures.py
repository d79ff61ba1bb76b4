"""Videos: what is written looks as what was read."""

import itertools
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sr_experiments.imaging.video.writer import Encoding
from tests.imaging.films import LOSSLESS, enlarged, film, restored, seen

av = pytest.importorskip("av")


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
