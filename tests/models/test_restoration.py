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
from sr_experiments.models.restoration import RestorationModel
from sr_experiments.models.schedule import Schedule
from sr_experiments.nets.espcn import ESPCN
from sr_experiments.nets.srcnn import SRCNN
from tests.data.pictures import module

pytestmark = pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec:FutureWarning")


def model(net: Any = None, *, weight: float = 1.0, lr: float = 0.1, **options: Any) -> RestorationModel:
    net = net or SRCNN(scale=2, in_channels=1, kernels=(3, 1, 3), features=(4, 4))
    steps = Schedule(partial(torch.optim.lr_scheduler.MultiStepLR, milestones=[2], gamma=0.1))
    loss = WeightedSum(terms={"mse": Term(weight=weight, loss=MSELoss())})
    return RestorationModel(
        net, loss=loss, optimizer=partial(torch.optim.SGD, lr=lr), schedule=steps, ema=None, **options
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
