"""The named sum: its arithmetic, its precision, and what it refuses."""

import math
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from torch import Tensor, nn

from sr_experiments.losses.pixel import L1Loss, MSELoss
from sr_experiments.losses.weighted import Term, WeightedSum


class Probe(nn.Module):
    """Records under which conditions it was called."""

    def __init__(self) -> None:
        super().__init__()
        self.dtypes: tuple[torch.dtype, ...] = ()
        self.autocast = True
        self.grad = True

    def forward(self, sr: Tensor, gt: Tensor) -> Tensor:
        self.dtypes = sr.dtype, gt.dtype
        self.autocast = torch.is_autocast_enabled("cpu")
        self.grad = torch.is_grad_enabled()
        return (sr - gt).abs().mean()


class Nothing(nn.Module):
    """A loss gone wrong."""

    def forward(self, sr: Tensor, gt: Tensor) -> Tensor:
        return sr.mean() * math.nan


def _images(dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    sr, gt = torch.rand(2, 2, 3, 8, 8, generator=torch.Generator().manual_seed(1)).to(dtype)
    return sr.requires_grad_(), gt


def test_total_is_the_weighted_sum_and_values_are_unweighted() -> None:
    sr, gt = _images()
    loss = WeightedSum({"l1": {"weight": 2.0, "loss": L1Loss()}, "mse": {"weight": 0.5, "loss": MSELoss()}})
    total, values = loss(sr, gt)
    l1, mse = (sr - gt).abs().mean(), (sr - gt).square().mean()
    torch.testing.assert_close(total, 2 * l1 + 0.5 * mse)
    assert list(values) == ["l1", "mse"]
    torch.testing.assert_close(values, {"l1": l1.detach(), "mse": mse.detach()})
    assert not any(value.requires_grad for value in values.values())
    torch.testing.assert_close(
        torch.autograd.grad(total, sr), torch.autograd.grad(2 * l1 + 0.5 * mse, sr), rtol=1e-5, atol=1e-8
    )


def test_a_term_of_weight_0_is_watched_and_gives_no_gradient() -> None:
    sr, gt = _images()
    probe = Probe()
    total, values = WeightedSum(
        {"l1": {"weight": 1.0, "loss": L1Loss()}, "seen": {"weight": 0, "loss": probe}}
    )(sr, gt)
    assert values["seen"].item() == pytest.approx(values["l1"].item())
    assert not probe.grad
    (gradient,) = torch.autograd.grad(total, sr)
    torch.testing.assert_close(gradient, (sr - gt).detach().sign() / sr.numel())


def test_a_watched_term_that_is_nan_does_not_spoil_the_total() -> None:
    """0 * nan is nan: multiplying by the weight would have been enough to end the run."""
    sr, gt = _images()
    terms: dict[str, Term] = {
        "l1": {"weight": 1.0, "loss": L1Loss()},
        "broken": {"weight": 0.0, "loss": Nothing()},
    }
    total, values = WeightedSum(terms)(sr, gt)
    assert values["broken"].isnan()
    assert torch.isfinite(total)


def test_no_gradient_is_made_where_none_is_wanted() -> None:
    sr, gt = _images()
    probe = Probe()
    with torch.no_grad():
        total, _ = WeightedSum({"l1": {"weight": 1.0, "loss": probe}})(sr, gt)
    assert not probe.grad
    assert not total.requires_grad


@pytest.mark.parametrize(
    ("given", "computed"),
    [
        (torch.bfloat16, torch.float32),
        (torch.float16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_computes_in_float32_at_least_with_autocast_off(given: torch.dtype, computed: torch.dtype) -> None:
    sr, gt = _images(given)
    probe = Probe()
    loss = WeightedSum({"l1": {"weight": 1.0, "loss": probe}})
    with torch.autocast("cpu", torch.bfloat16):
        total, values = loss(sr, gt.float())
    assert probe.dtypes == (computed, torch.float32)
    assert not probe.autocast
    assert total.dtype == values["l1"].dtype == computed
    total.backward()
    assert sr.grad is not None
    assert sr.grad.dtype == given


@pytest.mark.parametrize("name", ["l1", "ms_ssim", "type", "half", "forward", "l1_2"])
def test_takes_any_name_that_can_be_logged(name: str) -> None:
    """A ModuleDict would refuse `type` and `half`, the names of its own methods."""
    _, values = WeightedSum({name: {"weight": 1, "loss": L1Loss()}})(*_images())
    assert list(values) == [name]


def test_takes_the_mapping_that_a_config_becomes() -> None:
    terms = OmegaConf.create({"l1": {"weight": 1.0, "loss": L1Loss()}}, flags={"allow_objects": True})
    total, _ = WeightedSum(terms)(*_images())
    assert total.item() > 0


def test_refuses_images_of_two_shapes() -> None:
    """(B, 1, H, W) against (B, 3, H, W) is broadcast by every pixel loss, and trains on nonsense."""
    loss = WeightedSum({"l1": {"weight": 1.0, "loss": L1Loss()}})
    with pytest.raises(
        ValueError, match=r"sr is \(2, 1, 8, 8\), gt \(2, 3, 8, 8\): check the net's scale and ch"
    ):
        loss(torch.rand(2, 1, 8, 8), torch.rand(2, 3, 8, 8))


def test_refuses_to_be_empty() -> None:
    with pytest.raises(ValueError, match=r"loss\.terms is empty: give at least one term"):
        WeightedSum({})


def test_refuses_nothing_but_watched_terms() -> None:
    terms: dict[str, Term] = {name: {"weight": 0.0, "loss": L1Loss()} for name in ("a", "b")}
    with pytest.raises(
        ValueError, match=r"every weight in loss\.terms is 0 \(a, b\).*give one a weight above 0"
    ):
        WeightedSum(terms)


@pytest.mark.parametrize("name", ["", "L1", "l1/y", "l1.y", "1st", "a-b", "l1 ", "lé", 3])
def test_refuses_a_name_that_cannot_be_logged(name: Any) -> None:
    with pytest.raises(
        ValueError, match=r"a term is logged as train/loss/NAME, so NAME starts with a lower-case"
    ):
        WeightedSum({name: {"weight": 1.0, "loss": L1Loss()}})


@pytest.mark.parametrize("weight", [-1.0, -1, math.nan, math.inf, True, "1", None])
def test_refuses_a_weight_that_is_none(weight: Any) -> None:
    with pytest.raises(
        ValueError, match=rf"loss\.terms\.l1\.weight={weight}: must be a number of 0 \(watched\) or"
    ):
        WeightedSum({"l1": {"weight": weight, "loss": L1Loss()}})


@pytest.mark.parametrize(
    ("term", "has"),
    [
        ({"weight": 1.0}, "weight"),
        ({"loss": L1Loss()}, "loss"),
        ({"weight": 1.0, "loss": L1Loss(), "wieght": 2}, "weight, loss, wieght"),
        ({}, "none"),
        (1.0, "1.0"),
    ],
)
def test_refuses_a_term_that_is_not_a_weight_and_a_loss(term: Any, has: str) -> None:
    with pytest.raises(
        ValueError, match=rf"loss\.terms\.l1 must have the keys weight and loss; it has {has}$"
    ):
        WeightedSum({"l1": term})


def test_refuses_a_loss_that_was_not_made() -> None:
    term: Any = {"weight": 1.0, "loss": {"_target": "L1Loss"}}
    with pytest.raises(
        ValueError, match=r"loss\.terms\.l1\.loss=\{.*\}: must be a loss, made by its _target_"
    ):
        WeightedSum({"l1": term})
