"""What is particular to a network: refusals, initialisation, skips, ranges."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sr_experiments.nets.autoencoder import Autoencoder
from sr_experiments.nets.base import SRNet
from sr_experiments.nets.blocks import MeanShift, shuffle_factors
from sr_experiments.nets.edsr import EDSR
from sr_experiments.nets.espcn import ESPCN
from sr_experiments.nets.fsrcnn import FSRCNN
from sr_experiments.nets.interpolate import Upscale
from sr_experiments.nets.msrresnet import MSRResNet
from sr_experiments.nets.rcan import RCAN
from sr_experiments.nets.rednet import REDNet
from sr_experiments.nets.rrdbnet import RRDBNet
from sr_experiments.nets.srcnn import SRCNN
from sr_experiments.nets.srvgg import SRVGG
from sr_experiments.nets.unet import UNet
from sr_experiments.nets.vdsr import VDSR

REFUSALS: list[tuple[type[SRNet], dict[str, Any], str]] = [
    (EDSR, {"scale": 5}, "scale=5: EDSR is defined for scale 2, 3, 4, 8"),
    (EDSR, {"scale": 1}, "scale=1: EDSR is defined for scale 2, 3, 4, 8"),
    (RRDBNet, {"scale": 6}, "scale=6: RRDBNet is defined for scale 1, 2, 3, 4, 8"),
    (
        ESPCN,
        {"scale": 2, "in_channels": 0},
        r"in_channels=0: ESPCN needs 1 \(luma\), 3 \(RGB\) or more bands",
    ),
    (EDSR, {"scale": 2, "mean": [0.5]}, "mean has 1 values for 3 channels: give one each, or null"),
    (RCAN, {"scale": 2, "reduction": 65}, "reduction=65: RCAN with 64 features allows 1 to 64"),
    (SRCNN, {"scale": 2, "kernels": [9, 4, 5]}, r"kernels=\[9, 4, 5\].*SRCNN takes three odd kernels"),
    (SRCNN, {"scale": 2, "features": [64]}, r"features=\[64\]: SRCNN takes three odd kernels"),
    (VDSR, {"scale": 2, "depth": 1}, "depth=1: VDSR needs at least 2 convolutions"),
    (REDNet, {"scale": 2, "depth": 0}, "depth=0: REDNet needs at least 1 convolution"),
    (UNet, {"scale": 2, "features": [64]}, r"features=\[64\]: UNet needs two levels or more, as \[64, 128\]"),
    (Autoencoder, {"scale": 2, "kernels": [9]}, r"kernels=\[9\].*Autoencoder takes one odd kernel for each"),
    (Autoencoder, {"scale": 2, "stride": 0}, "stride=0: Autoencoder takes one odd kernel for each"),
]


@pytest.mark.parametrize(("make", "values", "message"), REFUSALS)
def test_refusals(make: type[SRNet], values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(**values)


def test_a_net_without_forward_says_so() -> None:
    with pytest.raises(NotImplementedError, match="SRNet has no forward"):
        SRNet(scale=2, in_channels=3)(torch.zeros(1, 3, 4, 4))


def test_shuffle_factors() -> None:
    assert [shuffle_factors(scale) for scale in (1, 2, 3, 4, 8)] == [[], [2], [3], [2, 2], [2, 2, 2]]


def test_mean_shift_is_the_official_convolution() -> None:
    """Official files may have a trained 1x1 convolution that mixes channels."""
    shift = MeanShift([-1.0, 2.0, 0.5])
    assert torch.equal(shift.weight[:, :, 0, 0], torch.eye(3))
    assert not list(shift.parameters())
    shift.load_state_dict({"weight": torch.randn(3, 3, 1, 1), "bias": torch.randn(3)})
    image = torch.randn(2, 3, 4, 5)
    torch.testing.assert_close(shift(image), F.conv2d(image, shift.weight, shift.bias))


def test_mean_shift_keeps_its_precision_under_autocast() -> None:
    image = 255 * torch.rand(1, 3, 8, 8)
    shift = MeanShift([-114.444, -111.4605, -103.02])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(shift(image), image + shift.bias[:, None, None])


@pytest.mark.parametrize(
    ("channels", "means"), [(3, (0.4488, 0.4371, 0.4040)), (1, (0.42996667,)), (2, (0.42996667,) * 2)]
)
def test_mean_of_any_number_of_channels(channels: int, means: tuple[float, ...]) -> None:
    net = EDSR(scale=2, in_channels=channels, features=4, blocks=1)
    torch.testing.assert_close(net.add_mean.bias, 255 * torch.tensor(means))
    torch.testing.assert_close(net.sub_mean.bias, -255 * torch.tensor(means))
    torch.testing.assert_close(
        EDSR(scale=2, features=4, blocks=1, mean=[0.1, 0.2, 0.3]).add_mean.bias[2] / 255, torch.tensor(0.3)
    )


def std(weight: Tensor) -> float:
    return weight.std().item()


def convolutions(net: nn.Module) -> list[nn.Conv2d]:
    return [module for module in net.modules() if isinstance(module, nn.Conv2d)]


def test_initialisation_is_the_papers() -> None:
    torch.manual_seed(0)
    assert std(SRCNN(scale=2).conv1.weight) == pytest.approx(0.001, rel=0.05)
    assert std(convolutions(VDSR(scale=2))[5].weight) == pytest.approx(math.sqrt(2 / (9 * 64)), rel=0.05)
    fsrcnn = FSRCNN(scale=2)
    assert std(fsrcnn.last_part.weight) == pytest.approx(0.001, rel=0.05)
    assert std(convolutions(fsrcnn)[0].weight) == pytest.approx(math.sqrt(2 / (25 * 56)), rel=0.05)
    rrdb = RRDBNet(scale=4, blocks=1)
    dense = rrdb.get_submodule("body.0.rdb1.conv5")
    assert isinstance(dense, nn.Conv2d)
    assert std(dense.weight) == pytest.approx(0.1 * math.sqrt(2 / (9 * 192)), rel=0.05)
    assert std(rrdb.conv_hr.weight) == pytest.approx(
        math.sqrt(1 / (3 * 9 * 64)), rel=0.05
    )  # PyTorch's default
    assert std(MSRResNet(scale=4).conv_hr.weight) == pytest.approx(0.1 * math.sqrt(2 / (9 * 64)), rel=0.05)
    for net in (SRCNN(scale=2), VDSR(scale=2), fsrcnn, MSRResNet(scale=4), REDNet(scale=2, features=8)):
        assert all(
            torch.count_nonzero(module.bias) == 0 for module in convolutions(net) if module.bias is not None
        )


@pytest.mark.parametrize("make", [VDSR, REDNet, UNet])
@torch.no_grad()
def test_pre_enlarged_networks_learn_a_residual(make: Callable[..., SRNet]) -> None:
    """With its last layer at zero the network is bicubic interpolation."""
    net = make(scale=2).eval()
    *_, last_weight, last_bias = net.parameters()
    last_weight.zero_()
    last_bias.zero_()
    lq = torch.rand(1, 3, 16, 16)
    torch.testing.assert_close(net(lq), Upscale(scale=2)(lq))


@pytest.mark.parametrize(("make", "mode"), [(MSRResNet, "bilinear"), (SRVGG, "nearest")])
@torch.no_grad()
def test_skips_of_the_compact_networks(make: Callable[..., SRNet], mode: str) -> None:
    net = make(scale=3).eval()
    *_, last_weight, last_bias = net.parameters()
    last_weight.zero_()
    last_bias.zero_()
    lq = torch.rand(1, 3, 6, 7)
    torch.testing.assert_close(net(lq), F.interpolate(lq, scale_factor=3, mode=mode))


@torch.no_grad()
def test_rednet_skips_are_symmetric() -> None:
    """2 x 5 layers written out: convolutions 4 and 2 join transposed convolutions 1 and 3."""
    net = REDNet(scale=2, features=4, depth=5)
    lq = torch.rand(1, 3, 5, 6)
    enlarged = Upscale(scale=2)(lq)
    c1 = F.relu(net.encoder[0](enlarged))
    c2 = F.relu(net.encoder[1](c1))
    c3 = F.relu(net.encoder[2](c2))
    c4 = F.relu(net.encoder[3](c3))
    c5 = F.relu(net.encoder[4](c4))
    d1 = F.relu(F.relu(net.decoder[0](c5)) + c4)
    d2 = F.relu(net.decoder[1](d1))
    d3 = F.relu(F.relu(net.decoder[2](d2)) + c2)
    d4 = F.relu(net.decoder[3](d3))
    torch.testing.assert_close(net(lq), enlarged + net.decoder[4](d4))
    plain = REDNet(scale=2, features=4, depth=5, skip_step=0)
    plain.load_state_dict(net.state_dict())
    assert not torch.allclose(plain(lq), net(lq))


@pytest.mark.parametrize(("scale", "multiple"), [(2, 4), (3, 8), (4, 2), (8, 1)])
def test_multiple_of_the_unet_is_in_pixels_of_lq(scale: int, multiple: int) -> None:
    net = UNet(scale=scale, features=[2, 4, 4, 4])
    assert (net.multiple_of, net.minimum) == (multiple, 2 * multiple)


@torch.no_grad()
def test_an_hourglass_autoencoder() -> None:
    net = Autoencoder(scale=2, features=[4, 2], stride=2)
    assert net.multiple_of == 2
    assert net(torch.rand(1, 3, 6, 10)).shape == (1, 3, 12, 20)
    code = net.encoder[1](net.encoder[0](net.upscale(torch.rand(1, 3, 6, 10))))
    assert code.shape == (1, 2, 3, 5)


@pytest.mark.parametrize(("scale", "multiple"), [(1, 4), (2, 2), (3, 1), (4, 1), (8, 1)])
@torch.no_grad()
def test_rrdbnet_unshuffles_small_scales(scale: int, multiple: int) -> None:
    net = RRDBNet(scale=scale, features=4, blocks=1, growth=2)
    assert net.multiple_of == multiple
    assert net.conv_first.in_channels == 3 * multiple**2
    assert net(torch.rand(1, 3, 8, 4)).shape == (1, 3, 8 * scale, 4 * scale)


@pytest.mark.parametrize(
    ("activation", "kind"), [("prelu", nn.PReLU), ("relu", nn.ReLU), ("leakyrelu", nn.LeakyReLU)]
)
def test_activations_of_srvgg(activation: Any, kind: type[nn.Module]) -> None:
    net = SRVGG(scale=2, features=4, convolutions=2, activation=activation)
    assert sum(isinstance(module, kind) for module in net.modules()) == 3
