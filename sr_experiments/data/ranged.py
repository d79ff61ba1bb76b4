"""What the images of a folder stand for: `range.json` beside them, which `task=convert` writes."""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from sr_experiments.data.problems import shortened
from sr_experiments.data.sources import Folder, Joined, Part, Source
from sr_experiments.imaging.span import Span

NAME = "range.json"


def refuse_other_range(sources: Iterable[Source], given: Sequence[float] | None) -> None:
    """Stop where `data.range` is not that of the files: numbers would be called by another name.

    Args:
        sources: Whose folders are looked at.
        given: `data.range`.

    Raises:
        ValueError: Naming the folders, and what to say.
    """
    span = Span.of(given, option="data.range") if given is not None else None
    problems = []
    for folder in dict.fromkeys(folder for source in sources for folder in _folders(source)):
        theirs = range_of(folder)
        if theirs is not None and theirs != span:
            said = "null" if span is None else span.as_list()
            problems.append(
                f"the images in {folder} stand for values from {theirs.low:g} to {theirs.high:g}, and "
                f"data.range={said}: say data.range=[{theirs.low:g},{theirs.high:g}]"
            )
    if problems:
        raise ValueError(shortened(problems, separator="\n"))


def range_of(folder: Path) -> Span | None:
    """What `range.json` in a folder says; None where there is none.

    Raises:
        ValueError: If it says nothing of that kind.
    """
    path = folder / NAME
    if not path.is_file():
        return None
    try:
        return Span.of(json.loads(path.read_text(encoding="utf-8"))["range"], option="range")
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not what task=convert writes: {error}; convert again") from error


def _folders(source: Source) -> Iterator[Path]:
    if isinstance(source, Joined):
        for inner in source.sources:
            yield from _folders(inner)
    elif isinstance(source, Part):
        yield from _folders(source.source)
    elif isinstance(source, Folder):
        yield source.root
