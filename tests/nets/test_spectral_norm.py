"""Spectral normalisation moves its vectors when it is told to, and only then.

Incidents these tests guard against: a singular value that was never updated because the discriminator was in
evaluation mode; one that was updated in each of three passes of a step, so that accumulated batches were not
one large batch.
"""

import numpy as np
import pytest
import torch
from torch import nn

from sr_experiments.nets.discriminators.patchgan import PatchGAN
from sr_experiments.nets.discriminators.spectral import normalised, normalised_layers
from sr_experiments.nets.discriminators.vgg import VGGDiscriminator
from tests.nets.discriminator_toys import SPECTRAL, images, moved, nudge, toy, vectors, verdict


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
