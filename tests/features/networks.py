"""Networks, images and files that the tests of frozen features, and of what is made of them, share."""

import hashlib
import io
import warnings
from pathlib import Path

import lpips as official_lpips
import torch
from torch import Tensor, nn
from torchvision.models.vgg import cfgs, make_layers

from sr_experiments.features.frozen import Frozen

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)


def torchvision_vgg(letter: str) -> nn.Sequential:
    """The `features` of torchvision's VGG16 (D) or VGG19 (E), without half a gigabyte of classifier."""
    torch.manual_seed(3)
    layers: nn.Sequential = make_layers(cfgs[letter])
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            assert layer.bias is not None
            nn.init.normal_(layer.bias, std=0.1)
        if isinstance(layer, nn.ReLU):
            layer.inplace = False
    return layers.requires_grad_(False)


def write_trunk(layers: nn.Sequential, folder: Path, *, name: str) -> Path:
    """A weight file of a trunk, named after its hash as torchvision does."""
    content = io.BytesIO()
    torch.save({f"features.{key}": tensor for key, tensor in layers.state_dict().items()}, content)
    digest = hashlib.sha256(content.getbuffer()).hexdigest()
    path = folder / f"{name}-{digest[:8]}.pth"
    path.write_bytes(content.getbuffer())
    return path


def no_network(request: object) -> None:
    raise OSError("no network in this test")


def images(*, bands: int = 3, side: int = 32) -> tuple[Tensor, Tensor]:
    sr, gt = torch.rand(2, 2, bands, side, side, generator=torch.Generator().manual_seed(9))
    return sr.requires_grad_(), gt


def close(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=2e-5, atol=1e-6)


def hidden(module: nn.Module) -> list[nn.Module]:
    return [part.net for part in module.modules() if isinstance(part, Frozen)]


def official(net: str, *, heads: bool = True) -> tuple[nn.Module, nn.Module]:
    """The lpips package's class, and its trunk, of random weights and biases: some features are 0."""
    torch.manual_seed(4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torchvision's deprecated `pretrained`
        made: nn.Module = official_lpips.LPIPS(net=net, pnet_rand=True, lpips=heads, verbose=False)
    trunk = made.get_submodule("net")
    for name, parameter in trunk.named_parameters():
        if name.endswith("bias"):
            nn.init.normal_(parameter, std=0.05)
    return made, trunk


def write_official_trunk(trunk: nn.Module, path: Path) -> str:
    """The slices of the official trunk keep torchvision's numbers: slice2.5.weight is features.5.weight."""
    state = {f"features.{key.partition('.')[2]}": value for key, value in trunk.state_dict().items()}
    torch.save(state, path)
    return str(path)
