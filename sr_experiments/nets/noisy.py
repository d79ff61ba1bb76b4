"""Noise at the input of any net: a generator that has more than one answer to an image.

One low-resolution image has many originals. A conditional generator is G(z | y) (Mirza and Osindero,
arXiv:1411.1784): y is the image, and z noise by which it chooses among them. As in StyleGAN
(arXiv:1812.04948, section 2) z is a picture of noise, and learned factors decide how much of it is heard.
Deviation: there every layer has such an input, here the first one alone, through a convolution that starts at
zero, so that weights which were trained without noise are undisturbed.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn

from sr_experiments.imaging.random import Draw
from sr_experiments.nets.base import SRNet


class NoisyNet(SRNet):
    """Another net, given ``lq + noise(z)``; z is (B, noise_channels, H, W), standard normal.

    z is a function of (seed, position): the same in whatever batch a sample is, and after a restart. Scale,
    channels and sizes are those of the net inside.
    """

    scales = (1, 2, 3, 4, 8)  # those of any net: the one inside has refused its own
    takes_position: ClassVar[bool] = True

    def __init__(self, *, inner: SRNet, noise_channels: int = 1, seed: int = 0) -> None:
        """Put noise before a net.

        Args:
            inner: The net.
            noise_channels: Channels of z.
            seed: Of z.

        Raises:
            ValueError: if there are no noise channels, or the net inside has noise of its own.
        """
        if noise_channels < 1:
            raise ValueError(
                f"net.noise_channels={noise_channels}: must be 1 or more; "
                "for no noise choose the net itself, without net=noisy"
            )
        if inner.takes_position:
            raise ValueError(
                f"net.inner={type(inner).__name__}: has noise at its input already; "
                "choose the net inside, such as net@net.inner=edsr"
            )
        if inner.guide_channels:
            raise ValueError(
                f"net.inner={type(inner).__name__}: takes a guide, which net=noisy does not hand on; "
                "choose that net itself, or guide_channels=0"
            )
        super().__init__(
            scale=inner.scale,
            in_channels=inner.in_channels,
            multiple_of=inner.multiple_of,
            minimum=inner.minimum,
        )
        self.inner = inner
        self.seed = seed
        self.noise = nn.Conv2d(noise_channels, inner.in_channels, 3, padding=1, bias=False)
        nn.init.zeros_(self.noise.weight)

    def forward(self, lq: Tensor, position: Tensor | None = None) -> Tensor:
        """Enlarge (B, C, H, W).

        Args:
            lq: The images.
            position: (B,) int64, each sample's place in the run's stream, or any numbers where versions of an
                image are wanted: another number is another version. None: z = 0, the most likely value of
                every z, so exactly the net inside; this is what validation, test and export use.
        """
        if position is not None:
            lq = lq + self.noise(self._draw(lq, position))
        sr: Tensor = self.inner(lq)
        return sr

    # A compiler fuses operations, and rounds their results once: no longer the same numbers everywhere.
    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def _draw(self, lq: Tensor, position: Tensor) -> Tensor:
        """The z of a batch."""
        assert position.shape == lq.shape[:1]
        shape = (self.noise.in_channels, *lq.shape[-2:])
        return Draw(self.seed, position.to(lq.device)).normal("generator's noise", shape).to(lq.dtype)
