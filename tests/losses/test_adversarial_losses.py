"""Adversarial losses against closed forms in numpy: values and gradients, also where a sigmoid overflows."""

import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from sr_experiments.losses.adversarial import (
    AdversarialLoss,
    Hinge,
    LeastSquares,
    Relativistic,
    RelativisticAverage,
    Vanilla,
    Wasserstein,
)

Array = np.ndarray
SHAPES = [(6, 1), (3, 1, 4, 5)]


def softplus(t: Array) -> Array:
    """log(1 + e^t), by numpy's own stable sum of exponentials."""
    return np.logaddexp(0, t)


def sigmoid(t: Array) -> Array:
    """1 / (1 + e^-t), through the exponential that cannot overflow."""
    small = np.exp(-np.abs(t))
    return np.where(t >= 0, 1, small) / (1 + small)


class Form(NamedTuple):
    """A loss, and what it should be: value and gradients by (real, fake), for either player."""

    loss: Callable[[], AdversarialLoss]
    discriminator: Callable[[Array, Array], tuple[float, Array, Array]]
    generator: Callable[[Array, Array], tuple[float, Array, Array]]


def vanilla(smoothing: float) -> Form:
    def discriminator(real: Array, fake: Array) -> tuple[float, Array, Array]:
        # cross entropy with target t: t softplus(-x) + (1 - t) softplus(x); its derivative is sigmoid(x) - t
        target = 1 - smoothing
        value = (target * softplus(-real) + smoothing * softplus(real)).mean() + softplus(fake).mean()
        return value, (sigmoid(real) - target) / real.size, sigmoid(fake) / fake.size

    def generator(real: Array, fake: Array) -> tuple[float, Array, Array]:
        return softplus(-fake).mean(), np.zeros_like(real), -sigmoid(-fake) / fake.size

    return Form(lambda: Vanilla(smoothing=smoothing), discriminator, generator)


def least_squares(smoothing: float) -> Form:
    def discriminator(real: Array, fake: Array) -> tuple[float, Array, Array]:
        off = real - (1 - smoothing)
        return (np.mean(off**2) + np.mean(fake**2)) / 2, off / real.size, fake / fake.size

    def generator(real: Array, fake: Array) -> tuple[float, Array, Array]:
        return np.mean((fake - 1) ** 2) / 2, np.zeros_like(real), (fake - 1) / fake.size

    return Form(lambda: LeastSquares(smoothing=smoothing), discriminator, generator)


def minus_mean(real: Array, fake: Array) -> tuple[float, Array, Array]:
    return -fake.mean(), np.zeros_like(real), np.full_like(fake, -1 / fake.size)


def hinge() -> Form:
    def discriminator(real: Array, fake: Array) -> tuple[float, Array, Array]:
        value = np.maximum(0, 1 - real).mean() + np.maximum(0, 1 + fake).mean()
        return value, np.where(real < 1, -1, 0) / real.size, np.where(fake > -1, 1, 0) / fake.size

    return Form(Hinge, discriminator, minus_mean)


def wasserstein() -> Form:
    def discriminator(real: Array, fake: Array) -> tuple[float, Array, Array]:
        return (
            fake.mean() - real.mean(),
            np.full_like(real, -1 / real.size),
            np.full_like(fake, 1 / fake.size),
        )

    return Form(Wasserstein, discriminator, minus_mean)


def relativistic() -> Form:
    def discriminator(real: Array, fake: Array) -> tuple[float, Array, Array]:
        slope = sigmoid(fake - real) / real.size
        return softplus(fake - real).mean(), -slope, slope

    def generator(real: Array, fake: Array) -> tuple[float, Array, Array]:
        value, by_fake, by_real = discriminator(fake, real)
        return value, by_real, by_fake

    return Form(Relativistic, discriminator, generator)


