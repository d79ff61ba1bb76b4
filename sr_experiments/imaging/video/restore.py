"""A video through a net: frames read, restored and written one after the other, the rest of the file kept.

- **Memory** does not grow with the length: frames are held in batches, and by the encoder for its delay.
- **Timing**: each frame has the time it had, in the time base of its stream, and lasts as long; also with a
  variable rate. Matroska and WebM count in milliseconds: times from another container are rounded to those.
- **Sound, subtitles, chapters and titles** are copied, packets as they are. What the container does not take
  is left out, and told.
- **Colours**: by the stream's own matrix and range to RGB and back (`coding`), with the stream's depth where
  the codec has it. Matrix, range, primaries and transfer are written down in the result; the first two also
  where they were guessed, because players guess by the size, which changes.
- **Turned videos** (of phones) become upright ones; pixels that are not square stay as they were.
- **4:2:0 has even sizes**: of an odd one the last row or column is written twice.
- **A cut or broken video** is refused, and it is said how much of it is whole. Nothing half is written.
- Not done: frames know nothing of one another, and interlaced ones are taken for whole ones (that is told).
  Of HDR the transfer and the primaries stay, what describes the screen it was made on (SEI) does not.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sr_experiments.imaging.beside import beside
from sr_experiments.imaging.video import frames, streams
from sr_experiments.imaging.video.facts import Facts, explained, look
from sr_experiments.imaging.video.writer import Encoding, Writer

Restore = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Restored:
    """What was written: how many frames, of which size (H, W), and what has to be known of them."""

    frames: int
    size: tuple[int, int]
    notes: list[str]


def restore_video(
    source: Path,
    target: Path,
    *,
    restore: Restore,
    scale: int,
    encoding: Encoding | None = None,
    told: Callable[[int, int], None] | None = None,
) -> Restored:
    """Restore a video's frames and write it anew.

    Args:
        source: The video.
        target: What is written, whole or not at all: .mp4, .m4v, .mov, .mkv or .webm.
        restore: (B, 3, H, W) float32 RGB in [0, 1], upright, to (B, 3, scale H, scale W).
        scale: Of the result.
        encoding: How it is written, and how many frames `restore` is given at once; None: H.264, one.
        told: Is called with the number of frames that are done, and of all.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no video, is cut or broken, or can not be written so; the message names it.
    """
    encoding = encoding or Encoding()
    assert encoding.batch >= 1
    facts = look(source)
    container = streams.format_of(target)
    av = frames.library()
    with (
        beside(target) as temporary,
        explained(source),
        av.open(str(source)) as read,
        av.open(str(temporary), "w", format=container) as written,
    ):
        main = streams.main_stream(read)
        writer = Writer(written, read, main, facts=facts, scale=scale, encoding=encoding)
        pictures = _Pictures(
            facts, restore=restore, scale=scale, batch=encoding.batch, writer=writer, told=told
        )
        for packet in read.demux([main, *writer.copied]):
            if packet.stream_index == main.index:
                pictures.take(packet)
            else:
                writer.packet(packet)
        pictures.flush()
        writer.finish()
    notes = [*facts.notes, *writer.notes, *_lost(facts, writer, name=pictures.codec)]
    return Restored(frames=writer.done, size=writer.size, notes=notes)


def _lost(facts: Facts, writer: Writer, *, name: str) -> list[str]:
    lost = facts.frames - writer.done
    if lost <= 0 or name == "vp8" or facts.interlaced:  # some packets of VP8 are never shown
        return []
    return [
        f"{lost} of {facts.frames} packets gave no picture: they are damaged, or the video begins between "
        "key frames"
    ]


class _Pictures:
    """Packets of pictures become frames, in batches through the net, and on to the writer."""

    def __init__(
        self,
        facts: Facts,
        *,
        restore: Restore,
        scale: int,
        batch: int,
        writer: Writer,
        told: Callable[[int, int], None] | None,
    ) -> None:
        self._facts, self._restore, self._scale, self._batch = facts, restore, scale, batch
        self._writer, self._told = writer, told
        self._waiting: list[Any] = []
        self.codec = ""

    def take(self, packet: Any) -> None:
        """A packet, or the empty one at the end."""
        self.codec = packet.stream.codec_context.name
        for frame in self._decoded(packet):
            self._refuse_another_size(frame)
            self._waiting.append(frame)
            if len(self._waiting) == self._batch:
                self.flush()

    def flush(self) -> None:
        """Restore what is waiting."""
        if not self._waiting:
            return
        turn, coding = self._facts.turn, self._facts.coding
        lq = torch.stack([turn.upright(frames.to_rgb(frame, coding)) for frame in self._waiting])
        sr = self._restore(lq)
        height, width = self._facts.size
        assert sr.shape == (len(lq), 3, height * self._scale, width * self._scale), tuple(sr.shape)
        for image, old in zip(sr, self._waiting, strict=True):
            self._writer.picture(image, old)
            if self._told:
                self._told(self._writer.done, self._facts.frames)
        self._waiting.clear()

    def _decoded(self, packet: Any) -> Iterator[Any]:
        """The frames that a packet completes.

        Raises:
            ValueError: If it can not be decoded; says up to which frame the video is whole.
        """
        problem = frames.library().FFmpegError
        try:
            found = packet.decode()
        except problem as error:
            raise ValueError(self._broken(str(error.strerror), later=_held(packet, problem))) from error
        for frame in found:
            if frame.is_corrupt:
                raise ValueError(self._broken("a part of its data is missing or wrong"))
            yield frame

    def _broken(self, why: str, *, later: int = 0) -> str:
        whole = self._writer.done + len(self._waiting) + later
        if not whole:
            return f"its first frame can not be decoded: {why}"
        return f"frame {whole + 1} can not be decoded: {why}; the {whole} before it are whole"

    def _refuse_another_size(self, frame: Any) -> None:
        size = (frame.height, frame.width)
        stored = self._facts.size[::-1] if self._facts.turn.transposed else self._facts.size
        if size != stored:
            number = self._writer.done + len(self._waiting) + 1
            raise ValueError(
                f"from frame {number} on it has another size, {size[1]}x{size[0]} after "
                f"{stored[1]}x{stored[0]}; split it there"
            )


def _held(packet: Any, problem: type[Exception]) -> int:
    """Whole frames that the decoder held back when a packet broke."""
    try:
        return sum(not frame.is_corrupt for frame in packet.stream.decode(None))
    except problem:
        return 0
