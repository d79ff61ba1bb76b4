"""Files of measured values become images that train: slices and tiles of 16 bit over one stated range.

Nothing of a header goes along: names are numbers, in the natural order of the files' paths. What belongs
together (the slices of a person, the tiles of a scene) is trained on or validated on, never both.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sr_experiments.data.problems import shortened
from sr_experiments.data.ranged import NAME
from sr_experiments.imaging import tiff
from sr_experiments.imaging.fields import is_measured, open_measured
from sr_experiments.imaging.io import natural_key, write_png
from sr_experiments.imaging.measured import MeasuredFile
from sr_experiments.imaging.span import Span
from sr_experiments.nearest import nearest_path

ROLES = ("train", "val")


@dataclass
class Converted:
    """What was written.

    Attributes:
        span: What black and white stand for.
        channels: Bands of each image.
        images: How many, for training and for validation.
        bodies: How many persons, volumes or scenes, likewise.
        flat: Planes and tiles that were left out because one value is all they hold, or a hole.
        outside: Which part of the values was cut off.
        window: That the files ask to be shown with, where they agree.
        skipped: What is wrong with the files that were left out.
    """

    span: Span
    channels: int
    images: dict[str, int] = field(default_factory=dict)
    bodies: dict[str, int] = field(default_factory=dict)
    flat: int = 0
    outside: float = 0.0
    window: tuple[float, float] | None = None
    skipped: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Known:
    """What of a file must be known before any is converted: all headers together would be large."""

    path: Path
    planes: int
    bands: int
    belongs: str
    window: tuple[float, float] | None
    span: Span


def find_measured(given: Path) -> list[Path]:
    """The file, or all files of measured values in a folder and its folders, in natural order.

    Raises:
        FileNotFoundError: If there is none.
    """
    if given.is_file():
        return [given]
    if not given.is_dir():
        raise FileNotFoundError(f"input={given}: there is no such file or folder{nearest_path(given)}")
    every = (path for path in given.rglob("*") if path.is_file())
    shown = (path for path in every if not any(part[0] == "." for part in path.relative_to(given).parts))
    found = [path for path in shown if is_measured(path)]
    if not found:
        raise FileNotFoundError(f"input={given}: no DICOM, NIfTI (.nii, .nii.gz) or GeoTIFF there")
    return sorted(found, key=lambda path: [natural_key(part) for part in path.parts])


def convert_files(
    paths: Sequence[Path],
    output: Path,
    *,
    span: Span | None = None,
    axis: str = "axial",
    tile: int | None = None,
    held_out: float = 0.2,
    skip: bool = False,
) -> Converted:
    """Write ``output/train`` and ``output/val``.

    Args:
        paths: Files of measured values.
        output: A folder; neither of its two holds anything yet.
        span: What black and white stand for; None: the range that all files state.
        axis: Of the slices of volumes.
        tile: Side of the tiles into which planes are cut; what is left at the right and at the bottom is left
            out. None: planes are written whole.
        held_out: Share of persons, volumes or scenes for validation; of a single scene, of its rows of tiles.
        skip: Leave out files that cannot be used; else there must be none.

    Raises:
        ValueError: If files cannot be used or do not fit together.
    """
    for role in ROLES:
        if (output / role).is_dir() and any((output / role).iterdir()):
            raise ValueError(f"{output / role} holds files already; give another output=FOLDER")
    files, problems = _opened(paths, axis, span)
    if problems and not (skip and files):
        raise ValueError(shortened(problems, separator="\n") + "\ntask.skip=true leaves such files out")
    agreed = _agreed(files)
    made = Converted(agreed, files[0].bands, window=_window(files), skipped=problems)
    outside = []
    roles = _roles(files, held_out, tile=tile)
    for number, known in enumerate(files, start=1):
        file = open_measured(known.path, axis=axis)
        assert file is not None
        for name, levels, role, lost in _images(
            file, agreed, tile=tile, role=roles[file.belongs], share=held_out
        ):
            outside.append(lost)
            if levels is None:
                made.flat += 1
                continue
            _write(output / role / f"{number:04d}{name}", levels)
            made.images[role] = made.images.get(role, 0) + 1
    for role in ROLES:
        made.bodies[role] = sum(one == role for one in roles.values())
        if made.images.get(role):
            _note(output / role, agreed)
    made.outside = float(np.mean(outside)) if outside else 0.0
    if not made.images.get("train"):
        raise ValueError("nothing is left to train on: all planes are flat or smaller than task.tile")
    return made


def _opened(paths: Sequence[Path], axis: str, span: Span | None) -> tuple[list[_Known], list[str]]:
    """The headers of all files, and what is wrong with those that can not be used."""
    files, problems = [], []
    for path in paths:
        try:
            file = open_measured(path, axis=axis)
            if file is None:
                raise ValueError(f"{path} is no DICOM, NIfTI or GeoTIFF; pictures need no conversion")
            files.append(
                _Known(path, file.planes, file.shape[2], file.belongs, file.window, file.chosen_span(span))
            )
        except (OSError, ValueError) as error:
            problems.append(str(error))
    return files, problems


def _agreed(files: Sequence[_Known]) -> Span:
    """The range of all files, which must have the same bands.

    Raises:
        ValueError: If they do not agree.
    """
    bands = {file.bands: file.path for file in files}
    if len(bands) > 1:
        raise ValueError(
            "the files have different numbers of bands: "
            + ", ".join(f"{path} has {count}" for count, path in sorted(bands.items()))
        )
    stated = {file.span: file.path for file in files}
    if len(stated) > 1:
        said = ", ".join(f"{path} from {one.low:g} to {one.high:g}" for one, path in list(stated.items())[:3])
        raise ValueError(f"the files state different ranges ({said}): say range=[LOW,HIGH]")
    return next(iter(stated))


def _window(files: Sequence[_Known]) -> tuple[float, float] | None:
    windows = {file.window for file in files}
    return next(iter(windows)) if len(windows) == 1 else None


def _roles(files: Sequence[_Known], share: float, *, tile: int | None) -> dict[str, str]:
    """Whom or what each body of files is for; a single one is divided by its rows of tiles.

    Raises:
        ValueError: If nothing can be held out.
    """
    if not 0 <= share < 1:
        raise ValueError(f"task.held_out={share}: must be 0 or more and less than 1")
    bodies = list(dict.fromkeys(file.belongs for file in files))
    if share == 0:
        return dict.fromkeys(bodies, "train")
    if len(bodies) == 1:
        if files[0].planes * len(files) > 1 or tile is None:
            raise ValueError(
                "all is of one body, and its neighbouring slices say nothing of others: add files of "
                "another for validation, or say task.held_out=0"
            )
        return dict.fromkeys(bodies, "divided")
    count = min(max(1, round(share * len(bodies))), len(bodies) - 1)
    return {body: "train" if place < len(bodies) - count else "val" for place, body in enumerate(bodies)}


def _images(
    file: MeasuredFile, span: Span, *, tile: int | None, role: str, share: float
) -> Iterator[tuple[str, np.ndarray | None, str, float]]:
    """(name, levels or None where they are of no use, role, part that was cut off) of every image."""
    for number in range(file.planes):
        plane = file.plane(number)
        levels = span.to_levels(plane.filled())
        levels = 65535 - levels if file.inverted else levels
        lost = span.share_outside(plane.filled())
        slice_name = f"-{number + 1:04d}" if file.planes > 1 else ""
        height, width = levels.shape[:2]
        side = tile or max(height, width)
        tops = range(0, height - side + 1, side) if tile else range(1)
        lefts = range(0, width - side + 1, side) if tile else range(1)
        for row, top in enumerate(tops):
            for column, left in enumerate(lefts):
                part = (slice(top, top + side), slice(left, left + side))
                useless = np.ptp(levels[part]) == 0 or (plane.holes is not None and plane.holes[part].any())
                name = f"{slice_name}-{row + 1:02d}-{column + 1:02d}" if tile else slice_name
                below = (
                    role if role != "divided" else ROLES[row >= len(tops) - max(1, round(share * len(tops)))]
                )
                yield name, None if useless else levels[part], below, lost


def _write(path: Path, levels: np.ndarray) -> None:
    """A PNG of one or three bands, else a TIFF."""
    if levels.shape[2] in (1, 3):
        write_png(path.with_name(path.name + ".png"), np.ascontiguousarray(levels))
    else:
        tiff.write(path.with_name(path.name + ".tif"), np.ascontiguousarray(levels))


def _note(folder: Path, span: Span) -> None:
    """What the images stand for, beside them."""
    (folder / NAME).write_text(
        json.dumps({"range": span.as_list(), "levels": 65535}) + "\n", encoding="utf-8"
    )
