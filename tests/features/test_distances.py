"""LPIPS and DISTS against the lpips package and torchmetrics: one distance an image, with made weights."""

import copy
import pickle
from pathlib import Path
from typing import Literal

import pytest
import torch
import torchmetrics.functional.image.dists as official_dists
from torch import nn
from torchmetrics.functional.image.dists import DISTSNetwork

from sr_experiments.features import dists as dists_module
from sr_experiments.features import lpips as lpips_module
from sr_experiments.features import pretrained
from sr_experiments.features.dists import CHANNELS, DISTSDistance, find_heads
from sr_experiments.features.lpips import LPIPSDistance
from sr_experiments.features.pretrained import NotAtHand
from sr_experiments.features.trunks import VGG16, L2Pool, Trunk
from tests.features.networks import (
    hidden,
    images,
    no_network,
    official,
    torchvision_vgg,
    write_official_trunk,
    write_trunk,
)


@pytest.fixture(scope="module")
def vgg16() -> nn.Sequential:
    return torchvision_vgg("D")


@pytest.fixture(scope="module")
def vgg16_file(vgg16: nn.Sequential, tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_trunk(vgg16, tmp_path_factory.mktemp("made"), name="vgg16"))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of torch hub, and no way to the network."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(torch.hub, "urlopen", no_network)
    return tmp_path / "torch" / "hub" / "checkpoints"


def made_heads(path: Path, *, seed: int = 1) -> str:
    """A file of alpha and beta as the authors' is made, of other numbers whose sum is not 1."""
    generator = torch.Generator().manual_seed(seed)
    shape = (1, sum(CHANNELS), 1, 1)
    torch.save({name: torch.rand(shape, generator=generator) for name in ("alpha", "beta")}, path)
    return str(path)


def torchmetrics_dists(
    monkeypatch: pytest.MonkeyPatch, vgg: nn.Sequential, heads: str | None
) -> DISTSNetwork:
    """torchmetrics' DISTS on the same trunk; its constructor would download one."""
    full = nn.Module()
    full.features = copy.deepcopy(vgg)
    monkeypatch.setattr(official_dists, "vgg16", lambda weights: full)
    network = DISTSNetwork(load_weights=heads is None)
    if heads is not None:
        state = torch.load(heads)
        network.alpha.data, network.beta.data = state["alpha"], state["beta"]
    return network.double()


# --- LPIPS ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("net", ["alex", "vgg"])
def test_lpips_of_each_image_is_the_packages(net: Literal["alex", "vgg"], tmp_path: Path) -> None:
    made, trunk = official(net)
    distance = LPIPSDistance(net=net, weights=write_official_trunk(trunk, tmp_path / "trunk.pth")).double()
    sr, gt = (image.detach().double() for image in images(side=48))
    expected = made.double()(sr, gt, normalize=True).flatten()
    torch.testing.assert_close(distance(sr, gt), expected.detach(), rtol=1e-6, atol=0)
    assert distance(sr, gt).shape == (2,)
    assert expected[0] != expected[1]


def test_lpips_heads_are_never_negative() -> None:
    """A negative weight would reward a difference."""
    shapes = {f"lin{place}": (1, count, 1, 1) for place, count in enumerate((64, 128, 256, 512, 512))}
    heads = lpips_module._heads("vgg", shapes)
    assert all((head >= 0).all() and head.sum() > 0 for head in heads.values())


