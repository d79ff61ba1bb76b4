"""What there is to say about the images of a run: sizes, kinds, what would stop it, what would falsify it."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sr_experiments.data.headers import Size, inspect
from sr_experiments.data.sources import Item
from sr_experiments.data.stock import TRAIN
from sr_experiments.imaging.similarity import SSIM_WINDOW
from sr_experiments.prepare.catalogue import PublishedSet
from sr_experiments.prepare.look import GREY_KINDS, Look


@dataclass(frozen=True)
class Holding:
    """A folder of images, or a pair of folders.

    Attributes:
        name: A published set's, or the folder.
        roles: What it is for: `train`, `val`, `test set5`.
        entry: What is known about a published set.
        items: Everything in it, also what the run does not use.
    """

    name: str
    roles: list[str]
    entry: PublishedSet | None
    items: list[Item]


@dataclass
class Row:
    """A line of the table.

    Attributes:
        name: Of the holding.
        roles: What it is for.
        images: How many good images there are.
        expected: How many the published set has.
        smallest: (H, W) with the fewest pixels; `median` and `largest` likewise.
        kinds: Kind -> number of images.
        pairs: How many of them have a published or given LR image.
    """

    name: str
    roles: list[str]
    images: int
    expected: int | None
    smallest: Size | None
    median: Size | None
    largest: Size | None
    kinds: dict[str, int]
    pairs: int


@dataclass
class Report:
    """Everything found.

    Attributes:
        rows: Of the table.
        problems: What would stop a run, a sentence each.
        warnings: What would not stop it, but has to be known.
        notes: What is as it should be.
    """

    rows: list[Row] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """For run.json."""
        return {
            "sets": [vars(row) for row in self.rows],
            "problems": self.problems,
            "warnings": self.warnings,
        }


def add_holding(report: Report, holding: Holding, seen: Mapping[Path, Look], *, decoded: bool) -> None:
    """Add a line of the table, and what a published set should be and is not."""
    looks = [seen[item.gt] for item in holding.items]
    sizes = sorted((look.size for look in looks if look.size is not None), key=lambda s: s[0] * s[1])
    kinds = Counter(look.kind for look in looks if look.kind)
    entry = holding.entry
    files = [path for item in holding.items for path in (item.gt, item.lq) if path is not None]
    broken = [text for path in files if (text := seen[path].problem) is not None]
    report.problems += broken
    report.rows.append(
        Row(
            name=holding.name,
            roles=holding.roles,
            images=len(looks),
            expected=entry.images if entry is not None else None,
            smallest=sizes[0] if sizes else None,
            median=sizes[len(sizes) // 2] if sizes else None,
            largest=sizes[-1] if sizes else None,
            kinds=dict(kinds.most_common()),
            pairs=sum(item.lq is not None for item in holding.items),
        )
    )
    if entry is None:
        return
    if len(looks) != entry.images:
        report.warnings.append(
            f"{entry.name} holds {len(looks)} images, the published set has {entry.images}: results on it "
            "compare with nothing published; to get it again, move the folder away"
        )
    elif not broken:
        how = "every image decoded" if decoded else "every header readable"
        report.notes.append(f"{entry.name}: verified, {entry.images} images, {how}")
    grey = sum(kinds[kind] for kind in GREY_KINDS)
    if entry.grey is not None and len(looks) == entry.images and not broken and grey != entry.grey:
        report.warnings.append(
            f"{entry.name} has {entry.grey} grey image, but {grey} are grey here: one that was saved as RGB "
            "is measured on another luma, which moves the mean of the set"
        )


def add_role(
    report: Report,
    role: str,
    items: Sequence[Item],
    seen: Mapping[Path, Look],
    *,
    scale: int,
    patch_size: int,
) -> None:
    """Add what would stop a run at the images of a role, and which of them are there twice.

    Args:
        report: Added to.
        role: `train`, `val`, `test set5`.
        items: Those that the run uses.
        seen: What every file looks like.
        scale: Of super-resolution.
        patch_size: Side of training crops.
    """
    readable = [
        item for item in items if all(seen[path].size for path in (item.gt, item.lq) if path is not None)
    ]
    minimum, reason = patch_size, f"smaller than data.patch_size={patch_size}"
    if role != TRAIN:
        minimum = SSIM_WINDOW + 2 * scale
        reason = f"too small to be measured: each side needs {minimum} pixels"
    _, problems = inspect(readable, scale=scale, minimum=minimum, reason=reason)
    report.problems += problems
    for paths in _alike([item.gt for item in items], seen):
        report.warnings.append(f"{role}: the same pixels in {_listed(paths)}")


def add_leaks(report: Report, roles: Mapping[str, Sequence[Item]], seen: Mapping[Path, Look]) -> None:
    """Add the images that are trained on and measured on."""
    trained: dict[bytes, Path] = {}
    for item in roles.get(TRAIN, ()):
        if (digest := seen[item.gt].digest) is not None:
            trained.setdefault(digest, item.gt)
    for role, items in roles.items():
        for item in items if role != TRAIN else ():
            digest = seen[item.gt].digest
            if digest is not None and digest in trained:
                report.warnings.append(
                    f"trained on and measured on ({role}): {trained[digest]} and {item.gt} have the same "
                    "pixels, so results on it are too good"
                )


def _alike(paths: Sequence[Path], seen: Mapping[Path, Look]) -> list[list[Path]]:
    """Groups of several files with the same pixels, in their order."""
    groups: dict[bytes, list[Path]] = defaultdict(list)
    for path in dict.fromkeys(paths):
        if (digest := seen[path].digest) is not None:
            groups[digest].append(path)
    return [group for group in groups.values() if len(group) > 1]


def _listed(paths: Sequence[Path]) -> str:
    return ", ".join(str(path) for path in paths)
