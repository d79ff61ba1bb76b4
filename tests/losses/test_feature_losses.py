"""Losses on pretrained trunks, against torchvision and lpips; and what nobody may see of the trunks."""

import copy
import hashlib
import io
import logging
import pickle
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal

import lpips as official_lpips
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.vgg import cfgs, make_layers

from sr_experiments.losses import features as features_module
from sr_experiments.losses import lpips as lpips_module
from sr_experiments.losses.features import VGG19Features
from sr_experiments.losses.frozen import Frozen
from sr_experiments.losses.lpips import LPIPSLoss
from sr_experiments.losses.perceptual import PerceptualLoss
from sr_experiments.losses.pretrained import Published
from sr_experiments.losses.style import StyleLoss, gram
from sr_experiments.losses.trunks import ALEXNET, VGG16, VGG19, Architecture, Trunk

GATYS = {f"conv{block}_1": 0.2 for block in range(1, 6)}
MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)


def _torchvision_vgg19() -> nn.Sequential:
    """The `features` of torchvision.models.vgg19 as it makes them, without half a gigabyte of classifier."""
    torch.manual_seed(3)
    layers: nn.Sequential = make_layers(cfgs["E"])
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            assert layer.bias is not None
            nn.init.normal_(layer.bias, std=0.1)
        if isinstance(layer, nn.ReLU):
            layer.inplace = False
    return layers.requires_grad_(False)


@pytest.fixture(scope="module")
def vgg() -> nn.Sequential:
    return _torchvision_vgg19()


