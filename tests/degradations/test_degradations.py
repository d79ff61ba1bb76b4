"""Each degradation against a closed form, or against what it is made of."""

import math
import re
from collections.abc import Callable
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from sr_experiments.degradations.base import Degradation
from sr_experiments.degradations.bicubic import Bicubic
from sr_experiments.degradations.blur import Blur
from sr_experiments.degradations.colour import ColourJitter, Gamma
from sr_experiments.degradations.jpeg import JPEG
from sr_experiments.degradations.noise import CorrelatedNoise, GaussianNoise, PoissonNoise, SaltAndPepper
from sr_experiments.degradations.pipeline import OneOf, Pipeline, Sometimes
from sr_experiments.degradations.quantise import Quantise, to_8_bit
from sr_experiments.degradations.ranges import checked_range
from sr_experiments.degradations.resample import Resample, Rescale, Shrink
from sr_experiments.degradations.sharpen import Sharpen
from sr_experiments.imaging.io import read_image
from sr_experiments.imaging.resize import Border, Kernel, imresize
from tests.conftest import benchmark_dir

POSITIONS = torch.arange(100, 116)


def images(batch: int = 16, side: int = 48, channels: int = 3) -> Tensor:
    """Smooth structure and noise in [0, 1], on 8-bit levels."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(batch, channels, side // 4, side // 4, generator=generator)
    fine = torch.rand(batch, channels, side, side, generator=generator)
    return to_8_bit(0.8 * imresize(coarse, scale=4) + 0.2 * fine)


def chain(scale: int = 2) -> Pipeline:
    return Pipeline(
        steps={
            "blur": Blur(kinds={"isotropic": 1, "anisotropic": 1}, sigma=(0.2, 4.0)),
            "downscale": Resample(scale=scale),
            "noise": GaussianNoise(sigma=(0, 15), grey=0.4),
        }
    )


# ---- shrinking


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_bicubic_equals_matlabs_files(scale: int) -> None:
    for path in sorted(benchmark_dir("Set5", "HR", f"x{scale}").iterdir()):
        small = next(benchmark_dir("Set5", "LR", f"x{scale}").glob(f"{path.stem}*"))
        expected = torch.from_numpy(read_image(small)).permute(2, 0, 1)
        gt = torch.from_numpy(read_image(path)).permute(2, 0, 1)[None]
        bicubic = Bicubic(scale=scale)
        assert torch.equal(bicubic(gt, seed=0, positions=POSITIONS[:1])[0], expected)
        as_float = bicubic(gt / 255.0, seed=1, positions=POSITIONS[1:2])[0]
        assert torch.equal(as_float, expected / 255.0)


def test_bicubic_keeps_16_bit() -> None:
    image = (images(1) * 40000 + 12000).round()  # far from where it would be clipped
    image = image.to(torch.uint16)
    small = Bicubic(scale=2)(image, seed=0, positions=POSITIONS[:1])
    assert small.dtype == torch.uint16
    exact = imresize(image.double(), scale=1 / 2, border="replicate")
    assert float((small.double() - exact).abs().max()) < 2


def test_resample_is_matlabs_rule_in_float() -> None:
    image = images()
    small = Resample(scale=3, kernel="lanczos3")(image, seed=0, positions=POSITIONS)
    assert torch.equal(small, imresize(image, scale=1 / 3, kernel="lanczos3"))
    sharp = Resample(scale=3, antialias=False)(image, seed=0, positions=POSITIONS)
    assert torch.equal(sharp, imresize(image, scale=1 / 3, antialias=False))
    assert torch.allclose(sharp, image[:, :, 1::3, 1::3], atol=1e-6)  # the kernel's centre is a pixel


# ---- the contract


def test_a_sample_does_not_depend_on_its_batch() -> None:
    """Incident: the usual implementations draw scale, kernel and kind of noise once for the whole batch."""
    image = images(16, side=64)
    whole = chain()(image, seed=5, positions=POSITIONS)
    for sample in (0, 3, 15):
        alone = chain()(image[sample : sample + 1], seed=5, positions=POSITIONS[sample : sample + 1])
        assert torch.equal(alone[0], whole[sample])


def test_another_seed_or_position_changes_every_sample() -> None:
    image = images(16, side=64)
    first = chain()(image, seed=0, positions=POSITIONS)
    for seed, positions in ((1, POSITIONS), (0, POSITIONS + 16)):
        other = chain()(image, seed=seed, positions=positions)
        assert bool((first != other).flatten(1).any(dim=1).all())
    assert torch.equal(first, chain()(image, seed=0, positions=POSITIONS))


def test_a_pipeline_ends_in_8_bit_and_within_range() -> None:
    steps: dict[str, Degradation] = {"noise": GaussianNoise(sigma=(200, 200))}
    spoilt = Pipeline(steps=steps)(images(), seed=0, positions=POSITIONS)
    assert spoilt.min() == 0
    assert spoilt.max() == 1
    assert torch.equal(to_8_bit(spoilt), spoilt)
    raw = Pipeline(steps=steps, quantise=False)(images(), seed=0, positions=POSITIONS)
    assert raw.max() > 1


def test_rounding_is_half_up() -> None:
    levels = torch.tensor([-1.0, 0.49, 0.5, 1.5, 2.4999, 254.5, 300.0]) / 255
    assert (to_8_bit(levels) * 255).round().tolist() == [0, 0, 1, 2, 2, 255, 255]


def test_few_bits_have_few_levels() -> None:
    ramp = torch.linspace(-0.1, 1.1, 2000).view(1, 1, 1, -1).repeat(200, 1, 1, 1)
    found = Quantise(bits=(1, 6))(ramp, seed=0, positions=torch.arange(200))
    counts = [len(sample.unique()) for sample in found]
    assert set(counts) == {2**bits for bits in range(1, 7)}
    for sample, count in zip(found, counts, strict=True):
        expected = (ramp[0].clamp(0, 1).double() * (count - 1)).round() / (count - 1)
        assert float((sample.double() - expected).abs().max()) < 1e-6
    assert torch.equal(Quantise(bits=(8, 8))(ramp, seed=0, positions=torch.arange(200)), to_8_bit(ramp))


def test_steps_of_one_kind_are_independent_and_keyed_by_name() -> None:
    flat = torch.full((16, 1, 32, 32), 0.5)

    def spoilt(*names: str) -> Tensor:
        steps: dict[str, Degradation] = {name: GaussianNoise(sigma=(10, 10)) for name in names}
        noisy: Tensor = Pipeline(steps=steps, quantise=False)(flat, seed=0, positions=POSITIONS)
        return noisy - flat

    first, second = spoilt("first"), spoilt("second")
    assert abs(float((first * second).mean() / first.square().mean())) < 0.05
    assert torch.allclose(spoilt("first", "second"), first + second, atol=1e-6)
    assert torch.allclose(spoilt("second", "pop", "first") - spoilt("pop"), first + second, atol=1e-6)


def test_nothing_asks_for_gradients_and_autocast_is_off() -> None:
    image = images(2).requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        spoilt = chain()(image, seed=0, positions=POSITIONS[:2])
    assert spoilt.dtype == torch.float32
    assert not spoilt.requires_grad
    assert torch.equal(spoilt, chain()(image, seed=0, positions=POSITIONS[:2]))


def test_scales_multiply_and_sizes_follow() -> None:
    two_steps = Pipeline(
        steps={"a": Resample(scale=2), "b": GaussianNoise(sigma=(0, 1)), "c": Bicubic(scale=2)}
    )
    assert two_steps.scale == 4
    assert not two_steps.fixed
    assert two_steps(images(2, side=64), seed=0, positions=POSITIONS[:2]).shape == (2, 3, 16, 16)
    assert chain(scale=3)(images(2, channels=1), seed=0, positions=POSITIONS[:2]).shape == (2, 1, 16, 16)


def test_the_base_class_does_nothing_by_itself() -> None:
    with pytest.raises(NotImplementedError):
        Degradation()(images(), seed=0, positions=POSITIONS)


# ---- impossible values


RANGE = "must be two numbers [low, high]"
PROBABILITY = "is a probability and must be from 0 to 1"
EVEN: dict[str, Any] = {"directions": {"up": 1, "down": 1}, "modes": {"area": 1}}
NOISE = GaussianNoise(sigma=(0, 1))


def blur(**options: Any) -> Blur:
    return Blur(kinds={"isotropic": 1}, **options)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: blur(sigma=(4.0, 0.2)), f"sigma=[4.0, 0.2] {RANGE}, the smaller one first"),
        (lambda: blur(sigma=(0.0, 0.2)), f"sigma=[0.0, 0.2] {RANGE} of at least 0.05"),
        (lambda: blur(sigma=(0.2,)), f"sigma=[0.2] {RANGE}"),
        (lambda: blur(sigma=(0.2, math.nan)), f"sigma=[0.2, nan] {RANGE}"),
        (lambda: blur(kernel_size=(20, 21)), "kernel_size=[20, 21] must be two odd numbers of at least 3"),
        (lambda: blur(kernel_size=(1, 3)), "kernel_size=[1, 3] must be two odd numbers of at least 3"),
        (lambda: blur(kernel_size=(9, 7)), "kernel_size=[9, 7] must be two odd numbers of at least 3"),
        (lambda: blur(cutoff=(1, 4)), f"cutoff=[1, 4] {RANGE} from 0.1 to 3.14159"),
        (lambda: Blur(kinds={"round": 1}), "kinds has round, but there is isotropic, anisotropic"),
        (lambda: Blur(kinds={"sinc": 0}), "kinds={'sinc': 0}: one must be more than 0"),
        (lambda: Blur(kinds={"sinc": -1}), "kinds={'sinc': -1}: each must be 0 or more"),
        (lambda: Rescale(up=(0.5, 2), down=(0.5, 1), **EVEN), f"up=[0.5, 2] {RANGE} from 1 to 8"),
        (lambda: Rescale(up=(1, 2), down=(0.5, 2), **EVEN), f"down=[0.5, 2] {RANGE} from 0.01 to 1"),
        (lambda: Rescale(up=(1, 2), down=(0.5, 1), of=0, **EVEN), "of=0 must be 1 or more"),
        (lambda: Shrink(scale=2, modes={"cubic": 1}), "modes has cubic, but there is area, bilinear"),
        (lambda: blur(uniform="beta"), "uniform='beta' must be sigma or variance"),
        (
            lambda: Rescale(up=(1, 2), down=(0.5, 1), uniform=cast(Any, "x"), **EVEN),
            "uniform='x' must be factor",
        ),
        (lambda: CorrelatedNoise(sigma=-1), "sigma=-1 must be 0 or more"),
        (
            lambda: Pipeline(steps={"a": NOISE}, shuffle=["a", "a"]),
            "shuffle=['a', 'a'] must be different names, at most 12",
        ),
        (lambda: JPEG(quality=(0, 50)), f"quality=[0, 50] {RANGE} from 1 to 100"),
        (lambda: JPEG(quality=(50.2, 50.8)), "quality=[50.2, 50.8] must hold a whole number"),
        (lambda: PoissonNoise(strength=(-1, 2)), f"strength=[-1, 2] {RANGE} of at least 0"),
        (lambda: SaltAndPepper(share=(0, 2)), f"share=[0, 2] {RANGE} from 0 to 1"),
        (lambda: Gamma(gamma=(0, 2)), f"gamma=[0, 2] {RANGE} from 0.05 to 20"),
        (lambda: ColourJitter(contrast=(-1, 2)), f"contrast=[-1, 2] {RANGE} of at least 0"),
        (lambda: Quantise(bits=(0, 8)), "bits=[0, 8] must be two whole numbers from 1 to 16"),
        (lambda: Quantise(bits=(8, 4)), "bits=[8, 4] must be two whole numbers from 1 to 16"),
        (lambda: Sharpen(radius=0), "radius=0 must be 1 or more"),
        (lambda: Sometimes(step=NOISE, probability=2), f"probability=2 {PROBABILITY}"),
        (lambda: Sometimes(step=Bicubic(scale=2), probability=1), "the step shrinks by 2, which all"),
        (lambda: OneOf(choices={"a": NOISE}, shares={"b": 1}), "shares has b, but there is a"),
        (
            lambda: OneOf(choices={"a": NOISE, "b": Bicubic(scale=2)}, shares={"a": 1, "b": 1}),
            "a, b shrink by [1, 2]; they must agree",
        ),
        (lambda: Pipeline(steps={"a": NOISE}, shuffle=["b"]), "shuffle has b, but there is a"),
        (
            lambda: Pipeline(steps={"a": NOISE, "b": Bicubic(scale=2)}, shuffle=["a", "b"]),
            "shuffle has b, which must stay in its place",
        ),
        (lambda: GaussianNoise(sigma=(-1, 2)), f"sigma=[-1, 2] {RANGE} of at least 0"),
        (lambda: GaussianNoise(sigma=(0, 2), grey=-0.1), f"grey=-0.1 {PROBABILITY}"),
        (
            lambda: Resample(scale=2, kernel=cast(Kernel, "x")),
            "kernel='x' must be one of nearest, box, bilinear",
        ),
        (lambda: Resample(scale=0), "scale=0 must be 1 or more"),
        (
            lambda: Bicubic(scale=2, border=cast(Border, "x")),
            "border='x' must be one of auto, symmetric, replicate",
        ),
        (lambda: Pipeline(steps={}), "steps is empty; give at least one degradation"),
    ],
)
def test_impossible_values_are_refused_at_once(make: Callable[[], Degradation], message: str) -> None:
    with pytest.raises(ValueError, match=rf"^\w+: {re.escape(message)}"):
        make()


def test_a_range_with_an_upper_limit() -> None:
    assert checked_range([1, 100], owner="X", name="quality", lowest=1, highest=100) == (1.0, 100.0)
    with pytest.raises(
        ValueError, match=r"X: quality=\[1, 101\] must be two numbers \[low, high\] from 1 to 100"
    ):
        checked_range([1, 101], owner="X", name="quality", lowest=1, highest=100)
