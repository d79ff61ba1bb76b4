"""``guide=``: which image guides which input, for a net that restores one modality by another."""

from collections import defaultdict
from pathlib import Path

from torch import Tensor

from sr_experiments.imaging.colour import to_channels
from sr_experiments.imaging.io import IMAGE_SUFFIXES, read_image, to_tensor
from sr_experiments.nearest import nearest_path
from sr_experiments.restorer import Restorer
from sr_experiments.upscale.names import parts_of


class Guides:
    """The guides of a call.

    Args:
        given: A file, for one input; or a folder, with the tree of the inputs.
        count: How many inputs there are.
        output: The folder of the results.

    Attributes:
        path: The file or folder.
    """

    def __init__(self, given: str, *, count: int, output: Path) -> None:
        """Look where it is.

        Raises:
            FileNotFoundError: If there is no such file or folder.
            ValueError: If it is one file for several inputs, or the folder of the results.
        """
        self.path = Path(given).expanduser()
        self._of_folder: dict[Path, dict[str, list[Path]]] = {}
        if not self.path.exists():
            raise FileNotFoundError(
                f"guide={given}: there is no such file or folder{nearest_path(self.path)}"
            )
        if self.path.is_file() and count != 1:
            raise ValueError(
                f"guide={given} is one file, and there are {count} inputs; give a folder with a guide for "
                "each of them, of its name"
            )
        if self.path.resolve() == output.resolve():
            raise ValueError(f"guide={given} is the folder of the results; give another output=FOLDER")

    def find(self, relative: Path) -> Path:
        """The guide of an input.

        Args:
            relative: Where the input lies below its root.

        Raises:
            ValueError: If there is none, or more than one.
        """
        if self.path.is_file():
            return self.path
        stem, _ = parts_of(relative)
        folder = self.path / relative.parent
        if folder not in self._of_folder:
            self._of_folder[folder] = _by_stem(folder)
        found = self._of_folder[folder].get(stem, [])
        exact = [path for path in found if path.name == relative.name]
        if len(exact or found) > 1:
            names = ", ".join(path.name for path in found)
            raise ValueError(f"it has several guides in {folder}: {names}; leave one there")
        if not found:
            raise ValueError(
                f"there is no guide {folder / stem}.png (or .jpg, .tif, ...); a guide has the name of its "
                "input, in the same place of the tree"
            )
        return (exact or found)[0]


def guides_for(restorer: Restorer, given: str | None, *, count: int, output: Path) -> Guides | None:
    """The guides of a call, if its net takes any.

    Args:
        restorer: The net.
        given: What was typed.
        count: See `Guides`.
        output: See `Guides`.

    Raises:
        FileNotFoundError: See `Guides`.
        ValueError: If a guide is given and the net takes none, or the reverse; and see `Guides`.
    """
    if restorer.guide_channels and given is None:
        raise ValueError(
            f"{restorer.name} restores an image by a second one, its guide: guide=FILE, or guide=FOLDER with "
            f"a file for each input, of its name and {restorer.scale} times its size"
        )
    if given is not None and not restorer.guide_channels:
        raise ValueError(
            f"guide={given}: {restorer.name} takes no guide; leave it away, or give the weights of a net "
            "that was trained with one (data=guided model=guided)"
        )
    return None if given is None else Guides(given, count=count, output=output)


def read_guide(guide: Path, size: tuple[int, int], *, source: Path, restorer: Restorer) -> Tensor:
    """The guide of an input for the net.

    Args:
        guide: As found.
        size: Height and width of the input.
        source: The input.
        restorer: The net.

    Returns:
        (1, G, sH, sW) float32 in [0, 1].

    Raises:
        FileNotFoundError: If it is a link to nowhere.
        ValueError: If it cannot be read, or is of another size or other channels than the net takes.
    """
    samples = read_image(guide)
    wanted = tuple(restorer.scale * side for side in size)
    if samples.shape[:2] != wanted:
        raise ValueError(
            f"its guide {guide} is {samples.shape[0]}x{samples.shape[1]} (height x width), but {source} is "
            f"{size[0]}x{size[1]}, which at scale={restorer.scale} takes {wanted[0]}x{wanted[1]}: crop or "
            "resize the guide to that, so that it lies pixel on pixel of the result"
        )
    try:
        samples = to_channels(samples, channels=restorer.guide_channels)
    except ValueError as error:
        raise ValueError(
            f"its guide {guide} has {samples.shape[2]} channels, and {restorer.name} takes guides of "
            f"{restorer.guide_channels}"
        ) from error
    return to_tensor(samples)[None]


def _by_stem(folder: Path) -> dict[str, list[Path]]:
    """The images of a folder, links to nowhere among them."""
    found: dict[str, list[Path]] = defaultdict(list)
    if folder.is_dir():
        for path in sorted(folder.iterdir()):
            if path.suffix.lower() in IMAGE_SUFFIXES and not path.is_dir():
                found[path.stem].append(path)
    return found
