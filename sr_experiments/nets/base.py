"""The contract that every network keeps."""

from collections.abc import Callable, Collection
from typing import ClassVar

from torch import Tensor, nn

from sr_experiments.imaging.pad import run_padded
from sr_experiments.nets.interpolate import Upscale


class SRNet(nn.Module):
    """A network that enlarges an image by a whole factor.

    Maps ``lq`` (B, C, H, W) in [0, 1] to ``sr`` (B, C, scale * H, scale * W), nominally in [0, 1] and not
    clamped. H and W must be multiples of ``multiple_of`` and at least ``minimum``:
    `run_net` sees to it for every image. A network never pads to a multiple itself,
    because that would tie an exported graph to one size.

    Attributes:
        scales: The scales that the architecture is defined for.
        takes_position: Whether ``forward`` takes ``position`` (B,) int64 beside ``lq``: each sample's place
            in the run's stream, of which what is drawn is a function. Without it nothing is drawn.
        guide_channels: G, where ``forward`` takes ``guide`` (B, G, scale * H, scale * W) in [0, 1] behind
            ``lq``: the same scene by another sensor, pixel on pixel of the output. 0: it takes none.
        scale: How much larger the output is.
        in_channels: Channels of the input and of the output: 1 (luma), 3 (RGB) or any number of bands.
        multiple_of: What H and W of ``lq`` must be a multiple of.
        minimum: The smallest H and W of ``lq``.
    """

    scales: ClassVar[Collection[int]] = (2, 3, 4, 8)
    takes_position: ClassVar[bool] = False
    guide_channels: int = 0

    def __init__(self, *, scale: int, in_channels: int, multiple_of: int = 1, minimum: int = 1) -> None:
        """Check and keep what is known of the network.

        Raises:
            ValueError: if the architecture has no such scale, or `in_channels` is not positive.
        """
        super().__init__()
        check_scale(type(self).__name__, scale, self.scales)
        if in_channels < 1:
            raise ValueError(
                f"in_channels={in_channels}: {type(self).__name__} needs 1 (luma), 3 (RGB) or more bands"
            )
        self.scale = scale
        self.in_channels = in_channels
        self.multiple_of = multiple_of
        self.minimum = minimum

    def forward(self, lq: Tensor) -> Tensor:
        """Enlarge a batch of images."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")


def run_net(net: SRNet, lq: Tensor, *, by: Callable[[Tensor], Tensor] | None = None) -> Tensor:
    """Restore images of any size: padded to what the net needs, and the padding cut off again.

    Args:
        net: What states its needs.
        lq: (B, C, H, W); for `by` with more channels, where it takes a guide folded into it.
        by: What is called in place of the net: its compiled form, or one that takes more than `lq`.

    Returns:
        (B, C, sH, sW).
    """
    called = net if by is None else by
    return run_padded(called, lq, scale=net.scale, multiple_of=net.multiple_of, minimum=net.minimum)


class EnlargedNet(SRNet):
    """A network that works on the bicubically enlarged image, so one set of weights may serve every scale.

    A subclass writes `refine`.
    """

    def __init__(self, *, scale: int, in_channels: int, multiple_of: int = 1, minimum: int = 1) -> None:
        """Build the enlargement."""
        super().__init__(scale=scale, in_channels=in_channels, multiple_of=multiple_of, minimum=minimum)
        self.upscale = Upscale(scale=scale)

    def forward(self, lq: Tensor) -> Tensor:
        """Enlarge a batch of images."""
        return self.refine(self.upscale(lq))

    def refine(self, enlarged: Tensor) -> Tensor:
        """Restore (B, C, H, W), an image that was enlarged already; same shape."""
        raise NotImplementedError(f"{type(self).__name__} has no refine")


def check_scale(name: str, scale: int, allowed: Collection[int]) -> None:
    """Refuse a scale that an architecture does not have.

    Raises:
        ValueError: naming the architecture, the scale and those allowed.
    """
    if scale not in allowed:
        choices = ", ".join(map(str, sorted(allowed)))
        raise ValueError(f"scale={scale}: {name} is defined for scale {choices}")
