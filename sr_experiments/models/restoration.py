"""Training a net to restore: one net, one optimizer, one named sum of losses."""

import math
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from sr_experiments.imaging.fold import fold, unfolding
from sr_experiments.losses.weighted import WeightedSum
from sr_experiments.metrics.base import ImageMetric
from sr_experiments.models.base import CHECKPOINT_KEY, SRModel, known_pixels
from sr_experiments.models.guard import Guard
from sr_experiments.models.schedule import Schedule
from sr_experiments.models.unasked import gradient_norm
from sr_experiments.nets.base import EnlargedNet, SRNet, run_net

_NET = "net"


class RestorationModel(SRModel):
    """Minimise ``loss(net(lq), gt)``.

    Args:
        net: What restores.
        loss: The named sum of losses that judges.
        optimizer: Makes the optimizer from parameters (a ``_partial_`` in YAML).
        schedule: The learning rate over the run.
        ema: Decay of the moving average that is validated and tested; None for none.
        layer_rates: Name of a layer -> what its learning rate is multiplied by.
        clip_by_rate: Clip every gradient to +-(this / learning rate), so that no step is longer than this
            (VDSR, arXiv:1511.04587, section 3.2: adjustable gradient clipping).
        max_skipped: Steps in a row that may have a gradient that is infinite or not a number; they are left
            out. One more ends the run.
        metrics: Measured beside the protocol.

    Attributes:
        told: Log key -> what the last batches of this epoch said under it; tensors are on the device still.
    """

    def __init__(
        self,
        net: SRNet,
        *,
        loss: WeightedSum,
        optimizer: Callable[[Iterable[Any]], Optimizer],
        schedule: Schedule,
        ema: float | None = 0.999,
        layer_rates: Mapping[str, float] | None = None,
        clip_by_rate: float | None = None,
        max_skipped: int = 10,
        metrics: Mapping[str, ImageMetric] | None = None,
    ) -> None:
        """Keep the parts."""
        super().__init__(net, ema=ema, metrics=metrics)
        if clip_by_rate is not None and not clip_by_rate > 0:
            raise ValueError(f"model.clip_by_rate={clip_by_rate}: must be positive, or null for no clipping")
        self.loss = loss
        self.make_optimizer = optimizer
        self.schedule = schedule
        self.layer_rates = _checked_rates(net, layer_rates or {})
        self.clip_by_rate = clip_by_rate
        self.guard = Guard(max_skipped=max_skipped)
        self.told: dict[str, Tensor | float] = {}

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        """One batch of crops."""
        self.batches += 1
        if (self.batches - 1) % self.batches_per_step == 0:
            self.guard.begin()
        sr, gt = self.restore_crops(batch), batch["gt"].to(self.dtype)
        total, values = cast(tuple[Tensor, dict[str, Tensor]], self.loss(sr, gt))
        self.guard.saw(_NET, values)
        self.told["train/loss"] = total.detach()
        self.told |= {f"train/loss/{name}": value for name, value in values.items()}
        self.told["train/learning_rate"] = self.trainer.optimizers[0].param_groups[0]["lr"]
        self._log_if_due()
        return total

    # ---- what is told of a step

    @property
    def _is_due(self) -> bool:
        """Whether somebody reads what this batch tells: a logger, a callback, the end of an epoch."""
        trainer = self.trainer
        return self.logs_now or trainer.is_last_batch or trainer._logger_connector.should_update_logs

    def _log_if_due(self) -> None:
        """Hand over to Lightning what was told; each value takes its time, and numbers are copied."""
        if self._is_due:
            self.log_dict(self.told)

    def on_train_epoch_start(self) -> None:
        """A row has values of its own epoch only."""
        self.told.clear()

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Look at what was left for later, where the device is waited for anyway."""
        if self.trainer.should_stop:  # a callback has ended the run, so this batch has a row after all
            self.log_dict(self.told)
        if self._is_due or self.guard.has_to_look:
            self.guard.look(self._saved())

    # ---- a step

    def restore_crops(self, batch: dict[str, Tensor]) -> Tensor:
        """(B, C, sH, sW): the crops of a training batch as training sees them, for whatever judges them.

        With all that belongs to a batch: the position, from which a net draws; the guide; crops that were
        enlarged already (`data.scales`); the compiled form of the net. Where the truth was not measured it
        stands in the result, so that no loss sees it.

        Args:
            batch: As the data module makes it.
        """
        sr, known = self._run(batch), known_pixels(batch)
        return sr if known is None else torch.where(known, sr, batch["gt"].to(sr.dtype))

    def _run(self, batch: dict[str, Tensor]) -> Tensor:
        # To the model's dtype: float64 under precision=64-true.
        net = self.net
        if "enlarged" not in batch:
            run = self.trained
            if net.takes_position:
                run = partial(run, position=batch["position"])
            lq = batch["lq"].to(self.dtype)
            if "guide" in batch:
                run = unfolding(run, channels=lq.shape[1], scale=net.scale)
                lq = fold(lq, batch["guide"], scale=net.scale)
            return run_net(net, lq, by=run)
        if not isinstance(self.net, EnlargedNet):
            raise ValueError(
                f"data.scales trains one set of weights for several scales; {type(self.net).__name__} has an "
                "upsampler of its own for each. Choose a net that works on the enlarged image, such as "
                "model=vdsr or model=srcnn, or data.scales=null"
            )
        return self.net.refine(batch["enlarged"].to(self.dtype))

    def configure_optimizers(self) -> Any:
        """The optimizer over the net's parameters, and its schedule."""
        optimizer = self._make_net_optimizer()
        return {"optimizer": optimizer, "lr_scheduler": self.schedule.attach(optimizer)}

    def on_train_epoch_end(self) -> None:
        """Advance a schedule that counts epochs."""
        self.schedule.end_epoch(cast(LRScheduler, self.lr_schedulers()), self.trainer)

    def _make_net_optimizer(self) -> Optimizer:
        groups = [list(self.net.get_submodule(name).parameters()) for name in self.layer_rates]
        rated = {id(parameter) for group in groups for parameter in group}
        rest = [p for p in self.net.parameters() if p.requires_grad and id(p) not in rated]
        optimizer = self.make_optimizer([{"params": group} for group in (rest, *groups)])
        for group, factor in zip(optimizer.param_groups[1:], self.layer_rates.values(), strict=True):
            group["lr"] *= factor
        return optimizer

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip by the rate, or as the Trainer was told; Lightning itself refuses to where steps are fused."""
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        if self.clip_by_rate is not None:
            self._clip_by_rate(optimizer, self.clip_by_rate)
        elif gradient_clip_val and gradient_clip_algorithm == "value":
            torch.nn.utils.clip_grad_value_(parameters, gradient_clip_val)
        elif gradient_clip_val:
            torch.nn.utils.clip_grad_norm_(parameters, gradient_clip_val)

    @staticmethod
    def _clip_by_rate(optimizer: Optimizer, limit: float) -> None:
        for group in optimizer.param_groups:
            if group["lr"] > 0:
                torch.nn.utils.clip_grad_value_(group["params"], limit / group["lr"])

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """The gradient is whole, unscaled and the same on all devices: is it finite?"""
        self._judge(_NET, optimizer)

    @property
    def _scaler(self) -> Any:
        """The scaler of fp16's gradients; None in any other precision."""
        return getattr(self.trainer.precision_plugin, "scaler", None)

    def _judge(self, side: str, optimizer: Optimizer) -> Tensor | None:
        """The norm of the gradient; None where it is known not to be finite: then the gradient is gone."""
        scaled = self._scaler is not None
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        norm = gradient_norm([p.grad for p in parameters if p.grad is not None])
        if not self.guard.waits(norm, optimizer, scaled=scaled):
            self.guard.look_later(side, optimizer, batches=self.batches, norm=norm)
            return norm
        if math.isfinite(norm):
            self.guard.good(side)
            return norm
        self.guard.bad(side, batches=self.batches, norm=norm, scaled=scaled, checkpoint=self._saved())
        optimizer.zero_grad()  # without gradients a step changes nothing
        return None

    def _saved(self) -> str:
        """The last checkpoint that was written; empty for none."""
        kept = self._trainer.checkpoint_callback if self._trainer is not None else None
        return str(getattr(kept, "last_model_path", "") or getattr(kept, "best_model_path", ""))

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Step, then let the average follow: once per step of the optimizer, also with accumulation."""
        super().optimizer_step(*args, **kwargs)
        self._follow(_NET)

    def _follow(self, side: str) -> None:
        """Let the average follow a step of the net, unless it was left out."""
        if not self.guard.skipped(side):
            self.update_average(made=self.guard.made(side))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """With how many steps were left out."""
        self.guard.look(self._saved())
        super().on_save_checkpoint(checkpoint)
        checkpoint[CHECKPOINT_KEY]["skipped"] = self.guard.total

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take that up again."""
        super().on_load_checkpoint(checkpoint)
        self.guard.total = checkpoint[CHECKPOINT_KEY].get("skipped", 0)

    def collect_notes(self) -> list[str]:
        """What the reader of the results must know of steps that were left out as well."""
        return super().collect_notes() + self.guard.notes


def _checked_rates(net: nn.Module, rates: Mapping[str, float]) -> dict[str, float]:
    """The rates, if every name is a layer with weights and no two lie within one another."""
    known = [name for name, layer in net.named_modules() if name and any(True for _ in layer.parameters())]
    for name, factor in rates.items():
        if name not in known:
            raise ValueError(
                f"model.layer_rates.{name}: the net has no such layer with weights; "
                f"it has {', '.join(known[:12])}{', ...' if len(known) > 12 else ''}"
            )
        if not factor >= 0:
            raise ValueError(f"model.layer_rates.{name}={factor}: must be 0 or more")
        if any(other.startswith(f"{name}.") for other in rates):
            raise ValueError(f"model.layer_rates.{name}: another of the layers lies within it")
    return dict(rates)