@pytest.fixture(scope="module")
def vgg_file(vgg: nn.Sequential, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weight file of VGG19, named after its hash as torchvision does."""
    content = io.BytesIO()
    torch.save({f"features.{key}": tensor for key, tensor in vgg.state_dict().items()}, content)
    digest = hashlib.sha256(content.getbuffer()).hexdigest()
    path = tmp_path_factory.mktemp("served") / f"vgg19-{digest[:8]}.pth"
    path.write_bytes(content.getbuffer())
    return path


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of torch hub, and no way to the network."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(torch.hub, "urlopen", _no_network)
    return tmp_path / "torch" / "hub" / "checkpoints"


def _no_network(request: object) -> None:
    raise OSError("no network in this test")


def _images(*, bands: int = 3, side: int = 32) -> tuple[Tensor, Tensor]:
    sr, gt = torch.rand(2, 2, bands, side, side, generator=torch.Generator().manual_seed(9))
    return sr.requires_grad_(), gt


def _close(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=2e-5, atol=1e-6)


# --- features and where their weights come from ---------------------------------------------------


def _from_file(vgg_file: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> str | None:
    return str(vgg_file)


def _from_cache(vgg_file: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _publish(f"http://127.0.0.1:9/{vgg_file.name}", monkeypatch)
    cache.mkdir(parents=True)
    (cache / vgg_file.name).symlink_to(vgg_file)


def _publish(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features_module, "VGG19", replace(VGG19, published=Published("VGG19", url)))


@pytest.fixture
def site(vgg_file: Path) -> Iterator[str]:
    handler = partial(SimpleHTTPRequestHandler, directory=str(vgg_file.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def _check_features(found: VGG19Features, vgg: nn.Sequential) -> None:
    sr, _ = _images()
    x = (sr.detach() - MEAN) / STD
    ours = found(sr.detach())
    for name, last in (("conv1_2", 2), ("conv3_4", 16)):
        _close(ours[name], vgg[: last + 1](x))
    assert found.notes == []


@pytest.mark.parametrize("place", [_from_file, _from_cache])
def test_features_are_torchvisions(
    place: Callable[[Path, Path, pytest.MonkeyPatch], str | None],
    vgg: nn.Sequential,
    vgg_file: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    weights = place(vgg_file, cache, monkeypatch)
    found = VGG19Features(
        ("conv3_4", "conv1_2"), before_activation=True, weights=weights, random_features=False
    )
    _check_features(found, vgg)


def test_features_of_a_download_are_torchvisions(
    vgg: nn.Sequential, vgg_file: Path, site: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("TORCH_HOME", str(cache.parent.parent))
    _publish(f"{site}/{vgg_file.name}", monkeypatch)
    found = VGG19Features(("conv1_2", "conv3_4"), before_activation=True, weights=None, random_features=False)
    _check_features(found, vgg)
    assert [path.name for path in cache.iterdir()] == [vgg_file.name]


@pytest.mark.parametrize("before", [True, False])
def test_every_layer_is_where_torchvision_has_it(vgg: nn.Sequential, vgg_file: Path, before: bool) -> None:
    """Layer by layer, also where a tap before a ReLU must survive the ReLU after it."""
    counts = {1: 2, 2: 2, 3: 4, 4: 4, 5: 4}
    names = [f"conv{block}_{place}" for block, count in counts.items() for place in range(1, count + 1)]
    kind = nn.Conv2d if before else nn.ReLU
    places = [index for index, layer in enumerate(vgg) if isinstance(layer, kind)]
    found = VGG19Features(names, before_activation=before, weights=str(vgg_file), random_features=False)
    sr, _ = _images()
    ours = found(sr.detach())
    x = (sr.detach() - MEAN) / STD
    assert list(ours) == names
    for index, layer in enumerate(vgg):
        x = layer(x)
        if index in places:
            _close(ours[names[places.index(index)]], x)


def test_computes_no_deeper_than_needed() -> None:
    found = VGG19Features(("conv1_2",), before_activation=True, weights=None, random_features=True)
    trunk = _hidden(found)[0]
    assert isinstance(trunk, Trunk)
    assert len(trunk.features) == 3


def test_grey_is_three_equal_bands() -> None:
    found = VGG19Features(("conv2_1",), before_activation=True, weights=None, random_features=True)
    grey, _ = _images(bands=1)
    _close(found(grey)["conv2_1"], found(grey.repeat(1, 3, 1, 1))["conv2_1"])


def test_other_numbers_of_bands_are_refused() -> None:
    found = VGG19Features(("conv1_1",), before_activation=True, weights=None, random_features=True)
    with pytest.raises(
        ValueError, match=r"VGG19 judges images of 1 band \(grey\) or 3 \(RGB\), and these have 4: ta"
    ):
        found(torch.rand(1, 4, 32, 32))


@pytest.mark.parametrize(
    ("layer", "architecture", "minimum"),
    [(34, VGG19, 16), (3, VGG19, 1), (4, VGG19, 2), (29, VGG16, 16), (11, ALEXNET, 31)],
)
def test_smallest_image_is_the_smallest_that_works(
    layer: int, architecture: Architecture, minimum: int
) -> None:
    assert architecture.smallest(layer) == minimum
    trunk = Trunk(architecture, taps={"last": layer})
    trunk.randomise()
    assert trunk(torch.rand(1, 3, minimum, minimum))["last"].shape[-2:] == (1, 1)
    if minimum > 1:
        with pytest.raises(RuntimeError):
            trunk(torch.rand(1, 3, minimum - 1, minimum))


def test_too_small_an_image_is_refused() -> None:
    found = VGG19Features(("conv5_1",), before_activation=True, weights=None, random_features=True)
    with pytest.raises(
        ValueError, match=r"layers of VGG19 need images of at least 16 pixels a side, and these are 15x2"
    ):
        found(torch.rand(1, 3, 15, 20))


def test_an_unknown_layer_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"VGG19 has no layer conv3_5, relu; it has conv1_1, conv1_2, conv2_1, .*5_4$"
    ):
        VGG19Features(
            ("conv1_1", "conv3_5", "relu"), before_activation=True, weights=None, random_features=True
        )


def test_another_networks_file_is_refused(tmp_path: Path) -> None:
    """VGG16 begins like VGG19: what is wrong shows only below the layers that this loss looks at."""
    path = tmp_path / "vgg16.pth"
    torch.save({key: torch.zeros(shape) for key, shape in VGG16.shapes().items()}, path)
    with pytest.raises(
        ValueError, match=rf"{path} does not hold the weights of VGG19: features.16.weight should have"
    ):
        VGG19Features(("conv1_1",), before_activation=True, weights=str(path), random_features=False)


# --- random features --------------------------------------------------------------------------------


def test_without_weights_a_real_run_stops(cache: Path) -> None:
    with pytest.raises(
        ValueError, match=r"the weights of VGG19 are not to be had: .*no network in this test"
    ) as caught:
        PerceptualLoss(layers={"conv1_1": 1.0})
    assert f"put vgg19-dcbb9e9d.pth into {cache}" in str(caught.value)


def test_without_weights_a_demonstration_says_so_and_goes_on(
    cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(torch.hub, "urlopen", asked.append)
    with caplog.at_level(logging.WARNING):
        loss = PerceptualLoss(layers={"conv1_1": 1.0}, random_features=True)
    (note,) = loss.features.notes
    assert note == (
        "VGG19 judged with random features, because its ImageNet weights are not at "
        f"{cache / 'vgg19-dcbb9e9d.pth'}: this shows that the loss runs, not what it can do"
    )
    assert [record.getMessage() for record in caplog.records] == [note]
    assert asked == []


def test_a_demonstration_uses_weights_that_are_there(vgg_file: Path) -> None:
    assert (
        PerceptualLoss(layers={"conv1_1": 1.0}, weights=str(vgg_file), random_features=True).features.notes
        == []
    )


def test_random_features_are_the_same_in_every_run_and_leave_the_runs_randomness_alone() -> None:
    sr, gt = _images()
    values = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        loss = PerceptualLoss(layers={"conv2_1": 1.0, "conv3_1": seed}, random_features=True)
        assert torch.equal(torch.get_rng_state(), before)
        values.append(loss.features.pairs(sr, gt)["conv2_1"][0])
    assert torch.equal(*values)


def test_loading_weights_leaves_the_runs_randomness_alone(vgg_file: Path) -> None:
    before = torch.get_rng_state()
    PerceptualLoss(layers={"conv1_1": 1.0}, weights=str(vgg_file))
    assert torch.equal(torch.get_rng_state(), before)


def test_random_features_keep_their_scale() -> None:
    """By torch's own initialisation the sixteenth layer has a thousandth of the first one's scale."""
    names = [f"conv{block}_{place}" for block in range(1, 6) for place in (1, 2)]
    found = VGG19Features(names, before_activation=True, weights=None, random_features=True)
    spreads = [feature.std().item() for feature in found(_images(side=48)[1]).values()]
    assert all(0.5 < spread < 5 for spread in spreads), spreads


# --- the hidden trunk ---------------------------------------------------------------------------------


def _hidden(module: nn.Module) -> list[nn.Module]:
    return [part.net for part in module.modules() if isinstance(part, Frozen)]


LOSSES: dict[str, Callable[[], nn.Module]] = {
    "perceptual": lambda: PerceptualLoss(layers={"conv2_1": 1.0}, random_features=True),
    "style": lambda: StyleLoss(layers={"conv1_1": 1.0, "conv2_1": 1.0}, random_features=True),
    "lpips": lambda: LPIPSLoss(net="alex", random_features=True),
}


@pytest.mark.parametrize("name", LOSSES)
def test_nobody_sees_the_trunk(name: str) -> None:
    """An optimizer, DDP and a checkpoint go by these four."""
    owner = nn.ModuleDict({"loss": LOSSES[name]()})
    assert owner.state_dict() == {}
    assert list(owner.parameters()) == []
    assert list(owner.buffers()) == []
    owner.load_state_dict({}, strict=True)
    assert _hidden(owner)


@pytest.mark.parametrize("name", LOSSES)
def test_the_trunk_never_learns(name: str) -> None:
    owner = nn.ModuleDict({"loss": LOSSES[name]()}).train().requires_grad_(True)
    for net in _hidden(owner):
        assert not any(part.training for part in net.modules())
        assert not any(parameter.requires_grad for parameter in net.parameters())


@pytest.mark.parametrize("name", LOSSES)
def test_the_trunk_follows_device_and_precision(name: str) -> None:
    owner = nn.ModuleDict({"loss": LOSSES[name]()})
    sr, gt = _images(side=64)
    expected = owner["loss"](sr, gt)

    owner.to(torch.bfloat16)  # of a net in half precision; the judge stays exact
    assert torch.equal(owner["loss"](sr, gt), expected)
    owner.double()
    exact = owner["loss"](sr.double(), gt.double())
    assert exact.dtype == torch.float64
    torch.testing.assert_close(exact, expected.double(), rtol=1e-4, atol=1e-6)
    owner.to("meta")
    for net in _hidden(owner):
        assert {tensor.device.type for tensor in [*net.parameters(), *net.buffers()]} == {"meta"}


@pytest.mark.parametrize("name", LOSSES)
def test_the_trunk_is_copied_and_pickled_with_its_owner(name: str) -> None:
    """Spawned processes get their loss by pickle."""
    loss = LOSSES[name]()
    sr, gt = _images(side=64)
    for twin in (copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
        assert torch.equal(twin(sr, gt), loss(sr, gt))


@pytest.mark.parametrize("name", LOSSES)
def test_gradient_is_the_numerical_one(name: str) -> None:
    loss = LOSSES[name]().double()
    side = 31 if name == "lpips" else 6
    sr, gt = (image.detach()[:1, :, :side, :side].double() for image in _images())
    assert torch.autograd.gradcheck(lambda image: loss(image, gt), (sr.requires_grad_(),), fast_mode=True)


@pytest.mark.parametrize("name", LOSSES)
def test_no_gradient_goes_to_gt(name: str) -> None:
    sr, gt = _images(side=64)
    gt.requires_grad_()
    LOSSES[name]()(sr, gt).backward()
    assert gt.grad is None
    assert sr.grad is not None
    assert sr.grad.abs().sum() > 0


@pytest.mark.parametrize("name", LOSSES)
def test_equal_pictures_lose_nothing(name: str) -> None:
    sr, _ = _images(side=64)
    loss = LOSSES[name]()(sr, sr.detach().clone())
    (gradient,) = torch.autograd.grad(loss, sr)
    assert loss.item() == 0
    assert gradient.isfinite().all()


# --- perceptual and style -----------------------------------------------------------------------------


@pytest.mark.parametrize("criterion", ["l1", "mse"])
@pytest.mark.parametrize("before", [True, False])
def test_perceptual_is_the_weighted_distance_of_features(
    vgg: nn.Sequential, vgg_file: Path, criterion: Literal["l1", "mse"], before: bool
) -> None:
    """In float64, because rounding turns ReLUs over and their gradients with them."""
    sr, gt = (image.detach().double() for image in _images())
    sr.requires_grad_()
    loss = PerceptualLoss(
        layers={"conv1_2": 0.5, "conv3_4": 2.0, "conv5_4": 0.0},
        criterion=criterion,
        before_activation=before,
        weights=str(vgg_file),
    ).double()
    exact = copy.deepcopy(vgg[:18]).double()
    distance = {"l1": F.l1_loss, "mse": F.mse_loss}[criterion]
    expected = sr.new_zeros(())
    for last, weight in ((2, 0.5), (16, 2.0)):
        part = exact[: last + 1 if before else last + 2]
        expected = expected + weight * distance(part((sr - MEAN) / STD), part((gt - MEAN) / STD))
    value = loss(sr, gt)
    assert value.item() == pytest.approx(expected.item(), rel=1e-6)
    ours, theirs = (torch.autograd.grad(total, sr)[0] for total in (value, expected))
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5 * float(theirs.abs().max()))
    assert list(loss.features.pairs(sr, gt)) == ["conv1_2", "conv3_4"]


def test_style_is_gatys_equations(vgg: nn.Sequential, vgg_file: Path) -> None:
    """Equations 3 to 5 with their sums written out, in float64."""
    sr, gt = _images()
    loss = StyleLoss(layers=GATYS, weights=str(vgg_file)).double()
    exact = copy.deepcopy(vgg).double()
    expected = 0.0
    for last in (0, 5, 10, 19, 28):
        f, p = (exact[: last + 2]((image.detach().double() - MEAN) / STD).flatten(2) for image in (sr, gt))
        n, m = f.shape[1:]
        g, a = (torch.einsum("bik,bjk->bij", rows, rows) for rows in (f, p))  # Eq. 3
        energies = ((g - a) ** 2).sum(dim=(1, 2)) / (4 * n**2 * m**2)  # Eq. 4
        expected += 0.2 * energies.mean().item()  # Eq. 5
    assert loss(sr.double(), gt.double()).item() == pytest.approx(expected, rel=1e-6)


def test_style_does_not_see_where_things_are() -> None:
    features, _ = _images()
    shuffled = features.flatten(2)[..., torch.randperm(32 * 32)].view_as(features)
    _close(gram(shuffled), gram(features))


@pytest.mark.parametrize("make", [PerceptualLoss, StyleLoss])
def test_layers_need_weights(make: Callable[..., nn.Module]) -> None:
    with pytest.raises(
        ValueError, match=r"layers=\{conv1_1: -1.0, conv2_1: inf\}: a layer's weight must be 0 or more, a"
    ):
        make(layers={"conv1_1": -1.0, "conv1_2": 1.0, "conv2_1": float("inf")}, random_features=True)
    for layers in ({}, {"conv1_1": 0.0}):
        with pytest.raises(
            ValueError, match="layers: at least one layer needs a weight above 0, such as layers="
        ):
            make(layers=layers, random_features=True)


def test_an_unknown_criterion_is_refused() -> None:
    wrong: Any = "l2"
    with pytest.raises(ValueError, match="criterion=l2: choose one of l1, mse"):
        PerceptualLoss(layers={"conv1_1": 1.0}, criterion=wrong, random_features=True)


# --- LPIPS ------------------------------------------------------------------------------------------


def _official(net: str, *, heads: bool = True) -> tuple[nn.Module, nn.Module]:
    """The package's class, and its trunk, of random weights and biases: some features are 0, some are not."""
    torch.manual_seed(4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torchvision's deprecated `pretrained`
        official: nn.Module = official_lpips.LPIPS(net=net, pnet_rand=True, lpips=heads, verbose=False)
    trunk = official.get_submodule("net")
    for name, parameter in trunk.named_parameters():
        if name.endswith("bias"):
            nn.init.normal_(parameter, std=0.05)
    return official, trunk


@pytest.mark.parametrize("net", ["alex", "vgg"])
def test_lpips_is_the_packages(
    net: Literal["alex", "vgg"], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In float64, because rounding turns ReLUs over and their gradients with them."""
    official, trunk = _official(net)
    # The slices of the official trunk keep torchvision's numbers: slice2.5.weight is features.5.weight.
    state = {f"features.{key.partition('.')[2]}": value for key, value in trunk.state_dict().items()}
    torch.save(state, tmp_path / "trunk.pth")
    capsys.readouterr()
    loss = LPIPSLoss(net=net, weights=str(tmp_path / "trunk.pth")).double()
    sr, gt = (image.detach().double() for image in _images(side=48))
    sr.requires_grad_()
    value, expected = loss(sr, gt), official.double()(sr, gt, normalize=True).mean()
    assert value.item() == pytest.approx(expected.item(), rel=1e-6)
    assert value.item() > 1e-3
    ours, theirs = (torch.autograd.grad(total, sr)[0] for total in (value, expected))
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5 * float(theirs.abs().max()))
    assert capsys.readouterr() == ("", "")


def test_lpips_on_random_features_is_the_uncalibrated_one() -> None:
    """The calibrated heads weigh the channels of another trunk."""
    loss = LPIPSLoss(net="alex", random_features=True)
    official, trunk = _official("alex", heads=False)
    ours = _hidden(loss)[0].state_dict()
    trunk.load_state_dict({key: ours[f"features.{key.partition('.')[2]}"] for key in trunk.state_dict()})
    sr, gt = _images(side=64)
    torch.testing.assert_close(loss(sr, gt), official(sr, gt, normalize=True).mean(), rtol=1e-4, atol=1e-6)
    assert len(loss.features.notes) == 1


def test_lpips_has_a_gradient_where_no_feature_answers(tmp_path: Path) -> None:
    """A vector of no length cannot be scaled to length 1, and 0 / 0 is nan."""
    torch.save({key: torch.zeros(shape) for key, shape in ALEXNET.shapes().items()}, tmp_path / "zero.pth")
    loss = LPIPSLoss(net="alex", weights=str(tmp_path / "zero.pth"))
    sr, gt = _images(side=64)
    value = loss(sr, gt)
    (gradient,) = torch.autograd.grad(value, sr)
    assert value.item() == 0
    assert gradient.isfinite().all()


def test_lpips_without_weights_stops(cache: Path) -> None:
    with pytest.raises(
        ValueError, match=r"the weights of VGG16 are not to be had: .*Three ways to mend it: put vgg16-39"
    ):
        LPIPSLoss()


def test_lpips_refuses_another_net() -> None:
    wrong: Any = "squeeze"
    with pytest.raises(ValueError, match="net=squeeze: LPIPS has alex and vgg"):
        LPIPSLoss(net=wrong, random_features=True)


def test_lpips_heads_are_never_negative() -> None:
    """A negative weight would reward a difference."""
    shapes = {f"lin{place}": (1, count, 1, 1) for place, count in enumerate((64, 128, 256, 512, 512))}
    heads = lpips_module._heads("vgg", shapes)
    assert all((head >= 0).all() and head.sum() > 0 for head in heads.values())
