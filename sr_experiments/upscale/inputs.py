"""Which files ``input=`` means, and where each lies below what was given."""

import glob
from dataclasses import dataclass
from pathlib import Path

from sr_experiments.imaging.io import IMAGE_SUFFIXES, natural_key
from sr_experiments.imaging.video.streams import VIDEO_SUFFIXES
from sr_experiments.nearest import nearest_path
from sr_experiments.upscale.measured import SUFFIXES

_KNOWN = (*IMAGE_SUFFIXES, *SUFFIXES, *VIDEO_SUFFIXES)


@dataclass(frozen=True)
class Inputs:
    """Files to be restored.

    Attributes:
        files: Each with its place below the root, in natural order; of the same place in the output's tree.
        others: Files that are neither images nor videos by their names, and are left alone.
    """

    files: list[tuple[Path, Path]]
    others: int = 0


def find_inputs(
    given: str, *, output: Path, guide: Path | None = None, suffixes: tuple[str, ...] = _KNOWN
) -> Inputs:
    """Look for images and videos.

    Args:
        given: A file, a folder, which is searched with all its folders, or a glob, in which ``**`` is any
            number of folders. What is there under this very name is no glob, whatever is in the name.
        output: The folder of the results, which are not taken for inputs where it lies in the input.
        guide: The folder of the guides, likewise.
        suffixes: Of images and videos, in small letters.

    Raises:
        FileNotFoundError: If there is nothing of the kind.
        ValueError: If results or guides would be taken for inputs.
    """
    path = Path(given).expanduser()
    if path.is_dir():
        if path.resolve() == output.resolve():
            raise ValueError(
                f"output={output} is the folder of the inputs, so the next call would take results for "
                "inputs; give another, which may lie in it"
            )
        found = [one for one in path.rglob("*") if not _is_hidden(one.relative_to(path))]
        return _chosen(found, root=path, aside=(output, guide), suffixes=suffixes, given=given)
    if path.exists() or path.is_symlink():
        return Inputs([(path, Path(path.name))])
    if not glob.has_magic(given):
        raise FileNotFoundError(f"input={given}: there is no such file or folder{nearest_path(path)}")
    root = path
    while glob.has_magic(str(root)):
        root = root.parent
    matches = [Path(one) for one in glob.glob(str(path), recursive=True)]
    if not matches:
        raise FileNotFoundError(f"input={given}: no file matches")
    return _chosen(matches, root=root, aside=(output, guide), suffixes=suffixes, given=given)


def _chosen(
    found: list[Path], *, root: Path, aside: tuple[Path, Path | None], suffixes: tuple[str, ...], given: str
) -> Inputs:
    """What can be restored of what was found. Links that lead nowhere stay: they are told as broken files."""
    whole = root.resolve()
    if aside[1] is not None and aside[1].resolve() == whole:
        raise ValueError(
            f"guide={aside[1]} is the folder of the inputs, and a guide has the name of its input; keep "
            "guides in a folder of their own, which may lie in it"
        )
    elsewhere = [folder.resolve() for folder in aside if folder is not None]
    inside = [folder for folder in elsewhere if folder.is_relative_to(whole)]
    files, others = [], 0
    for path in found:
        if path.is_dir() or (inside and any(map(path.resolve().is_relative_to, inside))):
            continue
        if path.name.lower().endswith(suffixes):
            files.append((path, path.relative_to(root)))
        else:
            others += 1
    if not files:
        kinds = ", ".join(suffix[1:] for suffix in suffixes)
        raise FileNotFoundError(f"input={given}: no images or videos there; these are read: {kinds}")
    files.sort(key=lambda pair: [natural_key(part) for part in pair[1].parts])
    return Inputs(files, others)


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
