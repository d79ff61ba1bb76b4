"""A game with a known answer: points of the plane whose distribution, given a condition, is known.

A point is an image of one pixel with two channels, and so is its condition, which is `lq`. There are four
conditions, at the ends of a cross. Given one, a point lies near one of the two corners of the square that
neighbour it, either as likely:

    corner  c2  corner
      c3          c1        c1 at (1, 0), the corners at (+-1, +-1)
    corner  c4  corner

So each corner belongs to two conditions, and a generator that does not heed the condition is wrong by one
corner of two. The mean of the points of a condition is the condition itself, where no point lies: that is
what a pixel loss asks for.
"""

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from sr_experiments.losses.adversary import Adversary
from sr_experiments.losses.pixel import L1Loss
from sr_experiments.losses.weighted import Term, WeightedSum
from sr_experiments.models.gan import GANModel
from sr_experiments.models.schedule import Schedule
from sr_experiments.nets.base import SRNet
from sr_experiments.nets.discriminators.base import SLOPE, Discriminator, Opinion
from sr_experiments.nets.discriminators.spectral import normalised

CONDITIONS = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
SIGMA = 0.3  # of the points round their corner
_BATCH = 512
_WIDTH = 64
_NOISE = 2  # numbers that the generator draws for a point
_ANGLES = torch.arange(32) * (math.pi / 32)
_DIRECTIONS = torch.stack((_ANGLES.cos(), _ANGLES.sin()))


def true_points(condition: Tensor, *, random: torch.Generator) -> Tensor:
    """(N, 2) points, one for each condition (N, 2)."""
    across = torch.stack((-condition[:, 1], condition[:, 0]), dim=1)
    side = 2.0 * torch.randint(2, (len(condition), 1), generator=random) - 1
    return condition + side * across + SIGMA * torch.randn(condition.shape, generator=random)


def distance(first: Tensor, second: Tensor) -> float:
    """Between two sets of N points: how far a point has to go on average, seen from 32 sides.

    The sliced Wasserstein-1 distance: on a line the cheapest way is in order, so it is exact by sorting.
    """
    ends = [(points @ _DIRECTIONS).sort(dim=0).values for points in (first, second)]
    return float((ends[0] - ends[1]).abs().mean())


@torch.no_grad()
def distances(model: GANModel, *, points: int = 4000) -> list[float]:
    """Each condition's distance from what the model makes to fresh true points."""
    random = torch.Generator().manual_seed(99)
    found = []
    for condition in CONDITIONS:
        conditions = condition.expand(points, 2)
        made = model.judged(_image(conditions)).flatten(1)
        found.append(distance(made, true_points(conditions, random=random)))
    return found


class Points:
    """Batches as the data module makes them."""

    def __init__(self, *, steps: int, seed: int) -> None:
        self.steps, self.seed = steps, seed

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        random = torch.Generator().manual_seed(self.seed)
        for step in range(self.steps):
            condition = CONDITIONS[torch.randint(len(CONDITIONS), (_BATCH,), generator=random)]
            position = torch.arange(step * _BATCH, (step + 1) * _BATCH)
            gt = _image(true_points(condition, random=random))
            yield {"lq": _image(condition), "gt": gt, "position": position}


class PointNet(SRNet):
    """Makes a point of a condition and of noise that it draws itself."""

    scales = (1,)

    def __init__(self) -> None:
        super().__init__(scale=1, in_channels=2)
        self.body = _perceptron(2 + _NOISE, 2)

    def forward(self, lq: Tensor) -> Tensor:
        noise = torch.randn(len(lq), _NOISE)
        return _image(self.body(torch.cat((lq.flatten(1), noise), dim=1)))


class PointJudge(Discriminator):
    """Sees a point beside its condition."""

    def __init__(self, *, spectral_norm: bool = False) -> None:
        super().__init__(in_channels=2, conditional=True)
        self.body = _perceptron(self.channels, 1, spectral_norm=spectral_norm)

    def judge(self, x: Tensor) -> Opinion:
        return Opinion((self.body(x.flatten(1)),), ())


class DeafJudge(PointJudge):
    """One that is trained as ever, and whose gradient to the point is zero: nobody feels it."""

    def forward(self, image: Tensor, condition: Tensor | None = None) -> Opinion:
        return super().forward(image.detach() + 0 * image, condition)


class DetachedJudge(PointJudge):
    """The same by the usual mistake: its opinion has no graph back to the point at all."""

    def forward(self, image: Tensor, condition: Tensor | None = None) -> Opinion:
        return super().forward(image.detach(), condition)


class Quiet(GANModel):
    """Logs nothing, which would take half of the time of such small nets."""

    def log(self, *args: Any, **kwargs: Any) -> None: ...

    def log_dict(self, *args: Any, **kwargs: Any) -> None: ...


def point_game(
    *,
    adversary: dict[str, Any],
    judge: type[PointJudge] = PointJudge,
    spectral_norm: bool = False,
    lr: float,
    discriminator_rate: float,
    discriminator_steps: int,
    steps: int,
    seed: int = 0,
) -> GANModel:
    """A game of two perceptrons; L1 takes part with a millionth."""
    torch.manual_seed(seed)
    return Quiet(
        PointNet(),
        # There has to be a term, and alone it leads to the mean, under Adam whatever its weight is.
        loss=WeightedSum(terms={"l1": Term(weight=1e-6, loss=L1Loss())}),
        adversary=Adversary(judge(spectral_norm=spectral_norm), **({"weight": 1.0} | adversary)),
        # Without momentum, and with rates that fall to nothing: so that the game comes to rest.
        optimizer=partial(torch.optim.Adam, lr=lr, betas=(0.0, 0.9)),
        schedule=Schedule(partial(torch.optim.lr_scheduler.CosineAnnealingLR, T_max=steps)),
        discriminator_rate=discriminator_rate,
        discriminator_steps=discriminator_steps,
        ema=0.98,
    )


def play(model: GANModel, *, steps: int, seed: int = 0) -> GANModel:
    """Train it by Lightning, with nothing round it."""
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=50,
    )
    trainer.fit(model, Points(steps=steps, seed=seed))
    return model


def _image(points: Tensor) -> Tensor:
    return points[..., None, None]


def _perceptron(inputs: int, outputs: int, *, spectral_norm: bool = False) -> nn.Sequential:
    sizes = [(inputs, _WIDTH), (_WIDTH, _WIDTH), (_WIDTH, outputs)]
    layers = [normalised(nn.Linear(*size), on=spectral_norm) for size in sizes]
    return nn.Sequential(layers[0], nn.LeakyReLU(SLOPE), layers[1], nn.LeakyReLU(SLOPE), layers[2])
