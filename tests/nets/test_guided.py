"""The guided net: what it computes, against formulas written out, and what it takes."""

import math
import re

import pytest
import torch
from torch import Tensor

from sr_experiments.imaging.resize import imresize
from sr_experiments.models.base import SRModel
from sr_experiments.models.cost import multiply_adds
from sr_experiments.models.inference import Inference
from sr_experiments.nets.base import run_net
from sr_experiments.nets.guided import GuidedNet
from sr_experiments.nets.noisy import NoisyNet


def images(height: int = 6, width: int = 7, *, scale: int = 4, channels: int = 1) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(scale)
    lq = torch.rand(2, channels, height, width, dtype=torch.float64, generator=generator)
    guide = torch.rand(2, 3, scale * height, scale * width, dtype=torch.float64, generator=generator)
    return lq, guide


def net(*, scale: int = 4, channels: int = 1, guide_channels: int = 3) -> GuidedNet:
    torch.manual_seed(0)
    return (
        GuidedNet(scale=scale, in_channels=channels, guide_channels=guide_channels, features=6)
        .double()
        .eval()
    )


def without_correction(net: GuidedNet) -> GuidedNet:
    last = net.correction[-1]
    torch.nn.init.zeros_(last.weight)  # type: ignore[arg-type]
    torch.nn.init.zeros_(last.bias)  # type: ignore[arg-type]
    return net


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
@torch.no_grad()
def test_with_the_enlarged_image_alone_it_is_matlabs_bicubic(scale: int) -> None:
    guided = without_correction(net(scale=scale))
    guided.place[:, -1] = 1e4
    lq, guide = images(scale=scale)
    inside = (
        ...,
        slice(2 * scale, -2 * scale),
        slice(2 * scale, -2 * scale),
    )  # borders are continued otherwise
    expected = imresize(lq, scale=scale)
    torch.testing.assert_close(guided(lq, guide)[inside], expected[inside], rtol=0, atol=1e-6)


@torch.no_grad()
def test_it_is_joint_bilateral_upsampling() -> None:
    """Kopf's formula, a pixel at a time: a weighted mean of 5 x 5 neighbours, by place and colour."""
    scale = 4
    guided = without_correction(net(scale=scale))
    for layer in (guided.learned[-1], guided.own):
        torch.nn.init.zeros_(layer.weight)  # type: ignore[arg-type]
        torch.nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    guided.place[:, -1] = -1e4
    lq, guide = images(scale=scale)
    result = guided(lq, guide)
    look = guided.look.weight[:, :, 0, 0]
    colours = torch.einsum("fg,bghw->bfhw", look, 4 * (guide - 0.5))
    means = torch.nn.functional.avg_pool2d(colours, scale)
    sharp = math.log1p(math.exp(float(guided.sharpness)))
    height, width = lq.shape[-2:]
    for y, x in [(0, 0), (9, 14), (13, 3), (23, 27)]:
        total, weights = 0.0, 0.0
        for dy in range(-2, 3):
            for dx in range(-2, 3):
                row, column = y // scale + dy, x // scale + dx
                apart = ((y + 0.5) / scale - 0.5 - row) ** 2 + ((x + 0.5) / scale - 0.5 - column) ** 2
                row, column = min(max(row, 0), height - 1), min(max(column, 0), width - 1)
                unlike = float((colours[1, :, y, x] - means[1, :, row, column]).square().sum())
                weight = math.exp(-1.4 * apart - sharp * unlike)
                total, weights = total + weight * float(lq[1, 0, row, column]), weights + weight
        assert float(result[1, 0, y, x]) == pytest.approx(total / weights, abs=1e-6)


@pytest.mark.parametrize("guide_channels", [0, 3])
@torch.no_grad()
def test_what_is_added_to_lq_is_added_to_the_result(guide_channels: int) -> None:
    guided = net(guide_channels=guide_channels)
    lq, guide = images()
    given = (guide,) if guide_channels else ()
    torch.testing.assert_close(guided(lq + 0.25, *given), guided(lq, *given) + 0.25, rtol=0, atol=1e-6)


@torch.no_grad()
def test_an_edge_of_the_guide_becomes_one_of_the_result() -> None:
    """Depth of two levels, whose border the colours know to the pixel: it starts better than bicubic."""
    scale, border = 8, 43
    gt = torch.full((1, 1, 80, 80), 0.2)
    gt[..., border:] = 0.7
    guide = torch.where(gt > 0.5, 0.9, 0.1).expand(-1, 3, -1, -1)
    lq = imresize(gt, size=(10, 10))
    torch.manual_seed(0)
    guided = GuidedNet(scale=scale).eval()
    error = (guided(lq, guide) - gt).square().mean()
    assert error < 0.5 * (imresize(lq, scale=scale) - gt).square().mean()


