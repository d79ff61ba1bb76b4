"""The geometric self-ensemble: the mean over the eight flips and quarter turns of an image.

Lim et al., "Enhanced Deep Residual Networks for Single Image Super-Resolution", CVPRW 2017, arXiv:1707.02921,
"Geometric self-ensemble", where methods that use it are marked with a plus (EDSR+). It takes eight times as
long and no further memory.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor


def run_ensemble(function: Callable[..., Tensor], *images: Tensor) -> Tensor:
    """Run on all eight orientations of an image, turn the results back, and average.

    Args:
        function: (B, C, h, w) to (B, C', sh, sw), for both orientations of a rectangle.
        images: (B, C, H, W), floating point; and what else `function` takes, turned alike: a guide.

    Returns:
        (B, C', sH, sW) in the dtype that `function` gives. The sum is taken at least in float32.
    """
    total: Tensor | None = None
    for transpose, flipped in _orientations():
        turned = [image.transpose(-2, -1) if transpose else image for image in images]
        output = function(*(image.flip(flipped).contiguous() for image in turned)).flip(flipped)
        output = output.transpose(-2, -1) if transpose else output
        if total is None:
            total = output.to(torch.promote_types(output.dtype, torch.float32), copy=True)
        else:
            total += output
    assert total is not None
    return total.div_(8).to(output.dtype)


def _orientations() -> Iterator[tuple[bool, list[int]]]:
    """Whether the axes change places, and which of them are then reversed: all symmetries of a square."""
    for transpose in (False, True):
        for flipped in ([], [-1], [-2], [-2, -1]):
            yield transpose, list(flipped)
