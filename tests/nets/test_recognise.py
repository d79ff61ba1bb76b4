"""A net is told from its weights: the same arguments, and spandrel's own image."""

import copy
import importlib
import math
import re
import sys
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sr_experiments.nets.base import SRNet
from sr_experiments.nets.recognise import NotRecognised, OfAFile, Recognised, recognise
from sr_experiments.nets.rrdbnet import RRDBNet
from sr_experiments.nets.spandrel import SpandrelNet, plain
from sr_experiments.nets.weights import load_exactly
from tests.nets.toys import SCALES, build_net, net_names

pytestmark = pytest.mark.filterwarnings("ignore:torch.meshgrid")
State = dict[str, Tensor]

# What no tensor tells is taken as published, so a toy has to have it so.
AS_PUBLISHED: dict[str, dict[str, Any]] = {
    "edsr": {"res_scale": 1.0},
    "spandrel/atd": {"category_size": 256},
    "spandrel/grl": {"window_size": 32, "stripe_size": [64, 64]},
    "spandrel/omnisr": {"num_feat": 64},
    "spandrel/seemore": {"num_experts": 3, "topk": 1},
}
KNOWN = ["edsr", "edsr_baseline", "msrresnet", "rcan", "rrdbnet", "srvgg", "srvgg_small"]
KNOWN += [name for name in net_names() if name.startswith("spandrel/")]


def built(found: Recognised) -> SRNet:
    """The net that was told, with the weights that tell it."""
    node = found.node
    module, _, name = node.pop("_target_").rpartition(".")
    net = getattr(importlib.import_module(module), name)(**node)
    assert isinstance(net, SRNet)
    load_exactly(net, found.state, source="the state dict")
    return net.eval()


def image(*nets: SRNet) -> Tensor:
    side, multiple = max(net.minimum for net in nets), math.lcm(*[net.multiple_of for net in nets])
    side += -side % multiple
    shape = (1, nets[0].in_channels, side, side + multiple)
    return torch.rand(shape, generator=torch.Generator().manual_seed(2))


def some_scale(name: str) -> int:
    """A scale for each net; together they are all."""
    allowed = [scale for scale in (4, 2, 3) if scale in SCALES.get(name, (2, 3, 4))]
    if name == "rrdbnet":
        allowed.remove(3)  # its files are those of x2 to the last key
    return allowed[KNOWN.index(name) % len(allowed)]


@pytest.mark.parametrize("name", KNOWN)
@torch.no_grad()
def test_a_net_is_told_from_its_state_dict(name: str) -> None:
    """Of spandrel's the same arguments and weights make the same net; whether they do, see below."""
    scale = some_scale(name)
    torch.manual_seed(scale)
    net = build_net(name, scale=scale, toy=True, **AS_PUBLISHED.get(name, {})).eval()
    given = {key: value.clone() for key, value in net.state_dict().items()}
    found = recognise(given)
    assert (found.scale, found.channels) == (scale, 3)
    assert given.keys() == net.state_dict().keys(), "what was given is not changed"
    again = built(found)
    if isinstance(net, SpandrelNet) and isinstance(again, SpandrelNet):
        told, wanted = (told_by_tensors(one, besides=ROUNDED.get(name)) for one in (again, net))
        assert told == wanted
        assert all(torch.equal(again.state_dict()[key], value) for key, value in given.items())
        return
    lq = image(net, again)
    assert torch.equal(again(lq), net(lq))


def told_by_tensors(net: SpandrelNet, *, besides: str | None) -> dict[str, Any]:
    """Its arguments without those that are at work in training only."""
    arguments: Any = net._inner.hyperparameters
    return {key: plain(value) for key, value in arguments.items() if key not in (*TRAINING, besides)}


TRAINING = (
    "drop_path_rate",
    "drop_path",
    "drop_rate",
    "init_method",
    "use_checkpoint",
    "img_size",
    "norm_layer",
)
# Only the number of the one's values counts, and the other is rounded to whole channels.
ROUNDED = {"spandrel/drct": "depths", "spandrel/moesr": "expansion_factor"}


def official(architecture: str, **arguments: Any) -> nn.Module:
    """spandrel's own class."""
    module, _, name = architecture.partition(".")
    torch.manual_seed(5)
    made = getattr(importlib.import_module(f"spandrel.architectures.{module}"), name or module)(**arguments)
    assert isinstance(made, nn.Module)
    return made


