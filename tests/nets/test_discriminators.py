"""The contract of `Discriminator`, for every conf/discriminator, and what is particular to each.

Incidents these tests guard against: a singular value that was never updated because the discriminator was in
evaluation mode; one that was updated in each of three passes of a step, so that accumulated batches were not
one large batch; a patch size that fitted no layer and failed inside a convolution; a penalty on the
gradient whose own derivative was absent or wrong.
"""

import copy
import importlib
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from torch import Tensor, nn
from torch.nn import functional as F

from sr_experiments.nets.discriminators.base import Discriminator, norm_layer
from sr_experiments.nets.discriminators.multiscale import MultiScaleDiscriminator
from sr_experiments.nets.discriminators.patchgan import PatchGAN
from sr_experiments.nets.discriminators.spectral import normalised, normalised_layers
from sr_experiments.nets.discriminators.unet import UNetDiscriminator
from sr_experiments.nets.discriminators.vgg import VGGDiscriminator
from sr_experiments.signature import find_signature
from tests.conftest import ROOT

FOLDER = ROOT / "conf" / "discriminator"
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
TOYS: dict[str, dict[str, Any]] = {
    "srgan": {"widths": [4, 6, 8], "hidden": 5},
    "esrgan": {"widths": [4, 6, 8], "hidden": 5},
    "patchgan": {"width": 4},
    "unet": {"width": 4},
    "multiscale": {"width": 3, "layers": 1, "scales": 3},
}
SIZES = {"srgan": 24, "esrgan": 24, "patchgan": 32, "unet": 16, "multiscale": 24}
SPECTRAL = ["patchgan", "unet", "multiscale"]


def compose(name: str, *, channels: int = 3, patch_size: int = 96) -> dict[str, Any]:
    root = OmegaConf.create(
        {
            "channels": channels,
            "data": {"patch_size": patch_size},
            "discriminator": OmegaConf.load(FOLDER / f"{name}.yaml"),
        }
    )
    plain = OmegaConf.to_container(root, resolve=True)
    assert isinstance(plain, dict)
    found: dict[str, Any] = plain["discriminator"]
    return found


def build(name: str, *, channels: int = 3, patch_size: int = 96, **overrides: Any) -> Discriminator:
    torch.manual_seed(3)
    config = {**compose(name, channels=channels, patch_size=patch_size), **overrides}
    module, _, attribute = config.pop("_target_").rpartition(".")
    net = getattr(importlib.import_module(module), attribute)(**config)
    assert isinstance(net, Discriminator)
    return net


def toy(name: str, **overrides: Any) -> Discriminator:
    return build(name, **{"patch_size": SIZES[name], **TOYS[name], **overrides})


def images(net: Discriminator, name: str, *, batch: int = 2) -> tuple[Tensor, ...]:
    """What the discriminator takes: an image, and a condition if it wants one."""
    random = torch.Generator().manual_seed(1)
    shape = (batch, net.in_channels, SIZES[name], SIZES[name])
    return tuple(torch.rand(shape, generator=random) for _ in range(1 + net.conditional))


def verdict(net: Discriminator, *given: Tensor) -> Tensor:
    """A smooth scalar of everything that the discriminator says."""
    return sum((F.softplus(seen).mean() for seen in net(*given).logits), torch.zeros(()))


def vectors(net: nn.Module) -> dict[str, Tensor]:
    """Copies of the power iteration's vectors."""
    return {key: value.clone() for key, value in net.named_buffers() if key.endswith(("._u", "._v"))}


def moved(before: dict[str, Tensor], after: dict[str, Tensor]) -> list[bool]:
    """Which right vectors changed (a left one has nowhere to go where there is one output)."""
    keys = [key for key in before if key.endswith("._v")]
    assert keys
    return [not torch.equal(before[key], after[key]) for key in keys]


def nudge(net: nn.Module) -> None:
    """Change the weights, as an optimizer does, so that an iteration has something to follow."""
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1 * parameter.std(correction=0) * torch.randn_like(parameter))


