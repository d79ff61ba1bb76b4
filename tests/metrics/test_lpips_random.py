"""The stand-in for LPIPS where no weights are at hand: another implementation's number, always the same."""

import hashlib

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from sr_experiments.data.demo import Demo
from sr_experiments.imaging.colour import to_levels
from sr_experiments.imaging.io import read_image, to_tensor
from sr_experiments.imaging.resize import imresize
from sr_experiments.metrics.lpips import RandomLPIPS
from tests.features.networks import hidden, no_network, official


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "urlopen", no_network)


def pair(channels: int = 3, side: int = 64) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(channels)
    gt = torch.randint(0, 256, (2, channels, side, side + 3), generator=generator) / 255
    return gt + 0.2 * torch.randn(gt.shape, generator=generator), gt  # beyond [0, 1] here and there


def test_it_is_the_packages_uncalibrated_distance_of_the_8_bit_images() -> None:
    metric = RandomLPIPS()
    made, trunk = official("alex", heads=False)
    ours = hidden(metric)[0].state_dict()
    trunk.load_state_dict({key: ours[f"features.{key.partition('.')[2]}"] for key in trunk.state_dict()})
    sr, gt = pair()
    expected = made((to_levels(sr) / 255).float(), gt, normalize=True).flatten().double()
    found = metric(sr, gt, lq=sr)
    assert found.shape == (2,)
    assert found.dtype == torch.float64
    assert not found.requires_grad
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=0)


def test_equal_images_have_no_distance_and_each_is_measured_alone() -> None:
    metric, (sr, gt) = RandomLPIPS(), pair()
    assert metric(gt, gt, lq=gt).tolist() == [0, 0]
    alone = torch.cat([metric(sr[i : i + 1], gt[i : i + 1], lq=sr) for i in range(2)])
    torch.testing.assert_close(metric(sr, gt, lq=sr), alone, rtol=1e-6, atol=0)


def digest(metric: RandomLPIPS) -> str:
    tensors = [value for net in hidden(metric) for value in net.state_dict().values()]
    return hashlib.sha256(b"".join(value.numpy().tobytes() for value in tensors)).hexdigest()


def test_it_is_the_same_in_every_run_and_leaves_the_runs_randomness_alone() -> None:
    """A distance that moved with the seed would compare nothing with nothing."""
    digests, draws = set(), []
    for seed in (0, 1):
        torch.manual_seed(seed)
        digests.add(digest(RandomLPIPS()))
        torch.manual_seed(7)
        RandomLPIPS()
        draws.append(torch.rand(3))
    assert len(digests) == 1
    torch.manual_seed(7)
    assert all(torch.equal(draw, torch.rand(3, generator=torch.Generator().manual_seed(7))) for draw in draws)


def test_many_bands_are_the_mean_of_as_many_grey_pictures() -> None:
    metric, (sr, gt) = RandomLPIPS(), pair(channels=5)
    by_band = [metric(sr[:, i : i + 1], gt[:, i : i + 1], lq=sr) for i in range(5)]
    torch.testing.assert_close(metric(sr, gt, lq=sr), torch.stack(by_band).mean(dim=0))
    grey, other = pair(channels=1)
    as_rgb = metric(grey.expand(-1, 3, -1, -1), other.expand(-1, 3, -1, -1), lq=grey)
    torch.testing.assert_close(metric(grey, other, lq=grey), as_rgb)


def test_it_grows_with_what_is_done_to_a_photograph() -> None:
    """More of the same is further away, whatever it is."""
    (item,) = Demo(names=["chelsea"]).items()
    gt = to_tensor(read_image(item.gt))[None, :, 60:252, 120:312]
    metric = RandomLPIPS()
    noise = torch.randn(gt.shape, generator=torch.Generator().manual_seed(0))
    height, width = gt.shape[-2:]
    spoiled = {
        "noise": [(gt + sigma / 255 * noise).clamp(0, 1) for sigma in (2, 8, 32)],
        "bicubic": [
            imresize(imresize(gt, scale=1 / scale), size=(height, width)).clamp(0, 1) for scale in (2, 3, 4)
        ],
        "blocks": [F.interpolate(F.avg_pool2d(gt, k), scale_factor=k) for k in (2, 3, 4)],
    }
    for kind, images in spoiled.items():
        distances = [metric(image, gt, lq=gt).item() for image in images]
        assert 0 < distances[0] < distances[1] < distances[2], (kind, distances)


def test_an_image_too_small_is_refused() -> None:
    sr, gt = pair(side=8)
    with pytest.raises(ValueError, match="LPIPS"):
        RandomLPIPS()(sr, gt, lq=sr)
