"""The contract of `SRNet`, for every network that has a config.

Incidents these tests guard against: an output one pixel short on odd sizes; a layer that was built but never
called and so waited for by DDP; a net that can not be trained in bfloat16 because a constant inside stayed
float32; a buffer that was not in the checkpoint; a pad inside `forward` that tied an export to one size.
"""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from sr_experiments.nets.base import SRNet, run_net
from sr_experiments.nets.spandrel import SpandrelNet
from sr_experiments.nets.weights import load_matching, read_state_dict
from tests.nets.toys import RGB_ONLY, build_net, has_scale, net_names

NAMES = net_names()
BASELINES = ["bicubic", "bilinear", "lanczos", "nearest", "spectrum"]
OURS = [name for name in NAMES if "/" not in name]
pytestmark = [  # of spandrel's code
    pytest.mark.filterwarnings("ignore:torch.meshgrid"),
    pytest.mark.filterwarnings("ignore:'saved_variables' is deprecated"),
]


def toy(name: str, scale: int = 2, channels: int = 3) -> SRNet:
    """A small network, or the test ends with the refusal that was to be expected."""
    torch.manual_seed(scale)
    if not has_scale(name, scale):
        with pytest.raises(ValueError, match=rf"scale={scale}: \w+ is defined for scale "):
            build_net(name, scale=scale, channels=channels, toy=True)
        pytest.skip(f"{name} refuses scale {scale}, as it should")
    return build_net(name, scale=scale, channels=channels, toy=True)


def image(net: SRNet, *, batch: int = 1) -> Tensor:
    """The smallest image that the network takes in training."""
    side = max(net.minimum, 6)
    side += -side % net.multiple_of
    return torch.rand(
        batch, net.in_channels, side, side + net.multiple_of, generator=torch.Generator().manual_seed(1)
    )


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_output_is_scale_times_the_input_for_any_size(name: str, scale: int) -> None:
    net = toy(name, scale).eval()
    for height, width in [(17, 13), (1, 2)]:
        sr = run_net(net, torch.rand(1, 3, height, width))
        assert sr.shape == (1, 3, scale * height, scale * width)
        assert sr.dtype == torch.float32
        assert torch.isfinite(sr).all()


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_the_smallest_size_is_what_the_network_says(name: str) -> None:
    net = toy(name).eval()
    side = net.minimum + -net.minimum % net.multiple_of
    assert net(torch.rand(2, 3, side, side)).shape == (2, 3, 2 * side, 2 * side)


@pytest.mark.parametrize("channels", [1, 5])
@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_any_number_of_channels(name: str, channels: int) -> None:
    if name in RGB_ONLY:
        with pytest.raises(
            ValueError, match=rf"in_channels={channels}: spandrel's \w+ works on 3 channels only"
        ):
            build_net(name, scale=2, channels=channels, toy=True)
        return
    net = toy(name, 2, channels).eval()
    assert run_net(net, torch.rand(1, channels, 8, 9)).shape == (1, channels, 16, 18)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("name", NAMES)
def test_a_gradient_reaches_every_parameter(name: str, scale: int) -> None:
    net = toy(name, scale).train()
    if not list(net.parameters()):
        assert name in BASELINES
        return
    trained = [parameter for parameter in net.parameters() if parameter.requires_grad]
    for _ in range(5):  # a toy has so few features that a ReLU may be shut for all of an image
        with torch.no_grad():
            for parameter in net.parameters():  # some start at zero, which stops the gradient before them
                parameter.add_(0.02 * torch.randn_like(parameter))
        lq = image(net, batch=2)
        sr = net(lq, torch.arange(len(lq))) if net.takes_position else net(lq)
        (sr - torch.rand_like(sr)).square().mean().backward()
        if all(parameter.grad is not None and parameter.grad.any() for parameter in trained):
            break
    for key, parameter in net.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, f"{key} got no gradient"
            assert torch.isfinite(parameter.grad).all(), f"{key} got {parameter.grad}"
            assert parameter.grad.abs().sum() > 0, f"{key} got a gradient of zero"
        else:
            assert isinstance(net, SpandrelNet), f"{key} is frozen"


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_bfloat16(name: str, scale: int) -> None:
    net = toy(name, scale).eval()
    lq = image(net)
    exact = net(lq)
    tolerance = 0.05 * exact.abs().max().item() + 0.02
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = net(lq)
    torch.testing.assert_close(mixed.float(), exact, rtol=0, atol=tolerance)
    half = net.bfloat16()(lq.bfloat16())
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), exact, rtol=0, atol=tolerance)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_state_dict_round_trip(name: str, scale: int, tmp_path: Path) -> None:
    net = toy(name, scale).eval()
    path = tmp_path / "net.pt"
    torch.save(net.state_dict(), path)
    other = toy(name, scale).eval()
    for tensor in other.state_dict().values():
        tensor.zero_()
    if name in BASELINES:
        assert net.state_dict() == {}
        return
    report = load_matching(other, read_state_dict(path))
    assert (report.skipped, report.missing) == ({}, [])
    lq = image(net)
    torch.testing.assert_close(other(lq), net(lq), rtol=0, atol=0)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_export(name: str, scale: int) -> None:
    net = toy(name, scale).eval()
    lq = image(net)
    program = torch.export.export(net, (lq,))
    torch.testing.assert_close(program.module()(lq), net(lq), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", OURS)
@torch.no_grad()
def test_export_with_any_batch_height_and_width(name: str) -> None:
    net = toy(name, 2).eval()
    lq = image(net, batch=2)
    height, width = torch.export.Dim("h", min=2, max=512), torch.export.Dim("w", min=2, max=512)
    sizes = {0: torch.export.Dim("b"), 2: net.multiple_of * height, 3: net.multiple_of * width}
    program = torch.export.export(net, (lq,), dynamic_shapes=(sizes,))
    for shape in [lq.shape, (3, 3, 7 * net.multiple_of, 11 * net.multiple_of)]:
        other = torch.rand(shape)
        torch.testing.assert_close(program.module()(other), net(other), rtol=1e-5, atol=1e-5)
