"""Run a network on an image whose size it does not take.

Padding stands outside the network, because a pad that depends on the size inside `forward` ties an exported
graph to the size it was traced with.
"""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor


def run_padded(
    function: Callable[[Tensor], Tensor], image: Tensor, *, scale: int, multiple_of: int, minimum: int
) -> Tensor:
    """Pad bottom and right, run, and cut the padding off again.

    An axis is mirrored (without repeating the edge) where it is longer than the padding, else its last pixel
    is repeated.

    Args:
        function: (B, C, H', W') to (B, C', sH', sW').
        image: (B, C, H, W), floating point.
        scale: The s of `function`.
        multiple_of: Both sides of what `function` gets are multiples of it.
        minimum: Both sides of what `function` gets are at least this.

    Returns:
        (B, C', sH, sW).
    """
    height, width = image.shape[-2:]
    padded = image
    for axis in (-2, -1):
        padded = _pad_axis(padded, axis=axis, amount=_missing(image.shape[axis], multiple_of, minimum))
    output = function(padded)
    expected = (scale * padded.shape[-2], scale * padded.shape[-1])
    assert tuple(output.shape[-2:]) == expected, f"scale {scale} makes {expected}, got {tuple(output.shape)}"
    return output[..., : scale * height, : scale * width]


def _missing(length: int, multiple_of: int, minimum: int) -> int:
    """How many pixels an axis lacks."""
    wanted = max(length, minimum)
    return -(-wanted // multiple_of) * multiple_of - length


def _pad_axis(image: Tensor, *, axis: int, amount: int) -> Tensor:
    """Add `amount` pixels at the end of the axis -2 or -1."""
    if amount == 0:
        return image
    mode = "reflect" if amount < image.shape[axis] else "replicate"
    return F.pad(image, (0, 0, 0, amount) if axis == -2 else (0, amount, 0, 0), mode=mode)
