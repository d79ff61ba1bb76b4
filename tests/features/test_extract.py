"""Frozen trunks against torchvision: their features, and where their weights come from."""

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from torch import nn

from sr_experiments.features import extract
from sr_experiments.features.extract import VGG19Features
from sr_experiments.features.pretrained import Published
from sr_experiments.features.trunks import ALEXNET, VGG16, VGG19, Architecture, Trunk
from sr_experiments.losses.perceptual import PerceptualLoss
from tests.features.networks import MEAN, STD, close, hidden, images, no_network, torchvision_vgg, write_trunk


@pytest.fixture(scope="module")
def vgg() -> nn.Sequential:
    return torchvision_vgg("E")


@pytest.fixture(scope="module")
def vgg_file(vgg: nn.Sequential, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_trunk(vgg, tmp_path_factory.mktemp("served"), name="vgg19")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of torch hub, and no way to the network."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(torch.hub, "urlopen", no_network)
    return tmp_path / "torch" / "hub" / "checkpoints"


# --- features and where their weights come from ---------------------------------------------------


def _from_file(vgg_file: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> str | None:
    return str(vgg_file)


def _from_cache(vgg_file: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _publish(f"http://127.0.0.1:9/{vgg_file.name}", monkeypatch)
    cache.mkdir(parents=True)
    (cache / vgg_file.name).symlink_to(vgg_file)


def _publish(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extract, "VGG19", replace(VGG19, published=Published("VGG19", url)))


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
    sr, _ = images()
    x = (sr.detach() - MEAN) / STD
    ours = found(sr.detach())
    for name, last in (("conv1_2", 2), ("conv3_4", 16)):
        close(ours[name], vgg[: last + 1](x))
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
    sr, _ = images()
    ours = found(sr.detach())
    x = (sr.detach() - MEAN) / STD
    assert list(ours) == names
    for index, layer in enumerate(vgg):
        x = layer(x)
        if index in places:
            close(ours[names[places.index(index)]], x)


def test_computes_no_deeper_than_needed() -> None:
    found = VGG19Features(("conv1_2",), before_activation=True, weights=None, random_features=True)
    trunk = hidden(found)[0]
    assert isinstance(trunk, Trunk)
    assert len(trunk.features) == 3


def test_grey_is_three_equal_bands() -> None:
    found = VGG19Features(("conv2_1",), before_activation=True, weights=None, random_features=True)
    grey, _ = images(bands=1)
    close(found(grey)["conv2_1"], found(grey.repeat(1, 3, 1, 1))["conv2_1"])


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
    sr, gt = images()
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
    spreads = [feature.std().item() for feature in found(images(side=48)[1]).values()]
    assert all(0.5 < spread < 5 for spread in spreads), spreads


# --- the hidden trunk ---------------------------------------------------------------------------------
