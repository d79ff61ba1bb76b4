"""Small videos, made where a test needs them."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from sr_experiments.imaging.video.restore import Restored, restore_video
from sr_experiments.imaging.video.writer import Encoding

Pictures = Sequence[np.ndarray]


def pictures(count: int, *, height: int, width: int, seed: int = 0) -> list[np.ndarray]:
    """(H, W, 3) uint8: a soft pattern that moves, so that no two are the same, of rather pale colours."""
    rng = np.random.default_rng(seed)
    phases = rng.uniform(0, 2 * np.pi, 3)
    rows, columns = np.mgrid[:height, :width]
    return [
        np.stack(
            [
                127 + 70 * np.sin(rows / 9 + columns / 7 + number / 5) + 30 * np.sin(columns / 15 + phase)
                for phase in phases
            ],
            axis=-1,
        ).astype(np.uint8)
        for number in range(count)
    ]


def film(
    path: Path,
    *,
    size: tuple[int, int] = (48, 64),
    times: Sequence[int] = tuple(range(12)),
    time_base: Fraction = Fraction(1, 25),
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    tracks: int = 1,
    sound: str = "aac",
    shown: Pictures | None = None,
    colours: dict[str, int] | None = None,
    options: dict[str, str] | None = None,
    shape: Fraction | None = None,
) -> Path:
    """A video with sine tones of as many tracks, as long as the pictures.

    Args:
        path: Where; its suffix chooses the container.
        size: (H, W).
        times: Of the frames, in the time base.
        time_base: Seconds.
        codec: Of the pictures.
        pixel_format: FFmpeg's name.
        tracks: Of sound.
        sound: Their codec.
        shown: (H, W, 3) uint8 each; None: a pattern.
        colours: Of the encoder: colorspace, color_range, color_primaries, color_trc.
        options: Of the encoder.
        shape: Of a pixel.
    """
    import av

    height, width = size
    shown = pictures(len(times), height=height, width=width) if shown is None else shown
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "a test"
        video = container.add_stream(codec, rate=1 / (time_base * (times[1] - times[0])), time_base=time_base)
        video.width, video.height, video.pix_fmt = width, height, pixel_format
        video.options = options or {}
        if shape is not None:
            video.sample_aspect_ratio = shape
        for key, value in (colours or {}).items():
            setattr(video.codec_context, key, value)
        tones = [container.add_stream(sound, rate=16000, layout="mono") for _ in range(tracks)]
        for number, tone in enumerate(tones):
            tone.metadata["language"] = ("deu", "eng", "fra")[number]
        seconds = float((times[-1] + 1) * time_base)
        for frequency, tone in enumerate(tones, start=1):
            _mux(container, tone, sine(seconds, frequency=220 * frequency))
        frames = []
        for time, picture in zip(times, shown, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = time, time_base
            frames.append(frame)
        _mux(container, video, frames)
    return path


def sine(seconds: float, *, frequency: int, rate: int = 16000) -> list[Any]:
    import av

    count = int(seconds * rate)
    wave = (8000 * np.sin(2 * np.pi * frequency * np.arange(count) / rate)).astype(np.int16)
    frames = []
    for begin in range(0, count, 1024):
        frame = av.AudioFrame.from_ndarray(wave[None, begin : begin + 1024], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, begin, Fraction(1, rate)
        frames.append(frame)
    return frames


def _mux(container: Any, stream: Any, frames: Sequence[Any]) -> None:
    for frame in [*frames, None]:
        for packet in stream.encode(frame):
            container.mux(packet)


def packets(path: Path, *, index: int) -> list[tuple[bytes, float | None, float]]:
    """The packets of a stream: bytes, begin, length in seconds."""
    import av

    with av.open(str(path)) as container:
        stream = container.streams[index]
        return [
            (
                bytes(packet),
                None if packet.pts is None else float(packet.pts * packet.time_base),
                float((packet.duration or 0) * packet.time_base),
            )
            for packet in container.demux(stream)
            if packet.size
        ]


def seen(path: Path, **options: Any) -> tuple[list[np.ndarray], list[Fraction]]:
    """What PyAV itself decodes: (H, W, 3) uint8 of each frame, and its time in seconds."""
    import av

    with av.open(str(path)) as container:
        frames = list(container.decode(container.streams.video[0]))
    return (
        [frame.to_ndarray(format="rgb24", **options) for frame in frames],
        [frame.pts * frame.time_base for frame in frames],
    )


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
