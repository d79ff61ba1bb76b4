"""Penalties on a discriminator's slope, against closed forms, and against finite differences."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sr_experiments.losses.penalty import gradient_penalty, r1_penalty


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def pictures() -> tuple[Tensor, Tensor, Tensor]:
    """Real and made images, and how they are mixed."""
    mix = torch.rand(4, 1, 1, 1, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    return drawn(4, 3, 5, 6, seed=1), drawn(4, 3, 5, 6, seed=2), mix


class Linear(nn.Module):
    """<w, x> + b: its slope is w wherever it is taken."""

    def __init__(self, *, seed: int = 0) -> None:
        super().__init__()
        self.weight = nn.Parameter(drawn(3, 5, 6, seed=seed))
        self.bias = nn.Parameter(torch.zeros((), dtype=torch.float64))

    def forward(self, x: Tensor) -> tuple[Tensor]:
        return ((self.weight * x).sum((1, 2, 3)).unsqueeze(1) + self.bias,)


class Quadratic(nn.Module):
    """<x, A x> / 2 with a diagonal A: its slope is A x, another one at every image."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(drawn(3, 5, 6, seed=7))

    def forward(self, x: Tensor) -> tuple[Tensor]:
        return ((self.weight * x * x).sum((1, 2, 3)).unsqueeze(1) / 2,)


