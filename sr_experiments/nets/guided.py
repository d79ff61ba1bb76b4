"""Guided upsampling with learned weights: a small joint bilateral upsampler.

Joint bilateral upsampling (Kopf et al., SIGGRAPH 2007) makes a pixel of depth of its neighbours in the small
image, each weighted by how near it is and how much the colour there looks like the colour here. The
deformable kernel networks of Kim, Ponce and Ham (IJCV 2021, arXiv:1910.08373) do so with weights that a
network makes of both images, and so does JIIF (Tang et al., ACM MM 2021, arXiv:2107.08717).

Here the weights are a softmax over squared distances of features: of each pixel of the result, and of 5 x 5
pixels of `lq`, whose features are means over the pixels that lie in them. Deviations: the neighbours are
fixed, not moved by offsets (DKN); the bicubically enlarged image is one more of them; three convolutions
correct the result. It starts as Kopf's with a range of about a tenth of white: features are the guide itself,
turned at random, and what is learned is added to them. `lq` enters the features as what is above its local
mean (as the high frequencies do in MSG-Net, Hui et al., ECCV 2016), so that something added to all of `lq` is
added to the result and changes nothing else.

Without a guide (`guide_channels=0`) the details of the enlarged `lq` take its place: the same layers, of
which the first ones have other channels. What a guide gains is what it gains over that.
"""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sr_experiments.imaging.resize import kernel_values
from sr_experiments.nets.base import SRNet
from sr_experiments.nets.blocks import conv
from sr_experiments.nets.border import repeat_border

_SIDE = 5  # of the neighbourhood; bicubic interpolation reaches no further
_GAIN = 4.0


