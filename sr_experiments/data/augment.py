"""Augmentation of pairs: what is done to both crops of a sample, keyed by its position as everything is.

CutBlur, and the use of the others for super-resolution: Yoo, Ahn, Sohn, "Rethinking Data Augmentation for
Image Super-resolution" (CVPR 2020, arXiv:2004.00448). MixUp: arXiv:1710.09412; CutMix: arXiv:1905.04899.
"""

import itertools
import math
from collections.abc import Sequence

import torch
from scipy.special import betaincinv
from torch import Tensor

from sr_experiments.imaging.random import Draw

PERMUTATIONS = list(itertools.permutations(range(3)))
_ORDERS = ["".join("rgb"[channel] for channel in order) for order in PERMUTATIONS]


class Augmentation:
    """Which augmentations are used, and the draws of each.

    Args:
        flip: Mirror half of the samples horizontally, and half vertically.
        rotate: Turn by 0, 1, 2 or 3 quarters. With `flip`, all eight orientations are equally frequent.
        crop_scale: Range of how many times larger than the patch a crop is, which is then brought to the
            patch's size by MATLAB's bicubic rule; never more than the image holds. None: always the patch.
        permute_rgb: Probability that the channels change places.
        mixup: Probability that a second sample is mixed in, by a share from Beta(alpha, alpha).
        mixup_alpha: See there.
        cutmix: Probability that a rectangle of a second sample takes the place of what is there.
        cutblur: Probability that a rectangle of `lq`, or all but a rectangle, is not spoilt: it is `gt`
            itself where both have one size, else `gt` shrunk by MATLAB's rule.
        cut_size: Range of the sides of such rectangles, as a share of the crop's.

    Raises:
        ValueError: On an impossible probability or range.
    """

    def __init__(
        self,
        *,
        flip: bool = True,
        rotate: bool = True,
        crop_scale: Sequence[float] | None = None,
        permute_rgb: float = 0.0,
        mixup: float = 0.0,
        mixup_alpha: float = 1.2,
        cutmix: float = 0.0,
        cutblur: float = 0.0,
        cut_size: Sequence[float] = (0.7, 0.7),
    ) -> None:
        """Check the values."""
        self.flip, self.rotate = flip, rotate
        self.crop_scale = None if crop_scale is None else _range("crop_scale", crop_scale, 0.25, 8.0)
        self.cut_size = _range("cut_size", cut_size, 0.01, 1.0)
        self.permute_rgb, self.cutblur = permute_rgb, cutblur
        self.mixup, self.mixup_alpha, self.cutmix = mixup, mixup_alpha, cutmix
        for name in ("permute_rgb", "mixup", "cutmix", "cutblur"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                value = getattr(self, name)
                raise ValueError(f"data.augment.{name}={value} is a probability and must be from 0 to 1")
        if mixup + cutmix > 1.0:
            raise ValueError(
                f"data.augment.mixup={mixup} and cutmix={cutmix}: a sample gets one of them, "
                "so together they must be at most 1"
            )
        if not mixup_alpha > 0.0:
            raise ValueError(f"data.augment.mixup_alpha={mixup_alpha} must be more than 0")

    @property
    def mixes(self) -> bool:
        """Whether any sample has a partner."""
        return self.mixup + self.cutmix > 0.0

    def sides(self, draw: Draw, side: int, *, most: Tensor) -> Tensor:
        """(B,) sides of crops that become `side` pixels, at most as many as each image has."""
        if self.crop_scale is None:
            return torch.full_like(draw.positions, side)
        low, high = self.crop_scale
        largest = most.clamp(max=max(1, math.floor(side * high)))
        smallest = largest.clamp(max=math.ceil(side * low))
        drawn = smallest + draw.integers("side", 0, largest - smallest + 1)
        return draw.decided("side", drawn, within=(1, math.floor(side * high)))

    def orientations(self, draw: Draw) -> Tensor:
        """(B, 3) of 0 or 1: mirrored left-right, mirrored upside down, then turned by one quarter."""
        none = torch.zeros_like(draw.positions)
        horizontal, vertical = (
            draw.integers(f"flip {axis}", 0, 2) if self.flip else none for axis in ("horizontal", "vertical")
        )
        quarters = draw.integers("quarter turns", 0, 4) if self.rotate else none
        horizontal = draw.decided("mirrored", horizontal == 1)
        vertical = draw.decided("upside down", vertical == 1)
        quarters = draw.decided("quarter turns", quarters, within=(0, 3))
        # Two quarters are both mirrors, and change places with whatever was before.
        half = quarters >> 1
        return torch.stack((horizontal ^ half, vertical ^ half, quarters & 1), dim=1)

    def channel_orders(self, draw: Draw) -> Tensor | None:
        """(B, 3) which channel comes first, second, third; None where they stay."""
        if self.permute_rgb == 0.0:
            return None
        happens = draw.uniform("permute rgb") < self.permute_rgb
        drawn = draw.integers("order of channels", 1, len(PERMUTATIONS))
        numbers = draw.decided("channels", torch.where(happens, drawn, 0), labels=_ORDERS)
        return torch.tensor(PERMUTATIONS)[numbers]

    def mixed(self, draw: Draw) -> Tensor:
        """(M,) numbers of the samples that need a partner, rising."""
        if not self.mixes:
            return torch.empty(0, dtype=torch.int64)
        return torch.nonzero(self._mixes(draw)).flatten()

    def mix(self, draw: Draw, *, side: int) -> tuple[Tensor, Tensor]:
        """How the samples of `mixed` are mixed.

        Args:
            draw: Of the whole batch.
            side: Of the crop of `lq` in pixels.

        Returns:
            The share (M, 1, 1, 1) that the partner has of each pixel, and where (M, 1, side, side) bool.
        """
        kinds = self._mixes(draw)
        rows = torch.nonzero(kinds).flatten()
        draw = draw.of(rows)
        is_mixup = kinds[rows] == 1
        uniform = draw.uniform("mixup").double().numpy()
        share = torch.from_numpy(betaincinv(self.mixup_alpha, self.mixup_alpha, uniform))
        share = torch.where(is_mixup, share, 1.0)
        share[is_mixup] = draw.of(torch.nonzero(is_mixup).flatten()).decided(
            "mixup", share[is_mixup], within=(0.0, 1.0)
        )
        inside = torch.ones(len(rows), 1, side, side, dtype=torch.bool)
        cut = torch.nonzero(~is_mixup).flatten()
        inside[cut] = self._rectangles(draw.of(cut).child("cutmix"), side)
        return share.float()[:, None, None, None], inside

    def blur_cuts(self, draw: Draw, *, side: int) -> tuple[Tensor, Tensor]:
        """Where CutBlur leaves `lq` unspoilt: numbers (M,) of the samples, and (M, 1, side, side) bool."""
        rows = torch.nonzero(draw.happens("cutblur", self.cutblur)).flatten()
        draw = draw.of(rows).child("cutblur")
        outside = draw.happens("outside", 0.5)
        return rows, self._rectangles(draw, side) ^ outside[:, None, None, None]

    def _mixes(self, draw: Draw) -> Tensor:
        """(B,) 0 not, 1 MixUp, 2 CutMix."""
        shares = {"no": 1.0 - self.mixup - self.cutmix, "mixup": self.mixup, "cutmix": self.cutmix}
        return draw.one_of("mix", shares)

    def _rectangles(self, draw: Draw, side: int) -> Tensor:
        """(B, 1, side, side) bool."""
        found = []
        for axis, name in enumerate(("height", "width")):
            share = draw.uniform(name, low=self.cut_size[0], high=self.cut_size[1])
            length = (share * side).round().long().clamp(1, side)
            length = draw.decided(name, length, within=(1, side))
            start = draw.integers(f"start of {name}", 0, side - length + 1)
            start = draw.decided(f"start of {name}", start, within=(0, side))[:, None]
            place = torch.arange(side)[None]
            inside = (place >= start) & (place < start + length[:, None])
            found.append(inside.unsqueeze(2 if axis == 0 else 1))
        return (found[0] & found[1])[:, None]


def _range(name: str, values: Sequence[float], lowest: float, highest: float) -> tuple[float, float]:
    if len(values) != 2 or not lowest <= values[0] <= values[1] <= highest:
        raise ValueError(
            f"data.augment.{name}={list(values)} must be two numbers [low, high], the smaller one first, "
            f"from {lowest:g} to {highest:g}"
        )
    return float(values[0]), float(values[1])
