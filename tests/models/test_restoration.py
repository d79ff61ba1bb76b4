"""What recipes of the classical papers need of the training step: rates per layer, clipping by the rate."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import nn

from sr_experiments.losses.pixel import MSELoss
from sr_experiments.losses.weighted import Term, WeightedSum
from sr_experiments.models.guard import Diverged
from sr_experiments.models.restoration import RestorationModel
from sr_experiments.models.schedule import Schedule
from sr_experiments.nets.espcn import ESPCN
from sr_experiments.nets.srcnn import SRCNN
from tests.data.pictures import module

pytestmark = [
    pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec:FutureWarning"),
    pytest.mark.filterwarnings("ignore:Found .* in eval mode at the start"),
]


def model(net: Any = None, *, weight: float = 1.0, lr: float = 0.1, **options: Any) -> RestorationModel:
    net = net or SRCNN(scale=2, in_channels=1, kernels=(3, 1, 3), features=(4, 4))
    steps = Schedule(partial(torch.optim.lr_scheduler.MultiStepLR, milestones=[2], gamma=0.1))
    loss = WeightedSum(terms={"mse": Term(weight=weight, loss=MSELoss())})
    return RestorationModel(
        net,
        loss=loss,
        optimizer=partial(torch.optim.SGD, lr=lr),
        schedule=steps,
        **({"ema": None} | options),
    )


def fit(trained: RestorationModel, tmp_path: Path, *, steps: int = 4, **data: Any) -> None:
    trainer = pl.Trainer(
        accelerator="cpu",
        max_steps=steps,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=0,
        default_root_dir=str(tmp_path),
    )
    trainer.fit(trained, datamodule=module(scale=2, channels=1, steps_per_epoch=steps, **data))


def test_a_layer_learns_at_its_own_rate() -> None:
    made = model(layer_rates={"conv3": 0.1}).configure_optimizers()
    optimizer, scheduler = made["optimizer"], made["lr_scheduler"]["scheduler"]
    rates = [[group["lr"] for group in optimizer.param_groups]]
    for _ in range(2):
        optimizer.step()
        scheduler.step()
        rates.append([group["lr"] for group in optimizer.param_groups])
    torch.testing.assert_close(torch.tensor(rates), torch.tensor([[0.1, 0.01], [0.1, 0.01], [0.01, 0.001]]))
    assert [len(group["params"]) for group in optimizer.param_groups] == [4, 2], "conv1 and conv2; conv3"


@pytest.mark.parametrize(
    ("rates", "message"),
    [
        (
            {"conv4": 0.1},
            "model.layer_rates.conv4: the net has no such layer with weights; it has conv1, conv2",
        ),
        ({"upscale": 0.1}, "model.layer_rates.upscale: the net has no such layer with weights"),
        ({"conv3": -1.0}, "model.layer_rates.conv3=-1.0: must be 0 or more"),
    ],
)
def test_a_wrong_rate_is_refused(rates: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model(layer_rates=rates)


def test_a_layer_within_another_is_refused() -> None:
    net = ESPCN(scale=2, in_channels=1)
    outer, inner = next(
        (a, b)
        for a, x in net.named_modules()
        for b, y in net.named_modules()
        if a and b.startswith(f"{a}.") and any(True for _ in y.parameters())
    )
    with pytest.raises(ValueError, match=f"layer_rates.{outer}: another of the layers lies within it"):
        model(net, layer_rates={outer: 0.1, inner: 0.1})


def test_no_step_is_longer_than_the_clip(tmp_path: Path) -> None:
    """VDSR's clipping is by value at theta / rate: without momentum no weight moves by more than theta,
    whatever the rate, and most of them by just that, because the loss is large."""
    theta = 1e-4
    trained = model(weight=1e6, clip_by_rate=theta)
    moved: list[float] = []
    before = [parameter.detach().clone() for parameter in trained.net.parameters()]
    step = trained.optimizer_step

    def watched(*args: Any, **kwargs: Any) -> None:
        step(*args, **kwargs)
        now = [parameter.detach().clone() for parameter in trained.net.parameters()]
        moved.append(max(float((a - b).abs().max()) for a, b in zip(now, before, strict=True)))
        before[:] = now

    trained.optimizer_step = watched  # type: ignore[method-assign]
    fit(trained, tmp_path)
    assert moved == pytest.approx([theta] * 4, rel=1e-2), "at a rate of 0.1 and at one of 0.01"


def test_a_clip_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"model\.clip_by_rate=0: must be positive, or null for no clipping"):
        model(clip_by_rate=0)


def test_several_scales_train_one_net(tmp_path: Path) -> None:
    trained = model()
    before = nn.utils.parameters_to_vector(trained.net.parameters()).clone()
    fit(trained, tmp_path, scales=[2, 3, 4], patch_size=41)
    assert not torch.equal(before, nn.utils.parameters_to_vector(trained.net.parameters()))


def test_several_scales_need_a_net_that_has_no_upsampler(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"ESPCN has an upsampler of its own for each\. Choose a net that works on"
    ):
        fit(model(ESPCN(scale=2, in_channels=1)), tmp_path, scales=[2, 3], patch_size=41)


class Sometimes(nn.Module):
    """An absolute difference that is not a number at some calls, counted from 0."""

    def __init__(self, at: set[int]) -> None:
        super().__init__()
        self.at, self.calls = at, -1

    def forward(self, sr: torch.Tensor, gt: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return (sr - gt).abs().mean() * (float("nan") if self.calls in self.at else 1.0)


def guarded(at: set[int], **options: Any) -> RestorationModel:
    made = model(**options)
    made.loss = WeightedSum(terms={"l1": Term(weight=1.0, loss=Sometimes(at))})
    return made


def test_a_step_that_is_not_finite_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    trained = guarded({1}, ema=0.9)
    fit(trained, tmp_path)
    assert torch.isfinite(nn.utils.parameters_to_vector(trained.net.parameters())).all()
    assert (
        "batch 2: the gradient of the net is nan, its l1 is not finite; the step is left out" in caplog.text
    )
    assert trained.collect_notes() == ["1 steps were left out: their gradients were not finite"]
    assert trained.averaging is not None
    assert trained.averaging.steps == 3, "the average follows steps that were taken"


def test_a_run_of_nothing_else_ends_and_says_so(tmp_path: Path) -> None:
    with pytest.raises(
        Diverged, match=r"^training has diverged\. batch 3: .* after 2 steps in a row that were"
    ):
        fit(guarded({0, 1, 2}, max_skipped=2), tmp_path)


def test_how_many_were_left_out_is_in_the_checkpoint() -> None:
    before, after = guarded(set()), guarded(set())
    before.guard.total = 7
    checkpoint: dict[str, Any] = {}
    before.on_save_checkpoint(checkpoint)
    after.on_load_checkpoint(checkpoint)
    assert after.guard.total == 7
