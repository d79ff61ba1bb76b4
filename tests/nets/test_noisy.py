"""Noise at a net's input: what it is a function of, what it does to the answer, and whose weights fit it."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sr_experiments.imaging.random import Draw
from sr_experiments.nets.base import SRNet
from sr_experiments.nets.baselines import Interpolation
from sr_experiments.nets.edsr import EDSR
from sr_experiments.nets.espcn import ESPCN
from sr_experiments.nets.foreign import translate
from sr_experiments.nets.noisy import NoisyNet
from sr_experiments.nets.weights import WeightsMisfit, load_exactly, load_matching
from tests.nets.toys import build_net, net_names

POSITION = torch.tensor([5, 0, 10**12, 7])
SIDE = 9


def images(count: int = 4) -> Tensor:
    return torch.rand(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


def noisy(inner: SRNet | None = None, *, noise_channels: int = 2, seed: int = 3) -> NoisyNet:
    """With noise that is heard."""
    torch.manual_seed(0)
    inner = inner or ESPCN(scale=2, in_channels=3)
    net = NoisyNet(inner=inner, noise_channels=noise_channels, seed=seed)
    nn.init.normal_(net.noise.weight)
    return net.eval()


def edsr() -> EDSR:
    return EDSR(scale=2, features=8, blocks=2)


# ---- what it computes


@torch.no_grad()
def test_of_a_linear_net_the_answer_is_the_images_and_the_noises() -> None:
    net = noisy(Interpolation(scale=2)).double()
    lq = images().double()
    z = Draw(3, POSITION).normal("generator's noise", (2, SIDE, SIDE)).double()
    padded, heard = F.pad(z, (1, 1, 1, 1)), torch.zeros_like(lq)
    for y in range(3):
        for x in range(3):
            shifted = padded[:, :, y : y + SIDE, x : x + SIDE]
            heard += torch.einsum("oi,bihw->bohw", net.noise.weight[:, :, y, x], shifted)
    assert heard.std() > 1
    torch.testing.assert_close(net(lq, POSITION) - net(lq), net.inner(heard), rtol=0, atol=1e-12)


@torch.no_grad()
def test_without_a_position_it_is_the_net_inside() -> None:
    net = noisy()
    assert torch.equal(net(images()), net.inner(images()))
    assert not torch.equal(net(images(), POSITION), net(images()))


@torch.no_grad()
def test_it_starts_as_the_net_inside() -> None:
    """A warm start from weights that were trained without noise is undisturbed."""
    net = NoisyNet(inner=ESPCN(scale=2, in_channels=3)).eval()
    assert torch.equal(net(images(), POSITION), net.inner(images()))


@torch.no_grad()
def test_a_samples_noise_does_not_depend_on_its_batch() -> None:
    """Another division into batches, as on more devices or after a restart, must change nothing."""
    net, lq = noisy(Interpolation(scale=2)), images()
    whole, order = net(lq, POSITION), torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(net(lq[order], POSITION[order]), whole[order], rtol=0, atol=1e-6)
    halves = [net(part, place) for part, place in zip(lq.split(2), POSITION.split(2), strict=True)]
    torch.testing.assert_close(torch.cat(halves), whole, rtol=0, atol=1e-6)


@torch.no_grad()
def test_seeds_and_positions_are_versions() -> None:
    lq = images(1).expand(4, -1, -1, -1)
    one, other = (noisy(Interpolation(scale=2), seed=seed) for seed in (3, 4))
    assert torch.equal(one.noise.weight, other.noise.weight)
    answers = torch.cat([one(lq, POSITION), other(lq, POSITION)]).flatten(1)
    assert torch.cdist(answers, answers).add(torch.eye(8) * 99).min() > 1
    assert torch.equal(one(lq, POSITION), one(lq, POSITION))


def test_a_gradient_reaches_the_noise_from_zero() -> None:
    net = NoisyNet(inner=ESPCN(scale=2, in_channels=3))
    net(images(), POSITION).square().mean().backward()
    assert net.noise.weight.grad is not None
    assert (net.noise.weight.grad.abs() > 0).all()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.inner.parameters())


def test_it_says_of_itself_what_the_net_inside_says() -> None:
    inner = build_net("unet", scale=2, channels=5, toy=True)
    net = NoisyNet(inner=inner)
    facts = ("scale", "in_channels", "multiple_of", "minimum")
    assert [getattr(net, fact) for fact in facts] == [getattr(inner, fact) for fact in facts]
    assert inner.multiple_of > 1
    assert net.takes_position
    assert not inner.takes_position


@torch.no_grad()
@pytest.mark.usefixtures("fresh_compiler")
def test_compiled_it_draws_the_same() -> None:
    net, lq = noisy(), images()
    compiled: Any = torch.compile(net, backend="eager")
    assert compiled.takes_position
    assert torch.equal(compiled(lq, POSITION), net(lq, POSITION))
    assert torch.equal(compiled(lq), net(lq))


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_noise_is_of_the_images_kind(dtype: torch.dtype) -> None:
    net = noisy().to(dtype)
    sr = net(images().to(dtype), POSITION)
    assert sr.dtype == dtype
    exact = net.double()(images().to(dtype).double(), POSITION)
    torch.testing.assert_close(sr.double(), exact, rtol=0, atol=0.1)


# ---- whose weights fit


def random_state(net: nn.Module) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {
        key: torch.rand(value.shape, generator=generator) if value.is_floating_point() else value.clone()
        for key, value in net.state_dict().items()
    }


def test_weights_of_the_plain_net_go_inside() -> None:
    net = noisy(edsr())
    heard, state = net.noise.weight.clone(), random_state(net.inner)
    report = load_matching(net, state)
    assert (report.skipped, report.missing) == ({}, ["noise.weight"])
    assert report.renamed == {key: f"inner.{key}" for key in state}
    assert all(torch.equal(value, state[key]) for key, value in net.inner.state_dict().items())
    assert torch.equal(net.noise.weight, heard)


def test_and_those_of_another_scale_but_for_the_enlarging_part() -> None:
    net = noisy(edsr())
    state = random_state(EDSR(scale=3, features=8, blocks=2))
    report = load_matching(net, state)
    assert set(report.skipped) == {"tail.0.0.weight", "tail.0.0.bias"}
    assert set(report.missing) == {"inner.tail.0.0.weight", "inner.tail.0.0.bias", "noise.weight"}
    assert torch.equal(net.inner.state_dict()["head.0.weight"], state["head.0.weight"])


def test_weights_under_another_projects_names_go_inside_too() -> None:
    net = noisy(edsr())
    state = random_state(net.inner)
    means = ("sub_mean.", "add_mean.")
    basicsr = {
        "head.0": "conv_first",
        "body.2": "conv_after_body",
        "tail.0.0": "upsample.0",
        "tail.1": "conv_last",
        "body.0.body.0": "body.0.conv1",
        "body.0.body.2": "body.0.conv2",
        "body.1.body.0": "body.1.conv1",
        "body.1.body.2": "body.1.conv2",
    }
    named = {
        f"{basicsr[layer]}.{leaf}": state[f"{layer}.{leaf}"]
        for layer, _, leaf in (key.rpartition(".") for key in state if not key.startswith(means))
    }
    report = load_matching(net, named)
    assert report.skipped == {}
    assert all(
        torch.equal(value, state[key])
        for key, value in net.inner.state_dict().items()
        if not key.startswith(means)
    )
    assert translate(net, named).constants == {f"inner.{key}" for key in state if key.startswith(means)}


def test_weights_from_inside_fit_the_plain_net() -> None:
    net, state = edsr(), random_state(noisy(edsr()))
    report = load_matching(net, state)
    assert report.missing == []
    assert report.skipped == {"noise.weight": "no such key in the net"}
    assert all(torch.equal(value, state[f"inner.{key}"]) for key, value in net.state_dict().items())


def test_its_own_weights_are_its_own() -> None:
    """Also round a net without weights, where no key begins with inner."""
    for net in (noisy(edsr()), noisy(Interpolation(scale=2))):
        state = random_state(net)
        load_exactly(net, state, source="x")
        assert all(torch.equal(value, state[key]) for key, value in net.state_dict().items())
        assert load_matching(net, state).renamed == {}


@pytest.mark.parametrize("into", ["noisy", "plain"])
def test_a_name_of_the_nets_own_goes_first(into: str) -> None:
    """And the other one is left where it is, told of by its own name."""
    net: SRNet = noisy(edsr()) if into == "noisy" else edsr()
    own, other = ("inner.head.0.bias", "head.0.bias")[:: 1 if into == "noisy" else -1]
    state = {other: torch.zeros(8), own: torch.ones(8)}
    state |= {key: torch.ones(8) for key in ("no.such", "inner.nor.this")}
    for given in (state, dict(reversed(state.items()))):
        report = load_matching(net, given)
        assert report.loaded == [own]
        assert report.skipped == dict.fromkeys((other, "no.such", "inner.nor.this"), "no such key in the net")
        assert report.renamed == {}
        assert net.state_dict()[own].eq(1).all()


def test_exactly_means_the_noise_as_well() -> None:
    plain, net = edsr(), noisy(edsr())
    with pytest.raises(WeightsMisfit, match=r"1 missing: noise\.weight"):
        load_exactly(net, random_state(plain), source="x")
    with pytest.raises(WeightsMisfit, match=r"1 unexpected: noise\.weight"):
        load_exactly(plain, random_state(net), source="x")


def test_no_other_net_has_these_names() -> None:
    """A plain net's key would be taken for the noise's."""
    for name in set(net_names()) - {"noisy"}:
        with torch.device("cpu" if name.startswith("spandrel/") else "meta"):
            keys = build_net(name, scale=2, toy=True).state_dict()
        assert not [key for key in keys if key.startswith(("inner.", "noise."))], name


@pytest.mark.parametrize("name", ["espcn", "unet", "rrdbnet", "spandrel/swinir_light"])
@pytest.mark.filterwarnings("ignore:torch.meshgrid")
def test_any_net_can_be_inside(name: str) -> None:
    net = noisy(build_net(name, scale=2, toy=True))
    side = max(net.minimum, 8)
    lq = torch.rand(2, 3, side, side)
    assert net(lq, POSITION[:2]).shape == (2, 3, 2 * side, 2 * side)
    state = random_state(net.inner)
    report = load_matching(net, state)
    assert (report.skipped, report.missing) == ({}, ["noise.weight"])


# ---- mistakes


def test_noise_without_channels() -> None:
    told = "must be 1 or more; for no noise choose the net itself, without net=noisy"
    with pytest.raises(ValueError, match=rf"net\.noise_channels=0: {told}"):
        NoisyNet(inner=edsr(), noise_channels=0)


def test_noise_twice() -> None:
    with pytest.raises(
        ValueError, match=r"net\.inner=NoisyNet: has noise at its input already; choose the net"
    ):
        NoisyNet(inner=noisy())
