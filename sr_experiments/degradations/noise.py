"""Noise whose kind and strength belong to the sample.

A field of noise is drawn by the library's own generator, started anew for every sample by what its position
says: measured on a CPU, drawing all fields at once by hashing was 27 times slower than torch's `randn`.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from sr_experiments.degradations.base import Degradation
from sr_experiments.degradations.crops import Crops
from sr_experiments.degradations.ranges import checked_probability, checked_range
from sr_experiments.imaging.onto import onto
from sr_experiments.imaging.random import Draw

_GREY = (0.2989, 0.587, 0.114)  # BT.601, as Poisson noise without colour is computed in Real-ESRGAN


class Noise(Degradation):
    """What kinds of noise share: a strength, and whether channels differ. A subclass writes `field`.

    Args:
        strength: Range of the strength, drawn uniformly per sample.
        grey: Probability that a sample's noise is the same in all channels.
        clip: Whether the result is clamped to [0, 1].

    Raises:
        ValueError: On a negative or reversed range, or an impossible probability.
    """

    unit = 1.0
    argument = "strength"

    def __init__(self, strength: Sequence[float], *, grey: float = 0.0, clip: bool = False) -> None:
        """Check the ranges."""
        super().__init__()
        owner = type(self).__name__
        self.strength = checked_range(strength, owner=owner, name=self.argument, lowest=0.0)
        self.grey = checked_probability(grey, owner=owner, name="grey")
        self.clip = clip

    def field(self, image: Tensor, generator: torch.Generator) -> Tensor:
        """What is drawn for one image (C, H, W); of one channel where all get the same."""
        raise NotImplementedError

    def fields(self, images: Tensor, *, inside: Tensor | None, drawn: Callable[[Tensor], Tensor]) -> Tensor:
        """The noise of strength 1 of all images at once: for each by itself a GPU would be asked too often.

        Args:
            images: (B, C, H, W).
            inside: (B, 1, H, W) bool, where a smaller image is in them; None: everywhere.
            drawn: (B, C, H, W) to what `field` draws for each image of it.
        """
        return drawn(images)

    def spoil(self, crops: Crops, draw: Draw) -> Crops:
        """Images plus noise."""
        strengths = onto(crops.device, draw.within(self.argument, self.strength) / self.unit)
        is_grey = draw.happens("grey", self.grey)
        images = crops.pixels
        if images.shape[1] > 1 and bool(is_grey.any()):
            images = torch.where(onto(crops.device, is_grey)[:, None, None, None], _as_grey(images), images)
        generators = draw.generators("field", device=crops.device)

        def drawn(by: Tensor) -> Tensor:
            found = torch.zeros_like(images)
            for number, (generator, (height, width)) in enumerate(zip(generators, crops.sizes, strict=True)):
                image = by[number, : 1 if is_grey[number] else None, :height, :width]
                found[number, :, :height, :width] = self.field(image, generator)
            return found

        noise = self.fields(images, inside=_inside(crops), drawn=drawn)
        noisy = crops.pixels + noise.mul_(strengths[:, None, None, None])
        return replace(crops, pixels=noisy.clamp_(0.0, 1.0) if self.clip else noisy)


class GaussianNoise(Noise):
    """White Gaussian noise.

    Args:
        sigma: Range of its standard deviation in 8-bit levels (15 means 15/255).
        grey: Probability that a sample's noise is the same in all channels.
        clip: Whether the result is clamped to [0, 1].
    """

    unit = 255.0
    argument = "sigma"

    def __init__(self, *, sigma: Sequence[float], grey: float = 0.0, clip: bool = False) -> None:
        """Check the ranges."""
        super().__init__(sigma, grey=grey, clip=clip)

    def field(self, image: Tensor, generator: torch.Generator) -> Tensor:
        """Of variance 1."""
        return torch.randn(image.shape, generator=generator, device=image.device, dtype=image.dtype)


class CorrelatedNoise(Degradation):
    """Gaussian noise whose channels go together, each sample's in a way of its own, as in BSRGAN's release.

    The covariance is |s^2 U^T D U|, element by element, D being diagonal with entries from 0 to 1 and U the
    left singular vectors of a matrix with such entries (Zhang et al., arXiv:2103.14006, and its code).

    Args:
        sigma: s in 8-bit levels.
        clip: Whether the result is clamped to [0, 1].

    Raises:
        ValueError: If sigma is negative.
    """

    def __init__(self, *, sigma: float, clip: bool = False) -> None:
        """Check the value."""
        super().__init__()
        if not sigma >= 0.0:
            raise ValueError(f"CorrelatedNoise: sigma={sigma} must be 0 or more")
        self.sigma = sigma
        self.clip = clip

    def mixing(self, draw: Draw, channels: int) -> Tensor:
        """(B, C, C) float64: white noise as a row times this has the covariance."""
        diagonal = draw.uniform("variances", (channels,)).double().diag_embed()
        base, _, _ = torch.linalg.svd(draw.uniform("directions", (channels, channels)).double())
        covariance = ((self.sigma / 255.0) ** 2 * base.mT @ diagonal @ base).abs()
        _, values, directions = torch.linalg.svd(covariance)
        mixing: Tensor = values.sqrt()[:, :, None] * directions
        return mixing

    def spoil(self, crops: Crops, draw: Draw) -> Crops:
        """Images plus noise."""
        channels = crops.pixels.shape[1]
        mixing = onto(crops.device, self.mixing(draw, channels).float())
        noise = torch.zeros_like(crops.pixels)
        generators = draw.generators("field", device=crops.device)
        for number, (generator, (height, width)) in enumerate(zip(generators, crops.sizes, strict=True)):
            white = torch.randn(channels, height, width, generator=generator, device=crops.device)
            for source in range(channels):  # added in their order: a product of matrices need not be
                noise[number, :, :height, :width] += mixing[number, source, :, None, None] * white[source]
        noisy = crops.pixels + noise
        return replace(crops, pixels=noisy.clamp_(0.0, 1.0) if self.clip else noisy)


class SpeckleNoise(GaussianNoise):
    """Gaussian noise multiplied by the image, as of ultrasound and radar: sigma where the image is white."""

    def fields(self, images: Tensor, *, inside: Tensor | None, drawn: Callable[[Tensor], Tensor]) -> Tensor:
        """Of variance image^2."""
        return drawn(images) * images


class PoissonNoise(Noise):
    """Shot noise as in Real-ESRGAN (arXiv:2107.10833, section 3.2 and its code).

    A pixel's expected count is its 8-bit value in [0, 1] times the smallest power of two that is no less than
    the number of values in the image.

    Args:
        strength: Range of what the noise is multiplied by; 1 is that of such counts.
        grey: Probability that a sample's noise is that of its luma, the same in all channels.
        clip: Whether the result is clamped to [0, 1].
    """

    def __init__(self, *, strength: Sequence[float], grey: float = 0.0, clip: bool = False) -> None:
        """Check the ranges."""
        super().__init__(strength, grey=grey, clip=clip)

    def field(self, image: Tensor, generator: torch.Generator) -> Tensor:
        """Counts, by their means."""
        return torch.poisson(image, generator=generator)

    def fields(self, images: Tensor, *, inside: Tensor | None, drawn: Callable[[Tensor], Tensor]) -> Tensor:
        """Count minus expected count, as a share of white."""
        levels = (images.clamp(0.0, 1.0) * 255.0).round()
        # Neither counted by `bincount` nor looked up by `[]`: both wait for the device.
        places = levels if inside is None else torch.where(inside, levels, 256.0)
        found = levels.new_zeros(len(levels), 257).scatter_(1, places.flatten(1).long(), 1.0)
        values = found[:, :256].sum(1, keepdim=True)
        powers = 2 ** torch.arange(9, device=images.device)
        white = powers.take((powers < values).sum(1)).to(images.dtype)[:, None, None, None]
        expected = levels / 255.0 * white
        return (drawn(expected) - expected) / white


class SaltAndPepper(Degradation):
    """Dead pixels: some are white, as many black, in all channels alike.

    Args:
        share: Range of the share of pixels that are dead, drawn uniformly per sample.

    Raises:
        ValueError: On an impossible range.
    """

    def __init__(self, *, share: Sequence[float]) -> None:
        """Check the range."""
        super().__init__()
        self.share = checked_range(share, owner="SaltAndPepper", name="share", lowest=0.0, highest=1.0)

    def spoil(self, crops: Crops, draw: Draw) -> Crops:
        """Images of which some pixels are 0 or 1."""
        share = onto(crops.device, draw.within("share", self.share))
        field = torch.full_like(crops.pixels[:, :1], 0.5)
        generators = draw.generators("field", device=crops.device)
        for number, (generator, (height, width)) in enumerate(zip(generators, crops.sizes, strict=True)):
            own = torch.rand(height, width, generator=generator, device=crops.device)
            field[number, 0, :height, :width] = own
        share = share[:, None, None, None]
        spoilt = torch.where(field < share / 2, 0.0, crops.pixels)
        return replace(crops, pixels=torch.where(field >= 1 - share / 2, 1.0, spoilt))


def _as_grey(images: Tensor) -> Tensor:
    """(B, C, H, W) to (B, 1, H, W): luma of RGB, else the mean."""
    if images.shape[1] != 3:
        return sum(images.unbind(1), torch.zeros((), device=images.device))[:, None] / images.shape[1]
    red, green, blue = images.unbind(1)
    return (_GREY[0] * red + _GREY[1] * green + _GREY[2] * blue)[:, None]


def _inside(crops: Crops) -> Tensor | None:
    """(B, 1, H, W) bool: where the images of different sizes are; None: everywhere."""
    height, width = crops.pixels.shape[-2:]
    if all(size == (height, width) for size in map(tuple, crops.sizes)):
        return None
    heights, widths = onto(crops.device, torch.tensor(crops.sizes)).unbind(1)
    rows = torch.arange(height, device=crops.device)[:, None] < heights[:, None, None]
    columns = torch.arange(width, device=crops.device) < widths[:, None, None]
    return (rows & columns)[:, None]
