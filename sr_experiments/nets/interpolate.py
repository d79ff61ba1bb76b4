"""Fixed enlargement inside networks: the numbers of ``imaging.resize.imresize`` in a graph that exports.

Enlarging by a whole factor s is s fixed filters ("phases"): pixel s * i + r of the output is a sum of a few
pixels round pixel i of the mirrored input, with weights that depend on r only. These weights are constants
of the graph, so height and width may be dynamic.

They are applied as multiplications and additions of shifted images, not as a convolution, which a GPU would
compute in TF32 (10 bits) and autocast in bfloat16 (8 bits): the skip that a network's residual is added to
has to be exact.
"""

import functools
import math

import torch
from torch import Tensor, nn

from sr_experiments.imaging.resize import Kernel, imresize

_REACH: dict[str, int] = {"nearest": 0, "bilinear": 1, "bicubic": 2, "lanczos3": 3}

Phases = tuple[dict[int, float], ...]


def polyphase_taps(scale: int, *, kernel: Kernel) -> Phases:
    """For each of the `scale` phases: distance in input pixels -> weight, without those that are zero.

    Read off the answer of `imresize` to a single bright pixel.

    Raises:
        ValueError: if the kernel is not one of those below.
    """
    if kernel not in _REACH:
        raise ValueError(f"kernel={kernel!r}: a network enlarges by {', '.join(_REACH)}")
    centre = 2 * _REACH[kernel] + 1  # far enough from the border that no mirror image answers
    impulse = torch.zeros(1, 2 * centre + 1, dtype=torch.float64, device="cpu")
    impulse[0, centre] = 1.0
    answer = imresize(impulse, size=(1, scale * (2 * centre + 1)), kernel=kernel)[0].tolist()
    phases = [{k: answer[scale * (centre - k) + r] for k in range(-centre, centre + 1)} for r in range(scale)]
    return tuple({k: weight for k, weight in phase.items() if abs(weight) > 1e-15} for phase in phases)


def mirrored(image: Tensor, dim: int, *, amount: int) -> Tensor:
    """`image` with `amount` pixels more at both ends of `dim`, mirrored, the edge repeated.

    An image that is shorter than `amount` is mirrored again and again.
    """
    length = image.shape[dim]
    index = torch.arange(-amount, length + amount, device=image.device) % (2 * length)
    return image.index_select(dim, torch.where(index < length, index, 2 * length - 1 - index))


class Upscale(nn.Module):
    """Enlarges (B, C, H, W) by a whole factor as MATLAB's ``imresize`` does for ``double``, unclamped.

    Computes in float32, in float64 for float64, also under autocast; returns the input's dtype. No
    parameters, no buffers.

    Args:
        scale: The factor.
        kernel: "nearest", "bilinear", "bicubic" (Keys, a = -1/2) or "lanczos3".
    """

    def __init__(self, *, scale: int, kernel: Kernel = "bicubic") -> None:
        """Find the weights."""
        super().__init__()
        self.phases = polyphase_taps(scale, kernel=kernel)
        self.reach = max(abs(distance) for phase in self.phases for distance in phase)

    def forward(self, image: Tensor) -> Tensor:
        """Enlarge (B, C, H, W)."""
        x = image.to(torch.promote_types(image.dtype, torch.float32))
        return self._enlarge(self._enlarge(x, 2), 3).to(image.dtype)

    def _enlarge(self, x: Tensor, dim: int) -> Tensor:
        """Enlarge one axis."""
        length = x.shape[dim]
        padded = mirrored(x, dim, amount=self.reach)
        rows = []
        for phase in self.phases:
            taps = [weight * padded.narrow(dim, self.reach + k, length) for k, weight in phase.items()]
            rows.append(functools.reduce(torch.add, taps))
        return torch.stack(rows, dim + 1).flatten(dim, dim + 1)


class SpectrumUpscale(nn.Module):
    """Enlarges (B, C, H, W) by appending zeros to its spectrum: no frequency that the image has is changed.

    The spectrum is that of the image continued by its mirror image (so of its cosine transform, DCT-II),
    because a plain Fourier transform continues it by itself and rings where the right border meets the
    left. Like ``imresize`` it keeps the image's outline where it is: output pixel j lies at (j + 1/2) /
    scale - 1/2.

    Computes in float32, in float64 for float64; returns the input's dtype.

    Args:
        scale: The factor.
    """

    def __init__(self, *, scale: int) -> None:
        """Keep the factor."""
        super().__init__()
        self.scale = scale

    def forward(self, image: Tensor) -> Tensor:
        """Enlarge (B, C, H, W)."""
        x = image.to(torch.promote_types(image.dtype, torch.float32))
        return self._enlarge(self._enlarge(x, 2), 3).to(image.dtype)

    def _enlarge(self, x: Tensor, dim: int) -> Tensor:
        """Enlarge one axis."""
        length = x.shape[dim]
        spectrum = torch.fft.rfft(torch.cat((x, x.flip(dim)), dim), dim=dim)
        offset = 0.5 / self.scale - 0.5
        frequency = torch.arange(length + 1, device=x.device, dtype=x.dtype) * (math.pi * offset / length)
        shift = torch.polar(torch.ones_like(frequency), frequency)  # moves the grid by `offset` pixels
        shift = shift.reshape([-1 if axis == dim else 1 for axis in range(4)])
        padded: Tensor = torch.fft.irfft(spectrum * shift, n=2 * self.scale * length, dim=dim)
        return padded.narrow(dim, 0, self.scale * length) * self.scale
