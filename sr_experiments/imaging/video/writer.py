"""A video that is written: its pictures encoded, everything else copied."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from sr_experiments.imaging.video import frames, streams
from sr_experiments.imaging.video.facts import Facts

CRF = {"libx264": 18, "libx265": 20, "libsvtav1": 24, "libvpx-vp9": 24}
"""Constant quality of the encoders that know the word: what is hardly to be told from the frames."""


@dataclass(frozen=True)
class Encoding:
    """How a video is written.

    Attributes:
        codec: FFmpeg's name of an encoder.
        crf: Constant quality, smaller is better; None: `CRF` of the codec.
        pixel_format: FFmpeg's name; None: the nearest to what was read.
        options: Further ones of the encoder, as {"preset": "slow"}.
        batch: Frames that go through the net at once.
    """

    codec: str = "libx264"
    crf: int | None = None
    pixel_format: str | None = None
    options: Mapping[str, str | int | float] | None = None
    batch: int = 1

    def check(self) -> None:
        """Refuse what goes with no video.

        Raises:
            ValueError: If there is no such encoder, it has no constant quality and one is asked for, or
                batches have no frames.
        """
        if self.batch < 1:
            raise ValueError(f"batch={self.batch}: must be at least 1")
        frames.encoder_of(self.codec)
        self.of_encoder()

    def of_encoder(self) -> dict[str, str]:
        """All options of the encoder.

        Raises:
            ValueError: If it has no constant quality and one is asked for.
        """
        if self.codec not in CRF:
            if self.crf is not None:
                raise ValueError(f"crf={self.crf}: codec={self.codec} has none; {', '.join(CRF)} have")
            return self._further()
        crf = CRF[self.codec] if self.crf is None else self.crf
        quiet = {"x265-params": "log-level=error"} if self.codec == "libx265" else {}
        return {"crf": str(crf)} | quiet | self._further()

    def _further(self) -> dict[str, str]:
        return {str(key): str(value) for key, value in (self.options or {}).items()}


class Writer:
    """Takes frames and packets in the order of the video that is read.

    Args:
        written: PyAV's container, nothing in it.
        read: The one that is read.
        main: Its stream of pictures.
        facts: About it.
        scale: Of the frames.
        encoding: How they are written.

    Attributes:
        size: (H, W) of what is written.
        copied: The other streams that the container takes.
        done: Frames so far.
        notes: What a reader of the result has to know.

    Raises:
        ValueError: If the encoder, its options and the container do not fit together.
    """

    def __init__(
        self, written: Any, read: Any, main: Any, *, facts: Facts, scale: int, encoding: Encoding
    ) -> None:
        """Open the encoder."""
        self._written = written
        self.notes: list[str] = []
        self._coding = frames.coding_to_write(
            facts.coding, codec=encoding.codec, wanted=encoding.pixel_format
        )
        self.size = self._even(facts, scale)
        self._encoder = self._opened(main, encoding, transposed=facts.turn.transposed)
        self._copies, left = streams.copy_streams(read, written, main=main)
        self.notes += left
        self.copied = [stream for stream in read.streams if stream.index in self._copies]
        self.done = 0
        self._lasts: dict[int, int] = {}  # how long the frame at a time lasts, until its packet comes out
        self._step = max(1, round(1 / (_rate(main) * main.time_base)))
        self._latest: int | None = None

    def picture(self, image: Tensor, old: Any) -> None:
        """(3, H, W) float in [0, 1], in the place of a frame that was read."""
        new = frames.to_frame(image, self._coding)
        new.pts, new.time_base = self._time(old.pts), old.time_base
        if old.duration:
            self._lasts[new.pts] = old.duration
        self._mux(new)
        self.done += 1

    def packet(self, packet: Any) -> None:
        """Of a stream that is copied."""
        if packet.size:
            packet.stream = self._copies[packet.stream_index]
            self._written.mux(packet)

    def finish(self) -> None:
        """What the encoder still holds."""
        self._mux(None)

    def _mux(self, frame: Any) -> None:
        for packet in self._encoder.encode(frame):
            if packet.pts in self._lasts:
                packet.duration = self._lasts.pop(packet.pts)
            self._written.mux(packet)

    def _time(self, stated: int | None) -> int:
        """As stated, but later than the one before: no container takes others."""
        if stated is None or (self._latest is not None and stated <= self._latest):
            note = "frames without a time, or with that of an earlier one, were given the next time"
            self.notes += [] if note in self.notes else [note]
            stated = 0 if self._latest is None else self._latest + self._step
        self._latest = stated
        return stated

    def _even(self, facts: Facts, scale: int) -> tuple[int, int]:
        height, width = (side * scale for side in facts.size)
        size = height + -height % self._coding.down, width + -width % self._coding.across
        if size != (height, width):
            self.notes.append(
                f"{width}x{height} has an odd side, which {frames.pixel_format(self._coding)} has not: the "
                "last row or column is there twice"
            )
        return size

    def _opened(self, main: Any, encoding: Encoding, *, transposed: bool) -> Any:
        """The stream of the pictures, its encoder open."""
        try:
            encoder = self._written.add_stream(encoding.codec, rate=_rate(main), time_base=main.time_base)
        except ValueError as error:
            raise ValueError(
                f"codec={encoding.codec} does not go into {self._written.format.name}; .mkv takes any"
            ) from error
        encoder.height, encoder.width = self.size
        encoder.pix_fmt = frames.pixel_format(self._coding)
        shape = main.sample_aspect_ratio
        if shape:
            encoder.sample_aspect_ratio = 1 / shape if transposed else shape
        context = encoder.codec_context
        context.color_range = 2 if self._coding.full else 1
        context.colorspace = self._coding.matrix if self._coding.kind == "yuv" else 0
        context.color_primaries = main.codec_context.color_primaries
        context.color_trc = main.codec_context.color_trc
        encoder.options = encoding.of_encoder()
        os.environ.setdefault("SVT_LOG", "1")  # SVT-AV1 tells the terminal all about itself else
        encoder.metadata.update(streams.described(main))
        try:
            context.open()
        except frames.library().FFmpegError as error:
            raise ValueError(
                f"codec={encoding.codec} refuses {self.size[1]}x{self.size[0]} {encoder.pix_fmt} with "
                f"{encoding.of_encoder()}: {error.strerror}"
            ) from error
        unknown = set(context.options) & set(encoding.options or {})
        if unknown:
            raise ValueError(f"codec={encoding.codec} has no option {', '.join(sorted(unknown))}")
        return encoder


def _rate(main: Any) -> Any:
    return main.average_rate or main.guessed_rate or 25
