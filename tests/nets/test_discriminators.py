"""The contract of `Discriminator`, for every conf/discriminator.

Incidents these tests guard against: a patch size that fitted no layer and failed inside a convolution; a
penalty on the gradient whose own derivative was absent or wrong.
"""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from sr_experiments.nets.discriminators.base import Discriminator
from sr_experiments.nets.discriminators.multiscale import MultiScaleDiscriminator
from sr_experiments.nets.discriminators.patchgan import PatchGAN
from sr_experiments.nets.discriminators.unet import UNetDiscriminator
from sr_experiments.nets.discriminators.vgg import VGGDiscriminator
from sr_experiments.signature import find_signature
from tests.nets.discriminator_toys import (
    NAMES,
    compose,
    images,
    toy,
    verdict,
)

# ------------------------------------------------------------------------------------------- the contract


def test_there_is_something_to_test() -> None:
    assert NAMES == ["esrgan", "multiscale", "patchgan", "srgan", "unet"]


@pytest.mark.parametrize("name", NAMES)
def test_a_config_spells_every_option(name: str) -> None:
    config = compose(name)
    signature = find_signature(config.pop("_target_"))
    assert config.keys() == signature.parameters.keys()


@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize("name", NAMES)
def test_any_number_of_channels_with_and_without_a_condition(
    name: str, channels: int, conditional: bool
) -> None:
    net = toy(name, channels=channels, conditional=conditional)
    given = images(net, name)
    opinion = net(*given)
    assert len(opinion.logits) == (3 if name == "multiscale" else 1)
    assert all(seen.shape[:2] == (2, 1) and torch.isfinite(seen).all() for seen in opinion.logits)
    assert all(feature.shape[0] == 2 and feature.ndim == 4 for feature in opinion.features)
    if conditional:
        other = net(given[0], given[1].flip(0))
        assert not torch.equal(other.logits[0], opinion.logits[0]), "the condition is not looked at"


@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_a_gradient_reaches_every_parameter_and_the_image(name: str, conditional: bool) -> None:
    net = toy(name, conditional=conditional)
    given = [image.requires_grad_() for image in images(net, name)]
    verdict(net, *given).backward()
    tensors = {**dict(net.named_parameters()), **{f"input {i}": image for i, image in enumerate(given)}}
    for key, tensor in tensors.items():
        assert tensor.grad is not None, f"{key} got no gradient"
        assert torch.isfinite(tensor.grad).all(), key
        assert tensor.grad.abs().sum() > 0, f"{key} got a gradient of zero"


