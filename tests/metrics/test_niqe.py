"""NIQE against BasicSR, MATLAB, a second implementation in numpy, and closed forms."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import savemat
from scipy.ndimage import correlate
from scipy.special import gamma, gammaincinv
from torch import Tensor

from sr_experiments.features import pretrained
from sr_experiments.features.pretrained import NotAtHand
from sr_experiments.imaging.colour import to_channels, to_levels
from sr_experiments.imaging.io import read_image, to_tensor
from sr_experiments.imaging.resize import imresize
from sr_experiments.metrics import niqe as niqe_module
from sr_experiments.metrics.niqe import NIQE, distance_between, eight_bit_luma, fit, normalised
from sr_experiments.metrics.pristine import find_model, read_model
from tests.conftest import benchmark_dir

PLACES = np.arange(36.0)
MADE_MEAN = 0.2 + 0.1 * np.cos(PLACES)
MADE_COVARIANCE = 0.05 * np.exp(-np.abs(PLACES[:, None] - PLACES[None, :]) / 6)


@pytest.fixture
def made(tmp_path: Path) -> str:
    """A model of nobody's: NIQE's machinery can be held against another's without the published file."""
    np.savez(tmp_path / "made.npz", mu=MADE_MEAN, cov=MADE_COVARIANCE)
    return str(tmp_path / "made.npz")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of torch hub, and no package that has the model."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(pretrained, "find_spec", lambda name: None)
    return tmp_path / "torch" / "hub" / "checkpoints"


def measured(metric: NIQE, image: Tensor) -> float:
    return metric(image, image, lq=image).item()


def photograph(name: str) -> Tensor:
    return to_tensor(read_image(benchmark_dir("Set14", f"{name}.png")))[None]


def texture(height: int, width: int, *, channels: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(height + channels)
    rough = torch.rand(1, channels, height // 4 + 1, width // 4 + 1, generator=generator)
    smooth = imresize(rough, scale=4)[..., :height, :width]
    return (0.8 * smooth + 0.2 * torch.rand(1, channels, height, width, generator=generator)).clamp(0, 1)


# --- against others -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("img_003", 22.543581144965895),  # grey
        ("img_004", 20.9500768716151),
        ("img_005", 22.215640572967562),
        ("img_007", 19.260642205444373),
        ("img_010", 22.232839827489165),
    ],
)
def test_basicsr_gives_the_same(name: str, expected: float, made: str) -> None:
    """BasicSR 1.4.2's `niqe` on Set14 with the made model, every float32 in its text made float64.

    As it is, in float32, it gives 22.543583 22.215638 19.260641 22.232839 for the first, third, fourth and
    fifth. It deviates from the authors' MATLAB in nothing but precision, and in what rounding leaves in flat
    areas; these five images have none.
    """
    assert measured(NIQE(parameters=made), photograph(name)) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("img_003", 2.512162), ("img_005", 4.138836), ("img_007", 2.885721), ("img_010", 3.662172)],
)
def test_published_model(name: str, expected: float) -> None:
    """BasicSR 1.4.2 as it is (float32) with the published model."""
    assert measured(_with_published_model(), photograph(name)) == pytest.approx(expected, abs=1e-5)


def test_matlab_on_the_baboon() -> None:
    """MATLAB R2021a gives 5.72957338, says BasicSR's docstring, and BasicSR 5.7295763."""
    value = measured(_with_published_model(), photograph("img_001"))
    assert value == pytest.approx(5.72957338, abs=1e-6)


def _with_published_model() -> NIQE:
    try:
        return NIQE()
    except NotAtHand as missing:
        pytest.skip(str(missing))


def _numpy_fit(values: np.ndarray) -> tuple[float, float, float]:
    shapes = np.arange(200, 10001) / 1000
    curve = gamma(2 / shapes) ** 2 / (gamma(1 / shapes) * gamma(3 / shapes))
    left, right = (np.sqrt(np.mean(side**2)) for side in (values[values < 0], values[values > 0]))
    g = left / right
    wanted = np.mean(np.abs(values)) ** 2 / np.mean(values**2) * (g**3 + 1) * (g + 1) / (g**2 + 1) ** 2
    shape = shapes[np.argmin((curve - wanted) ** 2)]
    scale = np.sqrt(gamma(1 / shape) / gamma(3 / shape))
    return shape, left * scale, right * scale


