"""Each degradation against a closed form, or against what it is made of."""

import math
import re
from collections.abc import Callable
from typing import cast

import numpy as np
import pytest
import torch
from scipy import ndimage, stats
from torch import Tensor

from sr_experiments.degradations.base import Degradation
from sr_experiments.degradations.bicubic import Bicubic
from sr_experiments.degradations.blur import GaussianBlur, gaussian_kernels
from sr_experiments.degradations.noise import GaussianNoise
from sr_experiments.degradations.pipeline import Pipeline
from sr_experiments.degradations.quantise import to_8_bit
from sr_experiments.degradations.ranges import checked_range
from sr_experiments.degradations.resample import Resample
from sr_experiments.imaging.io import read_image
from sr_experiments.imaging.random import Draw
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
            "blur": GaussianBlur(sigma=(0.2, 4.0), anisotropic=0.5),
            "downscale": Resample(scale=scale),
            "noise": GaussianNoise(sigma=(0, 15), grey=0.4),
        }
    )


# ---- Gaussian blur


@pytest.mark.parametrize(("sigma_x", "sigma_y", "degrees"), [(1.3, 1.3, 0), (3.0, 0.8, 0), (3.0, 0.8, 30)])
def test_a_kernel_is_its_closed_form(sigma_x: float, sigma_y: float, degrees: float) -> None:
    angle = math.radians(degrees)
    rotation = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    covariance = rotation @ np.diag([sigma_x**2, sigma_y**2]) @ rotation.T
    x, y = np.meshgrid(np.arange(-10, 11), np.arange(-10, 11))  # x to the right, y downwards
    density = stats.multivariate_normal(cov=covariance).pdf(np.stack([x, y], axis=-1))
    kernel = gaussian_kernels(
        21,
        sigma_x=torch.tensor([sigma_x]),
        sigma_y=torch.tensor([sigma_y]),
        angle=torch.tensor([angle]),
    )[0]
    np.testing.assert_allclose(kernel.numpy(), density / density.sum(), atol=2e-7)


def test_the_smallest_sigma_leaves_the_image_as_it_is() -> None:
    image = images()
    blurred = GaussianBlur(sigma=(0.05, 0.05))(image, seed=0, positions=POSITIONS)
    assert torch.allclose(blurred, image, atol=1e-6)


def test_blur_agrees_with_scipy_sample_by_sample() -> None:
    image = images(4)
    blur = GaussianBlur(kernel_size=11, sigma=(0.5, 2.0), anisotropic=1.0)
    blurred = blur(image, seed=3, positions=POSITIONS[:4])
    kernels = blur.kernels(Draw(3, POSITIONS[:4]))
    for sample in range(4):
        for channel in range(3):
            expected = ndimage.correlate(
                image[sample, channel].double().numpy(), kernels[sample].double().numpy(), mode="mirror"
            )
            np.testing.assert_allclose(blurred[sample, channel].numpy(), expected, atol=2e-6)


def test_drawn_blur_follows_the_configured_ranges() -> None:
    positions = torch.arange(2000)
    kernels = GaussianBlur(kernel_size=41, sigma=(0.5, 4.0), anisotropic=0.3).kernels(Draw(1, positions))
    x = torch.arange(41.0) - 20
    second = torch.stack([(kernels.sum(axis) * x**2).sum(-1) for axis in (1, 2)])  # along x, along y
    mixed = (kernels * x[:, None] * x[None, :]).sum(dim=(1, 2))
    isotropic = ((second[0] - second[1]).abs() < 1e-3) & (mixed.abs() < 1e-3)
    assert stats.binomtest(int(isotropic.sum()), len(positions), 0.7).pvalue > 0.01
    measured = second[0][isotropic].sqrt()
    wide = measured[measured > 1]  # below, pixels are too coarse for the variance to be sigma squared
    assert stats.kstest(wide.numpy(), "uniform", (1, 3)).pvalue > 0.01


