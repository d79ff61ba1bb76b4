"""The picture of how a training went: what the adversary, the gradients and the validation did."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.trainer.states import TrainerFn

from sr_experiments.callbacks.chart import Curve, Plot, draw_plots
from sr_experiments.imaging.io import write_png
from sr_experiments.metrics.protocol import PSNR
from sr_experiments.models.base import SRModel

_log = logging.getLogger(__name__)
_HEALTH = "health/"
_SHARE = "health/share/"
_LPIPS = "val/lpips"
# Title, how its axis is, and the keys with the names of their curves.
_GROUPS: tuple[tuple[str, dict[str, Any], dict[str, str]], ...] = (
    ("Mean output of the discriminator", {}, {"health/d_real": "true", "health/d_fake": "restored"}),
    ("Right decisions of the discriminator", {"fraction": True}, {"health/accuracy": "of all images"}),
    (
        "Norm of the gradient",
        {"log": True},
        {"health/generator_norm": "generator", "health/discriminator_norm": "discriminator"},
    ),
    ("Share of the generator's gradient", {"fraction": True}, {}),
    ("R1 penalty", {}, {"health/r1": "before its weight"}),
    ("Gradient penalty", {}, {"health/gradient_penalty": "before its weight"}),
    ("Weight of the adversary", {}, {"health/weight": "weight"}),
    ("Steps left out", {}, {"health/skipped": "so far"}),
    ("Validation: PSNR", {"unit": "dB"}, {f"val/{name}": name for name in PSNR}),
    ("Validation: LPIPS", {"unit": "less is better"}, {}),
)
_SHARES, _DISTANCES = 3, 9  # the groups whose keys are not known before
_POINTS = 2000  # of a curve; more than the picture's pixels show


class Health(Callback):
    """Write ``<folder>/health.png`` when training ends, however it ends.

    Values are read as often as Lightning logs them, because reading waits for the device. They are in every
    checkpoint, so the picture of a run that was continued has its beginning too.

    Args:
        folder: The run's ``images/``.
        net_name: What the net is called in the picture.
        note: Words beside it, such as the scale, or that this is a demo.

    Attributes:
        rows: Key of the log -> batches trained, and the values then.
    """

    def __init__(self, folder: Path, *, net_name: str, note: str = "") -> None:
        """Nothing is collected yet."""
        self.folder = folder
        self.net_name = net_name
        self.note = note
        self.rows: dict[str, tuple[list[float], list[float]]] = {}

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Collect ``health/*`` after the first batch and every `log_every_n_steps`."""
        model = cast(SRModel, pl_module)
        if model.logs_now:
            self._collect(trainer, model.batches, lambda key: key.startswith(_HEALTH))

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Collect PSNR and LPIPS of a validation within a training."""
        if trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking:
            batches = cast(SRModel, pl_module).batches
            self._collect(trainer, batches, lambda key: key in _GROUPS[-2][2] or key.startswith(_LPIPS))

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw."""
        self._write(trainer)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Draw what there is of a training that breaks off: it is then that one wants to see it."""
        if trainer.state.fn != TrainerFn.FITTING:
            return
        try:
            self._write(trainer)
        except OSError as error:  # such as a full disk; what ended the training is to be told, not this
            _log.warning("%s was not written: %s", self.folder / "health.png", error)

    def state_dict(self) -> dict[str, Any]:
        """What was collected, as lists of numbers: a checkpoint opens without running code."""
        return {"rows": {key: [list(steps), list(values)] for key, (steps, values) in self.rows.items()}}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there."""
        rows = state_dict["rows"].items()
        self.rows = {key: (list(steps), list(values)) for key, (steps, values) in rows}

    def _collect(self, trainer: Trainer, batches: int, wanted: Callable[[str], bool]) -> None:
        for key, value in trainer.callback_metrics.items():
            if wanted(key):
                steps, values = self.rows.setdefault(key, ([], []))
                steps.append(float(batches))
                values.append(float(value))
                if len(steps) > _POINTS:  # every checkpoint carries them: a long run keeps every second one
                    del steps[1::2], values[1::2]

    def _write(self, trainer: Trainer) -> None:
        if not self.rows or not trainer.is_global_zero:
            return
        title = " · ".join(filter(None, (self.net_name, "health of the training", self.note)))
        write_png(self.folder / "health.png", draw_plots(plots_of(self.rows), title=title))


def plots_of(rows: dict[str, tuple[list[float], list[float]]]) -> list[Plot]:
    """A plot for each group of keys that has values; a key of no group has one of its own."""
    groups = [dict(names) for _, _, names in _GROUPS]
    groups[_SHARES] = {key: key.removeprefix(_SHARE) for key in rows if key.startswith(_SHARE)}
    groups[_DISTANCES] = {key: key.removeprefix("val/") for key in rows if key.startswith(_LPIPS)}
    plots = [
        Plot(title, [Curve(name, *rows[key]) for key, name in names.items() if key in rows], **how)
        for (title, how, _), names in zip(_GROUPS, groups, strict=True)
    ]
    known = {key for names in groups for key in names}
    others = [key for key in rows if key not in known]
    plots += [Plot(key.removeprefix(_HEALTH), [Curve(key, *rows[key])]) for key in others]
    return [plot for plot in plots if plot.curves]