def _numpy_niqe(luma: np.ndarray, block: int, *, flat: float = 0.0) -> float:
    """Block by block, with a two-dimensional window and a full inverse."""
    grid = np.arange(-3, 4)
    window = np.exp(-(grid[:, None] ** 2 + grid[None, :] ** 2) / (2 * (7 / 6) ** 2))
    window /= window.sum()
    rows, columns = luma.shape[0] // block, luma.shape[1] // block
    image, table = luma[: rows * block, : columns * block], []
    for side in (block, block // 2):
        mean = correlate(image, window, mode="nearest")
        deviation = np.sqrt(np.abs(correlate(image**2, window, mode="nearest") - mean**2))
        structure = (image - mean) / (deviation + 1)
        structure[np.abs(structure) < flat] = 0
        lines = []
        for row in range(rows):
            for column in range(columns):
                x = structure[row * side : (row + 1) * side, column * side : (column + 1) * side]
                shape, left, right = _numpy_fit(x)
                line = [shape, (left + right) / 2]
                for neighbour in (
                    np.roll(x, 1, axis=1),
                    np.roll(x, 1, axis=0),
                    np.roll(x, (1, 1), axis=(0, 1)),
                    np.roll(x, (1, -1), axis=(0, 1)),
                ):
                    shape, left, right = _numpy_fit(x * neighbour)
                    line += [shape, (right - left) * gamma(2 / shape) / gamma(1 / shape), left, right]
                lines.append(line)
        table.append(lines)
        image = imresize(torch.from_numpy(image), scale=0.5).numpy()
    features = np.concatenate(table, axis=1)
    difference = MADE_MEAN - features.mean(axis=0)
    pooled = (MADE_COVARIANCE + np.cov(features.T)) / 2
    return math.sqrt(difference @ np.linalg.solve(pooled, difference))


@pytest.mark.parametrize(("height", "width", "block"), [(70, 100, 32), (96, 50, 24), (192, 200, 96)])
def test_a_second_implementation_gives_the_same(height: int, width: int, block: int, made: str) -> None:
    image = texture(height, width)
    levels = np.floor(image[0, 0].double().numpy() * 255 + 0.5)
    expected = _numpy_niqe(levels, block)
    assert measured(NIQE(parameters=made, block=block), image) == pytest.approx(expected, abs=1e-9)


# --- closed forms -------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [0.5, 1.0, 2.0, 4.0])
@pytest.mark.parametrize(("left", "right"), [(1.0, 1.0), (0.5, 2.0)])
def test_the_fit_recovers_what_samples_were_made_from(shape: float, left: float, right: float) -> None:
    """Quantiles in the place of random samples: |x / scale| ** shape is Gamma(1 / shape) distributed."""
    count = 200_000
    below = round(count * left / (left + right))
    sides = []
    for scale, number in ((-left, below), (right, count - below)):
        places = (np.arange(number) + 0.5) / number
        sides.append(scale * gammaincinv(1 / shape, places) ** (1 / shape))
    found = fit(torch.from_numpy(np.concatenate(sides))[None])
    assert [value.item() for value in found] == pytest.approx([shape, left, right], rel=3e-3)


def test_the_fit_stays_inside_its_candidates() -> None:
    """Two values only are beyond the largest shape, a spike in zeros is below the smallest."""
    spike = torch.zeros(1, 10_000, dtype=torch.float64)
    spike[0, :2] = torch.tensor([-1.0, 1.0])
    coin = torch.tensor([-1.0, 1.0], dtype=torch.float64).repeat(500)[None]
    assert fit(coin)[0].item() == 10.0
    assert fit(spike)[0].item() == 0.2


def test_the_distance_is_mahalanobis() -> None:
    """Features whose covariance is the model's, and whose mean is a step away."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(200, 36, generator=generator, dtype=torch.float64) @ torch.randn(
        36, 36, generator=generator, dtype=torch.float64
    )
    covariance = features.T.cov()
    step = torch.linspace(-1, 1, 36, dtype=torch.float64)
    distance = distance_between(features, mean=features.mean(dim=0) + step, covariance=covariance)
    assert distance.item() == pytest.approx(math.sqrt(step @ torch.linalg.solve(covariance, step)), rel=1e-9)


def test_a_block_without_a_fit_counts_where_it_has_a_number() -> None:
    """As MATLAB's nanmean and nancov have it."""
    generator = torch.Generator().manual_seed(0)
    features = torch.rand(9, 36, generator=generator, dtype=torch.float64)
    features[4, 7] = torch.nan
    mean = torch.from_numpy(np.nanmean(features.numpy(), axis=0)) + 0.1
    whole = np.delete(features.numpy(), 4, axis=0)
    pooled = (MADE_COVARIANCE + np.cov(whole.T)) / 2
    expected = math.sqrt(np.full(36, 0.1) @ np.linalg.solve(pooled, np.full(36, 0.1)))
    distance = distance_between(features, mean=mean, covariance=torch.from_numpy(MADE_COVARIANCE))
    assert distance.item() == pytest.approx(expected, rel=1e-9)


# --- flat areas, colour, what cannot be measured ------------------------------------------------------


def test_flat_areas_are_no_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """What sums leave there, 1e-14 of either sign, would be counted among the negatives and positives."""
    flat = [torch.full((1, 20, 20), float(level), dtype=torch.float64) for level in range(256)]
    assert not any(normalised(image).any() for image in flat)
    monkeypatch.setattr(niqe_module, "_ROUNDING", 0.0)
    assert any(normalised(image).any() for image in flat), "or there would be nothing to guard against"


def test_a_photograph_with_flat_areas_has_the_value_of_exact_arithmetic(made: str) -> None:
    """With a two-dimensional window in the place of two passes, and small values set to 0 by hand.

    BasicSR has 16.272 for it in float32 and 17.386 in float64.
    """
    image = photograph("img_006")
    luma = eight_bit_luma(image)[0, 0].numpy()
    expected = _numpy_niqe(luma, 96, flat=1e-9)
    assert measured(NIQE(parameters=made), image) == pytest.approx(expected, abs=1e-9)
    assert abs(_numpy_niqe(luma, 96) - expected) > 0.1


def test_luma_is_matlabs_rounded_luma() -> None:
    for folder in ("Set5/original", "Set14"):
        for path in sorted(benchmark_dir(folder).iterdir()):
            image = read_image(path)
            expected = torch.from_numpy(to_channels(image, channels=1)[..., 0])
            assert torch.equal(eight_bit_luma(to_tensor(image)[None])[0, 0], expected.double()), path.name


def test_each_image_is_measured_alone_and_as_it_would_be_written(made: str) -> None:
    metric = NIQE(parameters=made, block=32)
    batch = torch.cat([texture(70, 100, channels=3), texture(70, 100, channels=3).flip(-1) * 0.7])
    together = metric(batch, batch, lq=batch)
    assert together.dtype == torch.float64
    assert together.tolist() == [measured(metric, batch[:1]), measured(metric, batch[1:])]
    rounded = to_levels(batch) / 255
    assert torch.equal(metric(rounded, rounded, lq=rounded), together)
    assert measured(metric, batch[:1, :1] * 3) == measured(metric, (batch[:1, :1] * 3).clamp(0, 1))


def test_neither_gt_nor_lq_is_looked_at(made: str) -> None:
    metric, image = NIQE(parameters=made, block=32), texture(70, 100)
    other = torch.full((1, 1, 1, 1), torch.nan)
    assert metric(image, other, lq=other).item() == measured(metric, image)
    assert not metric.higher_is_better
    assert metric.state_dict() == {}


def test_noise_and_blur_are_less_natural_than_a_photograph() -> None:
    metric, image = _with_published_model(), photograph("img_003")
    noisy = image + 0.1 * torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
    blurred = imresize(imresize(image, scale=0.25), scale=4)
    assert measured(metric, image) < min(measured(metric, noisy), measured(metric, blurred))


def test_what_has_no_value_is_no_number(made: str) -> None:
    metric = NIQE(parameters=made, block=32)
    diverged = texture(70, 100).repeat(2, 1, 1, 1)
    diverged[1, 0, 5, 5] = torch.nan
    assert metric(diverged, diverged, lq=diverged).isnan().tolist() == [False, True]
    assert math.isnan(measured(metric, torch.full((1, 3, 70, 100), 0.5)))


def test_images_of_fewer_than_two_blocks_are_refused(made: str) -> None:
    metric = NIQE(parameters=made)
    measured(metric, texture(96, 192))
    message = r"NIQE needs two blocks of 96x96 pixels, and this image is 191x191: leave it out"
    with pytest.raises(ValueError, match=message):
        measured(metric, texture(191, 191))


def test_bands_and_odd_blocks_are_refused(made: str) -> None:
    with pytest.raises(ValueError, match=r"NIQE measures grey or RGB images .* and these are \(1, 4, 192"):
        measured(NIQE(parameters=made), torch.rand(1, 4, 192, 192))
    for block in (95, 6):
        with pytest.raises(ValueError, match=f"block={block}: a block is halved, so its side must be even"):
            NIQE(parameters=made, block=block)


# --- the pristine model -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mean", "covariance"),
    [("mu_prisparam", "cov_prisparam"), ("mu_pris_param", "cov_pris_param"), ("pop_mu", "pop_cov")],
)
@pytest.mark.parametrize("suffix", [".mat", ".npz"])
def test_reads_the_usual_names(tmp_path: Path, mean: str, covariance: str, suffix: str) -> None:
    path = tmp_path / f"model{suffix}"
    arrays = {mean: MADE_MEAN[None], covariance: MADE_COVARIANCE, "gaussian_window": np.ones((7, 7))}
    savemat(path, arrays) if suffix == ".mat" else np.savez(path, **arrays)
    found = read_model(path)
    assert np.array_equal(found[0], MADE_MEAN)
    assert np.array_equal(found[1], MADE_COVARIANCE)


