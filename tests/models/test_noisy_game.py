"""A generator with noise at its input, in training."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from sr_experiments.losses.pixel import L1Loss
from sr_experiments.losses.weighted import Term, WeightedSum
from sr_experiments.models.restoration import RestorationModel
from sr_experiments.models.schedule import Schedule
from sr_experiments.nets.espcn import ESPCN
from sr_experiments.nets.noisy import NoisyNet
from sr_experiments.nets.unet import UNet
from tests.models.games import fit, game, vector

pytestmark = [
    pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec:FutureWarning"),
    pytest.mark.filterwarnings("ignore:Checkpoint directory"),
    pytest.mark.filterwarnings("ignore:Found .* in eval mode at the start"),  # the moving average
]


def generator() -> NoisyNet:
    torch.manual_seed(1)
    return NoisyNet(inner=ESPCN(scale=4, in_channels=3))


def batch(side: int = 8) -> dict[str, Tensor]:
    lq = torch.rand(4, 3, side, side, generator=torch.Generator().manual_seed(0))
    return {"lq": lq, "gt": lq.repeat_interleave(4, -1).repeat_interleave(4, -2), "position": torch.arange(4)}


def heard(net: NoisyNet) -> NoisyNet:
    torch.nn.init.normal_(net.noise.weight)
    return net


def test_a_game_moves_the_noise_and_its_average(tmp_path: Path) -> None:
    model = game(net=generator(), ema=0.5)
    before = vector(model.net.get_submodule("inner"))
    fit(model, tmp_path, steps=4)
    assert model.net.get_parameter("noise.weight").abs().min() > 0
    assert not torch.equal(vector(model.net.get_submodule("inner")), before)
    assert model.ema is not None
    assert model.ema.get_parameter("noise.weight").abs().min() > 0


def test_a_continued_game_equals_the_uninterrupted_one(tmp_path: Path) -> None:
    """The noise is no state of the run: it has nothing to forget."""
    whole, second = (game(net=heard(generator())) for _ in range(2))
    fit(whole, tmp_path / "a", steps=2, epochs=3)
    fit(game(net=heard(generator())), tmp_path / "b", steps=2, epochs=1)
    torch.manual_seed(99)
    fit(second, tmp_path / "b", steps=2, epochs=3, resume=tmp_path / "b" / "last.ckpt")
    assert whole.state_dict().keys() == second.state_dict().keys()
    assert all(torch.equal(value, second.state_dict()[key]) for key, value in whole.state_dict().items())


@torch.no_grad()
def test_crops_are_drawn_and_whole_images_are_not() -> None:
    net = heard(generator())
    model = game(net=net)
    lq, position = batch()["lq"], batch()["position"]
    assert torch.equal(model.restore_crops(batch()), net(lq, position))
    assert not torch.equal(net(lq, position), net(lq))
    model = game(net=net, ema=None)
    assert torch.equal(model.eval()(lq), net(lq))


@torch.no_grad()
def test_crops_are_padded_to_what_the_net_inside_takes() -> None:
    net = heard(NoisyNet(inner=UNet(scale=4, in_channels=3, features=[4, 4, 4, 4]))).eval()
    assert 9 % net.multiple_of
    sr = game(net=net).eval().restore_crops(batch(9))
    assert sr.shape == (4, 3, 36, 36)


@torch.no_grad()
@pytest.mark.usefixtures("fresh_compiler")
@pytest.mark.parametrize("whole", [True, False])
def test_a_compiled_generator_is_drawn_as_well(whole: bool) -> None:
    """The class of a compiled net is the compiler's: asked for by its class it would have gone without."""
    net: Any = heard(generator())
    expected = game(net=net).restore_crops(batch())
    model: Any = game(net=net)
    if whole:
        model.net = torch.compile(net, backend="eager")
    else:
        net.compile(backend="eager")
    assert torch.equal(model.restore_crops(batch()), expected)


def test_other_training_draws_too() -> None:
    """Without an adversary too: whoever trains it on L1 sees that the noise is of no use to it."""
    net = heard(generator())
    model = RestorationModel(
        net,
        loss=WeightedSum(terms={"l1": Term(weight=1.0, loss=L1Loss())}),
        optimizer=torch.optim.Adam,
        schedule=Schedule(torch.optim.lr_scheduler.ConstantLR),
    )
    sr = model.restore_crops(batch())
    assert torch.equal(sr, net(batch()["lq"], batch()["position"]))
