"""Eight bits, as a file has them."""

from torch import Tensor


def to_8_bit(image: Tensor) -> Tensor:
    """Clamp to [0, 1] and round half up to multiples of 1/255; float in, float out."""
    return (image.clamp(0.0, 1.0) * 255.0 + 0.5).floor() / 255.0
