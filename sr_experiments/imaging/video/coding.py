"""The numbers of a video's planes and the colours that they stand for (ITU-T H.273, H.264's annex E).

The sums are ours, in floating point: libswscale's are short of a level of 8 bit on the way to 16-bit RGB
(measured: 0.75 of 255 in the mean), and they change full-range video of 10 bit by up to three levels on the
way there and back.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

# Shares of red and blue in luma, by H.273's number of the matrix. Not here: colours that are coded otherwise
# than by a matrix of the three channels (BT.2020 with constant luminance, ICtCp, YCgCo).
SHARES = {
    1: (0.2126, 0.0722),  # BT.709
    4: (0.30, 0.11),  # FCC
    5: (0.299, 0.114),  # BT.601, 625 lines
    6: (0.299, 0.114),  # BT.601, 525 lines
    7: (0.212, 0.087),  # SMPTE 240M
    9: (0.2627, 0.0593),  # BT.2020
}


@dataclass(frozen=True)
class Coding:
    """How planes of whole numbers hold an image.

    Attributes:
        kind: "yuv" (luma, blue and red difference), "rgb" (planes in the order G, B, R), or "grey" (luma).
        bits: Of a number.
        full: Whether black and white are the smallest and the largest number; else luma is 16 to 235 and
            chroma 16 to 240 in 8 bit, four times that in 10.
        matrix: H.273's number; see `SHARES`. Without a meaning where kind is not "yuv".
        across: Columns of luma to one of chroma.
        down: Rows of luma to one of chroma.
        centred: Whether a sample of chroma lies between its columns of luma (JPEG) or on the first (MPEG-2
            and what came after). Between its rows it lies in both.
    """

    kind: str
    bits: int
    full: bool
    matrix: int = 1
    across: int = 1
    down: int = 1
    centred: bool = False

    def to_rgb(self, planes: Sequence[Tensor]) -> Tensor:
        """Planes, each (h, w) of numbers, to RGB (3, H, W) float32, cut off at 0 and 1."""
        first = planes[0].float()
        if self.kind == "rgb":
            green, blue, red = (plane.float() / self._largest for plane in planes[:3])
            return torch.stack([red, green, blue])
        black, luma_range, chroma_range = self._ranges
        luma = (first - black) / luma_range
        if self.kind == "grey":
            return luma.clamp(0, 1).expand(3, -1, -1)
        blue_difference, red_difference = (
            (self._as_large_as(first, plane.float()) - self._zero) / chroma_range for plane in planes[1:3]
        )
        of_red, of_blue = SHARES[self.matrix]
        red = luma + 2 * (1 - of_red) * red_difference
        blue = luma + 2 * (1 - of_blue) * blue_difference
        green = (luma - of_red * red - of_blue * blue) / (1 - of_red - of_blue)
        return torch.stack([red, green, blue]).clamp(0, 1)

    def to_planes(self, rgb: Tensor) -> list[Tensor]:
        """RGB (3, H, W) float to planes of int32, rounded half up; H and W as `down` and `across` ask."""
        red, green, blue = rgb.float().clamp(0, 1)
        if self.kind == "rgb":
            return [self._rounded(plane * self._largest) for plane in (green, blue, red)]
        black, luma_range, chroma_range = self._ranges
        of_red, of_blue = SHARES[self.matrix]
        luma = of_red * red + (1 - of_red - of_blue) * green + of_blue * blue
        planes = [self._rounded(luma * luma_range + black)]
        if self.kind == "yuv":
            for colour, share in ((blue, of_blue), (red, of_red)):
                difference = (colour - luma) / (2 * (1 - share))
                planes.append(self._rounded(self._shrunk(difference) * chroma_range + self._zero))
        return planes

    @property
    def _largest(self) -> int:
        return (1 << self.bits) - 1

    @property
    def _zero(self) -> int:
        """The number of a chroma without colour."""
        return 1 << (self.bits - 1)

    @property
    def _ranges(self) -> tuple[int, int, int]:
        """Black, the numbers from black to white, and those from one end of chroma to the other."""
        if self.full:
            return 0, self._largest, self._largest
        step = 1 << (self.bits - 8)
        return 16 * step, 219 * step, 224 * step

    def _rounded(self, plane: Tensor) -> Tensor:
        return (plane + 0.5).floor().clamp(0, self._largest).int()

    def _as_large_as(self, luma: Tensor, chroma: Tensor) -> Tensor:
        height, width = luma.shape
        chroma = _stretched(chroma, height, factor=self.down, centred=True, dim=0)
        return _stretched(chroma, width, factor=self.across, centred=self.centred, dim=1)

    def _shrunk(self, chroma: Tensor) -> Tensor:
        chroma = _halved(chroma, factor=self.down, centred=True, dim=0)
        return _halved(chroma, factor=self.across, centred=self.centred, dim=1)


def _stretched(plane: Tensor, size: int, *, factor: int, centred: bool, dim: int) -> Tensor:
    """Linear between samples along one axis, the last one repeated at the border."""
    if factor == 1:
        return plane
    places = torch.arange(size, device=plane.device, dtype=torch.float32)
    places = (places + 0.5) / factor - 0.5 if centred else places / factor
    places = places.clamp(0, plane.shape[dim] - 1)
    before = places.floor().long()
    share = (places - before).unsqueeze(1 - dim)
    after = (before + 1).clamp_max(plane.shape[dim] - 1)
    return plane.index_select(dim, before) * (1 - share) + plane.index_select(dim, after) * share


def _halved(plane: Tensor, *, factor: int, centred: bool, dim: int) -> Tensor:
    """One sample for two: their mean, or the first with half a share of its two neighbours."""
    if factor == 1:
        return plane
    assert factor == 2, "no pixel format that is written has fewer"
    assert plane.shape[dim] % 2 == 0
    first, second = (plane[0::2], plane[1::2]) if dim == 0 else (plane[:, 0::2], plane[:, 1::2])
    if centred:
        return (first + second) / 2
    before = torch.cat([first.narrow(dim, 0, 1), second.narrow(dim, 0, second.shape[dim] - 1)], dim=dim)
    return (before + 2 * first + second) / 4
