"""From crops as they were read to a training batch, on the batch's device.

Turned, brought to one size, mixed and spoilt: each sample by what its position says.
"""

import itertools
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from sr_experiments.data.plan import Plan
from sr_experiments.data.windows import Windows
from sr_experiments.degradations.base import Degradation
from sr_experiments.degradations.bicubic import Bicubic
from sr_experiments.degradations.crops import Crops
from sr_experiments.degradations.taps import MODES, resample
from sr_experiments.imaging.ledger import Ledger
from sr_experiments.imaging.onto import onto
from sr_experiments.imaging.random import Draw

MATLAB = MODES.index("matlab")
MARGIN = 2
"""Pixels of `lq` from which MATLAB's bicubic kernel reaches over the border of a crop."""


class Finisher:
    """Makes batches of what was read by a plan.

    Args:
        plan: By which it was read.
        degradation: Makes `lq` of crops that were read without.
    """

    def __init__(self, plan: Plan, *, degradation: Degradation) -> None:
        """Nothing is drawn yet."""
        self.plan = plan
        self.augment = plan.augment
        self.degradation = degradation

    def __call__(
        self,
        read: Mapping[str, Tensor],
        positions: Tensor,
        *,
        windows: Windows | None = None,
        ledger: Ledger | None = None,
    ) -> dict[str, Tensor]:
        """A batch.

        Args:
            read: `gt`, and of `lq`, `guide` and `known` what there is, as a store gives them for the plan's
                windows, on the device.
            positions: (B,) int64 on the CPU.
            windows: The plan's, of these positions and with this ledger, where they are known already.
            ledger: Takes down what was decided for each sample, or prescribes it.

        Returns:
            `gt` (B, C, patch, patch) and `lq`, called `enlarged` where it was; `guide` and `known` of the
            size of `gt`, lying on it as they lay there. All float32, nominally in [0, 1].
        """
        with torch.no_grad():
            draw = self.plan.draw(positions, ledger=ledger)
            if windows is None and (ledger is not None or self.augment.crop_scale is not None):
                # Taken down in the ledger, and what crops of different sizes are resized by.
                windows = self.plan.windows(positions, ledger=ledger)
            images = self._mixed(self._oriented(self._sized(read, windows, draw), draw), draw)
            if "lq" not in images:
                self.degradation.to(images["gt"].device)
                images["lq"] = self.degradation(
                    images["gt"], seed=self.plan.seed, positions=positions, ledger=ledger
                )
            self._cut(images, draw)
            if self.plan.enlarged:
                images["enlarged"] = images.pop("lq")
        return images

    def _sized(self, read: Mapping[str, Tensor], windows: Windows | None, draw: Draw) -> dict[str, Tensor]:
        """(N, C, H, W) of one size: integers as they were read, or floats where sizes differed."""
        if self.augment.crop_scale is None:
            return {key: image.permute(0, 3, 1, 2) for key, image in read.items()}
        assert windows is not None, "by them crops are brought to one size"
        sized = {}
        for key, image in read.items():
            scale = 1 if key == "lq" else self.plan.scale
            side = (self.plan.side + 2 * self.plan.margin) * scale
            sized[key] = _resized(to_float(image), windows.times(scale), side, levels=_levels(image))
        if self.plan.margin:
            # A fixed degradation is one of whole images: of what is read around the crop it makes the
            # pixels that it would have made there.
            levels = _levels(read["gt"])
            integers = (sized["gt"] * levels).round().to(read["gt"].dtype)
            small = to_float(self.degradation(integers, seed=0, positions=draw.positions).movedim(1, 3))
            border = self.plan.margin
            sized["lq"] = small[:, :, border:-border, border:-border]
            border *= self.plan.scale
            for key in sized.keys() - {"lq"}:
                sized[key] = sized[key][:, :, border:-border, border:-border]
        return sized

    def _oriented(self, images: Mapping[str, Tensor], draw: Draw) -> dict[str, Tensor]:
        """Floats, mirrored, turned, and channels in another order; the partners by draws of their own."""
        draws, codes = [draw], self.plan.orientations(draw)
        if len(partners := self.augment.mixed(draw)):
            draws.append(draw.of(partners).child("partner"))
            codes = torch.cat((codes, self.augment.orientations(draws[-1])))
        turned = {key: _turned(image, codes) for key, image in images.items()}
        orders = [order for part in draws if (order := self.augment.channel_orders(part)) is not None]
        if not orders:
            return turned
        order = torch.cat(orders)[:, :, None, None]
        return turned | {
            key: turned[key].gather(1, onto(turned[key].device, order).expand(-1, -1, *turned[key].shape[2:]))
            for key in ("gt", "lq")
            if key in turned
        }

    def _mixed(self, images: dict[str, Tensor], draw: Draw) -> dict[str, Tensor]:
        """Partners, which stand behind the samples, into their samples."""
        rows = self.augment.mixed(draw)
        if not len(rows):
            return images
        share, inside = self.augment.mix(draw, side=self.plan.side)
        mixed = {}
        for key, image in images.items():
            own, partner = image[: len(draw.positions)], image[len(draw.positions) :]
            part = onto(image.device, share * _enlarged(inside, image.shape[-1]))
            at = onto(image.device, rows)
            mixed[key] = own.index_copy(0, at, own[at] * (1 - part) + partner * part)
        return mixed

    def _cut(self, images: dict[str, Tensor], draw: Draw) -> None:
        """CutBlur, in place."""
        if self.augment.cutblur == 0.0:
            return
        gt, lq = images["gt"], images["lq"]
        rows, clean_here = self.augment.blur_cuts(draw, side=self.plan.side)
        at, clean_here = onto(lq.device, rows), onto(lq.device, clean_here)
        clean = gt[at]
        if lq.shape != gt.shape:
            clean = Bicubic(scale=gt.shape[-1] // lq.shape[-1], quantise=True).shrink(clean)
        images["lq"] = lq.index_copy(0, at, torch.where(clean_here, clean, lq[at]))


def to_float(image: Tensor) -> Tensor:
    """(B, H, W, C) integers, or floats in [0, 1], to (B, C, H, W) float32 in [0, 1], contiguous."""
    planes = image.permute(0, 3, 1, 2)
    whole = planes.to(
        torch.float32, memory_format=torch.contiguous_format, copy=True
    )  # the cache keeps its own
    return _of_white(whole, image)


def _of_white(levels: Tensor, image: Tensor) -> Tensor:
    """Floats that count the levels of an image become shares of white, in place."""
    if image.is_floating_point():
        return levels
    # Divided by a tensor: a GPU multiplies by the rounded inverse of a plain number. 257 / 65535 would then
    # differ from 1 / 255 in the last bit, and a sample's bits would depend on the depth of its neighbours.
    return levels.div_(torch.full((), _levels(image), device=image.device))


def _levels(image: Tensor) -> float:
    """How many steps there are from black to white, if they are counted."""
    return 0.0 if image.is_floating_point() else float(torch.iinfo(image.dtype).max)


def _resized(image: Tensor, windows: Windows, side: int, *, levels: float) -> Tensor:
    """Crops of different sizes to one; clamped and rounded to the levels of their files."""
    crops = Crops(image, windows.sides, windows.sides, torch.arange(len(image)), (side, side))
    wanted = torch.full_like(windows.sides, side)
    whole = resample(crops, heights=wanted, widths=wanted, modes=torch.full_like(wanted, MATLAB)).tensor()
    return (whole.clamp_(0.0, 1.0) * levels + 0.5).floor() / levels if levels else whole


def _turned(image: Tensor, codes: Tensor) -> Tensor:
    """(B, C, H, H), each image mirrored and turned as its code says, as floats; see `orientations`."""
    return (_turned_here if image.is_cpu else _turned_there)(image, codes)


def _turned_here(image: Tensor, codes: Tensor) -> Tensor:
    """On the CPU, by numpy: it can mirror without a copy, so all is done in one go through each image."""
    images, white = image.numpy(), np.float32(_levels(image) or 1.0)
    turned = np.empty(image.shape, dtype=np.float32)
    for number, (horizontal, vertical, quarter) in enumerate(codes.tolist()):
        mirrored = images[number, :, :: -1 if vertical else 1, :: -1 if horizontal ^ quarter else 1]
        np.divide(mirrored.swapaxes(1, 2) if quarter else mirrored, white, out=turned[number])
    return torch.from_numpy(turned)


def _turned_there(image: Tensor, codes: Tensor) -> Tensor:
    """On any device: all pixels at once by where they come from, as each call there takes its time."""
    source = image.to(torch.int32) if image.dtype == torch.uint16 else image  # torch can not gather uint16
    numbers = onto(image.device, codes @ torch.tensor([4, 2, 1]))
    places = _origins(image.shape[-1], image.device).index_select(0, numbers)
    pixels = source.flatten(2)
    turned = pixels.gather(2, places[:, None].expand_as(pixels)).view(image.shape)
    return _of_white(turned.to(torch.float32), image)


@lru_cache(maxsize=8)
def _origins(side: int, device: torch.device) -> Tensor:
    """(8, side * side) int64: for each code, as a binary number, the place that each pixel comes from."""
    place = torch.arange(side * side, device=device).view(side, side)
    found = []
    for horizontal, vertical, quarter in itertools.product((0, 1), repeat=3):
        # A quarter counterclockwise: rows and columns change places, then the rows are mirrored, which is to
        # mirror the columns before.
        axes = [axis for axis, is_mirrored in ((-1, horizontal ^ quarter), (-2, vertical)) if is_mirrored]
        mirrored = place.flip(axes)
        found.append((mirrored.T if quarter else mirrored).flatten())
    return torch.stack(found)


def _enlarged(inside: Tensor, side: int) -> Tensor:
    """(M, 1, s, s) bool to float of another size, a whole number of times larger."""
    times = side // inside.shape[-1]
    return inside.float().repeat_interleave(times, -1).repeat_interleave(times, -2)