@pytest.mark.parametrize("name", NAMES)
def test_features_carry_a_gradient_and_have_the_stated_number(name: str) -> None:
    net = toy(name)
    image = images(net, name)[0].requires_grad_()
    features = net(image).features
    assert len(features) == {"srgan": 3, "esrgan": 3, "patchgan": 4, "unet": 9, "multiscale": 6}[name]
    for feature in features:
        (gradient,) = torch.autograd.grad(feature.square().mean(), image, retain_graph=True)
        assert gradient.abs().sum() > 0


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_float64_and_bfloat16(name: str) -> None:
    net = toy(name).eval()
    (image,) = images(net, name)
    single = net(image).logits
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = net(image).logits
    exact = copy.deepcopy(net).double()(image.double()).logits
    for low, mid, high in zip(mixed, single, exact, strict=True):
        assert (low.dtype, mid.dtype, high.dtype) == (torch.bfloat16, torch.float32, torch.float64)
        scale = high.abs().max().item()
        torch.testing.assert_close(mid.double(), high, rtol=0, atol=1e-5 * scale)
        torch.testing.assert_close(low.double(), high, rtol=0, atol=0.05 * scale)


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_state_dict_round_trip(name: str, tmp_path: Path) -> None:
    net = toy(name).train()
    (image,) = images(net, name)
    net(image)
    path = tmp_path / "discriminator.pt"
    torch.save(net.state_dict(), path)
    other = toy(name)
    for tensor in other.state_dict().values():
        tensor.zero_()
    other.load_state_dict(torch.load(path, weights_only=True))
    for ours, theirs in zip(net.eval()(image).logits, other.eval()(image).logits, strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("name", NAMES)
def test_the_gradient_penalty_has_the_right_derivative(name: str) -> None:
    """R1 needs the derivative, in the weights, of a gradient in the image: against a difference quotient."""
    net = toy(name).double()
    net.advance_spectral_norm(False)
    image = images(net, name)[0].double().requires_grad_()

    def penalty() -> Tensor:
        total = sum((seen.sum() for seen in net(image).logits), torch.zeros((), dtype=torch.float64))
        (gradient,) = torch.autograd.grad(total, image, create_graph=True)
        return gradient.square().sum()

    parameters = list(net.parameters())
    # LeakyReLU is linear on both sides, so a bias that no norm follows changes no gradient in the image.
    gradients = torch.autograd.grad(penalty(), parameters, allow_unused=True)
    random = torch.Generator().manual_seed(2)
    directions = [torch.randn(p.shape, generator=random, dtype=torch.float64) for p in parameters]
    pairs = zip(gradients, directions, strict=True)
    along = sum((g * d).sum().item() for g, d in pairs if g is not None)
    step = 1e-7
    values = []
    for sign in (1, -2):
        for parameter, direction in zip(parameters, directions, strict=True):
            parameter.data.add_(sign * step * direction)
        values.append(penalty().item())
    assert along == pytest.approx((values[0] - values[1]) / (2 * step), rel=1e-4)
    assert abs(along) > 0


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_a_deep_copy_is_another_discriminator(name: str) -> None:
    net = toy(name)
    (image,) = images(net, name)
    other = copy.deepcopy(net)
    assert torch.equal(net(image).logits[0], other(image).logits[0])
    kept = {key: value.clone() for key, value in other.state_dict().items()}
    for parameter in net.parameters():
        parameter.add_(1)
    net(image)
    assert all(torch.equal(kept[key], value) for key, value in other.state_dict().items())


@pytest.mark.usefixtures("fresh_compiler")
@pytest.mark.parametrize("name", NAMES)
def test_it_compiles_to_one_graph(name: str) -> None:
    """Both states of the power iteration; the vectors move in the compiled one as in the other."""
    net = toy(name, conditional=True)
    other = copy.deepcopy(net)
    compiled = torch.compile(net, backend="eager", fullgraph=True)
    given = images(net, name)
    for on in (True, False):
        net.advance_spectral_norm(on)
        other.advance_spectral_norm(on)
        for ours, theirs in zip(compiled(*given).logits, other(*given).logits, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-7)
        for key, value in other.state_dict().items():
            torch.testing.assert_close(net.state_dict()[key], value, rtol=1e-6, atol=1e-7)


# ------------------------------------------------------------------------------------------------ messages

BUILT_WRONG: list[tuple[type[Discriminator], dict[str, Any], str]] = [
    (PatchGAN, {"in_channels": 0}, r"in_channels=0: PatchGAN needs 1 \(luma\), 3 \(RGB\) or more bands"),
    (PatchGAN, {"layers": 0}, "layers=0: PatchGAN takes 1 or more"),
    (PatchGAN, {"width": 0}, "width=0: PatchGAN takes 1 or more"),
    (PatchGAN, {"norm": "layer"}, "norm=layer: choose one of batch, instance, none"),
    (UNetDiscriminator, {"width": 0}, "width=0: UNetDiscriminator takes 1 or more"),
    (MultiScaleDiscriminator, {"scales": 0}, "scales=0: MultiScaleDiscriminator takes 1 or more"),
    (
        VGGDiscriminator,
        {"size": 96, "widths": []},
        r"widths=\[\], hidden=100: VGGDiscriminator takes one width or more and a number of hidden units, "
        "each at least 1",
    ),
    (VGGDiscriminator, {"size": 96, "hidden": 0}, "hidden=0: VGGDiscriminator takes one width or more"),
    (
        VGGDiscriminator,
        {"size": 96, "down_kernel": 5},
        r"down_kernel=5: VGGDiscriminator takes 3 \(SRGAN\) or 4 \(ESRGAN\)",
    ),
    (
        VGGDiscriminator,
        {"size": 31},
        "size=31: VGGDiscriminator halves it 5 times and needs 32 or more: set data.patch_size=32 or more, "
        "give fewer discriminator.widths, or choose discriminator=patchgan, which takes nearly any size",
    ),
    (VGGDiscriminator, {"size": 32, "norm": "instance"}, "size=32: .* needs 64 or more"),
    (VGGDiscriminator, {"size": 0, "down_kernel": 3}, "size=0: .* needs 1 or more"),
]


@pytest.mark.parametrize(("make", "values", "message"), BUILT_WRONG)
def test_refusals_of_options(make: type[Discriminator], values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(**{"in_channels": 3, **values})


GIVEN_WRONG: list[tuple[str, tuple[int, ...], str]] = [
    (
        "patchgan",
        (1, 1, 32, 32),
        "PatchGAN got images with 1 channels and was built for 3: set channels=1, or leave "
        "discriminator.in_channels as it was",
    ),
    (
        "patchgan",
        (1, 3, 40, 23),
        "PatchGAN got patches of 40 x 23 pixels and takes 24 x 24 or more: set data.patch_size=24 or more, "
        "or choose fewer discriminator.layers",
    ),
    (
        "unet",
        (1, 3, 16, 20),
        "UNetDiscriminator got patches of 16 x 20 pixels and takes multiples of 8: set data.patch_size to a "
        "multiple of 8, or choose discriminator=patchgan, which takes nearly any size",
    ),
    ("unet", (1, 3, 4, 8), "UNetDiscriminator got patches of 4 x 8 pixels and takes 8 x 8 or more"),
    (
        "esrgan",
        (1, 3, 24, 32),
        "VGGDiscriminator got patches of 24 x 32 pixels and takes 24 x 24 only: set data.patch_size=24, "
        "or choose discriminator=patchgan, which takes nearly any size",
    ),
    (
        "multiscale",
        (1, 3, 20, 21),
        "MultiScaleDiscriminator got patches of 20 x 21 pixels and takes 21 x 21 or more: set "
        "data.patch_size=21 or more, or choose fewer discriminator.scales, or discriminator=patchgan, which "
        "takes nearly any size",
    ),
]


@pytest.mark.parametrize(("name", "shape", "message"), GIVEN_WRONG)
def test_refusals_of_images(name: str, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        toy(name)(torch.zeros(shape))


def test_refusals_of_conditions() -> None:
    image, small = torch.zeros(1, 3, 32, 32), torch.zeros(1, 3, 8, 8)
    with pytest.raises(
        ValueError,
        match=r"PatchGAN is conditional and got an image of \(1, 3, 32, 32\) alone: give it lq enlarged to "
        r"the same shape too, or set discriminator.conditional=false",
    ):
        toy("patchgan", conditional=True)(image)
    with pytest.raises(
        ValueError,
        match=r"PatchGAN is not conditional and got a condition of \(1, 3, 32, 32\): give it the image "
        r"alone, or set discriminator.conditional=true",
    ):
        toy("patchgan")(image, image)
    with pytest.raises(
        ValueError,
        match=r"PatchGAN got an image of \(1, 3, 32, 32\) and a condition of \(1, 3, 8, 8\): both must have "
        r"the same shape, so enlarge lq to the size of the image",
    ):
        toy("patchgan", conditional=True)(image, small)


def test_a_discriminator_without_judge_says_so() -> None:
    with pytest.raises(NotImplementedError, match="Discriminator has no judge"):
        Discriminator(in_channels=3)(torch.zeros(1, 3, 4, 4))
