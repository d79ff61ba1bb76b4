"""A photograph with its disparity, from scikit-image's wheel: parts of one scene, measured and in colour.

The left image of the motorcycle of the Middlebury 2014 stereo benchmark at a quarter of its size (Scharstein
et al., "High-resolution stereo datasets with subpixel-accurate ground truth", GCPR 2014), 500 x 741 pixels,
and the disparity to the right one, measured by structured light: 7.2 to 59.9 pixels, and none where that
light did not reach both cameras, 7.3 percent of all pixels. No licence is stated, so the files are read where
they lie and copied nowhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sr_experiments.data.demo import package_folder
from sr_experiments.data.sources import Item, Source
from sr_experiments.imaging.io import read_image
from sr_experiments.imaging.span import Span

DISPARITY, COLOUR = "motorcycle_disp.npz", "motorcycle_left.png"
HEIGHT, WIDTH = 500, 741


@dataclass(frozen=True)
class Excerpt(Item):
    """Some columns of the scene.

    Attributes:
        first: The first column.
        last: One after the last.
        low: The disparity in pixels that is black.
        high: That is white.
    """

    first: int = 0
    last: int = WIDTH
    low: float = 0.0
    high: float = 64.0

    @property
    def detail(self) -> str:
        """Columns and range."""
        return f"columns {self.first} to {self.last}, {self.low:g} to {self.high:g}"

    def shape(self, path: Path) -> tuple[int, int, int]:
        """(H, W, C): the sizes are known."""
        return HEIGHT, self.last - self.first, 1 if path == self.gt else 3

    def read(self, path: Path) -> np.ndarray:
        """Disparity as 16-bit levels of the range, 0 where there is none; colour as it is.

        Raises:
            ValueError: If the file is not the one that is meant.
        """
        whole = self._disparity(path) if path == self.gt else read_image(path)
        if whole.shape[:2] != (HEIGHT, WIDTH):
            raise ValueError(
                f"{path} is {whole.shape[0]}x{whole.shape[1]} (height x width), {HEIGHT}x{WIDTH} is meant; "
                "reinstall scikit-image"
            )
        return np.ascontiguousarray(whole[:, self.first : self.last])

    def _disparity(self, path: Path) -> np.ndarray:
        with np.load(path, allow_pickle=False) as archive:
            disparity = archive["arr_0"][:, :, None]
        there = np.isfinite(disparity)
        levels = Span(self.low, self.high).to_levels(np.where(there, disparity, self.low))
        return np.where(there, levels.clip(min=1), 0).astype(np.uint16)


class Stereo(Source):
    """Some columns of the scene as one image, its disparity to be restored, its colours the guide.

    What is outside the columns is never looked at, so parts without a common column have nothing in common.

    Args:
        name: What the part is called.
        columns: The first, and one after the last: 0 <= first < last <= 741.
        range: Disparities in pixels that are black and white.
    """

    def __init__(self, *, name: str, columns: Sequence[int], range: Sequence[float]) -> None:
        """Check the values.

        Raises:
            ValueError: If there are no such columns, or the range has no room for a level that means none.
        """
        if len(columns) != 2 or not 0 <= columns[0] < columns[1] <= WIDTH:
            raise ValueError(
                f"Stereo: columns={list(columns)} must be the first and one after the last, from 0 to {WIDTH}"
            )
        self.name = name
        self.columns = list(columns)
        self.span = Span.of(range, option="data.range")

    def items(self) -> list[Item]:
        """The part.

        Raises:
            ValueError: If scikit-image is not installed, or has not the files.
        """
        folder = package_folder()
        missing = [str(folder / name) for name in (DISPARITY, COLOUR) if not (folder / name).is_file()]
        if missing:
            raise ValueError(
                f"the stereo pair is missing: {', '.join(missing)}; reinstall scikit-image (0.25 or later), "
                "or train on images of your own: data=guided data.root=FOLDER"
            )
        first, last = self.columns
        return [
            Excerpt(
                name=self.name,
                gt=folder / DISPARITY,
                guide=folder / COLOUR,
                first=first,
                last=last,
                low=self.span.low,
                high=self.span.high,
            )
        ]
