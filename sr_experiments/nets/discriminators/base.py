"""The contract that every discriminator keeps, and what several of them are built from."""

from typing import ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn

from sr_experiments.nets.discriminators.spectral import fixed_weights, iterate

Norm = Literal["batch", "instance", "none"]

SLOPE = 0.2
"""The slope of LeakyReLU below zero, in all of these papers."""


class Opinion(NamedTuple):
    """What a discriminator thinks of a batch.

    Attributes:
        logits: One tensor a scale, (B, 1) or (B, 1, h, w), unbounded; larger is more real.
        features: Activations for feature matching, shallow to deep, over all scales.
    """

    logits: tuple[Tensor, ...]
    features: tuple[Tensor, ...]


class Discriminator(nn.Module):
    """A network that tells real images from generated ones. A subclass writes `judge`.

    Patches are never padded or cut to fit: a discriminator would learn the padding. A size that it does not
    take is refused.

    Attributes:
        alternative: What the user may choose instead if the patches do not fit.
        in_channels: Channels of the image.
        channels: Channels of what `judge` gets: those of the condition too.
        conditional: Whether it also sees ``lq``, enlarged to the image's size (a conditional GAN).
        minimum: The smallest H and W.
        multiple_of: What H and W must be a multiple of.
        size: The only H and W that fit, or None.
    """

    alternative: ClassVar[str] = "discriminator=patchgan, which takes nearly any size"

    def __init__(
        self,
        *,
        in_channels: int,
        conditional: bool = False,
        minimum: int = 1,
        multiple_of: int = 1,
        size: int | None = None,
    ) -> None:
        """Check and keep what is known of the discriminator.

        Raises:
            ValueError: if `in_channels` is not positive.
        """
        super().__init__()
        if in_channels < 1:
            raise ValueError(
                f"in_channels={in_channels}: {type(self).__name__} needs 1 (luma), 3 (RGB) or more bands"
            )
        self.in_channels = in_channels
        self.channels = 2 * in_channels if conditional else in_channels
        self.conditional = conditional
        self.minimum = minimum
        self.multiple_of = multiple_of
        self.size = size
        self._iterates = True

    def forward(self, image: Tensor, condition: Tensor | None = None) -> Opinion:
        """Judge images.

        Args:
            image: (B, in_channels, H, W) in [0, 1].
            condition: ``lq`` enlarged to the image's size, the same shape; given if and only if the
                discriminator is conditional. It is concatenated to the image's channels.

        Raises:
            ValueError: if the channels, the condition or the size are not what the discriminator takes.
        """
        self._check_image(image)
        self._check_condition(image, condition)
        x = image if condition is None else torch.cat((image, condition), dim=1)
        with fixed_weights(self, device=x.device):
            return self.judge(x)

    def judge(self, x: Tensor) -> Opinion:
        """Judge (B, channels, H, W), of a size that fits."""
        raise NotImplementedError(f"{type(self).__name__} has no judge")

    def advance_spectral_norm(self, on: bool) -> None:
        """Say whether the next passes run a power iteration of spectral normalisation.

        Call it with True before the first pass of an update and with False after it (`spectral` says why).
        It holds until the next call: ``train()`` does not start an iteration that was halted. ``eval()``
        halts it. True counts in evaluation mode too.
        """
        self._iterates = on
        iterate(self, on=on)

    @torch.no_grad()
    def iterate_power_method(self) -> None:
        """Run one power iteration in every normalised layer, and none in the passes that follow.

        To be called once an update, before its first pass.
        """
        self.advance_spectral_norm(True)
        with fixed_weights(self, device=next(self.parameters()).device):
            pass  # reading the weights is what iterates
        self.advance_spectral_norm(False)

    def train(self, mode: bool = True) -> "Discriminator":
        """Set the mode of every layer; a halted power iteration stays halted."""
        super().train(mode)
        if not self._iterates:
            iterate(self, on=False)
        return self

    def _check_image(self, image: Tensor) -> None:
        name = type(self).__name__
        channels, height, width = image.shape[-3:]
        if channels != self.in_channels:
            raise ValueError(
                f"{name} got images with {channels} channels and was built for {self.in_channels}: "
                f"set channels={channels}, or leave discriminator.in_channels as it was"
            )
        if self.size is not None and (height, width) != (self.size, self.size):
            takes, handle = f"{self.size} x {self.size} only", f"data.patch_size={self.size}"
        elif min(height, width) < self.minimum:
            takes = f"{self.minimum} x {self.minimum} or more"
            handle = f"data.patch_size={self.minimum} or more"
        elif height % self.multiple_of or width % self.multiple_of:
            takes = f"multiples of {self.multiple_of}"
            handle = f"data.patch_size to a multiple of {self.multiple_of}"
        else:
            return
        raise ValueError(
            f"{name} got patches of {height} x {width} pixels and takes {takes}: set {handle}, "
            f"or choose {self.alternative}"
        )

    def _check_condition(self, image: Tensor, condition: Tensor | None) -> None:
        name = type(self).__name__
        if condition is None and self.conditional:
            raise ValueError(
                f"{name} is conditional and got an image of {tuple(image.shape)} alone: give it lq enlarged "
                "to the same shape too, or set discriminator.conditional=false"
            )
        if condition is not None and not self.conditional:
            raise ValueError(
                f"{name} is not conditional and got a condition of {tuple(condition.shape)}: give it the "
                "image alone, or set discriminator.conditional=true"
            )
        if condition is not None and condition.shape != image.shape:
            raise ValueError(
                f"{name} got an image of {tuple(image.shape)} and a condition of {tuple(condition.shape)}: "
                "both must have the same shape, so enlarge lq to the size of the image"
            )


def norm_layer(norm: Norm, channels: int) -> nn.Module:
    """A normalisation with a scale and a shift for each channel, or an identity.

    Raises:
        ValueError: if there is no such normalisation.
    """
    match norm:
        case "batch":
            return nn.BatchNorm2d(channels)
        case "instance":
            return nn.InstanceNorm2d(channels, affine=True)
        case "none":
            return nn.Identity()
    raise ValueError(f"norm={norm}: choose one of batch, instance, none")
