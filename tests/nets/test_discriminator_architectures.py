"""What is particular to each discriminator: sizes, key names, the published graph."""

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sr_experiments.nets.discriminators.base import norm_layer
from sr_experiments.nets.discriminators.multiscale import MultiScaleDiscriminator
from sr_experiments.nets.discriminators.patchgan import PatchGAN
from sr_experiments.nets.discriminators.vgg import VGGDiscriminator
from tests.nets.discriminator_toys import build, images, parameters_of, toy


def test_parameters_of_the_unet() -> None:
    """Counted by hand; Real-ESRGAN's authors' code has as many: 4,376,897."""
    down = 16 * (64 * 128 + 128 * 256 + 256 * 512)
    up = 9 * (512 * 256 + 256 * 128 + 128 * 64)
    expected = (27 * 64 + 64) + down + up + 2 * 9 * 64 * 64 + (9 * 64 + 1)
    assert expected == 4_376_897
    assert parameters_of(build("unet")) == expected


def test_parameters_of_esrgan() -> None:
    widths = [64, 128, 256, 512, 512]
    same = 9 * sum(before * after for before, after in itertools.pairwise(widths))
    convs = (27 * 64 + 64) + same + 16 * sum(width**2 for width in widths)
    normalised_channels = 64 + 2 * sum(widths[1:])
    linear = (512 * 4 * 4 * 100 + 100) + (100 + 1)
    expected = convs + 2 * normalised_channels + linear
    assert expected == 14_499_401
    assert expected + normalised_channels == 14_502_281, "the first release, with biases before the norms"
    assert parameters_of(build("esrgan", patch_size=128)) == expected


def test_parameters_of_srgan() -> None:
    widths = [64, 128, 256, 512]
    same = sum(before * after for before, after in itertools.pairwise(widths))
    convs = (27 * 64 + 64) + 9 * (same + sum(width**2 for width in widths))
    linear = (512 * 6 * 6 * 1024 + 1024) + (1024 + 1)
    expected = convs + 2 * (64 + 2 * sum(widths[1:])) + linear
    assert parameters_of(build("srgan", patch_size=96)) == expected


def test_parameters_of_patchgan_and_of_three() -> None:
    inner = 16 * (64 * 128 + 128 * 256 + 256 * 512)
    one = (48 * 64 + 64) + inner + (128 + 256 + 512) + (16 * 512 + 1)
    assert parameters_of(build("patchgan")) == one
    assert parameters_of(build("multiscale")) == 3 * one
    with_norm = one + (128 + 256 + 512)  # a scale and a shift in place of a bias
    assert parameters_of(build("patchgan", norm="batch")) == with_norm
    assert parameters_of(build("patchgan", norm="instance", spectral_norm=False)) == with_norm


def test_key_names_are_those_of_the_releases() -> None:
    vgg = build("esrgan", widths=[4, 4], hidden=2)
    names = {key.rpartition(".")[0] for key in vgg.state_dict()}
    assert names == {
        "conv0_0",
        "conv0_1",
        "bn0_1",
        "conv1_0",
        "bn1_0",
        "conv1_1",
        "bn1_1",
        "linear1",
        "linear2",
    }
    patch = build("patchgan", width=4, norm="batch", spectral_norm=False)
    names = {key.rpartition(".")[0] for key in patch.state_dict()}
    assert names == {f"model.{number}" for number in (0, 2, 3, 5, 6, 8, 9, 11)}
    unet = build("unet", width=4, spectral_norm=False)
    assert set(unet.state_dict()) == {f"conv{n}.weight" for n in range(10)} | {"conv0.bias", "conv9.bias"}


@pytest.mark.parametrize("norm", ["batch", "instance", "none"])
@pytest.mark.parametrize("name", ["esrgan", "srgan", "patchgan", "multiscale"])
def test_there_is_a_bias_where_no_norm_follows(name: str, norm: str) -> None:
    net = toy(name, norm=norm)
    convs = [module for module in net.modules() if isinstance(module, nn.Conv2d)]
    scales = 3 if name == "multiscale" else 1
    without_norm = 1 if name.endswith("srgan") else 2  # the first, and PatchGAN's last
    expected = len(convs) if norm == "none" else without_norm * scales
    assert sum(conv.bias is not None for conv in convs) == expected
    assert net(*images(net, name)).logits[0].isfinite().all()


def test_a_norm_has_a_scale_and_a_shift() -> None:
    assert len(list(norm_layer("batch", 3).parameters())) == 2
    assert len(list(norm_layer("instance", 3).parameters())) == 2
    assert not list(norm_layer("none", 3).parameters())


@pytest.mark.parametrize(("layers", "field"), [(1, 16), (2, 34), (3, 70), (4, 142)])
def test_the_receptive_field_of_a_patchgan(layers: int, field: int) -> None:
    """Pixels that a logit depends on, found by its gradient; pix2pix names 16 and 70 (table 4)."""
    net = PatchGAN(in_channels=1, width=2, layers=layers, norm="none").double()
    image = torch.rand(1, 1, 2 * field, 2 * field, dtype=torch.float64, requires_grad=True)
    logits = net(image).logits[0]
    middle = logits.shape[-1] // 2
    (gradient,) = torch.autograd.grad(logits[0, 0, middle, middle], image)
    rows, columns = torch.nonzero(gradient[0, 0], as_tuple=True)
    for places in (rows, columns):
        assert int(places.max() - places.min()) + 1 == field


