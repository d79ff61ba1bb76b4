"""A loss that is handed the sharpened truth."""

import pytest
import torch
from torch import Tensor, nn

from sr_experiments.imaging.sharpen import usm_sharpen
from sr_experiments.losses.pixel import L1Loss, MSELoss
from sr_experiments.losses.sharpened import AgainstSharpened
from sr_experiments.losses.weighted import WeightedSum


def pair() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    sr, gt = (torch.rand(2, 3, 20, 24, generator=generator) for _ in range(2))
    return sr.requires_grad_(), gt


@pytest.mark.parametrize("loss", [L1Loss(), MSELoss()], ids=lambda x: type(x).__name__)
def test_it_is_the_loss_against_the_sharpened_truth(loss: nn.Module) -> None:
    sr, gt = pair()
    found = AgainstSharpened(loss=loss)(sr, gt)
    expected = loss(sr, usm_sharpen(gt))
    assert torch.equal(found, expected)
    assert not torch.equal(found, loss(sr, gt)), "else nothing was sharpened"
    (ours,), (theirs,) = (torch.autograd.grad(value, sr) for value in (found, expected))
    assert torch.equal(ours, theirs)


def test_the_sharpened_truth_loses_nothing_and_the_truth_does() -> None:
    _, gt = pair()
    loss = AgainstSharpened(L1Loss())
    assert loss(usm_sharpen(gt), gt).item() == 0
    assert loss(gt, gt).item() > 0


def test_no_gradient_goes_to_gt() -> None:
    sr, gt = pair()
    gt.requires_grad_()
    AgainstSharpened(L1Loss())(sr, gt).backward()
    assert gt.grad is None
    assert sr.grad is not None
    assert sr.grad.abs().sum() > 0


def test_one_term_is_sharpened_and_its_neighbour_not() -> None:
    sr, gt = pair()
    terms = {
        "sharp": {"weight": 1.0, "loss": AgainstSharpened(L1Loss())},
        "plain": {"weight": 1.0, "loss": L1Loss()},
    }
    _, values = WeightedSum(terms)(sr, gt)  # type: ignore[arg-type]
    assert values["sharp"].item() == pytest.approx((sr - usm_sharpen(gt)).abs().mean().item(), rel=1e-6)
    assert values["plain"].item() == pytest.approx((sr - gt).abs().mean().item(), rel=1e-6)


def test_it_holds_its_loss() -> None:
    """So that a trunk inside moves to the device with everything else."""
    inner = L1Loss()
    assert list(AgainstSharpened(inner).children()) == [inner]
