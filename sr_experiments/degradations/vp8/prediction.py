"""What is known of macroblocks before they are decoded: RFC 6386, sections 12.2 and 12.3, to the bit."""

import torch
from torch import Tensor


class Plane:
    """Luma, or both of chroma: macroblocks, what was made of them, and its border for those to come.

    Attributes:
        source: (rows, columns, B, P, side, side) float32.
        done: The same shape, what was made of them.
    """

    def __init__(self, source: Tensor) -> None:
        """Nothing is made yet: 127 stands for what is above, 129 for what is to the left (section 12.2)."""
        self.source = source
        self.done = torch.empty_like(source)
        rows, columns, count, planes, side, _ = source.shape
        self._bottom = source.new_full((rows + 1, columns + 2, count, planes, side), 127.0)
        self._bottom[1:, 0] = 129.0
        self._right = source.new_full((rows, columns + 1, count, planes, side), 129.0)

    def put(self, place: tuple[Tensor, Tensor], tiles: Tensor) -> None:
        """Take what was made of some macroblocks: (..., B, P, side, side)."""
        y, x = place
        self.done[y, x] = tiles
        self._bottom[y + 1, x + 1], self._right[y, x + 1] = tiles[..., -1, :], tiles[..., -1]

    def predictions(self, place: tuple[Tensor, Tensor]) -> Tensor:
        """(..., B, P, 4, side, side): the mean of the border, TrueMotion, vertical, horizontal."""
        y, x = place
        top, left, corner = self._bottom[y, x + 1], self._right[y, x], self._bottom[y, x][..., -1]
        side = top.shape[-1]
        up, back = (y > 0).float()[..., None, None], (x > 0).float()[..., None, None]
        total = up * (2 - back) * top.sum(-1) + back * (2 - up) * left.sum(-1)
        mean = (total / (2 * side) + 0.5 + 128 * (1 - up) * (1 - back)).floor_()[..., None, None]
        top, left = top[..., None, :], left[..., :, None]
        motion = (left + top - corner[..., None, None]).clamp_(0.0, 255.0)
        shape = motion.shape
        return torch.stack((mean.expand(shape), motion, top.expand(shape), left.expand(shape)), dim=-3)

    def framed(self, place: tuple[Tensor, Tensor], last: Tensor) -> Tensor:
        """(n, B, P, 17, 21): room for macroblocks of luma, in the border that their blocks of 4 x 4 look at.

        That is the row above, with the corner and four pixels more, and the column to the left. The four
        stand again to the right of every fourth row, for the blocks below (section 12.3).

        Args:
            place: Rows and columns of n macroblocks.
            last: (B,) the column of each image's last macroblock.
        """
        y, x = place
        top, right = self._bottom[y, x + 1], self._bottom[y, x + 2][..., :4]
        # Right of an image's last macroblock nothing is decoded: its last pixel is repeated.
        right = torch.where((last == x[:, None])[..., None, None], top[..., -1:], right)
        frame = top.new_empty(*top.shape[:-1], 17, 21)
        frame[..., ::4, 17:] = right.unsqueeze(-2)
        frame[..., 0, 0], frame[..., 0, 1:17] = self._bottom[y, x][..., -1], top
        frame[..., 1:, 0] = self._right[y, x]
        return frame
