"""Parameter counts, key names and multiply-adds of the published sizes.

An incident: official files could not be opened by spandrel because a network had BasicSR's key names.
"""

import json
import math
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from tests.conftest import benchmark_dir
from tests.nets.toys import build_net, net_names

pytestmark = pytest.mark.filterwarnings("ignore:torch.meshgrid")

# name, channels, overrides -> parameters at x2, x3, x4: the papers and official releases.
COUNTS: list[tuple[str, int, dict[str, Any], tuple[int | None, int | None, int | None]]] = [
    ("srcnn_915", 1, {}, (8_129, 8_129, 8_129)),
    ("srcnn", 1, {}, (57_281, 57_281, 57_281)),
    ("vdsr", 1, {"bias": False}, (664_704, 664_704, 664_704)),
    ("vdsr", 1, {}, (665_921, 665_921, 665_921)),
    ("edsr_baseline", 3, {}, (1_369_859, 1_554_499, 1_517_571)),
    ("edsr", 3, {}, (40_729_603, 43_680_003, 43_089_923)),
    ("rcan", 3, {}, (15_444_643, 15_629_283, 15_592_355)),
    ("msrresnet", 3, {}, (1_369_859, 1_554_499, 1_517_571)),
    ("rrdbnet", 3, {}, (16_703_171, None, 16_697_987)),
    ("rrdbnet", 3, {"blocks": 6}, (None, None, 4_467_779)),
    ("srvgg", 3, {}, (None, None, 1_213_296)),
    ("srvgg", 3, {"convolutions": 16}, (None, None, 621_424)),
    ("spandrel/swinir", 3, {}, (11_752_487, 11_937_127, 11_900_199)),
    ("spandrel/swinir_light", 3, {}, (910_152, 918_267, 929_628)),
]


def full_size(name: str, *, scale: int, channels: int = 3, **overrides: Any) -> nn.Module:
    """Without memory, except spandrel's, whose constructors compute."""
    with torch.device("cpu" if name.startswith("spandrel/") else "meta"):
        return build_net(name, scale=scale, channels=channels, **overrides)


@pytest.mark.parametrize(("name", "channels", "overrides", "counts"), COUNTS)
def test_parameter_counts(
    name: str, channels: int, overrides: dict[str, Any], counts: tuple[int | None, ...]
) -> None:
    for scale, count in zip((2, 3, 4), counts, strict=True):
        if count is not None:
            net = full_size(name, scale=scale, channels=channels, **overrides)
            assert sum(parameter.numel() for parameter in net.parameters()) == count, f"x{scale}"


def test_fsrcnn_has_the_papers_weights() -> None:
    """12,464 by table 1 of the paper: without biases and slopes, luma."""
    net = full_size("fsrcnn", scale=3, channels=1)
    weights = [
        module.weight.numel()
        for module in net.modules()
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d)
    ]
    assert sum(weights) == 12_464


def test_srresnet_by_the_papers_table() -> None:
    """16 blocks of k3n64, k9n64 before, k9n3 after, two enlargements of k3n256; one slope a PReLU."""
    blocks = 16 * (2 * (64 * 64 * 9 + 64) + 2 * 2 * 64 + 1)
    ends = 3 * 64 * 81 + 64 + 1 + 64 * 3 * 81 + 3
    middle = 64 * 64 * 9 + 64 + 2 * 64
    enlarging = 2 * (64 * 256 * 9 + 256 + 1)
    net = full_size("srresnet", scale=4)
    assert sum(parameter.numel() for parameter in net.parameters()) == blocks + ends + middle + enlarging


def test_every_config_builds_in_its_published_size() -> None:
    for name in net_names():
        net = full_size(name, scale=2)
        assert (not list(net.parameters())) == (
            name in {"bicubic", "bilinear", "lanczos", "nearest", "spectrum"}
        )


KEYS = [
    ("EDSR-baseline_x2__official_EDSR-PyTorch", "edsr_baseline", 2, {}),
    ("EDSR-baseline_x3__official_EDSR-PyTorch", "edsr_baseline", 3, {}),
    ("EDSR-baseline_x4__official_EDSR-PyTorch", "edsr_baseline", 4, {}),
    ("EDSR-L_x4__official_EDSR-PyTorch", "edsr", 4, {}),
    ("RCAN_x2__official", "rcan", 2, {}),
    ("RCAN_x3__official", "rcan", 3, {}),
    ("RCAN_x4__official", "rcan", 4, {}),
    ("MSRResNet_x4__BasicSR", "msrresnet", 4, {}),
    ("RRDBNet_23_x4__BasicSR(new ESRGAN keys)", "rrdbnet", 4, {}),
    ("RRDBNet_6_x4_anime__BasicSR", "rrdbnet", 4, {"blocks": 6}),
    ("SRVGGNetCompact_x4_32conv__general-x4v3", "srvgg", 4, {}),
    ("SRVGGNetCompact_x4_16conv__animevideov3", "srvgg", 4, {"convolutions": 16}),
    ("SwinIR-M-classical_x2__official", "spandrel/swinir", 2, {}),
    ("SwinIR-M-classical_x3__official", "spandrel/swinir", 3, {}),
    ("SwinIR-M-classical_x4__official", "spandrel/swinir", 4, {}),
    ("SwinIR-light_x4__official", "spandrel/swinir_light", 4, {}),
]


@pytest.mark.parametrize(("entry", "name", "scale", "overrides"), KEYS)
def test_keys_and_shapes_are_the_official_ones(
    entry: str, name: str, scale: int, overrides: dict[str, Any]
) -> None:
    official = json.loads(benchmark_dir("state_dict_inventory.json").read_text())[entry]
    net = full_size(name, scale=scale, **overrides)
    assert {key: list(value.shape) for key, value in net.state_dict().items()} == official["state"]
    mean_shift = (
        24 if "sub_mean.weight" in official["state"] else 0
    )  # theirs are parameters, ours are buffers
    assert sum(parameter.numel() for parameter in net.parameters()) == official["params"] - mean_shift


# 1e9 multiply-adds of the convolutions for one 1280 x 720 image.
MULTIPLY_ADDS = [
    ("srcnn", 1, {2: 52.7, 4: 52.7}),
    ("vdsr", 1, {2: 612.6, 4: 612.6}),
    ("edsr_baseline", 3, {2: 316.2, 3: 160.1, 4: 114.2}),
    ("edsr", 3, {2: 9384.7, 3: 4469.5, 4: 2894.5}),
    ("rcan", 3, {3: 1584.7}),
    ("rrdbnet", 3, {4: 1032.6}),
]


@pytest.mark.parametrize(("name", "channels", "expected"), MULTIPLY_ADDS)
@torch.no_grad()
def test_multiply_adds(name: str, channels: int, expected: dict[int, float]) -> None:
    for scale, billions in expected.items():
        height, width = 720 // scale, math.ceil(1280 / scale)
        net = full_size(name, scale=scale, channels=channels).eval()
        counter = FlopCounterMode(display=False)
        with counter:
            net(torch.empty(1, channels, height, width, device="meta"))
        counted = counter.get_total_flops() / 2e9 * (1280 / scale / width)
        assert counted == pytest.approx(billions, rel=2e-3), f"x{scale}"