def test_a_kernel_larger_than_the_image_is_explained() -> None:
    with pytest.raises(
        ValueError,
        match=r"a kernel of 21 pixels needs images of at least 11 pixels on each side, got 8x8; "
        r"choose larger patches or a smaller kernel_size",
    ):
        GaussianBlur(sigma=(1, 2))(images(side=8), seed=0, positions=POSITIONS)


# ---- noise


def test_noise_has_the_drawn_strength() -> None:
    flat = torch.full((200, 3, 64, 64), 0.5)
    noise = GaussianNoise(sigma=(0, 15))(flat, seed=0, positions=torch.arange(200)) - flat
    sigma = noise.std(dim=(1, 2, 3)) * 255
    assert stats.kstest(sigma.numpy(), "uniform", (0, 15)).pvalue > 0.01
    assert float(noise.mean().abs()) < 1e-4
    standardised = (noise[sigma.argmax()] / noise[sigma.argmax()].std()).flatten().numpy()
    assert stats.kstest(standardised, "norm").pvalue > 0.01


def test_noise_is_white() -> None:
    flat = torch.zeros(1, 3, 200, 200)
    noise = GaussianNoise(sigma=(10, 10))(flat, seed=0, positions=torch.tensor([3]))[0]
    for shifted in (noise.roll(1, 1), noise.roll(1, 2), noise.roll(1, 0), noise.flip(2)):
        assert abs(float((noise * shifted).mean() / noise.square().mean())) < 0.02


def test_grey_noise_comes_as_often_as_configured() -> None:
    flat = torch.zeros(1000, 3, 2, 2)
    noise = GaussianNoise(sigma=(5, 5), grey=0.4)(flat, seed=0, positions=torch.arange(1000))
    grey = (noise == noise[:, :1]).all(dim=(1, 2, 3))
    assert stats.binomtest(int(grey.sum()), 1000, 0.4).pvalue > 0.01


def test_no_noise_at_zero() -> None:
    image = images()
    assert torch.equal(GaussianNoise(sigma=(0, 0))(image, seed=0, positions=POSITIONS), image)


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
        # A convolution may add in another order for another batch: that can tip a pixel over a rounding edge.
        difference = (alone[0] - whole[sample]).abs()
        assert float(difference.max()) <= 1 / 255 + 1e-6
        assert float((difference > 0).double().mean()) < 1e-3


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


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GaussianBlur(sigma=(4.0, 0.2)), f"sigma=[4.0, 0.2] {RANGE}, the smaller one first"),
        (lambda: GaussianBlur(sigma=(0.0, 0.2)), f"sigma=[0.0, 0.2] {RANGE} of at least 0.05"),
        (lambda: GaussianBlur(sigma=(0.2,)), f"sigma=[0.2] {RANGE}"),
        (lambda: GaussianBlur(sigma=(0.2, math.nan)), f"sigma=[0.2, nan] {RANGE}"),
        (lambda: GaussianBlur(kernel_size=20, sigma=(1, 2)), "kernel_size=20 must be odd and at least 3"),
        (lambda: GaussianBlur(kernel_size=1, sigma=(1, 2)), "kernel_size=1 must be odd and at least 3"),
        (lambda: GaussianBlur(sigma=(1, 2), anisotropic=1.5), f"anisotropic=1.5 {PROBABILITY}"),
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
    with pytest.raises(
        ValueError, match=rf"^(Gaussian(Blur|Noise)|Resample|Bicubic|Pipeline): {re.escape(message)}"
    ):
        make()


def test_a_range_with_an_upper_limit() -> None:
    assert checked_range([1, 100], owner="X", name="quality", lowest=1, highest=100) == (1.0, 100.0)
    with pytest.raises(
        ValueError, match=r"X: quality=\[1, 101\] must be two numbers \[low, high\] from 1 to 100"
    ):
        checked_range([1, 101], owner="X", name="quality", lowest=1, highest=100)