# --- DISTS ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("heads", ["made", "authors"])
@pytest.mark.parametrize(("height", "width"), [(48, 48), (37, 50), (16, 3)])
def test_dists_is_torchmetrics(
    heads: str,
    height: int,
    width: int,
    vgg16: nn.Sequential,
    vgg16_file: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In float64, with gradients; odd sides show the padding of the pooling."""
    file = made_heads(tmp_path / "heads.pt") if heads == "made" else None
    distance = DISTSDistance(weights=vgg16_file, heads=file).double()
    theirs = torchmetrics_dists(monkeypatch, vgg16, file)
    generator = torch.Generator().manual_seed(5)
    sr, gt = torch.rand(2, 2, 3, height, width, generator=generator, dtype=torch.float64)
    sr.requires_grad_()
    value, expected = distance(sr, gt), theirs(sr, gt, require_grad=True)
    assert value.shape == (2,)
    torch.testing.assert_close(value, expected, rtol=1e-6, atol=1e-8)
    assert (value > 1e-3).all()
    ours, others = (torch.autograd.grad(total.sum(), sr)[0] for total in (value, expected))
    torch.testing.assert_close(ours, others, rtol=1e-5, atol=1e-5 * float(others.abs().max()))


def test_dists_in_float32_is_that_of_float64(vgg16_file: str) -> None:
    sr, gt = (image.detach() for image in images(side=48))
    distance = DISTSDistance(weights=vgg16_file)
    single = distance(sr, gt)
    assert single.dtype == torch.float32
    torch.testing.assert_close(
        single.double(), distance.double()(sr.double(), gt.double()), rtol=1e-5, atol=0
    )


def test_dists_of_equal_pictures_is_nothing_at_all(vgg16_file: str) -> None:
    sr, _ = images(side=40)
    assert DISTSDistance(weights=vgg16_file)(sr, sr.detach().clone()).tolist() == [0.0, 0.0]


def test_dists_knows_a_moved_texture_from_a_changed_one() -> None:
    """What it was made for: the same texels in another order have another structure, and their texture."""
    _, gt = images(side=16)
    shuffled = gt.flatten(2)[..., torch.randperm(256, generator=torch.Generator().manual_seed(0))]
    texture, structure = dists_module._similarities(gt, shuffled.view_as(gt))
    torch.testing.assert_close(texture, torch.ones_like(texture))
    assert structure.abs().max() < 0.5
    darker, kept = dists_module._similarities(gt, 0.25 * gt)
    assert darker.max() < 0.5
    torch.testing.assert_close(kept, torch.full_like(kept, 2 * 0.25 / (1 + 0.25**2)), rtol=1e-4, atol=0)


def test_dists_takes_grey_and_refuses_bands(vgg16_file: str) -> None:
    distance = DISTSDistance(weights=vgg16_file)
    sr, gt = (image.detach() for image in images(bands=1))
    torch.testing.assert_close(
        distance(sr, gt), distance(*(image.repeat(1, 3, 1, 1) for image in (sr, gt))), rtol=1e-5, atol=0
    )
    with pytest.raises(
        ValueError, match=r"VGG16 judges images of 1 band \(grey\) or 3 \(RGB\), and these have 4"
    ):
        distance(torch.rand(1, 4, 32, 32), torch.rand(1, 4, 32, 32))


def test_dists_is_hidden_copied_and_pickled(vgg16_file: str) -> None:
    distance = DISTSDistance(weights=vgg16_file)
    assert distance.state_dict() == {}
    assert list(distance.parameters()) == []
    assert len(hidden(distance)) == 2
    sr, gt = images()
    for twin in (copy.deepcopy(distance), pickle.loads(pickle.dumps(distance))):
        assert torch.equal(twin(sr, gt), distance(sr, gt))


def test_l2_pooling_is_a_root_mean_square() -> None:
    """Of a constant c inside: c; at the border, where zeros are counted in: c times sqrt(3/4) a side."""
    pooled = L2Pool()(torch.full((1, 2, 9, 8), -3.0))
    assert pooled.shape == (1, 2, 5, 4)
    torch.testing.assert_close(pooled[..., 1:-1, 1:], torch.full((1, 2, 3, 3), 3.0))
    torch.testing.assert_close(pooled[..., 0, 0], torch.full((1, 2), 3.0 * 0.75))
    x = torch.zeros(1, 1, 8, 8, requires_grad=True)
    (gradient,) = torch.autograd.grad(L2Pool()(x).sum(), x)
    assert gradient.isfinite().all(), "the root's slope at 0 is infinite"


def test_l2_pooling_takes_images_of_any_size() -> None:
    assert VGG16.smallest(29, pooling="l2") == 1
    trunk = Trunk(VGG16, taps={"last": 29}, pooling="l2")
    trunk.randomise()
    assert trunk(torch.rand(1, 3, 1, 1))["last"].shape == (1, 512, 1, 1)
    assert trunk(torch.rand(1, 3, 17, 16))["last"].shape == (1, 512, 2, 1)


# --- where the files are ------------------------------------------------------------------------------


def test_the_wheels_carry_the_authors_alpha_and_beta() -> None:
    """Sums as in the authors' file; alpha and beta there are 1 together and never negative."""
    state = torch.load(find_heads(None), weights_only=True)
    assert state["alpha"].sum().item() == pytest.approx(0.8760, abs=1e-4)
    assert state["beta"].sum().item() == pytest.approx(0.1240, abs=1e-4)
    assert min(state["alpha"].min(), state["beta"].min()) >= 0


def test_alpha_and_beta_come_from_the_file_named_then_the_cache_then_a_wheel(
    cache: Path, tmp_path: Path
) -> None:
    assert "torchmetrics" in str(find_heads(None)) or "DISTS_pytorch" in str(find_heads(None))
    cache.mkdir(parents=True)
    made_heads(cache / "dists_weights.pt")
    assert find_heads(None) == cache / "dists_weights.pt"
    own = made_heads(tmp_path / "own.pt")
    assert find_heads(own) == Path(own)


def test_alpha_and_beta_that_are_nowhere_are_asked_for(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrained, "find_spec", lambda name: None)
    with pytest.raises(NotAtHand) as caught:
        find_heads(None)
    assert str(caught.value) == (
        "alpha and beta of DISTS are not at hand: put the authors' weights.pt as dists_weights.pt into "
        f"{cache}; or name it with metric.dists.heads=FILE; or install a package that carries it: "
        "DISTS_pytorch, torchmetrics"
    )


def test_alpha_and_beta_that_are_named_and_missing_are_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"heads=.*gone\.pt: there is no such file; give the authors' w"
    ):
        find_heads(str(tmp_path / "gone.pt"))


def test_another_file_is_no_alpha_and_beta(vgg16_file: str) -> None:
    message = r"weights of DISTS \(alpha and beta\): alpha should have the shape \(1, 1475, 1, 1"
    with pytest.raises(ValueError, match=message):
        DISTSDistance(weights=vgg16_file, heads=vgg16_file)


@pytest.mark.parametrize(
    ("make", "file"),
    [
        (lambda: LPIPSDistance(net="alex", download=False), "alexnet-owt-7be5be79.pth"),
        (lambda: LPIPSDistance(net="vgg", download=False), "vgg16-397923af.pth"),
        (lambda: DISTSDistance(download=False), "vgg16-397923af.pth"),
    ],
)
def test_a_trunk_that_is_not_at_hand_is_asked_for_by_name(make, file: str, cache: Path) -> None:
    with pytest.raises(NotAtHand, match=r"the ImageNet weights of \w+ are not at hand: put ") as caught:
        make()
    assert f"put https://download.pytorch.org/models/{file} into {cache}, name a file" in str(caught.value)
    assert "with metric.NAME.weights=FILE, or let metric.NAME.download=true fetch it" in str(caught.value)
    assert not cache.exists()


def test_a_download_is_tried_only_when_it_may(cache: Path) -> None:
    with pytest.raises(ValueError, match=r"not to be had: .*no network in this test") as caught:
        DISTSDistance(download=True)
    assert not isinstance(caught.value, NotAtHand)
