"""Eight bits, as a file has them, or fewer."""

from collections.abc import Sequence

from torch import Tensor

from sr_experiments.degradations.base import Degradation
from sr_experiments.degradations.crops import Crops
from sr_experiments.imaging.onto import onto
from sr_experiments.imaging.random import Draw


def to_8_bit(image: Tensor) -> Tensor:
    """Clamp to [0, 1] and round half up to multiples of 1/255; float in, float out."""
    return (image.clamp(0.0, 1.0) * 255.0 + 0.5).floor() / 255.0


class Quantise(Degradation):
    """As many levels as a few bits have: banding, as of cheap screens, GIF and early cameras.

    Args:
        bits: Range of their number, 1 to 16; every whole number in it is equally likely.

    Raises:
        ValueError: On an impossible range.
    """

    def __init__(self, *, bits: Sequence[int]) -> None:
        """Check the range."""
        super().__init__()
        ends = list(bits)
        if len(ends) != 2 or not 1 <= ends[0] <= ends[1] <= 16 or any(end != int(end) for end in ends):
            raise ValueError(
                f"Quantise: bits={ends} must be two whole numbers from 1 to 16, the smaller first"
            )
        self.bits = int(ends[0]), int(ends[1])

    def spoil(self, crops: Crops, draw: Draw) -> Crops:
        """Images in [0, 1], rounded half up."""
        drawn = draw.integers("bits", self.bits[0], self.bits[1] + 1)
        bits = draw.decided("bits", drawn, within=self.bits)
        steps = onto(crops.device, (2**bits - 1).float())[:, None, None, None]
        return crops.map(lambda pixels: (pixels.clamp(0.0, 1.0) * steps + 0.5).floor() / steps)