class GuidedNet(SRNet):
    """Upsampling by the weights of a guide; see the module."""

    cubic: Tensor

    def __init__(
        self, *, scale: int, in_channels: int = 1, guide_channels: int = 3, features: int = 16
    ) -> None:
        """Build the network.

        Args:
            scale: 2, 3, 4 or 8.
            in_channels: Channels in and out.
            guide_channels: Of the guide; 0: there is none.
            features: Of every layer.

        Raises:
            ValueError: if `guide_channels` is negative.
        """
        super().__init__(scale=scale, in_channels=in_channels)
        if guide_channels < 0:
            raise ValueError(f"guide_channels={guide_channels}: must be 0 (no guide) or more")
        self.guide_channels = guide_channels
        none = "guide_channels=0: no guide; the net sees details of the enlarged lq in its place"
        self.notes = [] if guide_channels else [none]
        seen = guide_channels or in_channels
        self.look = conv(seen, features, kernel_size=1)
        self.learned = _layers(seen + in_channels, features, features)
        self.sharpness = nn.Parameter(torch.tensor(3.5))
        self.own = conv(features, 1, kernel_size=1)
        self.correction = _layers(features + 2 * in_channels, features, in_channels)
        apart = _apart(scale)
        nearness = -1.4 * (apart[:, None, :, None].square() + apart[None, :, None, :].square())
        self.place = nn.Parameter(F.pad(nearness.reshape(scale * scale, -1), (0, 1), value=-1.0))
        along = kernel_values(apart.double(), "bicubic")
        cubic = along[:, None, :, None] * along[None, :, None, :]
        self.register_buffer("cubic", cubic.reshape(scale * scale, -1).float(), persistent=False)
        self._begin()

    def _begin(self) -> None:
        """Distances of features are those of what is looked at, and the correction is almost none."""
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, a=0.25)  # the slope of a new PReLU
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]  # there is one
        nn.init.normal_(self.look.weight, std=self.look.out_channels**-0.5)
        for last, part in ((self.learned[-1], 0.1), (self.own, 0.1), (self.correction[-1], 0.01)):
            assert isinstance(last, nn.Conv2d)
            last.weight.data.mul_(part)

    def forward(self, lq: Tensor, guide: Tensor | None = None) -> Tensor:
        """Enlarge (B, C, H, W) by a guide (B, G, sH, sW).

        Raises:
            ValueError: if there is no guide and the net needs one.
        """
        around = _around(lq)
        enlarged = self._weighted(self.cubic, around)
        smooth = self._weighted(self.cubic, _around(around.mean(dim=2)))
        details = (enlarged - smooth) * _GAIN
        if self.guide_channels == 0:
            seen = details
        elif guide is not None:
            seen = (guide - 0.5) * _GAIN
        else:
            raise ValueError(
                f"{type(self).__name__} takes a guide of {self.guide_channels} channels beside lq, and none "
                "was given: data=guided and data=stereo bring guides; trained with guide_channels=0 it needs "
                "none"
            )
        features = self.look(seen) + self.learned(torch.cat([seen, details], dim=1))
        weights = self._weights(features)
        own = F.pixel_shuffle(weights[:, :, -1], self.scale)
        sr = self._weighted(weights[:, :, :-1], around) + own * enlarged
        seen = torch.cat([features, (sr - smooth) * _GAIN, (sr - enlarged) * 2 * _GAIN], dim=1)
        corrected: Tensor = sr + 0.1 * self.correction(seen)
        return corrected

    def _weights(self, features: Tensor) -> Tensor:
        """(B, s^2, 26, H, W): for each pixel of the result, over its neighbours and the enlarged image."""
        s = self.scale
        own = F.pixel_unshuffle(self.own(features), s)[:, :, None]
        with _precisely(features.device.type):  # small differences of large numbers
            precise = features.to(torch.promote_types(features.dtype, torch.float32))
            here = torch.unflatten(F.pixel_unshuffle(precise, s), 1, (-1, s * s))
            there = _around(F.avg_pool2d(precise, s))
            product = torch.einsum("bfshw,bfkhw->bskhw", here, there)
            squares = here.square().sum(dim=1)[:, :, None] + there.square().sum(dim=1)[:, None]
            alike = (2 * product - squares) * F.softplus(self.sharpness.to(precise.dtype))
            logits = torch.cat([alike, own.to(alike.dtype)], dim=2) + self.place[..., None, None]
            return logits.softmax(dim=2).to(features.dtype)

    def _weighted(self, weights: Tensor, around: Tensor) -> Tensor:
        """Sums over the neighbourhood, (B, C, sH, sW), with weights (s^2, 25) or (B, s^2, 25, H, W)."""
        of_weights = "sk" if weights.dim() == 2 else "bskhw"
        sums = torch.einsum(f"{of_weights},bckhw->bcshw", weights.to(around.dtype), around)
        return F.pixel_shuffle(sums.flatten(1, 2), self.scale)


def _precisely(device: str) -> AbstractContextManager[object]:
    """Without autocast, on devices that have one."""
    there = torch.amp.is_autocast_available(device)
    return torch.autocast(device, enabled=False) if there else nullcontext()


def _layers(channels: int, features: int, out: int) -> nn.Sequential:
    return nn.Sequential(
        conv(channels, features),
        nn.PReLU(features),
        conv(features, features),
        nn.PReLU(features),
        conv(features, out),
    )


def _around(image: Tensor) -> Tensor:
    """(B, C, 25, H, W): the neighbourhood of each pixel of (B, C, H, W), the border continued."""
    height, width = image.shape[-2:]
    wide = repeat_border(image, high=_SIDE // 2, wide=_SIDE // 2)
    rows = [wide[..., top : top + height, :] for top in range(_SIDE)]
    return torch.stack([row[..., left : left + width] for row in rows for left in range(_SIDE)], dim=2)


def _apart(scale: int) -> Tensor:
    """(s, 5): along an axis, from each pixel of the result to the five around it, in pixels of `lq`."""
    within = (torch.arange(scale) + 0.5) / scale - 0.5
    return within[:, None] - (torch.arange(_SIDE) - _SIDE // 2)
