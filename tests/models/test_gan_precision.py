"""fp16: two optimizers share one scale of the gradients. CPUs have a scaler, too."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning.plugins.precision import MixedPrecision

from sr_experiments.models.gan import GANModel
from tests.models.games import fit, game, vector

pytestmark = [
    pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec:FutureWarning"),
    pytest.mark.filterwarnings("ignore:Checkpoint directory"),
    pytest.mark.filterwarnings("ignore:Found .* in eval mode at the start"),
]


def scaled(
    tmp_path: Path, *, steps: int = 4, scaler: dict[str, Any] | None = None, **options: Any
) -> GANModel:
    """A game by plain gradient descent, in fp16 with a scaler or in float32 without one."""
    model = game(optimizer=partial(torch.optim.SGD, lr=0.1), ema=0.999, **options)
    plugins = []
    if scaler is not None:
        plugins = [MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu", **scaler))]
    fit(model, tmp_path, steps=steps, trainer={"plugins": plugins})
    return model


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"accumulate_grad_batches": 2},
        {"discriminator_steps": 3, "accumulate_grad_batches": 2},
        {"generator_every": 2},
        {"gradient_clip_val": 0.01},
    ],
)
def test_a_scale_that_changes_at_every_step_changes_nothing(options: dict[str, Any], tmp_path: Path) -> None:
    """Had the discriminator's step changed the scale before the generator's, whose gradient has the old one,
    the generator's step would be half as long. (Half precision itself costs some hundredths.)"""
    plain = scaled(tmp_path / "a", **options)
    half = scaled(tmp_path / "b", scaler={"init_scale": 256.0, "growth_interval": 1}, **options)
    start = game(**options)
    for net in ("net", "adversary"):
        moved = vector(getattr(plain, net)) - vector(getattr(start, net))
        other = vector(getattr(half, net)) - vector(getattr(start, net))
        assert float((moved - other).norm() / moved.norm()) < 0.1


def test_an_overflow_is_skipped_and_not_counted_as_a_bad_step(tmp_path: Path) -> None:
    model = scaled(
        tmp_path, steps=6, scaler={"init_scale": 2.0**40, "growth_interval": 1000, "backoff_factor": 2.0**-10}
    )
    assert model.averaging is not None
    assert 0 < model.averaging.steps < 6, "the average follows steps that were made"
    assert model.guard.total == 0
    assert torch.isfinite(vector(model.net)).all()
    assert not torch.equal(vector(model.net), vector(game().net))
