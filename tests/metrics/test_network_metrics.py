"""LPIPS and DISTS as metrics: what they make of a net's output before they compare."""

from pathlib import Path

import lpips as official_lpips
import pytest
import torch
from torch import Tensor

from sr_experiments.features.dists import DISTSDistance
from sr_experiments.features.lpips import LPIPSDistance
from sr_experiments.features.pretrained import NotAtHand
from sr_experiments.features.trunks import ALEXNET
from sr_experiments.imaging.colour import to_levels
from sr_experiments.metrics.base import ImageMetric
from sr_experiments.metrics.dists import DISTS
from sr_experiments.metrics.lpips import LPIPS
from tests.features.networks import no_network, official, torchvision_vgg, write_official_trunk, write_trunk

NAMES = pytest.mark.parametrize("name", ["lpips", "dists"])


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("trunks")
    return {
        "lpips": write_official_trunk(official("alex")[1], folder / "alex.pth"),
        "dists": str(write_trunk(torchvision_vgg("D"), folder, name="vgg16")),
    }


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(torch.hub, "urlopen", no_network)
    return tmp_path / "torch" / "hub" / "checkpoints"


def make(name: str, files: dict[str, str]) -> ImageMetric:
    return LPIPS(weights=files["lpips"]) if name == "lpips" else DISTS(weights=files["dists"])


def pair(channels: int = 3, side: int = 40) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(channels)
    gt = torch.randint(0, 256, (2, channels, side, side + 3), generator=generator) / 255
    return gt + 0.2 * torch.randn(gt.shape, generator=generator), gt  # beyond [0, 1] here and there


@NAMES
def test_it_is_the_distance_of_the_8_bit_images(name: str, files: dict[str, str]) -> None:
    metric, (sr, gt) = make(name, files), pair()
    distance = (
        LPIPSDistance(net="alex", weights=files[name])
        if name == "lpips"
        else DISTSDistance(weights=files[name])
    )
    found = metric(sr, gt, lq=sr)
    assert found.dtype == torch.float64
    assert found.shape == (2,)
    assert not found.requires_grad
    rounded = (to_levels(sr) / 255).float()
    torch.testing.assert_close(found, distance(rounded, gt).double(), rtol=1e-5, atol=0)
    assert not torch.allclose(found, distance(sr, gt).double(), rtol=1e-3)
    assert not metric.higher_is_better
    assert metric.state_dict() == {}
    assert list(metric.parameters()) == []


def test_lpips_of_the_package_is_the_same_number(files: dict[str, str]) -> None:
    """By the package's own way with an image file: levels / 127.5 - 1."""
    made, _ = official("alex")
    sr, gt = pair()
    as_files = (official_lpips.im2tensor(to_levels(image)[0].permute(1, 2, 0).numpy()) for image in (sr, gt))
    expected = made(*as_files).item()
    assert LPIPS(weights=files["lpips"])(sr, gt, lq=sr)[0].item() == pytest.approx(expected, rel=1e-5)


@NAMES
def test_each_image_is_measured_alone(name: str, files: dict[str, str]) -> None:
    metric, (sr, gt) = make(name, files), pair()
    together = metric(sr, gt, lq=sr)
    alone = torch.cat([metric(sr[i : i + 1], gt[i : i + 1], lq=sr) for i in range(2)])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=0)


@NAMES
def test_equal_files_are_equal(name: str, files: dict[str, str]) -> None:
    """Also where the net was off by less than a rounding."""
    _, gt = pair()
    assert make(name, files)(gt + 0.4 / 255, gt.clamp(max=1 - 1 / 255), lq=gt).max() > 0
    inside = gt.clamp(max=254 / 255)
    assert make(name, files)(inside + 0.4 / 255, inside, lq=gt).tolist() == [0.0, 0.0]


@NAMES
def test_grey_is_rgb_of_three_equal_channels(name: str, files: dict[str, str]) -> None:
    metric, (sr, gt) = make(name, files), pair(1)
    rgb = [image.repeat(1, 3, 1, 1) for image in (sr, gt)]
    torch.testing.assert_close(metric(sr, gt, lq=sr), metric(*rgb, lq=sr), rtol=1e-5, atol=0)


@NAMES
def test_a_diverged_net_shows(name: str, files: dict[str, str]) -> None:
    sr, gt = pair()
    sr[1, 0, 20, 20] = torch.nan
    assert make(name, files)(sr, gt, lq=sr).isnan().tolist() == [False, True]


@NAMES
def test_precision_is_kept_under_autocast_and_in_half_precision(name: str, files: dict[str, str]) -> None:
    metric, (sr, gt) = make(name, files), pair()
    expected = metric(sr, gt, lq=sr)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(metric(sr, gt, lq=sr), expected)
    assert torch.equal(metric.to(torch.bfloat16)(sr, gt, lq=sr), expected)


@NAMES
def test_bands_and_different_shapes_are_refused(name: str, files: dict[str, str]) -> None:
    metric = make(name, files)
    message = (
        rf"{name.upper()} measures grey or RGB images \(B, 1 or 3, H, W\), and these are \(2, 4, 40, 43\): "
        "images of other bands have psnr_bands, ssim_bands and metric=lr_psnr"
    )
    with pytest.raises(ValueError, match=message):
        metric(*pair(4), lq=pair(4)[0])
    with pytest.raises(ValueError, match="metrics compare"):
        metric(torch.rand(1, 3, 40, 40), torch.rand(1, 3, 40, 44), lq=torch.rand(1))


def test_images_too_small_for_alexnet_are_refused(files: dict[str, str]) -> None:
    metric = LPIPS(weights=files["lpips"])
    metric(torch.rand(1, 3, 31, 31), torch.rand(1, 3, 31, 31), lq=torch.rand(1))
    with pytest.raises(
        ValueError, match="LPIPS needs images of at least 31 pixels a side, and this one is 40x30: leave"
    ):
        metric(torch.rand(1, 3, 40, 30), torch.rand(1, 3, 40, 30), lq=torch.rand(1))


@pytest.mark.parametrize(
    ("metric", "file"), [(LPIPS, "alexnet-owt-7be5be79.pth"), (DISTS, "vgg16-397923af.pth")]
)
def test_nothing_is_measured_with_random_features(metric, file: str, cache: Path) -> None:
    with pytest.raises(NotAtHand, match=f"/{file} into "):
        metric()
    with pytest.raises(ValueError, match="no network in this test"):
        metric(download=True)


@NAMES
def test_a_named_file_that_is_missing_is_said_so(name: str, tmp_path: Path) -> None:
    gone = {kind: str(tmp_path / "gone.pth") for kind in ("lpips", "dists")}
    with pytest.raises(FileNotFoundError, match=r"weights=.*gone\.pth: there is no such file"):
        make(name, gone)


def test_another_trunk_is_refused(files: dict[str, str]) -> None:
    assert ALEXNET.published.name == "AlexNet"
    with pytest.raises(ValueError, match=r"does not hold the weights of AlexNet: features\.0\.weight sho"):
        LPIPS(weights=files["dists"])
