"""Training a net to restore: one net, one optimizer, one named sum of losses."""

from collections.abc import Callable, Iterable
from typing import Any, cast

from torch import Tensor
from torch.optim import Optimizer

from sr_experiments.losses.weighted import WeightedSum
from sr_experiments.models.base import SRModel
from sr_experiments.models.schedule import Schedule
from sr_experiments.nets.base import SRNet


class RestorationModel(SRModel):
    """Minimise ``loss(net(lq), gt)``.

    Args:
        net: What restores.
        loss: The named sum of losses that judges.
        optimizer: Makes the optimizer from parameters (a ``_partial_`` in YAML).
        schedule: The learning rate over the run.
        ema: Decay of the moving average that is validated and tested; None for none.
    """

    def __init__(
        self,
        net: SRNet,
        *,
        loss: WeightedSum,
        optimizer: Callable[[Iterable[Tensor]], Optimizer],
        schedule: Schedule,
        ema: float | None = 0.999,
    ) -> None:
        """Keep the parts."""
        super().__init__(net, ema=ema)
        self.loss = loss
        self.make_optimizer = optimizer
        self.schedule = schedule

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        """One batch of crops."""
        self.batches += 1
        lq, gt = batch["lq"].to(self.dtype), batch["gt"].to(self.dtype)  # float64 under precision=64-true
        sr = self.restore(self.net, lq)
        total, terms = cast(tuple[Tensor, dict[str, Tensor]], self.loss(sr, gt))
        self.log("train/loss", total.detach(), batch_size=len(sr))
        self.log_dict({f"train/loss/{name}": value for name, value in terms.items()}, batch_size=len(sr))
        self.log("train/learning_rate", self.trainer.optimizers[0].param_groups[0]["lr"], batch_size=len(sr))
        return total

    def configure_optimizers(self) -> Any:
        """The optimizer over the net's parameters, and its schedule."""
        optimizer = self.make_optimizer(p for p in self.net.parameters() if p.requires_grad)
        return {"optimizer": optimizer, "lr_scheduler": self.schedule.attach(optimizer)}

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Step, then let the average follow: once per step of the optimizer, also with accumulation."""
        super().optimizer_step(*args, **kwargs)
        self.update_average()