@pytest.mark.parametrize("layers", [1, 2, 3])
@torch.no_grad()
def test_the_smallest_patch_is_what_the_discriminator_says(layers: int) -> None:
    """One pixel less and there is no logit."""
    for net in (
        PatchGAN(in_channels=1, width=2, layers=layers, norm="none"),
        MultiScaleDiscriminator(in_channels=1, width=2, layers=layers, norm="none"),
    ):
        side = net.minimum
        assert net(torch.rand(1, 1, side, side)).logits[-1].shape == (1, 1, 1, 1)
        with pytest.raises(RuntimeError, match="Kernel size can't be greater"):
            net.judge(torch.rand(1, 1, side - 1, side - 1))
    assert build("multiscale", width=2).minimum == 93
    assert build("multiscale", width=2, scales=2).minimum == 47


@pytest.mark.parametrize("kernel", [3, 4])
@pytest.mark.parametrize("norm", ["batch", "instance"])
@torch.no_grad()
def test_vgg_takes_every_size_that_leaves_a_map(norm: str, kernel: int) -> None:
    taken = []
    for size in range(1, 40):
        values: dict[str, Any] = {"widths": (2, 3, 2), "hidden": 2, "norm": norm, "down_kernel": kernel}
        try:
            net = VGGDiscriminator(in_channels=1, size=size, **values)
        except ValueError:
            continue
        taken.append(size)
        assert net(torch.rand(2, 1, size, size)).logits[0].shape == (2, 1)
    smallest = {("batch", 4): 8, ("instance", 4): 16, ("batch", 3): 1, ("instance", 3): 9}[norm, kernel]
    assert taken == list(range(smallest, 40))


@torch.no_grad()
def test_vgg_is_the_published_chain() -> None:
    """Against the same layers in one sequence, as SRGAN's figure 4 draws them."""
    net = build("srgan", patch_size=20, widths=[4, 6], hidden=5).train()
    parts = dict(net.named_modules())
    order = ["conv0_0", "lrelu", "conv0_1", "bn0_1", "lrelu", "conv1_0", "bn1_0", "lrelu", "conv1_1", "bn1_1"]
    order += ["lrelu", "flat", "linear1", "lrelu", "linear2"]
    extra: dict[str, nn.Module] = {"lrelu": nn.LeakyReLU(0.2), "flat": nn.Flatten()}
    chain = nn.Sequential(*[extra.get(name) or parts[name] for name in order])
    assert [parts[f"conv{name}"].stride for name in ("0_0", "0_1", "1_0", "1_1")] == [(1, 1), (2, 2)] * 2
    image = torch.rand(2, 3, 20, 20)
    assert torch.equal(net(image).logits[0], chain(image))


@pytest.mark.parametrize("skip", [True, False])
@torch.no_grad()
def test_the_unet_is_the_published_graph(skip: bool) -> None:
    """Against the figure written out with a bilinear enlargement of its own."""
    net = build("unet", width=3, skip=skip, spectral_norm=False).double()
    weights = net.state_dict()

    def conv(x: Tensor, number: int) -> Tensor:
        stride = 2 if number in (1, 2, 3) else 1
        y = F.conv2d(x, weights[f"conv{number}.weight"], weights.get(f"conv{number}.bias"), stride, padding=1)
        return y if number == 9 else torch.where(y > 0, y, 0.2 * y)

    def double(x: Tensor) -> Tensor:
        for axis in (2, 3):  # each new pixel: three quarters of the nearest old one and a quarter of the next
            length = x.shape[axis]
            here = torch.arange(2 * length) // 2
            there = (here + torch.tensor([-1, 1]).repeat(length)).clamp(0, length - 1)
            x = 0.75 * x.index_select(axis, here) + 0.25 * x.index_select(axis, there)
        return x

    image = torch.rand(2, 3, 16, 24, dtype=torch.float64)
    x0 = conv(image, 0)
    x1 = conv(x0, 1)
    x2 = conv(x1, 2)
    x4 = conv(double(conv(x2, 3)), 4) + skip * x2
    x5 = conv(double(x4), 5) + skip * x1
    x6 = conv(double(x5), 6) + skip * x0
    expected = conv(conv(conv(x6, 7), 8), 9)
    opinion = net(image)
    assert expected.shape == (2, 1, 16, 24)
    torch.testing.assert_close(opinion.logits[0], expected, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(opinion.features[6], x6, rtol=1e-12, atol=1e-14)


def test_the_unet_normalises_the_inner_layers_only() -> None:
    found = {
        name for name, module in build("unet", width=2).named_modules() if hasattr(module, "parametrizations")
    }
    assert found == {f"conv{number}" for number in range(1, 9)}


@torch.no_grad()
def test_a_scale_sees_the_mean_of_three_by_three_pixels() -> None:
    """The halves by loops; a constant image stays constant to its border, and lq is halved with the image."""
    net = (
        MultiScaleDiscriminator(in_channels=1, width=2, layers=1, scales=2, conditional=True).double().eval()
    )
    image, condition = torch.rand(2, 1, 1, 17, 20, dtype=torch.float64)
    both = torch.cat((image, condition), dim=1)
    half = torch.empty(1, 2, 9, 10, dtype=torch.float64)
    for row, column in itertools.product(range(9), range(10)):
        top, left = max(2 * row - 1, 0), max(2 * column - 1, 0)
        half[..., row, column] = both[..., top : 2 * row + 2, left : 2 * column + 2].mean(dim=(2, 3))
    seen = net(image, condition).logits
    for model, x, ours in zip(net.scales, (both, half), seen, strict=True):
        torch.testing.assert_close(ours, model(x), rtol=1e-12, atol=1e-14)


def test_patchgan_starts_as_the_paper_says() -> None:
    net = build("patchgan", spectral_norm=False)
    weights = torch.cat([p.detach().flatten() for p in net.parameters() if p.ndim > 1])
    assert weights.std().item() == pytest.approx(0.02, rel=0.01)
    assert abs(weights.mean().item()) < 1e-4
    assert all(not p.any() for p in net.parameters() if p.ndim == 1)