# Community files are written by other programs: their classes, other sizes than ours, other options.
OTHERS: dict[str, Callable[[], nn.Module]] = {
    "Compact, grey": lambda: official(
        "Compact", num_in_ch=1, num_out_ch=1, num_feat=24, num_conv=3, upscale=2
    ),
    "ESRGAN of 2018, x4": lambda: official("ESRGAN", num_filters=16, num_blocks=2, scale=4),
    "ESRGAN of 2018, x2": lambda: official("ESRGAN", num_filters=8, num_blocks=3, scale=2),
    "ESRGAN of 2018, x8": lambda: official("ESRGAN", num_filters=8, num_blocks=2, scale=8),
    "Real-ESRGAN, x2": lambda: official(
        "ESRGAN", in_nc=12, num_filters=8, num_blocks=2, scale=4, shuffle_factor=2
    ),
    "RCAN": lambda: official("RCAN", scale=2, n_resgroups=2, n_resblocks=3, n_feats=32, reduction=8),
    "RCAN without a mean": lambda: official(
        "RCAN", scale=3, n_resgroups=3, n_resblocks=2, n_feats=32, norm=False
    ),
    "SwinIR, nearest": lambda: official(
        "SwinIR", img_size=16, embed_dim=24, depths=[2, 2], num_heads=[2, 2], window_size=8, upscale=4,
        upsampler="nearest+conv", resi_connection="3conv",
    ),
    "SwinIR, direct": lambda: official(
        "SwinIR", img_size=16, embed_dim=12, depths=[2], num_heads=[2], window_size=8, upscale=3,
        mlp_ratio=2, upsampler="pixelshuffledirect",
    ),
    "SPAN without its norm": lambda: official(
        "SPAN", num_in_ch=3, num_out_ch=3, feature_channels=16, upscale=2, norm=False
    ),
    "RealPLKSR": lambda: official("PLKSR.RealPLKSR", dim=32, n_blocks=3, upscaling_factor=4),
    "OmniSR": lambda: official("OmniSR", num_feat=64, res_num=1, up_scale=2),
    "DAT": lambda: official(
        "DAT", img_size=32, embed_dim=64, depth=[2], num_heads=[2], split_size=[8, 8], upscale=4,
        upsampler="pixelshuffledirect",
    ),
    "HAT": lambda: official(
        "HAT", embed_dim=24, depths=[2], num_heads=[2], window_size=8, upscale=2, squeeze_factor=6,
        compress_ratio=3, upsampler="pixelshuffle",
    ),
    "MoSR": lambda: official("MoSR", n_block=2, dim=16, upscale=2),
    "SAFMN": lambda: official("SAFMN", dim=24, n_blocks=3, upscaling_factor=3),
    "RealCUGAN, pro": lambda: official("RealCUGAN.UpCunet2x", in_channels=3, out_channels=3, pro=True),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
@torch.no_grad()
def test_it_is_the_image_that_spandrel_makes(name: str) -> None:
    """Equal to what spandrel's loader makes of the same file, and to the class that wrote it."""
    from spandrel import ModelLoader

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = OTHERS[name]().eval()
    state = {key: value.clone() for key, value in made.state_dict().items()}
    net = built(recognise(copy.deepcopy(state)))
    theirs = ModelLoader().load_from_state_dict(copy.deepcopy(state)).eval()
    assert (net.scale, net.in_channels) == (theirs.scale, theirs.input_channels)
    lq = image(net)
    lq = torch.nn.functional.interpolate(lq, (32, 48)) if name.startswith("HAT") else lq
    sr = net(lq)
    # Some of their classes work on the tensor that they are given.
    torch.testing.assert_close(sr, theirs.model(lq.clone()), rtol=1e-5, atol=2e-6)
    torch.testing.assert_close(sr, made(lq.clone()), rtol=1e-5, atol=2e-6)


def old_names(net: RRDBNet) -> State:
    """ESRGAN's second names."""
    pairs = {
        r"^body\.(\d+)\.rdb": r"RRDB_trunk.\1.RDB",
        "^conv_body": "trunk_conv",
        "^conv_up": "upconv",
        "^conv_hr": "HRconv",
    }
    state = {}
    for key, value in net.state_dict().items():
        for ours, theirs in pairs.items():
            key = re.sub(ours, theirs, key)
        state[key] = value.clone()
    assert len(state.keys() - net.state_dict().keys()) > 30
    return state


@pytest.mark.parametrize("unshuffle", [None, 1])
def test_esrgan_under_the_names_of_2019(unshuffle: int | None) -> None:
    net = RRDBNet(scale=2, features=8, blocks=2, growth=4, unshuffle=unshuffle)
    for state in (old_names(net), net.state_dict()):
        found = recognise(state)
        assert found.arguments == {
            "scale": 2, "in_channels": 3, "features": 8, "blocks": 2, "growth": 4, "unshuffle": unshuffle,
        }  # fmt: skip
        lq = torch.rand(1, 3, 8, 6)
        assert torch.equal(built(found)(lq), net.eval()(lq))


def test_edsr_of_the_published_size_has_its_factor() -> None:
    with torch.device("meta"):
        state = build_net("edsr", scale=2).state_dict()
    found = recognise(state)
    assert (found.arguments["res_scale"], found.arguments["blocks"], found.arguments["features"]) == (
        0.1,
        32,
        256,
    )


def unshuffling(state: Mapping[str, Tensor]) -> State:
    """As the files have it that spandrel takes for such a SwinIR."""
    return {key.replace("conv_first.", "conv_first.1."): value for key, value in state.items()}


REFUSED: dict[str, tuple[Callable[[], State], str]] = {
    "nobody's": (
        lambda: {"layer.weight": torch.zeros(3)},
        "none of the architectures that are known here or to spandrel",
    ),
    "a restorer": (
        lambda: official("Compact", num_feat=8, num_conv=2, upscale=1).state_dict(),
        r"SRVGG \(RealESRGAN Compact\) that keeps the size of the image",
    ),
    "a restorer of spandrel's": (
        lambda: official("DnCNN", in_nc=3, out_nc=3, nc=16, nb=4).state_dict(),
        "DnCNN that keeps the size of the image",
    ),
    "ESRGAN of one size": (
        lambda: official("ESRGAN", num_filters=8, num_blocks=2, scale=1).state_dict(),
        r"RRDBNet \(ESRGAN\) that keeps the size of the image",
    ),
    "other channels": (
        lambda: official("ESRGAN", in_nc=1, out_nc=3, num_filters=8, num_blocks=2).state_dict(),
        r"RRDBNet \(ESRGAN\) that makes 3 channels of 1",
    ),
    "other channels of spandrel's": (
        lambda: official("RealCUGAN.UpCunet2x", in_channels=1, out_channels=3).state_dict(),
        "RealCUGAN that makes 3 channels of 1",
    ),
    "unshuffled pixels": (
        lambda: unshuffling(
            official("SwinIR", img_size=16, embed_dim=12, depths=[2], num_heads=[2], window_size=8, upscale=4,
                     upsampler="nearest+conv", start_unshuffle=2).state_dict()
        ),
        "SwinIR with start_unshuffle=2, which has no place here",
    ),
    "one that has no place": (
        lambda: official("RealCUGAN.UpCunet2x_fast", in_channels=3, out_channels=3).state_dict(),
        r"UpCunet2x_fast \(spandrel's RealCUGAN\), which has no place here",
    ),
    "something that looks like one": (
        lambda: {**build_net("spandrel/mosr", scale=2, toy=True).state_dict(), "more": torch.zeros(1)},
        "something that looks like MoSR to spandrel, which can not load it: Error",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_place_is_refused_in_words(name: str) -> None:
    make, message = REFUSED[name]
    with pytest.raises(NotRecognised, match=message):
        recognise(make())


def test_without_spandrel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our own five are told all the same."""
    plksr = build_net("spandrel/plksr", scale=2, toy=True).state_dict()
    for name in [name for name in sys.modules if name.partition(".")[0] == "spandrel"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "spandrel", None)
    assert (
        str(recognise(build_net("edsr_baseline", scale=3, toy=True).state_dict())) == "EDSR x3 of 3 channels"
    )
    with pytest.raises(NotRecognised, match=r'spandrel, which .*: pip install "sr-experiments\[spandrel\]"'):
        recognise(plksr)


def test_nothing_to_take_it_from() -> None:
    with pytest.raises(ValueError, match=r"none was given: checkpoint=FILE, or for training init_from=FILE"):
        OfAFile()