class Smooth(nn.Module):
    """Two scales of patches, infinitely differentiable."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Conv2d(3, 4, 3).double(), nn.Conv2d(4, 1, 3).double()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.second(self.first(x).tanh()), self.second(self.first(2 * x).sin())


Penalty = Callable[[Callable[[Tensor], Sequence[Tensor]]], Tensor]


def penalties() -> dict[str, Penalty]:
    real, fake, mix = pictures()
    return {
        "r1": lambda judge: r1_penalty(judge, real),
        "gradient": lambda judge: gradient_penalty(judge, real, fake, mix=mix),
    }


every_penalty = pytest.mark.parametrize("name", penalties())


# --- closed forms -------------------------------------------------------------------------------------


def test_of_a_linear_judge() -> None:
    judge, w = Linear(), drawn(3, 5, 6).numpy()
    norm = np.sqrt((w**2).sum())

    r1 = penalties()["r1"](judge)
    assert r1.item() == pytest.approx(norm**2 / 2, rel=1e-13)
    (slope,) = torch.autograd.grad(r1, judge.weight)
    np.testing.assert_allclose(slope.numpy(), w, rtol=1e-12)

    penalty = penalties()["gradient"](judge)
    assert penalty.item() == pytest.approx((norm - 1) ** 2, rel=1e-13)
    (slope,) = torch.autograd.grad(penalty, judge.weight)
    np.testing.assert_allclose(slope.numpy(), 2 * (norm - 1) * w / norm, rtol=1e-12)


def test_of_a_quadratic_judge() -> None:
    """Where the slope is another one at every image, so that it matters where it is taken."""
    real, fake, mix = (one.numpy() for one in pictures())
    judge = Quadratic()
    a = judge.weight.detach().numpy()

    r1 = penalties()["r1"](judge)
    assert r1.item() == pytest.approx(((a * real) ** 2).sum((1, 2, 3)).mean() / 2, rel=1e-13)
    (slope,) = torch.autograd.grad(r1, judge.weight)
    np.testing.assert_allclose(slope.numpy(), (a * real**2).mean(0), rtol=1e-12)

    x = mix * real + (1 - mix) * fake
    norms = np.sqrt(((a * x) ** 2).sum((1, 2, 3), keepdims=True))
    penalty = penalties()["gradient"](judge)
    assert penalty.item() == pytest.approx(((norms - 1) ** 2).mean(), rel=1e-13)
    (slope,) = torch.autograd.grad(penalty, judge.weight)
    np.testing.assert_allclose(slope.numpy(), (2 * (norms - 1) / norms * a * x**2).mean(0), rtol=1e-11)


def test_a_slope_of_one_costs_nothing() -> None:
    judge = Linear()
    with torch.no_grad():
        judge.weight.div_(judge.weight.norm())
    assert penalties()["gradient"](judge).item() == pytest.approx(0, abs=1e-28)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_mix_is_the_share_of_the_real_image(share: float) -> None:
    real, fake, _ = pictures()
    mix = torch.full((4, 1, 1, 1), share, dtype=torch.float64)
    at = real if share else fake
    norms = (Quadratic().weight.detach() * at).flatten(1).norm(dim=1)
    found = gradient_penalty(Quadratic(), real, fake, mix=mix)
    assert found.item() == pytest.approx((norms - 1).square().mean().item(), rel=1e-13)


@every_penalty
def test_scales_are_averaged(name: str) -> None:
    """Each with a slope of its own: the slope of the mean would be something else.

    They were summed while the losses beside them were averaged: three scales had three times the penalty.
    """
    one, other = Linear(seed=4), Linear(seed=5)
    together = penalties()[name](lambda x: [*one(x), *other(x)])
    apart = (penalties()[name](one) + penalties()[name](other)) / 2
    assert together.shape == ()
    assert together.item() == pytest.approx(apart.item(), rel=1e-13)


def test_patches_are_summed_by_r1_and_averaged_by_the_gradient_penalty() -> None:
    real, fake, mix = pictures()

    def patches(x: Tensor) -> list[Tensor]:  # a map of 5 x 6, each patch a pixel
        return [x.sum(1, keepdim=True)]

    # Every pixel of 3 bands has a slope of 1 on the sum and of 1/30 on the mean.
    assert r1_penalty(patches, real).item() == pytest.approx(90 / 2, rel=1e-13)
    found = gradient_penalty(patches, real, fake, mix=mix)
    assert found.item() == pytest.approx((np.sqrt(90) / 30 - 1) ** 2, rel=1e-13)


# --- what they train ----------------------------------------------------------------------------------


@every_penalty
def test_gradient_by_the_parameters_is_the_numerical_one(name: str) -> None:
    """By finite differences of the penalty, which itself is made of exact gradients."""
    judge = Smooth()
    names, values = zip(*judge.named_parameters(), strict=True)

    def penalty(*parameters: Tensor) -> Tensor:
        given = dict(zip(names, parameters, strict=True))
        return penalties()[name](lambda x: torch.func.functional_call(judge, given, (x,)))

    assert torch.autograd.gradcheck(penalty, values, rtol=1e-5, atol=1e-7)


@every_penalty
def test_a_gradient_reaches_every_weight_and_no_image(name: str) -> None:
    judge = Smooth()
    real, fake, mix = pictures()
    real.requires_grad_(), fake.requires_grad_()
    value = r1_penalty(judge, real) if name == "r1" else gradient_penalty(judge, real, fake, mix=mix)
    value.backward()
    for key, parameter in judge.named_parameters():
        if key == "second.bias":  # a constant has no slope
            assert parameter.grad is None or not parameter.grad.any()
        else:
            assert parameter.grad is not None
            assert parameter.grad.abs().sum() > 0, key
    assert real.grad is None
    assert fake.grad is None


def test_a_judge_without_any_slope_gets_no_nan() -> None:
    """The norm has no derivative at 0, where a discriminator that starts with zeros stands."""
    judge = Linear()
    nn.init.zeros_(judge.weight)
    for name, expected in (("r1", 0.0), ("gradient", 1.0)):
        value = penalties()[name](judge)
        (slope,) = torch.autograd.grad(value, judge.weight)
        assert value.item() == expected
        assert not slope.any(), "no direction is better than another; above all, no nan"


# --- precision ----------------------------------------------------------------------------------------


@every_penalty
def test_autocast_is_off(name: str) -> None:
    judge = Smooth().float()
    real, fake, mix = (one.float() for one in pictures())

    def value() -> Tensor:
        return r1_penalty(judge, real) if name == "r1" else gradient_penalty(judge, real, fake, mix=mix)

    exact = value()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert judge(real)[0].dtype == torch.bfloat16, "else this test shows nothing"
        assert torch.equal(value(), exact)


def test_made_images_may_come_in_half_precision() -> None:
    """A generator under autocast hands them on so."""
    judge = Smooth().float()
    real, fake, mix = (one.float() for one in pictures())
    half = fake.bfloat16()
    found = gradient_penalty(judge, real, half, mix=mix)
    assert torch.equal(found, gradient_penalty(judge, real, half.float(), mix=mix))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_a_judge_in_half_precision_is_measured_in_float32(dtype: torch.dtype) -> None:
    judge = Linear().to(dtype)
    real, fake, mix = pictures()
    expected = judge.weight.detach().double().square().sum().item()
    r1 = r1_penalty(judge, real.to(dtype))
    assert r1.dtype == torch.float32
    assert r1.item() == pytest.approx(expected / 2, rel=1e-6)
    value = gradient_penalty(judge, real.to(dtype), fake.to(dtype), mix=mix.float())
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx((expected**0.5 - 1) ** 2, rel=1e-6)


# --- faults of ours -----------------------------------------------------------------------------------


def test_shapes_are_checked() -> None:
    real, fake, mix = pictures()
    with pytest.raises(AssertionError, match=r"real is .* fake"):
        gradient_penalty(Linear(), real, fake[:1], mix=mix)
    with pytest.raises(AssertionError, match="mix is"):
        gradient_penalty(Linear(), real, fake, mix=mix.flatten())
