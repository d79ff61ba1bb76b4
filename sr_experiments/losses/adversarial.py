"""What discriminator and generator minimise: a discriminator's outputs become two losses.

An output ("logit") is unbounded; D = sigmoid(logit) is the probability of "real" where the loss speaks of
one. Outputs are numbers (B, 1) or maps of patches (B, 1, h, w), and every expectation below is the mean over
all of them. x is a real image (`gt`), G(z) a made one (`sr`). Both losses are to be minimised; the total
weight * L_G that the generator gets is formed by the caller.

Logarithms of D are `logsigmoid`, never the logarithm of a sigmoid: right to the last digit for logits of
10,000 as for those of 0, with a gradient that neither vanishes nor overflows where the truth has none of it.
Outputs in half precision are promoted to float32 first.
"""

import math
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sr_experiments.losses.everywhere import mean_everywhere


class AdversarialLoss(nn.Module):
    """The losses of both players. Subclasses have the formulas; no parameters, no state.

    Attributes:
        needs_real: Whether the generator's loss looks at the outputs for real images too.
    """

    needs_real: ClassVar[bool] = False

    def for_discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return what the discriminator minimises, a scalar.

        Args:
            real: Outputs for real images, any shape.
            fake: Outputs for made images, the same shape; made without a gradient to the generator.
        """
        return self.discriminator_formula(*_promoted(real, fake))

    def for_generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """Return what the generator minimises, a scalar, before its weight.

        Args:
            fake: Outputs for made images, any shape.
            real: Outputs for the real images, the same shape. Only looked at, and then needed, by a loss with
                `needs_real`.
        """
        assert real is not None or not self.needs_real, f"{type(self).__name__} needs the real outputs too"
        return self.generator_formula(*_promoted(fake, fake if real is None else real))

    def accuracy(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return the share of outputs on the right side of this loss's threshold, a scalar in 0..1.

        Real and made outputs count alike. An output on the threshold counts half, so that a dead
        discriminator, which says the same of everything, has 0.5 and not 0 or 1. Without a gradient.
        """
        above, below = self.margins(*_promoted(real.detach(), fake.detach()))
        return (_share_right(above) + _share_right(below)) / 2

    def discriminator_formula(self, real: Tensor, fake: Tensor) -> Tensor:
        """What `for_discriminator` returns, of outputs in float32 or float64."""
        raise NotImplementedError

    def generator_formula(self, fake: Tensor, real: Tensor) -> Tensor:
        """What `for_generator` returns, likewise; `real` means something where `needs_real`."""
        raise NotImplementedError

    def margins(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """How far each real and each made output lies on its right side; positive is right."""
        return real, -fake


class Vanilla(AdversarialLoss):
    """The first GAN's loss in its non-saturating form (Goodfellow et al., arXiv:1406.2661, section 3).

    L_D = - E log D(x) - E log(1 - D(G(z))) and L_G = - E log D(G(z)). With label smoothing (one-sided:
    Salimans et al., arXiv:1606.03498, section 3.4) the first term of L_D becomes the cross entropy with the
    target 1 - smoothing; targets of made images, and L_G, stay. Softplus, as StyleGAN's losses are written,
    is this one: softplus(-t) = - log sigmoid(t).

    The threshold of `accuracy` is what the best discriminator says where real and made are equally likely:
    D = (1 - smoothing) / 2.
    """

    def __init__(self, *, smoothing: float = 0.0) -> None:
        """Check the smoothing.

        Args:
            smoothing: The target of real images is 1 minus this; in [0, 0.5).

        Raises:
            ValueError: smoothing lies outside.
        """
        super().__init__()
        self.smoothing = _checked_smoothing(smoothing)

    def discriminator_formula(self, real: Tensor, fake: Tensor) -> Tensor:
        """- E log D(x) - E log(1 - D(G(z)))."""
        return _minus_log_d(real, smoothing=self.smoothing) + _minus_log_not_d(fake)

    def generator_formula(self, fake: Tensor, real: Tensor) -> Tensor:
        """- E log D(G(z))."""
        return _minus_log_d(fake)

    def margins(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """Distances from the logit of (1 - smoothing) / 2."""
        threshold = math.log((1 - self.smoothing) / (1 + self.smoothing))
        return real - threshold, threshold - fake


class LeastSquares(AdversarialLoss):
    """LSGAN (Mao et al., arXiv:1611.04076, eq. 9: a = 0, b = c = 1): squares, and no sigmoid.

    L_D = 1/2 E (D(x) - 1)^2 + 1/2 E D(G(z))^2 and L_G = 1/2 E (D(G(z)) - 1)^2, where D is the output itself.
    The halves are the paper's; many implementations leave them out, of the generator's loss in particular,
    and a weight taken from one of those has to be doubled here. With smoothing, b = 1 - smoothing; c stays.

    The threshold of `accuracy` lies half way between the targets.
    """

    def __init__(self, *, smoothing: float = 0.0) -> None:
        """Check the smoothing.

        Args:
            smoothing: The discriminator's target of real images is 1 minus this; in [0, 0.5).

        Raises:
            ValueError: smoothing lies outside.
        """
        super().__init__()
        self.target = 1 - _checked_smoothing(smoothing)

    def discriminator_formula(self, real: Tensor, fake: Tensor) -> Tensor:
        """1/2 E (D(x) - b)^2 + 1/2 E D(G(z))^2."""
        return 0.5 * (real - self.target).square().mean() + 0.5 * fake.square().mean()  # Eq. 9

    def generator_formula(self, fake: Tensor, real: Tensor) -> Tensor:
        """1/2 E (D(G(z)) - 1)^2."""
        return 0.5 * (fake - 1).square().mean()  # Eq. 9

    def margins(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """Distances from b / 2."""
        return real - self.target / 2, self.target / 2 - fake


class Hinge(AdversarialLoss):
    """The hinge (Lim and Ye, arXiv:1705.02894; SAGAN, arXiv:1805.08318, eq. 4).

    L_D = E max(0, 1 - D(x)) + E max(0, 1 + D(G(z))) and L_G = - E D(G(z)), where D is the output itself.
    L_G has no lower bound.
    """

    def discriminator_formula(self, real: Tensor, fake: Tensor) -> Tensor:
        """E max(0, 1 - D(x)) + E max(0, 1 + D(G(z)))."""
        return F.relu(1 - real).mean() + F.relu(1 + fake).mean()

    def generator_formula(self, fake: Tensor, real: Tensor) -> Tensor:
        """- E D(G(z))."""
        return -fake.mean()


class Wasserstein(AdversarialLoss):
    """WGAN (Arjovsky et al., arXiv:1701.07875): L_D = E D(G(z)) - E D(x), and L_G = - E D(G(z)).

    It is a distance only if the discriminator is Lipschitz, which nothing here sees to: spectral norm does,
    or WGAN-GP's penalty. The paper's clipping of weights is not offered.

    D is known up to a constant, so `accuracy` has no fixed threshold: it is half way between the mean of the
    real and the mean of the made outputs.
    """

    def discriminator_formula(self, real: Tensor, fake: Tensor) -> Tensor:
        """E D(G(z)) - E D(x)."""
        return fake.mean() - real.mean()

    def generator_formula(self, fake: Tensor, real: Tensor) -> Tensor:
        """- E D(G(z))."""
        return -fake.mean()

    def margins(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """Distances from the middle of the means."""
        middle = (real.mean() + fake.mean()) / 2
        return real - middle, middle - fake


class Relativistic(AdversarialLoss):
    """RSGAN (Jolicoeur-Martineau, arXiv:1807.00734): which of two is the real one?

    L_D = - E log sigmoid(D(x) - D(G(z))) and L_G = - E log sigmoid(D(G(z)) - D(x)), where D is the output
    itself. A pair is the real and the made image (or patch) of the same place in the batch; here they show
    the same scene. `accuracy` is the share of pairs in the right order.
    """

    needs_real = True

    def discriminator_formula(self, real: Tensor, fake: Tensor) -> Tensor:
        """- E log sigmoid(D(x) - D(G(z)))."""
        return _minus_log_d(real - fake)

    def generator_formula(self, fake: Tensor, real: Tensor) -> Tensor:
        """- E log sigmoid(D(G(z)) - D(x))."""
        return _minus_log_d(fake - real)

    def margins(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """The difference within each pair, twice."""
        return real - fake, real - fake


class RelativisticAverage(AdversarialLoss):
    """RaGAN (arXiv:1807.00734) as in ESRGAN (arXiv:1809.00219, section 3.2): more real than the others' mean?

    With D_r = sigmoid(D(x) - E D(G(z))) and D_f = sigmoid(D(G(z)) - E D(x)), D the output itself:
    L_D = - E log D_r - E log(1 - D_f) and L_G = - E log(1 - D_r) - E log D_f, gradients through the means
    included. The means are over the batch, of all devices, and, for maps, over all places.

    Both are sums of two terms, as ESRGAN's equations are. Its released code averages the two: a weight of its
    generator's loss is to be halved here for the same gradient. Versions of that code detach the other kind's
    mean in the discriminator's step; the equations do not, and so neither do we.

    A decision of `accuracy` is whether an output lies on its side of the other kind's mean.
    """

    needs_real = True

    def discriminator_formula(self, real: Tensor, fake: Tensor) -> Tensor:
        """- E log D_r - E log(1 - D_f)."""
        return _minus_log_d(real - _mean(fake)) + _minus_log_not_d(fake - _mean(real))

    def generator_formula(self, fake: Tensor, real: Tensor) -> Tensor:
        """- E log(1 - D_r) - E log D_f."""
        return _minus_log_not_d(real - _mean(fake)) + _minus_log_d(fake - _mean(real))

    def margins(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """Distances from the other kind's mean."""
        return real - _mean(fake), _mean(real) - fake


def _mean(outputs: Tensor) -> Tensor:
    return mean_everywhere(outputs.mean())


def _minus_log_d(logits: Tensor, *, smoothing: float = 0.0) -> Tensor:
    """Mean of - log sigmoid(logits), or of the cross entropy with the target 1 - smoothing."""
    loss = -F.logsigmoid(logits).mean()
    # - (1 - s) log D - s log(1 - D), with log D - log(1 - D) = the logit
    return loss + smoothing * logits.mean() if smoothing else loss


def _minus_log_not_d(logits: Tensor) -> Tensor:
    """Mean of - log(1 - sigmoid(logits))."""
    return -F.logsigmoid(-logits).mean()


def _share_right(margins: Tensor) -> Tensor:
    """The share of positive margins, those of 0 counted half."""
    return ((margins > 0).to(margins.dtype) + 0.5 * (margins == 0).to(margins.dtype)).mean()


def _promoted(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Both in one dtype of at least float32. Two shapes would be broadcast, so they are a fault of ours."""
    assert first.shape == second.shape, f"outputs of shape {tuple(first.shape)} and {tuple(second.shape)}"
    dtype = torch.promote_types(torch.promote_types(first.dtype, second.dtype), torch.float32)
    return first.to(dtype), second.to(dtype)


def _checked_smoothing(smoothing: float) -> float:
    """The smoothing, or a ValueError that says what it may be."""
    if not 0 <= smoothing < 0.5:
        raise ValueError(
            f"adversary.loss.smoothing={smoothing}: must be at least 0 and below 0.5, because the "
            "discriminator's target of real images is 1 - smoothing; 0 is no smoothing, 0.1 is usual"
        )
    return float(smoothing)
