"""Files of measured values (DICOM, NIfTI, GeoTIFF): enlarged as files of their own kind and unit."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from sr_experiments.data.memory import free_bytes, readable
from sr_experiments.imaging.fields import is_measured, open_measured
from sr_experiments.imaging.measured import upscale_measured
from sr_experiments.imaging.span import Span
from sr_experiments.restorer import Restorer

SUFFIXES = (".dcm", ".nii", ".nii.gz")  # by which they are found in folders; a GeoTIFF is called .tif
_OWN = (
    "measured values were restored over the range of their file: neither range= nor the weights name another"
)
_OF_PLANE, _OF_FILE = 16, 4  # bytes of a value, while its plane is at work, and of all that is written


def looks_measured(path: Path) -> bool:
    """Whether a file is of these kinds; what cannot be opened is none."""
    try:
        return is_measured(path)
    except OSError:
        return False


def pixels_of(path: Path) -> int:
    """Of all planes, by the header; 0 where it can not be read."""
    try:
        file = open_measured(path)
    except (OSError, ValueError):
        return 0
    return 0 if file is None else file.planes * file.shape[0] * file.shape[1]


@dataclass(frozen=True)
class Measuring:
    """What files of measured values are restored by.

    Attributes:
        range: [low, high] that 0 and 1 stand for; None: those that the net was trained with, else the file's.
        axis: Which slices of a volume are restored.
    """

    range: Sequence[float] | None = None
    axis: str = "axial"

    def __post_init__(self) -> None:
        """Refuse what is no range."""
        if self.range is not None:
            Span.of(self.range, option="range")

    def settings(self) -> dict[str, Any]:
        """What was asked for, where anything was: another result comes of it."""
        asked = {"range": None if self.range is None else [float(end) for end in self.range]}
        return {} if self == Measuring() else {**asked, "axis": self.axis}

    def enlarge(
        self,
        source: Path,
        target: Path,
        restorer: Restorer,
        *,
        guide: Callable[[tuple[int, int]], Tensor] | None = None,
        advance: Callable[[float], None] = lambda share: None,
    ) -> str:
        """Restore a file.

        Args:
            source: The file.
            target: Of the same suffix.
            restorer: The net.
            guide: For a net that takes one: the guide of an input of a height and width.
            advance: Told which share is done.

        Returns:
            What there is to say about the result, or nothing.

        Raises:
            ValueError: If it cannot be read, no range is known, the net takes no such bands, or memory does
                not hold the result.
        """
        file = open_measured(source, axis=self.axis)
        assert file is not None, "its caller has looked"
        given = self.range if self.range is not None else restorer.range
        if given is None and _OWN not in restorer.notes:
            restorer.notes.append(_OWN)
        span = file.chosen_span(None if given is None else Span.of(given, option="range"))
        height, width, bands = file.shape
        if guide is not None and file.planes > 1:
            raise ValueError(f"{source} has {file.planes} slices, and a guide is one image")
        beside = None if guide is None else guide((height, width))
        values = restorer.scale**2 * height * width * bands
        if (needed := values * (_OF_PLANE + _OF_FILE * file.planes)) > (free := free_bytes()):
            raise ValueError(
                f"the result of {file.planes} x {restorer.scale * height}x{restorer.scale * width} takes "
                f"about {readable(needed)} of memory, and {readable(free)} are free; cut the file into parts"
            )
        done = 0

        def restore(lq: Tensor) -> Tensor:
            nonlocal done
            sr = restorer(lq, beside)
            done += 1
            advance(done / file.planes)
            return sr

        lost = upscale_measured(file, target, restore, span=span, scale=restorer.scale, name=restorer.name)
        if not lost:
            return ""
        return f"{100 * lost:.3g} % of its values lay outside {span.low:g} to {span.high:g} and were cut off"