@pytest.mark.parametrize("scale", [2, 3])
@pytest.mark.parametrize(("channels", "guide_channels"), [(1, 3), (3, 1), (2, 4)])
def test_a_gradient_reaches_every_parameter_with_a_guide(
    scale: int, channels: int, guide_channels: int
) -> None:
    guided = net(scale=scale, channels=channels, guide_channels=guide_channels).train()
    lq = torch.rand(2, channels, 5, 6, dtype=torch.float64)
    guide = torch.rand(2, guide_channels, 5 * scale, 6 * scale, dtype=torch.float64)
    sr = guided(lq, guide)
    assert sr.shape == (2, channels, 5 * scale, 6 * scale)
    (sr - torch.rand_like(sr)).square().mean().backward()
    for key, parameter in guided.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.abs().sum() > 0, key


@pytest.mark.parametrize("self_ensemble", [False, True])
@pytest.mark.parametrize("tile", [18, 21])
@torch.no_grad()
def test_tiles_with_a_guide_are_the_whole_image(tile: int, self_ensemble: bool) -> None:
    """In pixels of lq it looks at 2 neighbours, whose features see 5 further, and 1 for the correction."""
    scale = 3
    guided = net(scale=scale)
    lq, guide = images(31, 26, scale=scale)
    whole = Inference(self_ensemble=self_ensemble)(guided, lq, guide)
    tiled = Inference(self_ensemble=self_ensemble, tile=tile, tile_overlap=8, batch=3)(guided, lq, guide)
    torch.testing.assert_close(tiled, whole, rtol=0, atol=1e-6)
    assert not torch.allclose(whole, Inference(self_ensemble=self_ensemble)(guided, lq, 1 - guide), atol=1e-3)


@torch.no_grad()
def test_the_ensemble_is_the_mean_over_turned_pairs() -> None:
    guided = net()
    lq, guide = images()
    turned = [
        torch.rot90(guided(torch.rot90(lq, k, (2, 3)), torch.rot90(guide, k, (2, 3))), -k, (2, 3))
        for k in range(4)
    ]
    lq, guide = lq.flip(-1), guide.flip(-1)
    turned += [
        torch.rot90(guided(torch.rot90(lq, k, (2, 3)), torch.rot90(guide, k, (2, 3))), -k, (2, 3)).flip(-1)
        for k in range(4)
    ]
    expected = torch.stack(turned).mean(dim=0)
    found = Inference(self_ensemble=True)(guided, lq.flip(-1), guide.flip(-1))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


@torch.no_grad()
def test_export_with_a_guide_of_any_size() -> None:
    guided = net(scale=2).float()
    lq, guide = (image.float() for image in images(scale=2))
    height, width = torch.export.Dim("h", min=2, max=512), torch.export.Dim("w", min=2, max=512)
    batch = torch.export.Dim("b")
    sizes = ({0: batch, 2: height, 3: width}, {0: batch, 2: 2 * height, 3: 2 * width})
    program = torch.export.export(guided, (lq, guide), dynamic_shapes=sizes)
    other = torch.rand(3, 1, 9, 5), torch.rand(3, 3, 18, 10)
    torch.testing.assert_close(program.module()(*other), guided(*other), rtol=1e-5, atol=1e-5)


def test_the_same_layers_without_a_guide() -> None:
    given, none = GuidedNet(scale=8), GuidedNet(scale=8, guide_channels=0)
    shapes = [{name: value.shape for name, value in one.named_parameters()} for one in (given, none)]
    assert shapes[0].keys() == shapes[1].keys()
    other = {name for name in shapes[0] if shapes[0][name] != shapes[1][name]}
    assert other == {"look.weight", "learned.0.weight"}, "what first sees the guide"
    assert given.notes == []
    assert none.notes == ["guide_channels=0: no guide; the net sees details of the enlarged lq in its place"]
    assert SRModel(none).collect_notes() == none.notes


def test_multiply_adds_count_the_guide() -> None:
    """Counted by hand: 16 features at 1280x720, 5 x 5 neighbours, and the bicubic kernel twice."""
    pixels = 1280 * 720
    layers = 3 * 16 + 9 * (4 * 16 + 2 * 16 * 16) + 16 + 9 * (18 * 16 + 16 * 16 + 16)
    assert multiply_adds(GuidedNet(scale=8)) == pixels * (layers + 25 * 16 + 3 * 25)


def test_padding_serves_it() -> None:
    guided = net(guide_channels=0)
    lq, _ = images(1, 2)
    sr = run_net(guided, lq)
    assert sr.shape == (2, 1, 4, 8)


def test_without_the_guide_that_it_needs() -> None:
    told = (
        "GuidedNet takes a guide of 3 channels beside lq, and none was given: data=guided and data=stereo "
        "bring guides; trained with guide_channels=0 it needs none"
    )
    with pytest.raises(ValueError, match=re.escape(told)):
        net()(images()[0])


def test_fewer_channels_than_none() -> None:
    with pytest.raises(ValueError, match=r"guide_channels=-1: must be 0 \(no guide\) or more"):
        GuidedNet(scale=2, guide_channels=-1)


def test_noise_before_a_guided_net() -> None:
    told = "net.inner=GuidedNet: takes a guide, which net=noisy does not hand on; choose that net itself"
    with pytest.raises(ValueError, match=re.escape(told)):
        NoisyNet(inner=GuidedNet(scale=2))
    assert NoisyNet(inner=GuidedNet(scale=2, guide_channels=0)).guide_channels == 0
