"""Where images come from: classes that a YAML names, each listing files. Nothing is decoded here.

The tree of a published data set (`data/README.md`): HR images in `<root>/HR`, or in `<root>` itself, and,
where low-resolution images are published, `<root>/LR/x<scale>` with the same stem or the stem and `x<scale>`.
`<root>/HR/x<scale>` holds HR images that were cropped for one scale. `<root>/guide` holds what another sensor
saw, with the stem of the HR image on whose pixels it lies.
"""

import logging
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from sr_experiments.data.problems import shortened
from sr_experiments.imaging.io import IMAGE_SUFFIXES, image_shape, list_images, read_image
from sr_experiments.nearest import nearest_path

_log = logging.getLogger(__name__)
GUIDES = "guide"
KINDS = ", ".join(suffix.removeprefix(".") for suffix in IMAGE_SUFFIXES)
WHERE = (
    "Images are read from the folder itself or from HR/ in it, published small ones from LR/x2/, LR/x3/, ... "
    "Sets are looked for under data_dir=FOLDER or SR_DATA_DIR, and task=prepare fetches published ones "
    "(data/README.md)"
)


@dataclass(frozen=True)
class Item:
    """One image.

    Attributes:
        name: For tables and file names; the stem where that is unique in its folder.
        gt: The file of the good image.
        lq: The file of the small one, where there is one.
        guide: The file of the same scene by another sensor, pixel on pixel, where there is one.
    """

    name: str
    gt: Path
    lq: Path | None = None
    guide: Path | None = None

    @property
    def detail(self) -> str:
        """What else decides about its pixels, in words."""
        return ""

    def files(self) -> list[Path]:
        """All of its files."""
        return [path for path in (self.gt, self.lq, self.guide) if path is not None]

    def shape(self, path: Path) -> tuple[int, int, int]:
        """(H, W, C) of what `read` will return of one of its files; see `image_shape`."""
        return image_shape(path)

    def read(self, path: Path) -> np.ndarray:
        """One of its files, (H, W, C) uint8 or uint16; see `read_image`."""
        return read_image(path)


class Source(ABC):
    """Something that can list images.

    Attributes:
        paired: Whether its `lq` files are the task itself, not merely what a degradation would have made.
    """

    paired: bool = False

    @abstractmethod
    def items(self) -> list[Item]:
        """The images in a fixed order, at least one.

        Raises:
            ValueError: If there are none, or pairs are incomplete; the message says what was expected where.
        """


def _no_folder(path: Path) -> str:
    return f"the folder {path} {'is a file, not a folder' if path.exists() else 'does not exist'}"


class Folder(Source):
    """A data set in the tree above, or just a folder of photographs.

    Args:
        root: The folder.
        scale: Which published low-resolution images belong to it.
        limit: Take only the first so many, in natural order.
        expected: How many images the published set has; another number found is told in the log.
    """

    def __init__(
        self, *, root: str, scale: int, limit: int | None = None, expected: int | None = None
    ) -> None:
        """Nothing is looked at yet.

        Raises:
            ValueError: If the limit is less than 1.
        """
        if limit is not None and limit < 1:
            raise ValueError(f"Folder: limit={limit} must be 1 or more, or null for all images")
        self.root = Path(root).expanduser()
        self.scale = scale
        self.limit = limit
        self.expected = expected

    def items(self) -> list[Item]:
        """HR images in natural order, with the published LR where there is any."""
        images = self._good_images()
        if self.expected is not None and len(images) != self.expected:
            _log.warning(
                "%s holds %d images, the published set has %d", self.root, len(images), self.expected
            )
        return self._with_guides(self._with_small_ones(images[: self.limit]))

    def _with_small_ones(self, images: Sequence[Path]) -> list[Item]:
        for folder in (self.root / "LR" / f"x{self.scale}", self.root / "LR" / f"X{self.scale}"):
            if folder.is_dir():
                return match(images, list_images(folder), scale=self.scale, complete=False)
        return [Item(name=name, gt=path) for name, path in zip(unique_names(images), images, strict=True)]

    def _with_guides(self, items: list[Item]) -> list[Item]:
        """Those that there are; whoever needs them all says which are missing."""
        folder = self.root / GUIDES
        if not folder.is_dir():
            return items
        found = {path.stem: path for path in reversed(list_images(folder))}
        return [replace(item, guide=found.get(item.gt.stem)) for item in items]

    def _good_images(self) -> list[Path]:
        if not self.root.is_dir():
            raise ValueError(f"{_no_folder(self.root)}{nearest_path(self.root, fits=Path.is_dir)}\n{WHERE}")
        good = self.root / "HR"
        folders = (good, good / f"x{self.scale}") if good.is_dir() else (self.root,)
        for folder in folders:
            images = list_images(folder) if folder.is_dir() else []
            if images:
                return images
        raise ValueError(f"the folder {folders[0]} holds no image; these are read: {KINDS}")


