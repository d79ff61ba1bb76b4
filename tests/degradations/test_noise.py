"""Noise by its moments."""

import shlex

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from scipy import linalg, stats
from torch import Tensor

from sr_experiments.check import check
from sr_experiments.config import register
from sr_experiments.degradations.base import Degradation
from sr_experiments.degradations.crops import Crops
from sr_experiments.degradations.noise import (
    CorrelatedNoise,
    GaussianNoise,
    PoissonNoise,
    SaltAndPepper,
    SpeckleNoise,
)
from sr_experiments.imaging.random import Draw
from tests.conftest import ROOT

POSITIONS = torch.arange(100, 116)


def noise_of(degradation: Degradation, image: Tensor, *, first: int = 0) -> Tensor:
    noisy: Tensor = degradation(image, seed=0, positions=torch.arange(first, first + len(image)))
    return noisy - image


def test_gaussian_noise_has_the_drawn_strength() -> None:
    noise = noise_of(GaussianNoise(sigma=(0, 15)), torch.full((200, 3, 64, 64), 0.5))
    sigma = noise.std(dim=(1, 2, 3)) * 255
    assert stats.kstest(sigma.numpy(), "uniform", (0, 15)).pvalue > 0.01
    assert float(noise.mean().abs()) < 1e-4
    standardised = (noise[sigma.argmax()] / noise[sigma.argmax()].std()).flatten().numpy()
    assert stats.kstest(standardised, "norm").pvalue > 0.01


def test_noise_is_white() -> None:
    noise = noise_of(GaussianNoise(sigma=(10, 10)), torch.zeros(1, 3, 200, 200), first=3)[0]
    for shifted in (noise.roll(1, 1), noise.roll(1, 2), noise.roll(1, 0), noise.flip(2)):
        assert abs(float((noise * shifted).mean() / noise.square().mean())) < 0.02


@pytest.mark.parametrize("kind", [GaussianNoise, PoissonNoise, SpeckleNoise])
def test_grey_noise_comes_as_often_as_configured(kind: type[Degradation]) -> None:
    argument = "strength" if kind is PoissonNoise else "sigma"
    image = torch.rand(1000, 1, 2, 2, generator=torch.Generator().manual_seed(0)).expand(-1, 3, -1, -1)
    noise = noise_of(kind(**{argument: (5, 5), "grey": 0.4}), image)  # type: ignore[arg-type]
    grey = (noise - noise[:, :1]).abs().amax(dim=(1, 2, 3)) < 1e-6
    # Poisson noise of a pixel can be the same in all channels by chance, that of four pixels seldom.
    assert stats.binomtest(int(grey.sum()), 1000, 0.4).pvalue > 0.001


@pytest.mark.parametrize("level", [3, 40, 128, 250])
def test_poisson_noise_has_the_moments_of_its_counts(level: int) -> None:
    """Two values in the image: 2 is the smallest power of two, so white is a count of 2."""
    image = torch.full((1, 1, 300, 300), level / 255)
    image[..., :150] = 0
    noise = noise_of(PoissonNoise(strength=(1, 1)), image)[..., 150:].double()
    expected = level / 255 * 2
    counts = ((noise + level / 255) * 2).round()
    assert abs(counts.mean() - expected) < 4 * (expected / counts.numel()) ** 0.5
    high = int(counts.max()) + 1
    observed = np.bincount(counts.flatten().int().numpy(), minlength=high)
    probable = stats.poisson(expected).pmf(np.arange(high)) * counts.numel()
    enough = probable > 10
    assert (
        stats.chisquare(
            observed[enough], probable[enough] * observed[enough].sum() / probable[enough].sum()
        ).pvalue
        > 0.01
    )


def test_poisson_counts_grow_with_the_number_of_values() -> None:
    """Variance of a share of white: expected share / white, where white is 256 for 129 to 256 values."""
    ramp = torch.arange(256.0).repeat(200, 1)[None, None] / 255
    noise = noise_of(PoissonNoise(strength=(1, 1)), ramp)[0, 0].double()
    measured = noise.var(dim=0)[64:] / (ramp[0, 0, 0, 64:] / 256)
    assert abs(float(measured.mean()) - 1) < 0.02
    doubled = noise_of(PoissonNoise(strength=(2, 2)), ramp)[0, 0].double()
    torch.testing.assert_close(doubled, 2 * noise, atol=1e-6, rtol=0)


