"""The adversary: a discriminator, and how its verdicts become the losses of both sides.

Goodfellow et al., arXiv:1406.2661; feature matching: Salimans et al., arXiv:1606.03498, and pix2pixHD,
arXiv:1711.11585, eq. 4 (absolute differences, here averaged over layers); penalties at an interval
("lazy"): StyleGAN2, arXiv:1912.04958, appendix B.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sr_experiments.imaging.resize import imresize
from sr_experiments.losses.adversarial import AdversarialLoss
from sr_experiments.losses.penalty import gradient_penalty, r1_penalty

_GOLDEN = 0.6180339887498949


class Pair(NamedTuple):
    """What is judged: restored and true images (B, C, H, W), and what they were made from.

    Attributes:
        sr: Restored.
        gt: True.
        condition: `lq` enlarged to the size of `gt`, for a conditional discriminator; else None.
        position: (B,) each sample's place in the run's stream.
    """

    sr: Tensor
    gt: Tensor
    condition: Tensor | None
    position: Tensor


class Adversary(nn.Module):
    """A discriminator and its game against a generator.

    Every term is computed in float32 or better; the discriminator itself runs in the run's precision. Its
    parameters belong to an optimizer of their own, and whoever calls `for_generator` freezes them meanwhile.

    Args:
        discriminator: Gives an opinion on images (see ``nets/discriminators/base.py``).
        loss: How opinions become losses.
        weight: Of the generator's adversarial term.
        start: Steps before there is an adversary: neither side has one until then.
        ramp: Steps in which the weight then rises linearly to its full value.
        feature_matching: Weight of the distance between the discriminator's features of `sr` and of `gt`.
        r1: Weight of the R1 penalty, the gamma of arXiv:1801.04406, eq. 9.
        gradient_penalty: Weight of WGAN-GP's penalty, the lambda of arXiv:1704.00028, eq. 3.
        penalty_every: Steps from one penalty to the next; its weight is multiplied by this, so that the mean
            stays what it is.

    Raises:
        ValueError: A weight, `start` or `ramp` is negative, or `penalty_every` less than 1.
    """

    def __init__(
        self,
        discriminator: nn.Module,
        *,
        loss: AdversarialLoss,
        weight: float,
        start: int = 0,
        ramp: int = 0,
        feature_matching: float = 0.0,
        r1: float = 0.0,
        gradient_penalty: float = 0.0,
        penalty_every: int = 1,
    ) -> None:
        """Check and keep the parts."""
        super().__init__()
        _refuse_negative(
            weight=weight,
            start=start,
            ramp=ramp,
            feature_matching=feature_matching,
            r1=r1,
            gradient_penalty=gradient_penalty,
        )
        if penalty_every < 1:
            raise ValueError(f"adversary.penalty_every={penalty_every}: must be 1 (every step) or more")
        if weight == 0 and feature_matching == 0:
            raise ValueError(
                "adversary.weight=0 and adversary.feature_matching=0: the discriminator would be trained and "
                "the generator would never feel it; give one of them a weight, or choose loss=l1"
            )
        self.discriminator: Any = discriminator
        self.loss = loss
        self.weight = weight
        self.start, self.ramp = start, ramp
        self.feature_matching = feature_matching
        self.r1, self.gradient_penalty, self.penalty_every = r1, gradient_penalty, penalty_every
        self.said: dict[str, list[Tensor]] = {}

    def begin_step(self) -> None:
        """Let spectral normalisation iterate once, before the first pass of a step and in none of them."""
        self.discriminator.iterate_power_method()

    def plays(self, step: int) -> bool:
        """Whether there is an adversary in a step, counted from 0."""
        return step >= self.start

    def share(self, step: int) -> float:
        """The part of its weights that counts in a step: 0 before `start`, 1 after `ramp`."""
        if not self.plays(step):
            return 0.0
        return min(1.0, (step - self.start + 1) / self.ramp) if self.ramp else 1.0

    def condition(self, batch: Mapping[str, Tensor]) -> Tensor | None:
        """What a conditional discriminator sees beside an image; None for one that is not conditional."""
        if not self.discriminator.conditional:
            return None
        gt = batch["gt"]
        if "enlarged" in batch:
            return batch["enlarged"].to(gt.dtype)
        return imresize(batch["lq"].to(gt.dtype), size=(gt.shape[-2], gt.shape[-1]))

    def for_generator(self, pair: Pair, *, step: int) -> dict[str, tuple[float, Tensor]]:
        """The generator's terms: name -> (weight, value before weighting)."""
        real = None
        if self.loss.needs_real or self.feature_matching:
            with torch.no_grad():
                real = self.discriminator(pair.gt, pair.condition)
        fake = self.discriminator(pair.sr, pair.condition)
        share = self.share(step)
        terms: dict[str, tuple[float, Tensor]] = {}
        if self.weight:
            logits = real.logits if real is not None else [None] * len(fake.logits)
            values = [self.loss.for_generator(f, r) for f, r in zip(fake.logits, logits, strict=True)]
            terms["adversarial"] = (share * self.weight, _mean(values))
        if self.feature_matching:
            assert real is not None
            distances = [
                F.l1_loss(_single(f), _single(r)) for f, r in zip(fake.features, real.features, strict=True)
            ]
            terms["feature_matching"] = (share * self.feature_matching, _mean(distances))
        return terms

    def for_discriminator(self, pair: Pair, *, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        """The discriminator's loss, and what is told of it: ``d_real``, ``d_fake``, ``accuracy``, penalties.

        `pair.sr` carries no gradient back to the generator.
        """
        sr = pair.sr.detach()
        real = self.discriminator(pair.gt, pair.condition).logits
        fake = self.discriminator(sr, pair.condition).logits
        self.said = {"d_real": [r.detach() for r in real], "d_fake": [f.detach() for f in fake]}
        loss = _mean([self.loss.for_discriminator(r, f) for r, f in zip(real, fake, strict=True)])
        values = {
            "d_real": _mean([_single(r).detach().mean() for r in real]),
            "d_fake": _mean([_single(f).detach().mean() for f in fake]),
            "accuracy": _mean([self.loss.accuracy(r, f) for r, f in zip(real, fake, strict=True)]),
        }
        if step % self.penalty_every == 0:
            for name, (weight, penalty) in self._penalties(pair._replace(sr=sr)).items():
                loss = loss + weight * self.penalty_every * penalty
                values[name] = penalty.detach()
        return loss, values

    def _penalties(self, pair: Pair) -> dict[str, tuple[float, Tensor]]:
        def judge(images: Tensor) -> tuple[Tensor, ...]:
            return cast(tuple[Tensor, ...], self.discriminator(images, pair.condition).logits)

        found = {}
        if self.r1:
            found["r1"] = (self.r1, r1_penalty(judge, pair.gt))
        if self.gradient_penalty:
            # Equally spread over [0, 1) and a function of the position (Weyl's sequence), so no generator of
            # random numbers has a state that a restart would lose.
            mix = ((pair.position.double() * _GOLDEN) % 1.0).to(pair.gt).reshape(-1, 1, 1, 1)
            penalty = gradient_penalty(judge, pair.gt, pair.sr, mix=mix)
            found["gradient_penalty"] = (self.gradient_penalty, penalty)
        return found

    def extra_repr(self) -> str:
        """The weights."""
        return f"weight={self.weight}, start={self.start}, ramp={self.ramp}"


def _refuse_negative(**values: Any) -> None:
    for name, value in values.items():
        if not value >= 0:
            raise ValueError(f"adversary.{name}={value}: must be 0 or more")


def _single(values: Tensor) -> Tensor:
    """At least float32."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def _mean(values: list[Tensor]) -> Tensor:
    return torch.stack(values).mean()
