"""What the sources hold, looked at once, before anything is trained."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from sr_experiments.data.headers import inspect
from sr_experiments.data.problems import shortened
from sr_experiments.data.shards import Sharded
from sr_experiments.data.sources import WHERE, Item, Source
from sr_experiments.imaging.similarity import SSIM_WINDOW

TRAIN = "train"
HOW = (
    "a guide is an image of the same size and stem in the folder guide/ of the set (data=guided); without "
    "guides: guide_channels=0"
)


class Stock:
    """The files of each role (training, validation, a test set), with checked headers.

    Args:
        scale: Of super-resolution.
        channels: Wanted C, to which every file can be converted.
        patch_size: Side of training crops.
        scales: Others that training images come at.
        lq_made_by: What the `lq` of training images is made by, where it is not made of crops.
        guide_channels: Of guides, to which they can be converted; 0: none is looked at.
        use_lq: Whether low-quality files of published sets are taken. They are bicubic: where another
            degradation is asked for they are not what is meant. Those of pairs are always taken.
        memory: Folder in which is kept what headers say; see `remembered.py`.

    Attributes:
        items: Role -> files.
        sizes: Role -> (height, width) of all good images as they are in the files.
    """

    def __init__(
        self,
        *,
        scale: int,
        channels: int,
        patch_size: int,
        use_lq: bool,
        scales: Sequence[int] = (),
        lq_made_by: str | None = None,
        guide_channels: int = 0,
        memory: Path | None = None,
    ) -> None:
        """Nothing is looked at yet."""
        self.scale = scale
        self.channels = channels
        self.patch_size = patch_size
        self.scales = list(scales)
        self.lq_made_by = lq_made_by
        self.use_lq = use_lq
        self.guide_channels = guide_channels
        self.memory = memory
        self.items: dict[str, list[Item]] = {}
        self.sizes: dict[str, list[tuple[int, int]]] = {}

    def check(self, sources: Mapping[str, Source]) -> None:
        """Look at the headers of all files of roles that are not known yet.

        Raises:
            ValueError: With everything that is wrong, a line each.
        """
        problems = [
            text
            for role, source in sources.items()
            if role not in self.items
            for text in self._add(role, source)
        ]
        if problems:
            told = list(dict.fromkeys(text for text in problems if text not in (WHERE, HOW)))
            advice = "".join(f"\n{text}" for text in (WHERE, HOW) if text in problems)
            raise ValueError(shortened(told, separator="\n") + advice)

    def _add(self, role: str, source: Source) -> list[str]:
        """Take a role in, or say what is wrong with it."""
        try:
            if isinstance(source, Sharded):
                return self._add_shards(role, source)
            items = source.items()
        except (ValueError, OSError) as error:
            return str(error).splitlines()
        if not (self.use_lq or source.paired):
            items = without_lq(items)
        if not self.guide_channels:
            items = [replace(item, guide=None) if item.guide else item for item in items]
        elif alone := [str(item.gt) for item in items if item.guide is None]:
            return [
                f"guide_channels={self.guide_channels}, but there is no guide for: {shortened(alone)}",
                HOW,
            ]
        # Cropped to a multiple of each scale an image must still hold the patch.
        minimum = max([self.patch_size, *(-(-self.patch_size // scale) * scale for scale in self.scales)])
        reason = f"smaller than data.patch_size={self.patch_size}"
        if role != TRAIN:
            minimum = SSIM_WINDOW + 2 * self.scale
            reason = f"too small to be measured: each side needs {minimum} pixels"
        sizes, problems = inspect(
            items,
            scale=self.scale,
            minimum=minimum,
            reason=reason,
            channels=self.channels,
            guide_channels=self.guide_channels,
            memory=self.memory,
        )
        if not problems:
            self.items[role] = items
            self.sizes[role] = sizes
        return problems

    def _add_shards(self, role: str, source: Sharded) -> list[str]:
        """Their list says what there is to know."""
        problem = source.problem(scale=self.scale, channels=self.channels, lq_made_by=self.lq_made_by)
        small = min(min(size) // self.scale * self.scale for size in source.sizes())
        if problem is None and small < self.patch_size:
            problem = (
                f"{source.url} holds images of {small} pixels, smaller than data.patch_size={self.patch_size}"
            )
        if problem is None:
            self.items[role], self.sizes[role] = source.items(), source.sizes()
        return [problem] if problem else []


def without_lq(items: Sequence[Item]) -> list[Item]:
    """The same images, whose low-quality files are not looked at."""
    return [replace(item, lq=None) if item.lq is not None else item for item in items]
