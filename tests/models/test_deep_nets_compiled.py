"""A deep net is compiled by the block that it repeats, and stays the net that it is."""

import copy

import pytest
import torch
from torch._dynamo.utils import counters

from sr_experiments.models.compiled import compiled, layers_to_compile
from sr_experiments.nets.edsr import EDSR
from sr_experiments.nets.rcan import RCAN


def deep() -> RCAN:
    torch.manual_seed(0)
    return RCAN(scale=2, features=4, groups=6, blocks=3, reduction=2).double()


def test_what_there_is_to_compile() -> None:
    """Of six groups one; a net of few layers as a whole: each call into compiled code takes its time."""
    net, shallow = deep(), EDSR(scale=2, features=4, blocks=3)
    layers = sum(1 for module in net.modules() if not list(module.children()))
    group = sum(1 for module in net.get_submodule("body.0").modules() if not list(module.children()))
    assert layers > 100
    assert layers_to_compile(net) == group
    assert layers_to_compile(shallow) == sum(1 for one in shallow.modules() if not list(one.children()))


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # torch hides its own question, if it can
def test_blocks_are_compiled_once_and_change_no_gradient() -> None:
    torch.compiler.reset()
    counters.clear()
    plain, net = deep(), deep()
    keys = list(net.state_dict())
    run = compiled(net)
    assert run is net
    lq = torch.rand(2, 3, 9, 7, dtype=torch.float64)
    for _ in range(2):
        for one in (plain, net):
            one.zero_grad()
            one(lq).square().mean().backward()
    assert counters["stats"]["unique_graphs"] == 1
    for (name, mine), theirs in zip(net.named_parameters(), plain.parameters(), strict=True):
        assert mine.grad is not None
        assert theirs.grad is not None
        torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-9, atol=1e-15, msg=name)
    assert list(net.state_dict()) == keys
    with torch.no_grad():  # whole images of any size, of which none is compiled for
        assert torch.equal(
            net(torch.ones(1, 3, 5, 6, dtype=torch.float64)), plain(torch.ones(1, 3, 5, 6).double())
        )
    assert counters["stats"]["unique_graphs"] == 1
    copy.deepcopy(net)
    torch.compiler.reset()