def test_the_cache_is_looked_into(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(NotAtHand) as caught:
        NIQE()
    assert str(caught.value) == (
        "NIQE's pristine model is not at hand: put niqe_pris_params.npz (it is in BasicSR's source archive "
        "and in MMagic's wheel; unpacked, neither needs installing) or modelparameters.mat (of the authors' "
        f"NIQE release) into {cache}; or name it with metric.niqe.parameters=FILE"
    )
    cache.mkdir(parents=True)
    savemat(cache / "modelparameters.mat", {"mu_prisparam": MADE_MEAN, "cov_prisparam": MADE_COVARIANCE})
    assert find_model(None) == cache / "modelparameters.mat"
    np.savez(cache / "niqe_pris_params.npz", mu=MADE_MEAN, cov=MADE_COVARIANCE)
    assert find_model(None) == cache / "niqe_pris_params.npz"
    own = tmp_path / "own.npz"
    own.touch()
    assert find_model(str(own)) == own
    with pytest.raises(FileNotFoundError, match=r"parameters=.*gone\.npz: there is no such file; give NIQ"):
        find_model(str(tmp_path / "gone.npz"))


def test_an_installed_package_is_looked_into_and_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "site" / "basicsr"
    (folder / "metrics").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('imported')")
    np.savez(folder / "metrics" / "niqe_pris_params.npz", mu=MADE_MEAN, cov=MADE_COVARIANCE)
    monkeypatch.syspath_prepend(str(folder.parent))
    assert find_model(None) == folder / "metrics" / "niqe_pris_params.npz"


def test_scikit_videos_model_is_refused(tmp_path: Path) -> None:
    """Its features have the left scale of the diagonal products twice: another distance under NIQE's name."""
    mean = MADE_MEAN.copy()
    for left in (12, 16, 30, 34):
        mean[left + 1] = mean[left]
    savemat(tmp_path / "niqe_image_params.mat", {"pop_mu": mean, "pop_cov": MADE_COVARIANCE})
    with pytest.raises(ValueError, match=r"is a model of other features .* distances from it are no NIQE"):
        NIQE(parameters=str(tmp_path / "niqe_image_params.mat"))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"a": MADE_MEAN},
            r"holds a: NIQE's pristine model has a mean \(mu_prisparam, .*\) and a covariance",
        ),
        (
            {"mu": np.ones(18), "cov": MADE_COVARIANCE},
            r"of 36 numbers and .* these are \(18,\) and \(36, 3",
        ),
        ({"mu": MADE_MEAN * np.nan, "cov": MADE_COVARIANCE}, "numbers that are not finite; is it damaged"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, arrays: dict[str, np.ndarray], message: str) -> None:
    np.savez(tmp_path / "other.npz", **arrays)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=message):
        read_model(tmp_path / "other.npz")


@pytest.mark.parametrize("content", [b"", b"no model at all, but long enough to be one" * 20])
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "broken.mat").write_bytes(content)
    with pytest.raises(ValueError, match=r"broken\.mat cannot be read as NIQE's pristine model \(\w+\): giv"):
        read_model(tmp_path / "broken.mat")
    np.savez(tmp_path / "pickled.npz", mu=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match=r"pickled\.npz cannot be read as NIQE's pristine model \(ValueErr"):
        read_model(tmp_path / "pickled.npz")
