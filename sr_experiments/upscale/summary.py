"""What became of the files: a table on disk, a row at a time, and what is said at the end."""

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sr_experiments.paths import shown
from sr_experiments.restorer import Restorer
from sr_experiments.upscale.inputs import Inputs
from sr_experiments.upscale.video import is_video

_TOLD = 20  # failures that are told at the end; the file lists all


@contextmanager
def rows(path: Path) -> Iterator[Any]:
    """A table on disk, a row at a time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.DictWriter(file, ["input", "output", "status", "reason", "seconds"])
        writer.writeheader()

        def write(row: dict[str, Any]) -> None:
            writer.writerow(row)
            file.flush()

        yield write


def tell(
    outcome: Mapping[Path, tuple[str, str]],
    restorer: Restorer,
    folder: Path,
    inputs: Inputs,
    run_dir: Path,
) -> None:
    """Say how it went.

    Raises:
        ValueError: If it did not go well with every image.
    """
    counts = Counter(status for status, _ in outcome.values())
    done = [path for path, (status, _) in outcome.items() if status == "done"]
    print(f"done     {_counted(done)} in {folder}: {restorer.name} x{restorer.scale}")
    if counts["skipped"]:
        print(f"skipped  {counts['skipped']} that were done before")
    if inputs.others:
        print(f"ignored  {inputs.others} files that are neither images nor videos by their names")
    for note in [
        *restorer.notes,
        *(f"{path}: {said}" for path, (s, said) in outcome.items() if s == "done" and said),
    ]:
        print(f"note     {_printable(note)}")
    failed = [f"{path}: {said}" for path, (status, said) in outcome.items() if status == "failed"]
    if not failed:
        return
    what = "files" if any(is_video(path) for path in outcome) else "images"
    lines = [f"{len(failed)} of {len(outcome)} {what} could not be restored; the others are done"]
    lines += [f"  {_printable(line)}" for line in failed[:_TOLD]]
    if len(failed) > _TOLD:
        lines.append(f"  and {len(failed) - _TOLD} more")
    lines.append(f"each of them is in {shown(run_dir / 'files.csv')}")
    raise ValueError("\n".join(lines))


def _counted(files: Sequence[Path]) -> str:
    """As "2 images and 1 video"."""
    videos = sum(is_video(path) for path in files)
    words = [(len(files) - videos, "image"), (videos, "video")]
    told = [f"{count} {word}{'' if count == 1 else 's'}" for count, word in words if count]
    return " and ".join(told) or "0 images"


def _printable(text: str) -> str:
    """File names need not be UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
