"""Penalties on the slope of a discriminator: R1 on real images, WGAN-GP between real and made ones.

Both are derivatives of derivatives: the discriminator's gradient by the image is measured, and the penalty
has a gradient by the discriminator's parameters, not by the images. They are computed with autocast off,
because the second derivative in half precision is mostly rounding; so the discriminator works in the dtype of
the images, which must be that of its weights.

A discriminator of several scales is several discriminators, so each has a penalty of its own. These are
averaged as their losses are, so that the weight of a penalty means the same for any number of scales.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Judge = Callable[[Tensor], Sequence[Tensor]]
"""Images (B, C, H, W) to outputs, one tensor (B, ...) per scale; each image's depend on no other image."""


def r1_penalty(judge: Judge, real: Tensor) -> Tensor:
    """Half the squared slope at real images (Mescheder et al., arXiv:1801.04406, eq. 9, gamma = 1).

    1/2 E ||grad_x D(x)||^2, where D(x) of a map of patches is their sum, as is usual for this penalty: its
    weight has to be the smaller, the more patches there are.

    Args:
        judge: The discriminator.
        real: (B, C, H, W). Taken as constants.

    Returns:
        A scalar of at least 0, in float32 or better, with a gradient by the judge's parameters; the mean over
        its scales.
    """
    with torch.autocast(real.device.type, enabled=False):
        x = real.detach().requires_grad_()
        penalties = [0.5 * _slopes(score.flatten(1).sum(1), x).square().sum(1).mean() for score in judge(x)]
        return torch.stack(penalties).mean()


def gradient_penalty(judge: Judge, real: Tensor, fake: Tensor, *, mix: Tensor) -> Tensor:
    """How far the slope between real and made images is from 1 (Gulrajani et al., arXiv:1704.00028, eq. 3).

    E (||grad_x D(x)|| - 1)^2 at x = mix real + (1 - mix) fake; the paper's lambda = 10 is the caller's. D(x)
    of a map of patches is their mean, because that is the function that the loss averages over images and
    that has to have a slope of 1.

    Args:
        judge: The discriminator.
        real: (B, C, H, W). Taken as constants.
        fake: The same shape, likewise.
        mix: (B, 1, 1, 1) in [0, 1], drawn by the caller, who knows the rule for randomness.

    Returns:
        A scalar of at least 0, in float32 or better, with a gradient by the judge's parameters; the mean over
        its scales.
    """
    assert real.shape == fake.shape, f"real is {tuple(real.shape)}, fake {tuple(fake.shape)}"
    assert mix.shape == (len(real), 1, 1, 1), f"mix is {tuple(mix.shape)}, for {tuple(real.shape)}"
    with torch.autocast(real.device.type, enabled=False):
        # `real` decides on the dtype: `fake` may come in half precision from a generator under autocast.
        share = mix.to(real.dtype)
        x = (share * real + (1 - share) * fake.to(real.dtype)).detach().requires_grad_()
        norms = [torch.linalg.vector_norm(_slopes(score.flatten(1).mean(1), x), dim=1) for score in judge(x)]
        return torch.stack([(norm - 1).square().mean() for norm in norms]).mean()


def _slopes(scores: Tensor, x: Tensor) -> Tensor:
    """Gradients (B, C * H * W) of each image's score by that image, at least in float32, with a graph."""
    # The sum over the batch gives every image its own gradient: no score depends on another image.
    (gradient,) = torch.autograd.grad(scores.sum(), x, create_graph=True)
    return gradient.to(torch.promote_types(gradient.dtype, torch.float32)).flatten(1)
