"""Videos among the inputs of ``task=upscale``: which they are, how large, and one through the net."""

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, TypedDict

import torch
from torch import Tensor

from sr_experiments.imaging.video.facts import extent
from sr_experiments.imaging.video.frames import library
from sr_experiments.imaging.video.restore import restore_video
from sr_experiments.imaging.video.streams import VIDEO_SUFFIXES, suffix_of
from sr_experiments.imaging.video.writer import Encoding
from sr_experiments.restorer import Restorer


class VideoOptions(TypedDict, total=False):
    """`Encoding`, as it stands in a config."""

    codec: str
    crf: int | None
    pixel_format: str | None
    options: dict[str, str | int | float] | None
    batch: int


def is_video(path: Path) -> bool:
    """By its name."""
    return path.suffix.lower() in VIDEO_SUFFIXES


class Videos:
    """How videos are restored.

    Args:
        restorer: The net.
        encoding: Of the results.
    """

    def __init__(self, restorer: Restorer, encoding: Encoding) -> None:
        """Nothing is read yet."""
        self.restorer, self.encoding = restorer, encoding

    def check(self) -> None:
        """Refuse what no video can be written with, before the first is restored.

        Raises:
            ValueError: If PyAV, the encoder or its quality is missing.
        """
        library()
        self.encoding.check()

    def settings(self) -> dict[str, Any]:
        """What decides about a result, of videos alone."""
        facts = {one.name: getattr(self.encoding, one.name) for one in fields(self.encoding)}
        del facts["batch"]  # which changes no result
        return {**facts, "options": self.encoding.of_encoder()}

    def suffix(self, source: Path) -> str:
        """Of the result."""
        return suffix_of(source, codec=self.encoding.codec)

    def pixels(self, source: Path) -> int:
        """Of all its frames together, about."""
        return extent(source)

    def enlarge(self, source: Path, target: Path, *, advance: Callable[[float], None]) -> list[str]:
        """Restore one; `advance` is told which share of it is done.

        Returns:
            What has to be known of the result.
        """
        return restore_video(
            source,
            target,
            restore=self._restored,
            scale=self.restorer.scale,
            encoding=self.encoding,
            told=lambda done, count: advance(min(done / max(count, 1), 1.0)),
        ).notes

    def _restored(self, lq: Tensor) -> Tensor:
        sr = self.restorer(lq)
        if bool(torch.isnan(sr).any()):
            raise ValueError("the net's result has values that are not numbers (NaN): its weights are broken")
        return sr
