"""Files of measured values (DICOM, NIfTI, GeoTIFF): what they have in common.

Such a file holds one or several planes of numbers in a unit of their own, and says where they lie in space.
What is made of it is a file of its kind again, with smaller pixels in the same place. Values that are none
(nodata, padding, NaN) are holes: a net sees the nearest value in their place, and the result has them again.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sr_experiments.imaging.span import Span

Restore = Callable[[Tensor], Tensor]
_ROWS = 256


@dataclass(frozen=True)
class Plane:
    """One image of a file.

    Attributes:
        values: (H, W, C) float64, in the file's unit; arbitrary where there are holes.
        holes: (H, W, C) bool, or None where every value is one.
    """

    values: np.ndarray
    holes: np.ndarray | None = None

    def filled(self) -> np.ndarray:
        """The values, and in holes the nearest value of the same band; 0 in a band that is nothing else."""
        if self.holes is None:
            return self.values
        from scipy.ndimage import distance_transform_edt

        whole = self.values.copy()
        for band in range(whole.shape[2]):
            holes = self.holes[:, :, band]
            if holes.all():
                whole[:, :, band] = 0.0
            elif holes.any():
                rows, columns = distance_transform_edt(holes, return_distances=False, return_indices=True)
                whole[:, :, band] = whole[rows, columns, band]
        return whole


class MeasuredFile(ABC):
    """An opened file.

    Attributes:
        path: Where it is.
        kind: What it is, for messages.
        planes: How many.
        shape: (H, W, C) of each.
        span: The range that it states itself; None where it states none.
        inverted: Low values are meant to be white.
        window: [center, width] that it asks to be shown with.
        belongs: Files of the same are of the same body or scene, and must not be divided between training and
            validation. It may be a person's: it is compared and never written down.
    """

    path: Path
    kind: str
    planes: int = 1
    shape: tuple[int, int, int]
    span: Span | None = None
    inverted: bool = False
    window: tuple[float, float] | None = None
    belongs: str = ""

    @abstractmethod
    def plane(self, number: int) -> Plane:
        """One plane; 0 is the first.

        Raises:
            ValueError: If its pixels cannot be read.
        """

    @abstractmethod
    def write(self, path: Path, planes: Iterator[np.ndarray], *, scale: int, name: str) -> None:
        """Write a file of the same kind, whole or not at all.

        Args:
            path: Of the same suffix.
            planes: As many as the file has, (scale H, scale W, C) float32 in the file's unit, without holes.
            scale: How many times smaller the pixels are.
            name: Of the net, for a header that says what was done.
        """

    def chosen_span(self, given: Span | None) -> Span:
        """The range that is asked for, else the file's own.

        Raises:
            ValueError: If there is neither.
        """
        span = given or self.span
        if span is None:
            raise ValueError(
                f"{self.path}: {self.kind} of values whose range nothing states: say which values are black "
                "and white, range=[LOW,HIGH]"
            )
        return span

    def unit(self, number: int, span: Span) -> np.ndarray:
        """A plane as a net sees it: (H, W, C) float32 in [0, 1]."""
        unit = span.to_unit(self.plane(number).filled())
        return 1.0 - unit if self.inverted else unit

    def levels(self, number: int, span: Span) -> np.ndarray:
        """The same in 16-bit levels: (H, W, C) uint16."""
        levels = span.to_levels(self.plane(number).filled())
        return 65535 - levels if self.inverted else levels


def upscale_measured(
    file: MeasuredFile, output: Path, restore: Restore, *, span: Span, scale: int, name: str
) -> float:
    """Restore every plane of a file, and write a file of the same kind.

    Args:
        file: What is read.
        output: What is written.
        restore: (1, C, H, W) in [0, 1] to (1, C, scale H, scale W).
        span: What 0 and 1 stand for.
        scale: Of the net.
        name: Of the net.

    Returns:
        Which part of the values lay outside the range and was cut off, 0 to 1.

    Raises:
        ValueError: If the file cannot be read.
    """
    outside = []

    def restored() -> Iterator[np.ndarray]:
        for number in range(file.planes):
            filled = file.plane(number).filled()
            outside.append(span.share_outside(filled))
            unit = span.to_unit(filled)
            unit = 1.0 - unit if file.inverted else unit
            sr = restore(torch.from_numpy(np.ascontiguousarray(unit.transpose(2, 0, 1)))[None])[0]
            yield _in_unit(sr.detach().cpu(), span, inverted=file.inverted)

    file.write(output, restored(), scale=scale, name=name)
    return float(np.mean(outside))


def _in_unit(sr: Tensor, span: Span, *, inverted: bool) -> np.ndarray:
    """(C, H, W) of [0, 1] to (H, W, C) float32 in the file's unit, some rows at a time: scenes are large.

    Raises:
        ValueError: If a value is not a number.
    """
    bands, height, width = sr.shape
    values = np.empty((height, width, bands), np.float32)
    for top in range(0, height, _ROWS):
        rows = sr[:, top : top + _ROWS].double().clamp(0, 1).permute(1, 2, 0).numpy()
        if np.isnan(rows).any():
            raise ValueError("the net's result has values that are not numbers (NaN): its weights are broken")
        values[top : top + _ROWS] = span.from_unit(1.0 - rows if inverted else rows)
    return values


def enlarged(mask: np.ndarray, scale: int) -> np.ndarray:
    """(H, W, ...) to (scale H, scale W, ...), each value repeated."""
    return mask.repeat(scale, axis=0).repeat(scale, axis=1)


def absent(path: Path, *, kind: str, package: str, extra: str) -> ValueError:
    """What is said where a reader is not installed."""
    return ValueError(
        f'{path} is {kind}, which takes the package {package}: pip install "sr-experiments[{extra}]"'
    )
