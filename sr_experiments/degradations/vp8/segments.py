"""Four segments by how calm a macroblock is (RFC 6386, section 9.3, lets an encoder have them).

How they are found is libwebp's (`src/enc/analysis_enc.c`), and so are all constants here.
"""

import torch
from torch import Tensor

from sr_experiments.degradations.vp8.blocks import blocks
from sr_experiments.degradations.vp8.prediction import Plane
from sr_experiments.degradations.vp8.transforms import forward
from sr_experiments.imaging.onto import onto


def unrest(source: Tensor) -> Tensor:
    """(rows, columns, B) int64: how far coefficients spread, were neighbours decoded as they are.

    Args:
        source: (rows, columns, B, P, side, side) float32.
    """
    rows, columns = (torch.arange(length, device=source.device) for length in source.shape[:2])
    everywhere = rows[:, None], columns[None].expand(len(rows), -1)
    plane = Plane(source)
    plane.put(everywhere, source)
    residuals = source.unsqueeze(4) - plane.predictions(everywhere)[:, :, :, :, :2]
    bins = (forward(blocks(residuals)).abs() / 8).clamp_(max=31).long()
    bins = bins.transpose(3, 4).flatten(4)  # (rows, columns, B, 2, n)
    largest = _counted(bins, torch.ones_like(bins), 32).amax(dim=4)
    return torch.where(largest > 1, 510 * bins.amax(dim=4) // largest, 0).amax(dim=3)


def segments(calm: Tensor, inside: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Groups of macroblocks, each about as calm, as k-means finds them in at most six rounds.

    Args:
        calm: (rows, columns, B) int64, 0 to 255.
        inside: The same shape, whether a macroblock is one of its image.

    Returns:
        (B, 4) how much calmer a segment is than the mean, (B, 4) how much more than the least calm one, and
        (rows, columns, B) which segment a macroblock is in.
    """
    flat = calm.flatten(0, 1).T
    counts = _counted(flat, inside.flatten(0, 1).T.long(), 256)
    values = torch.arange(256, device=calm.device)
    lowest = torch.where(counts > 0, values, 255).amin(dim=1, keepdim=True)
    highest = torch.where(counts > 0, values, 0).amax(dim=1, keepdim=True)
    centres = lowest + onto(calm.device, torch.tensor([1, 3, 5, 7])) * (highest - lowest) // 8
    groups, mean = torch.zeros_like(counts), torch.zeros_like(lowest)
    moving = torch.ones_like(lowest, dtype=torch.bool)
    for _ in range(6):  # those that have settled stay
        nearest, moved, middle = _moved(counts, values, centres)
        groups, mean = torch.where(moving, nearest, groups), torch.where(moving, middle, mean)
        far = (moved - centres).abs().sum(dim=1, keepdim=True)
        centres = torch.where(moving, moved, centres)
        moving = moving & (far >= 5)
    low, high = centres.amin(dim=1, keepdim=True), centres.amax(dim=1, keepdim=True)
    width = (high - low).clamp(min=1)
    calmer = quotient(255 * (centres - mean), width).clamp_(-127, 127)
    above = quotient(255 * (centres - low), width).clamp_(0, 255)
    return calmer, above, groups.gather(1, flat).T.reshape(calm.shape)


def _moved(counts: Tensor, values: Tensor, centres: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """One round: (B, 256) whose centre is nearest, (B, 4) the groups' means, (B, 1) the mean of those."""
    distances = (values - centres[:, :, None]).abs()
    # The next centre is taken while it is nearer, so the first of equal ones keeps its values.
    nearest = (distances[:, 1:] < distances[:, :-1]).long().cumprod(dim=1).sum(dim=1)
    numbers = torch.arange(4, device=values.device)[:, None]
    members = torch.where(nearest[:, None] == numbers, counts[:, None], 0)
    weights = members.sum(dim=2)
    means = ((members * values).sum(dim=2) + weights // 2) // weights.clamp(min=1)
    means = torch.where(weights > 0, means, centres)
    total = weights.sum(dim=1, keepdim=True)
    middle = ((means * weights).sum(dim=1, keepdim=True) + total // 2) // total
    return nearest, means, middle


def _counted(values: Tensor, weights: Tensor, size: int) -> Tensor:
    """(..., size) int64: how often each whole number below `size` is among values (..., n)."""
    rows = values.reshape(-1, values.shape[-1])
    place = rows + size * torch.arange(len(rows), device=rows.device)[:, None]
    counts = torch.zeros(len(rows) * size, dtype=torch.int64, device=rows.device)
    # In one dimension, where CUDA has an order to add in and `deterministic: true` does not refuse it.
    counts.scatter_add_(0, place.flatten(), weights.flatten())
    return counts.view(*values.shape[:-1], size)


def quotient(a: Tensor, b: Tensor | int) -> Tensor:
    """Whole numbers divided as C does it, towards 0."""
    return torch.div(a, b, rounding_mode="trunc")