def test_speckle_is_proportional_to_the_image() -> None:
    image = torch.ones(1, 1, 200, 200)
    image[..., 100:] = 0.25
    noise = noise_of(SpeckleNoise(sigma=(20, 20)), image)
    white, dark = noise[..., :100].std(), noise[..., 100:].std()
    assert float(white) == pytest.approx(20 / 255, rel=0.02)
    assert float(dark) == pytest.approx(5 / 255, rel=0.02)


def test_speckle_takes_the_place_of_other_noise_as_the_page_on_radar_says() -> None:
    """docs/fields/satellite.md: the step's _target_ and sigma are all that is said."""
    page = (ROOT / "docs" / "fields" / "satellite.md").read_text(encoding="utf-8")
    (line,) = [line for line in page.splitlines() if line.startswith("python ") and "SpeckleNoise" in line]
    register()
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = compose(
            "config", overrides=["name=toy", *shlex.split(line)[3:], "degradation.steps.noise.sigma=[20,20]"]
        )
    check(config)
    image = torch.full((1, 1, 400, 400), 0.5)
    image[..., 200:] = 0.125
    lq = instantiate(config.degradation)(image, seed=0, positions=torch.zeros(1, dtype=torch.int64))
    assert lq.shape == (1, 1, 200, 200)
    bright, dark = lq[..., 20:80], lq[..., 120:180]
    assert float(bright.std()) == pytest.approx(10 / 255, rel=0.03)
    assert float(dark.std()) == pytest.approx(2.5 / 255, rel=0.03)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_correlated_noise_has_the_covariance_of_its_sample(channels: int) -> None:
    """Computed again by numpy from the two draws, as the release computes it."""
    image = torch.full((4, channels, 200, 200), 0.5)
    noise = noise_of(CorrelatedNoise(sigma=25), image).double().flatten(2).numpy()
    draw = Draw(0, torch.arange(4))
    variances = draw.uniform("variances", (channels,)).double().numpy()
    directions = draw.uniform("directions", (channels, channels)).double().numpy()
    for number in range(4):
        base = linalg.orth(directions[number])
        expected = np.abs((25 / 255) ** 2 * base.T @ np.diag(variances[number]) @ base)
        # It need not be a covariance after that: the release's generator goes by its spectrum.
        _, values, rows = np.linalg.svd(expected)
        expected = (np.sqrt(values)[:, None] * rows).T @ (np.sqrt(values)[:, None] * rows)
        found = np.cov(noise[number]).reshape(channels, channels)
        assert np.abs(found - expected).max() < 0.05 * expected.max()


def test_dead_pixels() -> None:
    image = torch.full((300, 3, 50, 50), 0.5)
    spoilt = SaltAndPepper(share=(0, 0.2))(image, seed=0, positions=torch.arange(300))
    white, black = ((spoilt == value).all(dim=1).double().mean(dim=(1, 2)) for value in (1.0, 0.0))
    assert ((spoilt == 0.5).all(dim=1) | (spoilt == 1).all(dim=1) | (spoilt == 0).all(dim=1)).all()
    assert stats.kstest((white + black).numpy(), "uniform", (0, 0.2)).pvalue > 0.01
    assert float((white - black).mean().abs()) < 0.002


def test_no_noise_at_zero() -> None:
    image = torch.rand(16, 3, 20, 20)
    for nothing in (GaussianNoise(sigma=(0, 0)), PoissonNoise(strength=(0, 0)), SaltAndPepper(share=(0, 0))):
        assert torch.equal(nothing(image, seed=0, positions=POSITIONS), image)


def test_clipped_or_not() -> None:
    image = torch.ones(16, 3, 20, 20)
    assert GaussianNoise(sigma=(30, 30))(image, seed=0, positions=POSITIONS).max() > 1
    assert GaussianNoise(sigma=(30, 30), clip=True)(image, seed=0, positions=POSITIONS).max() == 1


def test_noise_belongs_to_the_image_and_not_to_the_tensor_it_lies_in() -> None:
    pixels = torch.rand(2, 3, 20, 24)
    crops = Crops(pixels, torch.tensor([20, 7]), torch.tensor([24, 9]), torch.arange(2), (20, 24))
    for kind in (
        GaussianNoise(sigma=(9, 9), grey=0.5),
        PoissonNoise(strength=(1, 1)),
        SaltAndPepper(share=(0.1, 0.1)),
    ):
        whole = kind.spoil(crops, Draw(0, POSITIONS[:2]))
        alone = kind(pixels[1:, :, :7, :9], seed=0, positions=POSITIONS[1:2])
        assert torch.equal(whole.pixels[1, :, :7, :9], alone[0])
