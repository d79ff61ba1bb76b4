"""From the picture of a file to the enlarged one: depth, alpha, and memory for the result."""

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from sr_experiments.data.holes import filled, measured
from sr_experiments.data.memory import free_bytes, readable
from sr_experiments.imaging.colour import to_levels
from sr_experiments.imaging.io import to_tensor
from sr_experiments.imaging.measured import enlarged
from sr_experiments.imaging.picture import Picture
from sr_experiments.imaging.resize import imresize
from sr_experiments.restorer import Restorer

Alpha = Literal["bicubic", "net"]
HOLES = (
    "a level of 0 was taken for a pixel that was not measured, as in training (data.holes=true): the net saw "
    "the nearest level in its place, and it is 0 in the result"
)
_ROWS = 64
_FAR = 8  # pixels into what is transparent
_COPIES = 3  # of the result: its numbers, and what writing them takes


def enlarge(
    picture: Picture,
    restorer: Restorer,
    *,
    alpha: Alpha = "bicubic",
    guide: Tensor | None = None,
    advance: Callable[[float], None] = lambda share: None,
) -> Picture:
    """Restore a picture.

    Args:
        picture: What was read.
        restorer: The net.
        alpha: By what alpha is enlarged: bicubic, which keeps flat parts as they are, or the net, to which it
            is a grey image.
        guide: (1, G, sH, sW), for a net that takes one.
        advance: Told which share of the picture is done.

    Raises:
        ValueError: If the net does not take its channels, memory does not hold the result, or the net gives
            what are no numbers.
    """
    height, width = picture.pixels.shape[:2]
    size = _COPIES * restorer.scale**2 * picture.pixels.nbytes + (0 if guide is None else guide.nbytes)
    if size > (free := free_bytes()):
        raise ValueError(
            f"the result of {restorer.scale * height}x{restorer.scale * width} (height x width) takes "
            f"{readable(size)} of memory, and {readable(free)} are free"
        )
    if picture.alpha is None:
        return replace(picture, pixels=_of_levels(picture.pixels, restorer, guide, advance))
    pixels = _of_levels(_spread(picture.pixels, picture.alpha), restorer, guide, advance)
    if alpha == "net":
        return replace(picture, pixels=pixels, alpha=_enlarged(picture.alpha, restorer, guide))
    small = to_tensor(picture.alpha)
    large = imresize(small, scale=restorer.scale)
    return replace(picture, pixels=pixels, alpha=_levels(large, like=picture.alpha))


def _spread(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Give transparent pixels the colours of their neighbours, some pixels far.

    Often black stands under them, which nobody sees, but a net, which would draw dark edges.
    """
    colour = torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1)[None]
    known = torch.from_numpy((alpha > 0).astype(np.float32)).permute(2, 0, 1)[None]
    if not bool((known == 0).any()):
        return pixels
    for _ in range(_FAR):
        near = avg_pool2d(known, 3, stride=1, padding=1)
        mean = avg_pool2d(colour * known, 3, stride=1, padding=1) / near.clamp(min=1e-9)
        colour = torch.where((known == 0) & (near > 0), mean, colour)
        known = (near > 0).float()
    return (colour[0].permute(1, 2, 0).numpy() + 0.5).astype(pixels.dtype)


def _of_levels(
    samples: np.ndarray, restorer: Restorer, guide: Tensor | None, advance: Callable[[float], None]
) -> np.ndarray:
    """As `_enlarged`; where the net was trained with holes, they are filled for it, and 0 in the result."""
    if not restorer.holes:
        return _enlarged(samples, restorer, guide, advance)
    known = measured(samples)[:, :, 0] > 0
    if known.all():
        return _enlarged(samples, restorer, guide, advance)
    if HOLES not in restorer.notes:
        restorer.notes.append(HOLES)
    result = _enlarged(filled(samples, name="the image"), restorer, guide, advance)
    result[result.max(axis=2) == 0] = 1  # a level of 0 says that nothing was measured
    result[~enlarged(known, restorer.scale)] = 0
    return result


def _enlarged(
    samples: np.ndarray,
    restorer: Restorer,
    guide: Tensor | None,
    advance: Callable[[float], None] = lambda share: None,
) -> np.ndarray:
    """(H, W, C) to (sH, sW, C) in the same dtype. The result is held in integers only, row by row."""
    height, width, bands = samples.shape
    scale = restorer.scale
    result = np.empty((scale * height, scale * width, bands), samples.dtype)

    def place(top: int, rows: Tensor) -> None:
        for first in range(0, rows.shape[-2], _ROWS):  # rounding takes doubles
            part = rows[0, :, first : first + _ROWS]
            result[top + first : top + first + part.shape[-2]] = _levels(part, like=samples)
        advance((top + rows.shape[-2]) / len(result))

    restorer.in_bands(to_tensor(samples)[None], place, guide=guide)
    return result


def _levels(rows: Tensor, *, like: np.ndarray) -> np.ndarray:
    """(C, H, W) floats to (H, W, C) of the dtype of `like`."""
    levels = to_levels(rows.detach().cpu(), white=int(np.iinfo(like.dtype).max))
    if bool(levels.isnan().any()):
        raise ValueError("the net's result has values that are not numbers (NaN): its weights are broken")
    return levels.permute(1, 2, 0).numpy().astype(like.dtype)