def parameters_of(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


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


# ------------------------------------------------------------------------------------- spectral normalisation


def test_a_normalised_weight_has_a_singular_value_of_one() -> None:
    torch.manual_seed(0)
    layer = normalised(nn.Conv2d(6, 8, 3)).double()
    behind = layer.state_dict()["parametrizations.weight.original"].normal_(std=3)
    for _ in range(500):
        weight = layer.weight
    largest = torch.linalg.svdvals(behind.flatten(1))[0]
    assert largest > 10
    torch.testing.assert_close(weight, behind / largest, rtol=1e-9, atol=0)


def test_off_means_the_layer_as_it_was() -> None:
    layer = nn.Linear(2, 3)
    assert normalised(layer, on=False) is layer
    assert not list(normalised_layers(layer))


@pytest.mark.parametrize("name", SPECTRAL)
@torch.no_grad()
def test_a_pass_makes_exactly_one_iteration_of_the_paper(name: str) -> None:
    net = toy(name).double()
    (image,) = images(net, name)
    before, state = vectors(net), net.state_dict()
    net(image.double())
    checked = 0
    for key in [key for key in before if key.endswith("._u")]:
        weight = state[key.replace("0._u", "original")].flatten(1).numpy()
        u = weight @ before[key.replace("._u", "._v")].numpy()  # algorithm 1
        u /= np.linalg.norm(u)
        v = weight.T @ u
        v /= np.linalg.norm(v)
        np.testing.assert_allclose(vectors(net)[key].numpy(), u, rtol=0, atol=1e-12)
        np.testing.assert_allclose(vectors(net)[key.replace("._u", "._v")].numpy(), v, rtol=0, atol=1e-12)
        checked += 1
    assert checked == len(list(normalised_layers(net))) > 0


@pytest.mark.parametrize("name", SPECTRAL)
@torch.no_grad()
def test_the_vectors_move_only_while_they_are_told_to(name: str) -> None:
    net = toy(name)
    (image,) = images(net, name)
    nudge(net)
    start = vectors(net)
    net(image)
    assert all(moved(start, vectors(net))), "a new discriminator iterates"

    net.advance_spectral_norm(False)
    nudge(net)
    still = vectors(net)
    first, second = net(image).logits, net(image).logits
    assert not any(moved(still, vectors(net)))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))

    net.train()
    net(image)
    assert not any(moved(still, vectors(net))), "train() starts nothing that was halted"

    net.advance_spectral_norm(True)
    net(image)
    assert all(moved(still, vectors(net)))


@pytest.mark.parametrize("name", SPECTRAL)
@torch.no_grad()
def test_evaluation_halts_the_vectors_unless_they_are_told_to_move(name: str) -> None:
    net = toy(name)
    (image,) = images(net, name)
    nudge(net)
    still = vectors(net.eval())
    net(image)
    assert not any(moved(still, vectors(net))), "validation changes nothing"

    net.advance_spectral_norm(True)
    net(image)
    assert all(moved(still, vectors(net))), "a discriminator left in evaluation mode would never update"

    nudge(net)
    still = vectors(net.train())
    net(image)
    assert all(moved(still, vectors(net))), "training goes on after validation"


def test_nothing_else_changes_its_mode() -> None:
    net = PatchGAN(in_channels=3, width=4, norm="batch", spectral_norm=True)
    parts = {part for layer in normalised_layers(net) for part in layer.parametrizations.modules()}  # type: ignore[union-attr]
    net.advance_spectral_norm(False)
    assert all(module.training for module in net.modules() if module not in parts)
    assert any(isinstance(module, nn.BatchNorm2d) for module in net.modules())
    net.eval()
    net.advance_spectral_norm(True)
    assert not any(module.training for module in net.modules() if module not in parts)


@pytest.mark.parametrize("name", SPECTRAL)
def test_accumulated_batches_are_one_large_batch(name: str) -> None:
    large, small = toy(name).double(), toy(name).double()
    image = images(large, name, batch=6)[0].double()
    verdict(large, image).backward()
    for number, part in enumerate(image.split(2)):
        small.advance_spectral_norm(number == 0)
        (verdict(small, part) / 3).backward()
    for (key, ours), theirs in zip(small.named_parameters(), large.parameters(), strict=True):
        assert ours.grad is not None
        assert theirs.grad is not None
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-9, atol=1e-12, msg=key)


def test_weights_are_normalised_once_a_pass_and_outside_autocast() -> None:
    """CUDA's autocast would compute the singular value in half precision; a CPU's would not, so look."""
    net = toy("unet")
    seen = []
    for layer in normalised_layers(net):
        part = next(module for module in layer.modules() if hasattr(module, "_u"))
        part.register_forward_pre_hook(lambda *_: seen.append(torch.is_autocast_enabled("cpu")))
    (image,) = images(net, "unet")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert net(image).logits[0].dtype == torch.bfloat16
        assert torch.is_autocast_enabled("cpu")
    assert seen == [False] * 8  # conv1 to conv8


def test_batch_and_spectral_normalisation_go_together() -> None:
    net = VGGDiscriminator(in_channels=3, size=16, widths=(4, 6), hidden=3, spectral_norm=True)
    assert len(list(normalised_layers(net))) == 6
    assert net(torch.rand(2, 3, 16, 16)).logits[0].shape == (2, 1)


# ------------------------------------------------------------------------------------------- architectures


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
