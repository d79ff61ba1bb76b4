"""The adapter to spandrel: what it refuses, and that it is the same network with the same keys."""

import copy
import importlib
import pickle
import sys
from typing import Any, get_args

import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

from sr_experiments.nets.spandrel import SpandrelNet
from sr_experiments.nets.spandrel_facts import FACTS, Architecture
from tests.nets.toys import FOLDER, TOYS, build_net, compose_net

pytestmark = pytest.mark.filterwarnings("ignore:torch.meshgrid")
NAMES = [f"spandrel/{path.stem}" for path in sorted((FOLDER / "spandrel").glob("*.yaml"))]
TOY: Any = {
    "img_size": 16,
    "embed_dim": 12,
    "depths": [1],
    "num_heads": [2],
    "window_size": 8,
    "upsampler": "pixelshuffle",
}


def test_every_architecture_has_a_config() -> None:
    configured = {compose_net(name, scale=4)["architecture"] for name in NAMES}
    assert configured == set(FACTS) == set(get_args(Architecture))


REFUSALS: list[tuple[dict[str, Any], str]] = [
    (
        {"architecture": "SwinIr", "scale": 2},
        "architecture='SwinIr': not one of ATD, .* Did you mean 'SwinIR'",
    ),
    ({"architecture": "nothing", "scale": 2}, r"architecture='nothing': not one of ATD, .*SwinIR\.$"),
    ({"architecture": "SwinIR", "scale": 5}, "scale=5: SwinIR is defined for scale 2, 3, 4, 8"),
    ({"architecture": "SwiftSRGAN", "scale": 3}, "scale=3: SwiftSRGAN is defined for scale 2, 4, 8"),
    (
        {"architecture": "SAFMN", "scale": 2, "in_channels": 1, "options": {"dim": 8}},
        "SAFMN works on 3 channels only",
    ),
    (
        {"architecture": "SPAN", "scale": 2, "in_channels": 1},
        "in_channels=1: spandrel's SPAN works on 3 channels only, unless options.norm=false",
    ),
    (
        {"architecture": "SwinIR", "scale": 2, "options": {"embed_dims": 60}},
        "options.embed_dims: spandrel's SwinIR has no such option. Did you mean 'embed_dim'. It takes: img",
    ),
    (
        {"architecture": "RealCUGAN", "scale": 2, "options": {"zzz": 1}},
        "options.zzz: spandrel's RealCUGAN has no such option. It takes: pro",
    ),
    ({"architecture": "SwinIR", "scale": 2, "options": {"norm_layer": "x"}}, "SwinIR has no such option"),
    ({"architecture": "SwinIR", "scale": 2, "options": {"start_unshuffle": 2}}, "SwinIR has no such option"),
    (
        {"architecture": "SwinIR", "scale": 2, "options": {"upscale": 2}},
        "options.upscale: is given by scale of the net",
    ),
    (
        {"architecture": "SwinIR", "scale": 2, "options": {"in_chans": 2}},
        "options.in_chans: is given by in_channels of the net",
    ),
    (
        {"architecture": "SwinIR", "scale": 2, "options": {"depths": 6}},
        "options.depths=6: spandrel's SwinIR wants a list",
    ),
    (
        {"architecture": "SwinIR", "scale": 2, "options": {"embed_dim": "a"}},
        "embed_dim='a': .* wants a number",
    ),
    (
        {"architecture": "SwinIR", "scale": 2, "options": {"embed_dim": True}},
        "embed_dim=True: .* wants a number",
    ),
    ({"architecture": "SwinIR", "scale": 2, "options": {"ape": 1}}, "ape=1: .* wants true or false"),
    ({"architecture": "SwinIR", "scale": 2, "options": {"upsampler": 1}}, "upsampler=1: .* wants a text"),
    ({"architecture": "SAFMN", "scale": 2}, "options.dim: spandrel's SAFMN needs this option"),
    (
        {"architecture": "DAT", "scale": 2, "options": {"embed_dim": 7, "num_heads": [2]}},
        "spandrel's DAT can not be built with options=.*'embed_dim': 7.* at scale=2, in_channels=3: ",
    ),
]


