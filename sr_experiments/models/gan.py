"""Training a net to restore against an adversary: two nets, two optimizers, two schedules.

Goodfellow et al., arXiv:1406.2661; for super-resolution SRGAN, arXiv:1609.04802: the generator minimises the
named sum of losses and lambda times the adversarial one, the discriminator its own.

What a step is: `accumulate_grad_batches` batches. Both gradients of a step are taken at the weights that it
began with, so a step over k batches of n samples is one over a batch of k n; then both nets move.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, cast

import torch
from pytorch_lightning.core.optimizer import LightningOptimizer
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from sr_experiments.losses.adversary import Adversary, Pair
from sr_experiments.losses.weighted import Weighted, WeightedSum, weighted_total
from sr_experiments.metrics.base import ImageMetric
from sr_experiments.models.freeze import frozen
from sr_experiments.models.restoration import RestorationModel
from sr_experiments.models.schedule import Schedule
from sr_experiments.models.shares import gradient_norms, shares
from sr_experiments.models.watch import Watch
from sr_experiments.nets.base import SRNet

_GENERATOR, _DISCRIMINATOR = "generator", "discriminator"


class GANModel(RestorationModel):
    """Minimise ``loss(net(lq), gt) + weight * adversarial``, while the discriminator learns to tell.

    Args:
        net: The generator.
        loss: The named sum of losses that judges beside the adversary.
        adversary: The discriminator and both sides' adversarial losses.
        optimizer: Makes the generator's optimizer from parameters (a ``_partial_`` in YAML).
        schedule: Its learning rate over the run.
        discriminator_optimizer: Makes the discriminator's; None: `optimizer` does.
        discriminator_schedule: Its learning rate over the run; None: `schedule`.
        discriminator_rate: What the discriminator's learning rate is multiplied by.
        discriminator_steps: Times the discriminator moves in a step, always on the images of that step.
        generator_every: Steps of the run for one of the generator's, while there is an adversary.
        max_skipped: Steps in a row that may have a gradient that is infinite or not a number; they are left
            out. One more ends the run.
        ema: Decay of the generator's moving average that is validated and tested; None for none.
        layer_rates: Name of a generator's layer -> what its learning rate is multiplied by.
        clip_by_rate: Clip every gradient of the generator to +-(this / learning rate).
        accumulate_grad_batches: Batches whose gradients make a step.
        gradient_clip_val: Limit of each net's gradient; None for none.
        gradient_clip_algorithm: Whether it limits the norm, or each value.
        metrics: Measured beside the protocol.

    Raises:
        ValueError: A count is less than 1, or a rate not positive.
    """

    def __init__(
        self,
        net: SRNet,
        *,
        loss: WeightedSum,
        adversary: Adversary,
        optimizer: Callable[[Iterable[Any]], Optimizer],
        schedule: Schedule,
        discriminator_optimizer: Callable[[Iterable[Any]], Optimizer] | None = None,
        discriminator_schedule: Schedule | None = None,
        discriminator_rate: float = 1.0,
        discriminator_steps: int = 1,
        generator_every: int = 1,
        max_skipped: int = 10,
        ema: float | None = 0.999,
        layer_rates: Mapping[str, float] | None = None,
        clip_by_rate: float | None = None,
        accumulate_grad_batches: int = 1,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: Literal["norm", "value"] = "norm",
        metrics: Mapping[str, ImageMetric] | None = None,
    ) -> None:
        """Keep the parts."""
        super().__init__(
            net,
            loss=loss,
            optimizer=optimizer,
            schedule=schedule,
            ema=ema,
            layer_rates=layer_rates,
            clip_by_rate=clip_by_rate,
            max_skipped=max_skipped,
            metrics=metrics,
        )
        _refuse_less_than_one(discriminator_steps=discriminator_steps, generator_every=generator_every)
        if not discriminator_rate > 0:
            raise ValueError(f"model.discriminator_rate={discriminator_rate}: must be positive")
        # Lightning would step whatever optimizer it is given first.
        self.automatic_optimization = False
        self.adversary = adversary
        self.discriminator_optimizer = discriminator_optimizer or optimizer
        self.discriminator_schedule = discriminator_schedule or schedule
        self.discriminator_rate = discriminator_rate
        self.discriminator_steps, self.generator_every = discriminator_steps, generator_every
        self.accumulate_grad_batches = accumulate_grad_batches
        self.gradient_clip_val, self.gradient_clip_algorithm = gradient_clip_val, gradient_clip_algorithm
        self.watch = Watch()
        self._window: list[Pair] = []  # of this step, where the discriminator moves more than once

    # ---- a step

    @property
    def batches_per_step(self) -> int:
        """Of the model, not of the Trainer, which refuses to accumulate for a model that steps by itself."""
        return self.accumulate_grad_batches

    @property
    def step(self) -> int:
        """Steps before the current batch's, from 0."""
        return (self.batches - 1) // self.batches_per_step

    def training_step(  # type: ignore[override]  # the loss is for Lightning's own optimization
        self, batch: dict[str, Tensor], batch_idx: int
    ) -> None:
        """One batch of crops: both gradients, and after the last batch of a step both steps."""
        self.batches += 1
        if (self.batches - 1) % self.batches_per_step == 0:
            self._begin_step()
        plays = self.adversary.plays(self.step)
        turn = not plays or self.step % self.generator_every == 0
        gt = batch["gt"].to(self.dtype)
        with torch.set_grad_enabled(turn):
            sr = self.restore_crops(batch)
        condition = self.adversary.condition(batch) if plays else None
        pair = Pair(sr, gt, condition, batch["position"])
        if turn:
            self._generator_backward(pair, plays=plays)
        if plays:
            self._discriminator_backward(pair)
        if self.batches % self.batches_per_step == 0:
            self._end_step(turn=turn, plays=plays)
        for optimizer, suffix in zip(self._optimizers(), ("", "_discriminator"), strict=True):
            self.told[f"train/learning_rate{suffix}"] = optimizer.param_groups[0]["lr"]
        self._log_if_due()

    def _begin_step(self) -> None:
        for optimizer in self._optimizers():
            optimizer.optimizer.zero_grad()
        self._window.clear()
        self.guard.begin()
        # Once a step, however many passes it has (arXiv:1802.05957, algorithm 1): see the module's docstring.
        self.adversary.begin_step()

    def _generator_backward(self, pair: Pair, *, plays: bool) -> None:
        # Frozen until the gradient is there: it must reach the generator, and nothing else.
        with frozen(self.adversary.discriminator):
            weighted = self.loss.weighted(pair.sr, pair.gt)
            if plays:
                weighted |= self.adversary.for_generator(pair, step=self.step)
            total = weighted_total(weighted)
            self.guard.saw(_GENERATOR, {name: value for name, (_, value) in weighted.items()})
            if self.logs_now:
                self._measure_shares(pair.sr, weighted)
            self.manual_backward(total / self.batches_per_step)
        self.told["train/loss"] = total.detach()
        self.told |= {f"train/loss/{name}": value.detach() for name, (_, value) in weighted.items()}

    def _discriminator_backward(self, pair: Pair) -> None:
        pair = pair._replace(sr=pair.sr.detach())
        if self.discriminator_steps > 1:
            self._window.append(pair)
        loss, values = self.adversary.for_discriminator(pair, step=self.step)
        self.guard.saw(_DISCRIMINATOR, {"loss": loss, **values})
        self.manual_backward(loss / self.batches_per_step)
        self.told["train/loss/discriminator"] = loss.detach()
        self.told |= {f"health/{name}": value for name, value in values.items()}
        if self.logs_now:
            self.watch.saw(**{name: float(values[name]) for name in ("d_real", "d_fake", "accuracy")})

    def _end_step(self, *, turn: bool, plays: bool) -> None:
        generator, discriminator = self._optimizers()
        if turn:
            # The discriminator moves inside, so that the scale of fp16's gradients, which both share,
            # changes after both steps only. Its step is not counted: one batch, one step.
            generator.step(closure=(lambda: self._move_within(discriminator.optimizer)) if plays else None)
            self._follow(_GENERATOR)
        elif plays:
            self._move(discriminator.optimizer)
        for _ in range(self.discriminator_steps - 1 if plays else 0):
            self._move_again(discriminator.optimizer)
        self._advance_schedules(plays=plays)
        if self.logs_now:
            self.guard.look(self._saved())
            self.told["health/weight"] = self.adversary.weight * self.adversary.share(self.step)
            self.told["health/skipped"] = float(self.guard.total)
            self.watch.judge(batches=self.batches)

    def _move(self, optimizer: Optimizer) -> None:
        """A step that Lightning does not count, through its precision and strategy."""
        self.trainer.strategy.optimizer_step(optimizer, closure=lambda: None, model=self)

    def _move_within(self, optimizer: Optimizer) -> None:
        """The same within another optimizer's step."""
        scaler = self._scaler
        if scaler is None:
            self._move(optimizer)
            return
        scaler.unscale_(optimizer)
        self.on_before_optimizer_step(optimizer)
        scaler.step(optimizer)

    def _move_again(self, optimizer: Optimizer) -> None:
        optimizer.zero_grad()
        self.adversary.begin_step()
        for pair in self._window:
            loss, values = self.adversary.for_discriminator(pair, step=self.step)
            self.guard.saw(_DISCRIMINATOR, {"loss": loss, **values})
            self.manual_backward(loss / self.batches_per_step)
        self._move(optimizer)

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """The gradient is whole, unscaled and the same on all devices: judge it, clip it."""
        of_net = optimizer is self._optimizers()[0].optimizer
        side = _GENERATOR if of_net else _DISCRIMINATOR
        norm = self._judge(side, optimizer)
        if norm is None:
            return
        if self.logs_now:
            self.told[f"health/{side}_norm"] = norm
            self.watch.saw(**{f"{side}_norm": float(norm)})
        parameters = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        if self.gradient_clip_val and self.gradient_clip_algorithm == "norm":
            torch.nn.utils.clip_grads_with_norm_(parameters, self.gradient_clip_val, norm)
        elif self.gradient_clip_val:
            torch.nn.utils.clip_grad_value_(parameters, self.gradient_clip_val)
        if of_net and self.clip_by_rate is not None:
            self._clip_by_rate(optimizer, self.clip_by_rate)

    # ---- health: read where loggers get a row, because reading waits for the device

    def _measure_shares(self, sr: Tensor, weighted: Weighted) -> None:
        norms = gradient_norms(sr, weighted, scaler=self._scaler)
        self.told |= {f"health/share/{name}": share for name, share in shares(norms).items()}
        if "adversarial" in norms:
            self.watch.saw(adversarial_gradient=float(norms["adversarial"] / weighted["adversarial"][0]))

    def collect_notes(self) -> list[str]:
        """What the reader of the results must know of the game as well."""
        return super().collect_notes() + self.watch.notes

    # ---- optimizers

    def configure_optimizers(self) -> Any:
        """The generator's and the discriminator's, each with its schedule."""
        generator = self._make_net_optimizer()
        discriminator = self.discriminator_optimizer(self.adversary.discriminator.parameters())
        for group in discriminator.param_groups:
            group["lr"] *= self.discriminator_rate
        schedules = (self.schedule, self.discriminator_schedule)
        return [
            {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule.attach(optimizer)["scheduler"]}}
            for optimizer, schedule in zip((generator, discriminator), schedules, strict=True)
        ]

    def _advance_schedules(self, *, plays: bool) -> None:
        """After each step of the run, whoever moved in it; the discriminator's from where it starts."""
        for schedule, scheduler, side in self._schedulers():
            waits = (side == _DISCRIMINATOR and not plays) or self.guard.skipped(side)
            if schedule.interval == "step" and not waits:
                scheduler.step()

    def on_train_epoch_end(self) -> None:
        """Advance the schedules that count epochs."""
        for schedule, scheduler, side in self._schedulers():
            if side == _GENERATOR or self.adversary.plays(self.step):
                schedule.end_epoch(scheduler, self.trainer)

    def _schedulers(self) -> list[tuple[Schedule, LRScheduler, str]]:
        made = cast(list[LRScheduler], self.lr_schedulers())
        schedules = (self.schedule, self.discriminator_schedule)
        return list(zip(schedules, made, (_GENERATOR, _DISCRIMINATOR), strict=True))

    def _optimizers(self) -> tuple[LightningOptimizer, LightningOptimizer]:
        generator, discriminator = cast(list[LightningOptimizer], self.optimizers())
        return generator, discriminator


def _refuse_less_than_one(**values: int) -> None:
    for name, value in values.items():
        if value < 1:
            raise ValueError(f"model.{name}={value}: must be 1 or more")
