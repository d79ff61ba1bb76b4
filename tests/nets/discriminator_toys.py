"""Every conf/discriminator as an object, in its own size or small enough for a test."""

import importlib
from typing import Any

import torch
from omegaconf import OmegaConf
from torch import Tensor, nn
from torch.nn import functional as F

from sr_experiments.nets.discriminators.base import Discriminator
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