def relativistic_average() -> Form:
    def discriminator(real: Array, fake: Array) -> tuple[float, Array, Array]:
        above, below = real - fake.mean(), fake - real.mean()
        value = softplus(-above).mean() + softplus(below).mean()
        first, second = sigmoid(-above), sigmoid(below)  # minus the first term's slope, the second's slope
        # Each output counts by itself, and through the mean of its kind in the other term.
        return value, -(first + second.mean()) / real.size, (second + first.mean()) / fake.size

    def generator(real: Array, fake: Array) -> tuple[float, Array, Array]:
        # L_G is L_D with real and made exchanged.
        value, by_fake, by_real = discriminator(fake, real)
        return value, by_real, by_fake

    return Form(RelativisticAverage, discriminator, generator)


FORMS = {
    "vanilla": vanilla(0.0),
    "vanilla_smoothed": vanilla(0.1),
    "least_squares": least_squares(0.0),
    "least_squares_smoothed": least_squares(0.25),
    "hinge": hinge(),
    "wasserstein": wasserstein(),
    "relativistic": relativistic(),
    "relativistic_average": relativistic_average(),
}
every_form = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)


def outputs(shape: tuple[int, ...], *, spread: float = 2.0, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    real, fake = (spread * torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(2))
    return (real + 0.5).requires_grad_(), (fake - 0.3).requires_grad_()


def both_players(form: Form, real: Tensor, fake: Tensor) -> list[tuple[Tensor, tuple[float, Array, Array]]]:
    """For each player: our value, and the closed form's value and gradients."""
    loss = form.loss()
    arrays = (real.detach().double().numpy(), fake.detach().double().numpy())
    return [
        (loss.for_discriminator(real, fake), form.discriminator(*arrays)),
        (loss.for_generator(fake, real if loss.needs_real else None), form.generator(*arrays)),
    ]


def gradients(value: Tensor, *inputs: Tensor) -> list[Array]:
    found = torch.autograd.grad(value, inputs, allow_unused=True)
    return [
        np.zeros(tensor.shape) if one is None else one.double().numpy()
        for one, tensor in zip(found, inputs, strict=True)
    ]


# --- value and gradient -------------------------------------------------------------------------------


@every_form
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_value_and_gradients_are_the_closed_form(form: Form, shape: tuple[int, ...]) -> None:
    real, fake = outputs(shape)
    for value, (expected, *slopes) in both_players(form, real, fake):
        assert value.shape == ()
        assert value.item() == pytest.approx(expected, rel=1e-12, abs=1e-13)
        for found, slope in zip(gradients(value, real, fake), slopes, strict=True):
            np.testing.assert_allclose(found, slope, rtol=1e-11, atol=1e-14)


@every_form
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_extreme_outputs_are_finite_and_right(form: Form, dtype: torch.dtype) -> None:
    """log(sigmoid(-200)) is the logarithm of 0 in float32, and its gradient is not a number."""
    extremes = torch.tensor([1e4, -1e4, 200.0, -200.0, 25.0, -25.0, 0.0], dtype=dtype)
    real, fake = (
        part.contiguous().view(-1, 1) for part in torch.cartesian_prod(extremes, extremes).unbind(1)
    )
    real.requires_grad_(), fake.requires_grad_()
    tolerance = 1e-5 if dtype == torch.float32 else 1e-12
    for value, (expected, *slopes) in both_players(form, real, fake):
        assert value.dtype == dtype
        assert value.item() == pytest.approx(expected, rel=tolerance)
        for found, slope in zip(gradients(value, real, fake), slopes, strict=True):
            np.testing.assert_allclose(found, slope, rtol=tolerance, atol=tolerance * 1e-3)


@every_form
@pytest.mark.parametrize("logit", [1e4, -1e4])
def test_one_extreme_pair(form: Form, logit: float) -> None:
    """Without others whose mean would hide it: the surest right, and the surest wrong."""
    real, fake = torch.full((2, 1), logit), torch.full((2, 1), -logit)
    real.requires_grad_(), fake.requires_grad_()
    for value, (expected, *slopes) in both_players(form, real, fake):
        assert value.item() == pytest.approx(expected, rel=1e-6, abs=1e-30)
        for found, slope in zip(gradients(value, real, fake), slopes, strict=True):
            np.testing.assert_allclose(found, slope, rtol=1e-6, atol=1e-30)


@every_form
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_float32(form: Form, dtype: torch.dtype) -> None:
    real, fake = (one.detach().to(dtype).requires_grad_() for one in outputs((64, 1)))
    for value, (expected, *slopes) in both_players(form, real, fake):
        assert value.dtype == torch.float32
        assert value.item() == pytest.approx(expected, rel=1e-5, abs=1e-6)
        for found, slope in zip(gradients(value, real, fake), slopes, strict=True):
            # The gradient alone is rounded, back into the dtype of the outputs.
            np.testing.assert_allclose(found, slope, rtol=torch.finfo(dtype).eps, atol=1e-6)
    assert form.loss().accuracy(real, fake).dtype == torch.float32


@every_form
def test_mixed_precisions_and_autocast_change_nothing(form: Form) -> None:
    real, fake = outputs((8, 1))
    half = fake.detach().bfloat16()
    loss = form.loss()
    expected = loss.for_discriminator(real.float(), half.float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(loss.for_discriminator(real.float(), half), expected)


@every_form
def test_second_derivatives(form: Form) -> None:
    """A penalty on gradients may pass through the loss."""
    real, fake = outputs((3, 1), spread=0.4)
    loss = form.loss()
    assert torch.autograd.gradgradcheck(loss.for_discriminator, (real, fake))
    assert torch.autograd.gradgradcheck(lambda a, b: loss.for_generator(b, a), (real, fake))


@every_form
def test_the_players_pull_apart(form: Form) -> None:
    """A sign the wrong way round would train a generator that helps its judge."""
    real, fake = (torch.zeros(4, 1, requires_grad=True) for _ in range(2))
    (by_generator,) = gradients(form.loss().for_generator(fake, real), fake)
    by_real, by_fake = gradients(form.loss().for_discriminator(real, fake), real, fake)
    assert (by_generator < 0).all(), "the generator's step raises what is said of its images"
    assert (by_fake - by_real > 0).all(), "the discriminator's step moves real above made"


def test_softplus_is_vanilla() -> None:
    """The formulas of conf/adversary/softplus.yaml, by torch's own softplus, against Vanilla."""
    real, fake = outputs((16, 1))
    pairs = [
        (Vanilla().for_discriminator(real, fake), F.softplus(-real).mean() + F.softplus(fake).mean()),
        (Vanilla().for_generator(fake), F.softplus(-fake).mean()),
    ]
    for ours, theirs in pairs:
        assert ours.item() == pytest.approx(theirs.item(), rel=1e-14)
        for a, b in zip(gradients(ours, real, fake), gradients(theirs, real, fake), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-16)


def test_vanilla_is_cross_entropy_with_labels() -> None:
    real, fake = outputs((16, 1))
    for smoothing in (0.0, 0.1, 0.49):
        expected = F.binary_cross_entropy_with_logits(real, torch.full_like(real, 1 - smoothing))
        expected = expected + F.binary_cross_entropy_with_logits(fake, torch.zeros_like(fake))
        found = Vanilla(smoothing=smoothing).for_discriminator(real, fake)
        assert found.item() == pytest.approx(expected.item(), rel=1e-14)


def test_smoothing_is_of_one_side_and_one_player() -> None:
    real, fake = outputs((16, 1))
    for kind in (Vanilla, LeastSquares):
        plain, smoothed = kind(), kind(smoothing=0.2)
        assert torch.equal(plain.for_generator(fake), smoothed.for_generator(fake))
        slopes = [gradients(loss.for_discriminator(real, fake), real, fake) for loss in (plain, smoothed)]
        assert np.array_equal(slopes[0][1], slopes[1][1])
        np.testing.assert_allclose(slopes[1][0] - slopes[0][0], 0.2 / real.numel(), rtol=1e-12)


@pytest.mark.parametrize(
    "loss", [Vanilla(smoothing=0.3), LeastSquares(smoothing=0.3)], ids=lambda x: type(x).__name__
)
def test_smoothed_discriminator_rests_at_its_target(loss: AdversarialLoss) -> None:
    at_rest = torch.tensor([[0.7]], dtype=torch.float64)
    real = (torch.logit(at_rest) if isinstance(loss, Vanilla) else at_rest).requires_grad_()
    (slope,) = gradients(loss.for_discriminator(real, torch.zeros_like(real)), real)
    assert slope.item() == pytest.approx(0, abs=1e-15)


def test_relativistic_average_is_a_sum_as_in_the_paper() -> None:
    """The released code's average would make every weight mean half of what the paper says."""
    same = torch.zeros(4, 1)
    assert RelativisticAverage().for_generator(same, same).item() == pytest.approx(2 * np.log(2), rel=1e-6)


# --- who is right -------------------------------------------------------------------------------------


@every_form
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_accuracy_of_a_winner_a_loser_and_the_dead(form: Form, shape: tuple[int, ...]) -> None:
    loss = form.loss()
    above, below = torch.full(shape, 3.0, requires_grad=True), torch.full(shape, -3.0)
    assert loss.accuracy(above, below).item() == 1
    assert loss.accuracy(below, above).item() == 0
    same = loss.accuracy(torch.full(shape, 0.7), torch.full(shape, 0.7))
    assert same.item() == 0.5, "the same said of everything tells nothing apart"
    assert not loss.accuracy(above, below).requires_grad


@pytest.mark.parametrize(
    ("loss", "right_of_8"),
    [
        (Vanilla(), 3 + 1),  # 0
        (Vanilla(smoothing=0.4), 4 + 1),  # log(0.3 / 0.7) = -0.85
        (LeastSquares(), 1 + 3),  # 0.5
        (LeastSquares(smoothing=0.4), 2 + 3),  # 0.3
        (Hinge(), 3 + 1),  # 0
        (Wasserstein(), 2 + 1),  # (0.2625 - 0.03) / 2 = 0.116
        (Relativistic(), 2 * 3),  # pair by pair
        (RelativisticAverage(), 3 + 2),  # real above -0.03, made below 0.2625
    ],
    ids=lambda x: type(x).__name__ if isinstance(x, AdversarialLoss) else "",
)
def test_accuracy_is_by_each_own_threshold(loss: AdversarialLoss, right_of_8: int) -> None:
    real = torch.tensor([[-0.5], [0.1], [0.35], [1.1]])
    fake = torch.tensor([[-1.2], [0.2], [0.28], [0.6]])
    assert loss.accuracy(real, fake).item() == right_of_8 / 8


# --- what it refuses ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Vanilla, LeastSquares])
@pytest.mark.parametrize("smoothing", [-0.1, 0.5, 0.9, float("nan"), float("inf")])
def test_smoothing_out_of_range_is_refused(kind: Callable[..., AdversarialLoss], smoothing: float) -> None:
    text = (
        f"adversary.loss.smoothing={smoothing}: must be at least 0 and below 0.5, "
        "because the discriminator's target of real images is 1 - smoothing; 0 is no smoothing, 0.1 is usual"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        kind(smoothing=smoothing)


@pytest.mark.parametrize("kind", [Relativistic, RelativisticAverage])
def test_missing_real_outputs_are_a_fault_of_ours(kind: Callable[[], AdversarialLoss]) -> None:
    with pytest.raises(AssertionError, match="needs the real outputs"):
        kind().for_generator(torch.zeros(2, 1))


def test_shapes_are_not_broadcast() -> None:
    with pytest.raises(AssertionError, match="outputs of shape"):
        Relativistic().for_discriminator(torch.zeros(4, 1), torch.zeros(4))


@every_form
def test_nothing_to_save(form: Form) -> None:
    assert form.loss().state_dict() == {}
    assert list(form.loss().parameters()) == []
