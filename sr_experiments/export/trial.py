"""What an exported net is tried on: sizes that the export has not seen, and how far it is from the net."""

import copy
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from sr_experiments.nets.base import SRNet

DType = Literal["float32", "float16", "bfloat16"]
ALLOWED = 1e-4  # of white, in float32


def example(net: SRNet) -> tuple[Tensor, ...]:
    """What a graph is traced with: an image, and its guide where the net takes one."""
    return _images(net, batch=2, more=(2, 4))


def trials(net: SRNet) -> list[tuple[Tensor, ...]]:
    """Images of three other sizes, each of another number: noise, and in each a black and a white part.

    Each with its guide, where the net takes one.
    """
    given = [_images(net, batch=batch, more=more) for batch, more in ((1, (5, 3)), (3, (3, 6)), (4, (7, 5)))]
    for image in (one for images in given for one in images):
        image[0, :, : image.shape[2] // 3] = 0.0
        image[-1, :, -(image.shape[2] // 3) :] = 1.0
    return given


def _images(net: SRNet, *, batch: int, more: tuple[int, int]) -> tuple[Tensor, ...]:
    """A side is at least twice what the net is particular about: some graphs know none smaller."""
    step = net.multiple_of
    least = -(-max(net.minimum, 2 * step, 4) // step) * step
    height, width = (least + sides * step for sides in more)
    shapes = [(batch, net.in_channels, height, width)]
    if net.guide_channels:
        shapes.append((batch, net.guide_channels, net.scale * height, net.scale * width))
    generator = torch.Generator().manual_seed(batch)
    return tuple(torch.rand(shape, generator=generator) for shape in shapes)


def largest_difference(net: SRNet, other: Callable[..., Tensor]) -> float:
    """The largest difference of two nets' results over `trials`; NaN if one is not finite.

    Raises:
        ValueError: if the other makes another size.
    """
    worst = 0.0
    with torch.no_grad():
        for images in trials(net):
            wanted, found = (run(*(one.clone() for one in images)).float() for run in (net, other))
            if wanted.shape != found.shape:
                given = " and ".join(str(tuple(one.shape)) for one in images)
                raise ValueError(f"it makes {tuple(found.shape)} of {given}, not {tuple(wanted.shape)}")
            if not torch.isfinite(found).all():
                return float("nan")
            worst = max(worst, (wanted - found).abs().max().item())
    return worst


def converted(net: SRNet, dtype: DType) -> tuple[SRNet, float]:
    """The net in half precision, and how far it is from itself in float32.

    Raises:
        ValueError: if its results are not finite.
    """
    if dtype == "float32":
        return net, 0.0
    kind = getattr(torch, dtype)
    half = copy.deepcopy(net).to(kind)
    try:
        worst = largest_difference(net, lambda *images: half(*(one.to(kind) for one in images)))
    except RuntimeError as error:  # an operation that torch has not for it
        raise ValueError(
            f"dtype={dtype}: the net does not run in it: {str(error).splitlines()[0]}"
        ) from error
    if worst != worst:
        other = "; bfloat16 has float32's range: dtype=bfloat16" if dtype == "float16" else ""
        raise ValueError(f"dtype={dtype}: the net's results in it are not finite (it overflows){other}")
    return half, worst
