"""Losses on pretrained trunks, against torchvision and lpips; and what nobody may see of the trunks."""

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sr_experiments.features.trunks import ALEXNET
from sr_experiments.losses.lpips import LPIPSLoss
from sr_experiments.losses.perceptual import PerceptualLoss
from sr_experiments.losses.style import StyleLoss, gram
from tests.features.networks import (
    MEAN,
    STD,
    close,
    hidden,
    images,
    no_network,
    official,
    torchvision_vgg,
    write_official_trunk,
    write_trunk,
)

GATYS = {f"conv{block}_1": 0.2 for block in range(1, 6)}


@pytest.fixture(scope="module")
def vgg() -> nn.Sequential:
    return torchvision_vgg("E")


@pytest.fixture(scope="module")
def vgg_file(vgg: nn.Sequential, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_trunk(vgg, tmp_path_factory.mktemp("served"), name="vgg19")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of torch hub, and no way to the network."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(torch.hub, "urlopen", no_network)
    return tmp_path / "torch" / "hub" / "checkpoints"


# --- the hidden trunk ---------------------------------------------------------------------------------


LOSSES: dict[str, Callable[[], nn.Module]] = {
    "perceptual": lambda: PerceptualLoss(layers={"conv2_1": 1.0}, random_features=True),
    "style": lambda: StyleLoss(layers={"conv1_1": 1.0, "conv2_1": 1.0}, random_features=True),
    "lpips": lambda: LPIPSLoss(net="alex", random_features=True),
}


@pytest.mark.parametrize("name", LOSSES)
def test_nobody_sees_the_trunk(name: str) -> None:
    """An optimizer, DDP and a checkpoint go by these four."""
    owner = nn.ModuleDict({"loss": LOSSES[name]()})
    assert owner.state_dict() == {}
    assert list(owner.parameters()) == []
    assert list(owner.buffers()) == []
    owner.load_state_dict({}, strict=True)
    assert hidden(owner)


@pytest.mark.parametrize("name", LOSSES)
def test_the_trunk_never_learns(name: str) -> None:
    owner = nn.ModuleDict({"loss": LOSSES[name]()}).train().requires_grad_(True)
    for net in hidden(owner):
        assert not any(part.training for part in net.modules())
        assert not any(parameter.requires_grad for parameter in net.parameters())


@pytest.mark.parametrize("name", LOSSES)
def test_the_trunk_follows_device_and_precision(name: str) -> None:
    owner = nn.ModuleDict({"loss": LOSSES[name]()})
    sr, gt = images(side=64)
    expected = owner["loss"](sr, gt)

    owner.to(torch.bfloat16)  # of a net in half precision; the judge stays exact
    assert torch.equal(owner["loss"](sr, gt), expected)
    owner.double()
    exact = owner["loss"](sr.double(), gt.double())
    assert exact.dtype == torch.float64
    torch.testing.assert_close(exact, expected.double(), rtol=1e-4, atol=1e-6)
    owner.to("meta")
    for net in hidden(owner):
        assert {tensor.device.type for tensor in [*net.parameters(), *net.buffers()]} == {"meta"}


@pytest.mark.parametrize("name", LOSSES)
def test_the_trunk_is_copied_and_pickled_with_its_owner(name: str) -> None:
    """Spawned processes get their loss by pickle."""
    loss = LOSSES[name]()
    sr, gt = images(side=64)
    for twin in (copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
        assert torch.equal(twin(sr, gt), loss(sr, gt))


@pytest.mark.parametrize("name", LOSSES)
def test_gradient_is_the_numerical_one(name: str) -> None:
    loss = LOSSES[name]().double()
    side = 31 if name == "lpips" else 6
    sr, gt = (image.detach()[:1, :, :side, :side].double() for image in images())
    assert torch.autograd.gradcheck(lambda image: loss(image, gt), (sr.requires_grad_(),), fast_mode=True)


@pytest.mark.parametrize("name", LOSSES)
def test_no_gradient_goes_to_gt(name: str) -> None:
    sr, gt = images(side=64)
    gt.requires_grad_()
    LOSSES[name]()(sr, gt).backward()
    assert gt.grad is None
    assert sr.grad is not None
    assert sr.grad.abs().sum() > 0


@pytest.mark.parametrize("name", LOSSES)
def test_equal_pictures_lose_nothing(name: str) -> None:
    sr, _ = images(side=64)
    loss = LOSSES[name]()(sr, sr.detach().clone())
    (gradient,) = torch.autograd.grad(loss, sr)
    assert loss.item() == 0
    assert gradient.isfinite().all()


# --- perceptual and style -----------------------------------------------------------------------------


@pytest.mark.parametrize("criterion", ["l1", "mse"])
@pytest.mark.parametrize("before", [True, False])
def test_perceptual_is_the_weighted_distance_of_features(
    vgg: nn.Sequential, vgg_file: Path, criterion: Literal["l1", "mse"], before: bool
) -> None:
    """In float64, because rounding turns ReLUs over and their gradients with them."""
    sr, gt = (image.detach().double() for image in images())
    sr.requires_grad_()
    loss = PerceptualLoss(
        layers={"conv1_2": 0.5, "conv3_4": 2.0, "conv5_4": 0.0},
        criterion=criterion,
        before_activation=before,
        weights=str(vgg_file),
    ).double()
    exact = copy.deepcopy(vgg[:18]).double()
    distance = {"l1": F.l1_loss, "mse": F.mse_loss}[criterion]
    expected = sr.new_zeros(())
    for last, weight in ((2, 0.5), (16, 2.0)):
        part = exact[: last + 1 if before else last + 2]
        expected = expected + weight * distance(part((sr - MEAN) / STD), part((gt - MEAN) / STD))
    value = loss(sr, gt)
    assert value.item() == pytest.approx(expected.item(), rel=1e-6)
    ours, theirs = (torch.autograd.grad(total, sr)[0] for total in (value, expected))
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5 * float(theirs.abs().max()))
    assert list(loss.features.pairs(sr, gt)) == ["conv1_2", "conv3_4"]


def test_style_is_gatys_equations(vgg: nn.Sequential, vgg_file: Path) -> None:
    """Equations 3 to 5 with their sums written out, in float64."""
    sr, gt = images()
    loss = StyleLoss(layers=GATYS, weights=str(vgg_file)).double()
    exact = copy.deepcopy(vgg).double()
    expected = 0.0
    for last in (0, 5, 10, 19, 28):
        f, p = (exact[: last + 2]((image.detach().double() - MEAN) / STD).flatten(2) for image in (sr, gt))
        n, m = f.shape[1:]
        g, a = (torch.einsum("bik,bjk->bij", rows, rows) for rows in (f, p))  # Eq. 3
        energies = ((g - a) ** 2).sum(dim=(1, 2)) / (4 * n**2 * m**2)  # Eq. 4
        expected += 0.2 * energies.mean().item()  # Eq. 5
    assert loss(sr.double(), gt.double()).item() == pytest.approx(expected, rel=1e-6)


def test_style_does_not_see_where_things_are() -> None:
    features, _ = images()
    shuffled = features.flatten(2)[..., torch.randperm(32 * 32)].view_as(features)
    close(gram(shuffled), gram(features))


@pytest.mark.parametrize("make", [PerceptualLoss, StyleLoss])
def test_layers_need_weights(make: Callable[..., nn.Module]) -> None:
    with pytest.raises(
        ValueError, match=r"layers=\{conv1_1: -1.0, conv2_1: inf\}: a layer's weight must be 0 or more, a"
    ):
        make(layers={"conv1_1": -1.0, "conv1_2": 1.0, "conv2_1": float("inf")}, random_features=True)
    for layers in ({}, {"conv1_1": 0.0}):
        with pytest.raises(
            ValueError, match="layers: at least one layer needs a weight above 0, such as layers="
        ):
            make(layers=layers, random_features=True)


def test_an_unknown_criterion_is_refused() -> None:
    wrong: Any = "l2"
    with pytest.raises(ValueError, match="criterion=l2: choose one of l1, mse"):
        PerceptualLoss(layers={"conv1_1": 1.0}, criterion=wrong, random_features=True)


# --- LPIPS ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("net", ["alex", "vgg"])
def test_lpips_is_the_packages(
    net: Literal["alex", "vgg"], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In float64, because rounding turns ReLUs over and their gradients with them."""
    made, trunk = official(net)
    weights = write_official_trunk(trunk, tmp_path / "trunk.pth")
    capsys.readouterr()
    loss = LPIPSLoss(net=net, weights=weights).double()
    sr, gt = (image.detach().double() for image in images(side=48))
    sr.requires_grad_()
    value, expected = loss(sr, gt), made.double()(sr, gt, normalize=True).mean()
    assert value.item() == pytest.approx(expected.item(), rel=1e-6)
    assert value.item() > 1e-3
    ours, theirs = (torch.autograd.grad(total, sr)[0] for total in (value, expected))
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5 * float(theirs.abs().max()))
    assert capsys.readouterr() == ("", "")


def test_lpips_on_random_features_is_the_uncalibrated_one() -> None:
    """The calibrated heads weigh the channels of another trunk."""
    loss = LPIPSLoss(net="alex", random_features=True)
    made, trunk = official("alex", heads=False)
    ours = hidden(loss)[0].state_dict()
    trunk.load_state_dict({key: ours[f"features.{key.partition('.')[2]}"] for key in trunk.state_dict()})
    sr, gt = images(side=64)
    torch.testing.assert_close(loss(sr, gt), made(sr, gt, normalize=True).mean(), rtol=1e-4, atol=1e-6)
    assert len(loss.distance.features.notes) == 1


def test_lpips_has_a_gradient_where_no_feature_answers(tmp_path: Path) -> None:
    """A vector of no length cannot be scaled to length 1, and 0 / 0 is nan."""
    torch.save({key: torch.zeros(shape) for key, shape in ALEXNET.shapes().items()}, tmp_path / "zero.pth")
    loss = LPIPSLoss(net="alex", weights=str(tmp_path / "zero.pth"))
    sr, gt = images(side=64)
    value = loss(sr, gt)
    (gradient,) = torch.autograd.grad(value, sr)
    assert value.item() == 0
    assert gradient.isfinite().all()


def test_lpips_without_weights_stops(cache: Path) -> None:
    with pytest.raises(
        ValueError, match=r"the weights of VGG16 are not to be had: .*Three ways to mend it: put vgg16-39"
    ):
        LPIPSLoss()


def test_lpips_refuses_another_net() -> None:
    wrong: Any = "squeeze"
    with pytest.raises(ValueError, match="net=squeeze: LPIPS has alex and vgg"):
        LPIPSLoss(net=wrong, random_features=True)
