"""Activation checkpointing: the same gradients to the bit, of less memory."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sr_experiments.models.recompute import recompute, repeated_blocks
from sr_experiments.nets.base import SRNet
from tests.nets.toys import build_net, net_names


def gradients(net: SRNet, *, half: bool) -> tuple[dict[str, Tensor], int]:
    """Of a squared output, and how many bytes were kept for them."""
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        kept[tensor.data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    torch.manual_seed(3)
    side = net.multiple_of * -(-max(net.minimum, 12) // net.multiple_of)
    lq = torch.rand(2, net.in_channels, side, side)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
            sr = net(lq)
        loss = sr.float().square().mean()
    loss.backward()
    found = {name: one.grad for name, one in net.named_parameters() if one.grad is not None}
    return found, sum(kept.values())


def compare(net: SRNet, *, half: bool) -> float:
    """What is still kept of the memory, the gradients being equal."""
    net.train()
    other = copy.deepcopy(net)
    keys = list(other.state_dict())
    recompute(other)
    assert list(other.state_dict()) == keys
    whole, before = gradients(net, half=half)
    again, after = gradients(other, half=half)
    assert whole.keys() == again.keys()
    for name, gradient in whole.items():
        assert torch.equal(gradient, again[name]), name
    return after / before


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize(
    ("name", "sizes"),
    [("rcan", {"groups": 3, "blocks": 3, "features": 16}), ("rrdbnet", {"blocks": 3, "features": 16})],
)
def test_gradients_are_the_same_to_the_bit_and_less_is_kept(
    name: str, sizes: dict[str, Any], half: bool
) -> None:
    assert compare(build_net(name, scale=2, **sizes), half=half) < 0.6


def test_blocks_are_the_outermost_of_several_layers() -> None:
    assert list(repeated_blocks(build_net("rcan", scale=2, groups=2, blocks=2))) == ["body.0", "body.1"]
    assert list(repeated_blocks(build_net("edsr", scale=2, toy=True, blocks=3))) == [
        "body.0",
        "body.1",
        "body.2",
    ]
    assert repeated_blocks(build_net("srvgg", scale=2)) == {}


@pytest.mark.filterwarnings("ignore:torch.meshgrid", "ignore:'saved_variables' is deprecated")
@pytest.mark.parametrize("name", [name for name in net_names() if name not in ("guided", "noisy")])
def test_every_net_has_the_same_gradients_or_says_why_it_has_no_blocks(name: str) -> None:
    net = build_net(name, scale=2, toy=True)
    blocks = repeated_blocks(net).values()
    if not blocks or any(isinstance(layer, nn.BatchNorm2d) for block in blocks for layer in block.modules()):
        with pytest.raises(ValueError, match=r"; activation_checkpointing=false$"):
            recompute(net)
        return
    compare(net, half=False)


def test_batch_statistics_would_move_twice() -> None:
    with pytest.raises(ValueError, match="the blocks of SRResNet have batch normalisation, whose statistics"):
        recompute(build_net("srresnet", scale=2))
    with pytest.raises(ValueError, match="SRVGG has no repeated blocks of several layers"):
        recompute(build_net("srvgg", scale=2))


def test_what_is_drawn_in_a_block_is_drawn_once() -> None:
    """Dropout draws its mask again in the second pass: it must be the same one."""

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.drop = nn.Conv2d(3, 3, 1), nn.Dropout(0.5)

        def forward(self, x: Tensor) -> Tensor:
            dropped: Tensor = self.drop(self.layer(x))
            return dropped

    class Net(SRNet):
        def __init__(self) -> None:
            super().__init__(scale=2, in_channels=3)
            self.body = nn.Sequential(Block(), Block())

        def forward(self, lq: Tensor) -> Tensor:
            return nn.functional.interpolate(self.body(lq), scale_factor=2)

    torch.manual_seed(1)
    compare(Net(), half=False)