class Paired(Source):
    """Two folders of equally named images.

    Args:
        gt: Folder of the good images.
        lq: Folder of the small ones: the same stems, or with `x<scale>` behind.
        scale: How many times smaller they are.
    """

    paired = True

    def __init__(self, *, gt: str, lq: str, scale: int) -> None:
        """Nothing is looked at yet."""
        self.gt, self.lq = Path(gt).expanduser(), Path(lq).expanduser()
        self.scale = scale

    def items(self) -> list[Item]:
        """Pairs in the natural order of the good images."""
        listed = []
        for folder in (self.gt, self.lq):
            if not folder.is_dir():
                raise ValueError(
                    f"{_no_folder(folder)}; pairs need data.gt=FOLDER and data.lq=FOLDER"
                    f"{nearest_path(folder, fits=Path.is_dir)}"
                )
            images = list_images(folder)
            if not images:
                raise ValueError(f"the folder {folder} holds no image; these are read: {KINDS}")
            listed.append(images)
        return match(*listed, scale=self.scale, complete=True)


class Joined(Source):
    """Several sources as one, in their order.

    Args:
        sources: Such as DIV2K and Flickr2K for DF2K.
    """

    def __init__(self, *, sources: Sequence[Source]) -> None:
        """Nothing is looked at yet.

        Raises:
            ValueError: If there is none.
        """
        if not sources:
            raise ValueError("Joined: sources is empty; give at least one")
        self.sources = list(sources)
        self.paired = any(source.paired for source in sources)

    def items(self) -> list[Item]:
        """All images; what is wrong with any of the sources is told together."""
        found, problems = [], []
        for source in self.sources:
            try:
                found += source.items()
            except ValueError as error:
                problems.append(str(error))
        if problems:
            raise ValueError("\n".join(problems))
        return found


class Part(Source):
    """All but the last images of a source, or those: what is held out from training for validation.

    The last ones, not random ones: neighbours in a folder are often pictures of the same thing, and a
    validation image whose neighbours were trained on says nothing about images that were not.

    Args:
        source: What is divided.
        held_out: How many images are held out, but never more than a fifth of all (and at least one).
        part: Which of the two.
    """

    def __init__(self, source: Source, *, held_out: int, part: Literal["train", "val"]) -> None:
        """Nothing is looked at yet.

        Raises:
            ValueError: If nothing were held out.
        """
        if held_out < 1:
            raise ValueError(f"held_out={held_out} must be 1 or more")
        self.source = source
        self.paired = source.paired
        self.held_out = held_out
        self.part = part
        self._listed: list[Item] = []  # of both parts, where they are made together
        self._told = False

    def items(self) -> list[Item]:
        """The images of this part."""
        every = self._listed or self.source.items()
        self._listed[:] = every
        if len(every) < 2:
            raise ValueError(
                f"{every[0].gt} is the only image, so none can be held out for validation; "
                "add images, or give validation images (data.val_root, or data.val_gt and data.val_lq)"
            )
        count = max(1, min(self.held_out, len(every) // 5))
        if self.part == "train":
            return every[:-count]
        if not self._told:
            first, last = every[-count].name, every[-1].name
            words = "held out for validation: the last %d of %d images, %s to %s"
            _log.info(words, count, len(every), first, last, extra={"once": True})
            self._told = True
        return every[-count:]


def divided(source: Source, *, held_out: int) -> tuple[Part, Part]:
    """What is trained on and what is held out. The source is listed once for both; see `Part`."""
    train, val = Part(source, held_out=held_out, part="train"), Part(source, held_out=held_out, part="val")
    val._listed = train._listed
    return train, val


def unique_names(paths: Sequence[Path]) -> list[str]:
    """Stems, and whole file names where two files have the same stem."""
    count = Counter(path.stem for path in paths)
    return [path.stem if count[path.stem] == 1 else path.name for path in paths]


def match(gt: Sequence[Path], lq: Sequence[Path], *, scale: int, complete: bool) -> list[Item]:
    """Pair files by their stems.

    Args:
        gt: Good images.
        lq: Small ones; a suffix `x<scale>` of the stem is ignored where the stem alone has no partner.
        scale: How many times smaller.
        complete: Whether an `lq` without partner is a mistake, too.

    Raises:
        ValueError: Naming the files without partner, or two that claim one.
    """
    problems = []
    for paths in (gt, lq):
        count = Counter(path.stem for path in paths)
        twice = [str(path) for path in paths if count[path.stem] > 1]
        if twice:
            problems.append(f"several images have one stem, so pairs are not clear: {shortened(twice)}")
    good, small = ({path.stem: path for path in paths} for paths in (gt, lq))
    items = []
    for stem, path in good.items():
        partner = small.pop(stem, None) or small.pop(f"{stem}x{scale}", None)
        items.append(Item(name=stem, gt=path, lq=partner))
    alone = [str(item.gt) for item in items if item.lq is None]
    if alone:
        where = lq[0].parent if lq else "an empty folder"
        problems.append(
            f"no image with the same stem (or the stem and x{scale}) in {where} for: {shortened(alone)}"
        )
    if complete and small:
        left = [str(path) for path in small.values()]
        problems.append(f"no image with the same stem in {gt[0].parent} for: {shortened(left)}")
    if problems:
        raise ValueError("\n".join(problems))
    return items