@pytest.mark.parametrize(("values", "message"), REFUSALS)
def test_refusals(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SpandrelNet(**values)


def test_without_spandrel(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "spandrel"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "spandrel", None)
    with pytest.raises(
        ValueError, match=r'SwinIR comes with spandrel, .*: pip install "sr-experiments\[spandrel\]"'
    ):
        SpandrelNet(architecture="SwinIR", scale=2)


def test_options_that_make_another_scale_are_seen() -> None:
    net = SpandrelNet(architecture="SwinIR", scale=2, options={**TOY, "upsampler": ""})
    with pytest.raises(
        ValueError, match=r"makes \(1, 3, 8, 8\) of \(1, 3, 8, 8\), not \(1, 3, 16, 16\): its options"
    ):
        net(torch.rand(1, 3, 8, 8))


def test_options_from_omegaconf() -> None:
    net = SpandrelNet(architecture="SwinIR", scale=2, options=OmegaConf.create(TOY))
    assert net(torch.rand(1, 3, 8, 8)).shape == (1, 3, 16, 16)


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_it_is_spandrels_network_under_spandrels_keys(name: str) -> None:
    """spandrel recognises our state dict and gives the same image: so chaiNNer opens what is trained here."""
    from spandrel import ModelLoader

    torch.manual_seed(0)
    guessed: dict[str, dict[str, Any]] = {  # what no state dict tells: spandrel takes the published values
        "spandrel/grl": {"window_size": 32, "stripe_size": [64, 64]},
        "spandrel/omnisr": {"num_feat": 64},
        "spandrel/seemore": {"num_experts": 3, "topk": 1},
    }
    net = build_net(name, scale=4, toy=True, **guessed.get(name, {})).eval()
    state = {key: value.clone() for key, value in net.state_dict().items()}
    theirs = ModelLoader().load_from_state_dict(state).eval()
    assert (theirs.scale, theirs.input_channels) == (net.scale, 3)
    side = net.minimum + -net.minimum % net.multiple_of
    lq = torch.rand(1, 3, side, side)
    torch.testing.assert_close(net(lq), theirs.model(lq), rtol=1e-4, atol=1e-4)


def test_copies_and_modes() -> None:
    """A copy (as the average of weights is) must not share anything, and keep working."""
    net = SpandrelNet(architecture="SwinIR", scale=2, options={**TOY, "drop_path_rate": 0.0}).eval()
    lq = torch.rand(1, 3, 8, 8)
    expected = net(lq)
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert torch.equal(other(lq), expected)
        with torch.no_grad():
            for parameter in other.parameters():
                parameter.add_(1.0)
        assert not torch.equal(other(lq), expected)
        assert torch.equal(net(lq), expected)
    assert not net.training
    assert not any(module.training for module in net.modules())
    net.train()
    assert net.training
    assert all(module.training for module in net.modules())
    double = net.double()
    assert {parameter.dtype for parameter in double.parameters()} == {torch.float64}
    assert double.eval()(lq.double()).dtype == torch.float64


def test_span_runs_as_in_training() -> None:
    """Its inference path writes weights in forward, rounded under autocast, and can not be exported."""
    net = SpandrelNet(architecture="SPAN", scale=2, options={"feature_channels": 8}).eval()
    frozen = [key for key, parameter in net.named_parameters() if not parameter.requires_grad]
    assert frozen
    assert all(".eval_conv." in key for key in frozen)
    before = copy.deepcopy(net.state_dict())
    with torch.autocast("cpu", dtype=torch.bfloat16), torch.no_grad():
        net(torch.rand(2, 3, 8, 8))
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())


def test_seemore_takes_a_batch_in_evaluation() -> None:
    options = {"embedding_dim": 16, "num_layers": 1, "num_experts": 3, "topk": 1}
    net = SpandrelNet(architecture="SeemoRe", scale=2, options=options).eval()
    lq = torch.rand(3, 3, 16, 16)
    alone = torch.cat([net(image[None]) for image in lq])
    torch.testing.assert_close(net(lq), alone, rtol=1e-5, atol=1e-6)


def test_every_toy_is_a_config() -> None:
    assert {name for name in TOYS if name.startswith("spandrel/")} <= set(NAMES)


def test_importing_the_adapter_does_not_import_spandrel(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "spandrel"]:
        monkeypatch.delitem(sys.modules, name)
    importlib.import_module("sr_experiments.nets.spandrel_facts")
    importlib.reload(sys.modules["sr_experiments.nets.spandrel_facts"])
    assert "spandrel" not in sys.modules
    assert issubclass(SpandrelNet, nn.Module)
