"""What results are called: ``name={stem}_x{scale}`` and ``format=png``."""

import string
from collections.abc import Sequence
from pathlib import Path

from sr_experiments.imaging.picture import SUFFIXES

SAME = "same"
_PLACES = ("stem", "suffix", "scale", "model")


def check_names(name: str, kind: str) -> None:
    """Refuse a pattern or a format that there is not.

    Raises:
        ValueError: With those that there are.
    """
    if kind not in (*SUFFIXES, SAME):
        raise ValueError(f"format={kind}: choose one of {', '.join(SUFFIXES)}, or same: as the input")
    known = ", ".join(f"{{{place}}}" for place in _PLACES)
    try:
        places = [place for _, place, _, _ in string.Formatter().parse(name) if place is not None]
    except ValueError as error:
        raise ValueError(f"name={name}: {error}; {known} stand for what they say") from error
    for place in places:
        if place not in _PLACES:
            raise ValueError(f"name={name}: there is no {{{place}}}; {known} stand for what they say")
    if "stem" not in places:
        raise ValueError(f"name={name}: without {{stem}} all results would have one name")
    if "/" in name or "\\" in name:
        raise ValueError(f"name={name}: it names a file; the folder is output=FOLDER")


def parts_of(relative: Path) -> tuple[str, str]:
    """The stem and the suffix of a file's name; ``.nii.gz`` is one."""
    own = relative.suffix
    if relative.name.lower().endswith(".nii.gz"):
        own = relative.name[-len(".nii.gz") :]
    return relative.name.removesuffix(own), own


def place_of(
    relative: Path, *, name: str, kind: str, scale: int, model: str, suffix: str | None = None
) -> Path:
    """Where the result of an input lies below the output folder.

    Args:
        relative: Where the input lies below its root.
        name: The pattern.
        kind: The format, or `SAME`.
        scale: Of super-resolution.
        model: The net's name.
        suffix: Of the result; None: by the format.
    """
    stem, own = parts_of(relative)
    if suffix is None:
        suffix = own if kind == SAME else SUFFIXES[kind]
    facts = {"stem": stem, "suffix": own[1:], "scale": scale, "model": model}
    return relative.with_name(name.format(**facts) + suffix)


def refuse_one_name_for_two(places: Sequence[tuple[Path, Path]], *, name: str) -> None:
    """Compare all results' names.

    Args:
        places: Inputs and where their results lie.
        name: The pattern.

    Raises:
        ValueError: If two inputs would be written to one file.
    """
    first: dict[Path, Path] = {}
    for source, place in places:
        other = first.setdefault(place, source)
        if other is not source:
            raise ValueError(
                f"name={name}: {other} and {source} would both become {place}; "
                "name={stem}_{suffix}_x{scale} tells them apart, and so does format=same"
            )
