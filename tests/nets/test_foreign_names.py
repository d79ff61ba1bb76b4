"""Weights under the names of other projects: every key finds its place, and the result is theirs.

An incident: BasicSR's EDSR and RCAN, the most downloaded ones, have none of the official names.
"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from sr_experiments.nets.base import SRNet
from sr_experiments.nets.blocks import DIV2K_RGB_MEAN
from sr_experiments.nets.edsr import EDSR
from sr_experiments.nets.foreign import translate
from sr_experiments.nets.msrresnet import MSRResNet
from sr_experiments.nets.rcan import RCAN
from sr_experiments.nets.rrdbnet import RRDBNet
from sr_experiments.nets.weights import load_exactly, load_matching, read_state_dict
from tests.conftest import benchmark_dir
from tests.nets.toys import build_net

State = dict[str, Tensor]
MEANS = {"sub_mean.weight", "sub_mean.bias", "add_mean.weight", "add_mean.bias"}


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize(("entry", "name"), [("EDSR-baseline", "edsr_baseline"), ("RCAN", "rcan")])
def test_every_key_of_the_full_size_has_its_place(entry: str, name: str, scale: int) -> None:
    inventory = json.loads(benchmark_dir("state_dict_inventory.json").read_text())
    with torch.device("meta"):
        net = build_net(name, scale=scale, channels=3)
        state = {
            key: torch.empty(shape) for key, shape in inventory[f"{entry}_x{scale}__BasicSR"]["state"].items()
        }
    found = translate(net, state)
    own = net.state_dict()
    assert found.constants == MEANS
    assert found.state.keys() == own.keys() - MEANS
    assert {key: value.shape for key, value in found.state.items()} == {
        key: own[key].shape for key in own if key not in MEANS
    }


# BasicSR's networks, written down once more as functions of a state dict with BasicSR's keys.


class Layers:
    """Random weights, made when a layer is first used; its name is that of BasicSR."""

    def __init__(self) -> None:
        self.state: State = {}
        self.generator = torch.Generator().manual_seed(0)

    def __call__(self, name: str, x: Tensor, out_channels: int, *, size: int = 3) -> Tensor:
        if f"{name}.weight" not in self.state:
            shape = (out_channels, x.shape[1], size, size)
            weight = torch.randn(shape, generator=self.generator) / (x.shape[1] * size**2) ** 0.5
            self.state[f"{name}.weight"] = weight
            self.state[f"{name}.bias"] = torch.randn(out_channels, generator=self.generator)
        weight, bias = (self.state[f"{name}.{leaf}"].to(x) for leaf in ("weight", "bias"))
        return F.conv2d(x, weight, bias, padding=size // 2)


def edsr_body(layer: Layers, x: Tensor) -> Tensor:
    for n in range(3):
        x = x + 0.1 * layer(f"body.{n}.conv2", F.relu(layer(f"body.{n}.conv1", x, 8)), 8)
    return x


def rcan_body(layer: Layers, x: Tensor) -> Tensor:
    for g in range(2):
        y = x
        for b in range(3):
            name = f"body.{g}.residual_group.{b}.rcab"
            z = layer(f"{name}.2", F.relu(layer(f"{name}.0", y, 8)), 8)
            gate = F.adaptive_avg_pool2d(z, 1)
            gate = F.relu(layer(f"{name}.3.attention.1", gate, 2, size=1))
            y = y + z * torch.sigmoid(layer(f"{name}.3.attention.3", gate, 8, size=1))
        x = x + layer(f"body.{g}.conv", y, 8)
    return x


def basicsr(body: Callable[[Layers, Tensor], Tensor], layer: Layers, lq: Tensor, *, scale: int) -> Tensor:
    mean = torch.tensor(DIV2K_RGB_MEAN).to(lq)[:, None, None]
    x = layer("conv_first", (lq - mean) * 255, 8)
    x = x + layer("conv_after_body", body(layer, x), 8)
    for n, factor in enumerate({2: [2], 3: [3], 4: [2, 2], 8: [2, 2, 2]}[scale]):
        x = F.pixel_shuffle(layer(f"upsample.{2 * n}", x, 8 * factor**2), factor)
    return layer("conv_last", x, 3) / 255 + mean


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
@pytest.mark.parametrize(
    ("body", "build"),
    [
        (edsr_body, lambda scale: EDSR(scale=scale, features=8, blocks=3, res_scale=0.1)),
        (rcan_body, lambda scale: RCAN(scale=scale, features=8, groups=2, blocks=3, reduction=4)),
    ],
    ids=["EDSR", "RCAN"],
)
@torch.no_grad()
def test_basicsrs_files_give_basicsrs_images(
    body: Callable[[Layers, Tensor], Tensor], build: Callable[[int], SRNet], scale: int, tmp_path: Path
) -> None:
    layer, lq = Layers(), torch.rand(2, 3, 11, 14, generator=torch.Generator().manual_seed(1))
    expected = basicsr(body, layer, lq, scale=scale)
    path = tmp_path / "net_g.pth"
    torch.save({"params_ema": {f"module.{key}": value for key, value in layer.state.items()}}, path)
    net = build(scale)
    load_exactly(net, read_state_dict(path), source=str(path))
    assert (net(lq) - expected).abs().max() / expected.abs().max() < 1e-5
    exact = basicsr(body, layer, lq.double(), scale=scale)
    assert (net.double()(lq.double()) - exact).abs().max() / exact.abs().max() < 1e-7


def golden(name: str) -> tuple[State, State]:
    """The weights of a reference network by its own names, and its input and output."""
    file = load_file(benchmark_dir("golden_forward", f"{name}.safetensors"))
    state = {key.removeprefix("p."): value for key, value in file.items() if key.startswith("p.")}
    return state, {key: value for key, value in file.items() if key.startswith("io.")}


def renamed(state: State, *replacements: tuple[str, str]) -> State:
    """Keys with pieces of text replaced, one replacement after the other."""
    result = {}
    for key, value in state.items():
        for ours, theirs in replacements:
            key = key.replace(ours, theirs)
        result[key] = value
    assert len(result) == len(state)
    return result


GOLDEN: dict[str, tuple[str, Callable[[], SRNet], list[tuple[str, str]], str]] = {
    "ESRGAN, first names": (
        "rrdbnet_x4",
        lambda: RRDBNet(scale=4, features=16, blocks=2, growth=8),
        [
            ("body.", "model.1.sub."),
            ("conv_model.1.sub.", "model.1.sub.2."),  # the net's conv_body
            ("rdb", "RDB"),
            *[(f"conv{n}.", f"conv{n}.0.") for n in range(1, 6)],
            ("conv_first", "model.0"),
            ("conv_up1", "model.3"),
            ("conv_up2", "model.6"),
            ("conv_hr", "model.8"),
            ("conv_last", "model.10"),
        ],
        "model.1.sub.0.RDB1.conv1.0.weight",
    ),
    "ESRGAN, second names": (
        "rrdbnet_x4",
        lambda: RRDBNet(scale=4, features=16, blocks=2, growth=8),
        [
            ("conv_body", "trunk_conv"),
            ("body.", "RRDB_trunk."),
            ("rdb", "RDB"),
            ("conv_up", "upconv"),
            ("conv_hr", "HRconv"),
        ],
        "RRDB_trunk.0.RDB1.conv1.weight",
    ),
    "mmsr": (
        "msrresnet_x4",
        lambda: MSRResNet(scale=4, features=16, blocks=2),
        [("body.", "recon_trunk."), ("conv_hr", "HRconv")],
        "recon_trunk.0.conv1.weight",
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
@torch.no_grad()
def test_golden_weights_under_other_names(name: str) -> None:
    file, build, replacements, example = GOLDEN[name]
    state, images = golden(file)
    state = renamed(state, *replacements)
    assert example in state
    net = build().eval()
    load_exactly(net, state, source="golden")
    expected = images["io.output_fp32"]
    assert (net(images["io.input"]) - expected).abs().max() / expected.abs().max() < 1e-5


@pytest.mark.parametrize(
    ("scale", "keys"),
    [
        (3, {"model.3", "model.5", "model.7"}),
        (4, {"model.3", "model.6", "model.8", "model.10"}),
        (8, {"model.3", "model.6", "model.9", "model.11", "model.13"}),
    ],
)
@torch.no_grad()
def test_esrgans_first_names_at_every_scale(scale: int, keys: set[str]) -> None:
    """Spandrel keeps that network as it was: an independent implementation with those keys."""
    pytest.importorskip("spandrel")
    from spandrel.architectures.ESRGAN.__arch.RRDB import RRDBNet as Reference

    torch.manual_seed(0)
    reference = Reference(num_filters=16, num_blocks=2, scale=scale).eval()
    state: State = reference.state_dict()
    assert {key.removesuffix(".weight") for key in state if key.count(".") == 2} >= keys
    net = RRDBNet(scale=scale, features=16, blocks=2, growth=32).eval()
    load_exactly(net, state, source="old.pth")
    lq = torch.rand(1, 3, 9, 12)
    torch.testing.assert_close(net(lq), reference(lq), rtol=0, atol=1e-5)


def test_constants_are_missing_only_where_the_project_has_none() -> None:
    """Official names without the means: a net without mean shift, whose images would be off in colour."""
    net = EDSR(scale=2, features=4, blocks=1)
    state = {key: value for key, value in net.state_dict().items() if key not in MEANS}
    with pytest.raises(ValueError, match=r"4 missing: sub_mean\.weight, sub_mean\.bias, add_mean\.weight"):
        load_exactly(net, state, source="x.pth")


def basicsr_names(net: nn.Module) -> State:
    """An EDSR's weights by BasicSR's names."""
    own = {key: value.clone() for key, value in net.state_dict().items() if key not in MEANS}
    return renamed(
        own,
        ("head.0", "conv_first"),
        ("tail.0", "upsample"),
        ("tail.1", "conv_last"),
        ("body.1.w", "conv_after_body.w"),
        ("body.1.b", "conv_after_body.b"),
        ("body.0.body.0", "body.0.conv1"),
        ("body.0.body.2", "body.0.conv2"),
    )


def test_the_report_says_what_was_renamed_and_speaks_of_the_files_keys() -> None:
    other, net = EDSR(scale=3, features=4, blocks=1), EDSR(scale=2, features=4, blocks=1)
    report = load_matching(net, basicsr_names(other))
    assert report.renamed["body.0.conv2.weight"] == "body.0.body.2.weight"
    assert report.renamed["conv_after_body.bias"] == "body.1.bias"
    assert len(report.renamed) == 12
    assert report.skipped == {
        "upsample.0.weight": "shape (36, 4, 3, 3) in the file, (16, 4, 3, 3) in the net",
        "upsample.0.bias": "shape (36,) in the file, (16,) in the net",
    }
    assert set(report.missing) == MEANS | {"tail.0.0.weight", "tail.0.0.bias"}
    assert torch.equal(net.state_dict()["head.0.weight"], other.state_dict()["head.0.weight"])


def test_a_refusal_speaks_of_the_files_keys_too() -> None:
    state = basicsr_names(EDSR(scale=2, features=4, blocks=1))
    state["body.0.conv1.weight"] = torch.zeros(5, 4, 3, 3)
    state["body.7.conv1.weight"] = torch.zeros(4, 4, 3, 3)
    message = (
        r"1 unexpected: body\.7\.conv1\.weight\n.*of another shape or kind: body\.0\.body\.0\.weight "
        r"\(body\.0\.conv1\.weight in the file\): expected \(4, 4, 3, 3\), found \(5, 4, 3, 3\)"
    )
    with pytest.raises(ValueError, match=message):
        load_exactly(EDSR(scale=2, features=4, blocks=1), state, source="x.pth")


def test_a_key_is_never_filled_twice() -> None:
    """A file with both names of a layer is of no known kind."""
    net = EDSR(scale=2, features=4, blocks=1)
    state = net.state_dict() | {"conv_first.weight": torch.zeros(4, 3, 3, 3)}
    with pytest.raises(ValueError, match=r"1 unexpected: conv_first\.weight"):
        load_exactly(net, state, source="x.pth")
    old = RRDBNet(scale=4, features=4, blocks=1, growth=4)
    both = {"model.8.bias": torch.zeros(4), "model.11.bias": torch.ones(4)}
    assert translate(old, both).state.keys() == {"conv_hr.bias", "model.11.bias"}


def test_an_architecture_that_shares_names_is_not_translated() -> None:
    """MSRResNet's body has the names of BasicSR's EDSR: half of it would be taken over, without a word."""
    net, other = EDSR(scale=2, features=4, blocks=1), MSRResNet(scale=2, features=4, blocks=1)
    report = load_matching(net, other.state_dict())
    assert (report.loaded, report.renamed) == ([], {})
    with pytest.raises(ValueError, match="Expected 16 tensors, found 12"):
        load_exactly(net, other.state_dict(), source="x.pth")


def test_a_net_without_other_names_takes_its_own() -> None:
    net = nn.Linear(2, 2)
    assert translate(net, {"conv_first.weight": torch.zeros(1)}).state.keys() == {"conv_first.weight"}
