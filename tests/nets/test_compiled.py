"""What torch.compile makes of nets that repeat the border."""

import pytest
import torch

from sr_experiments.nets.border import repeat_border
from sr_experiments.nets.srcnn import SRCNN


@pytest.mark.parametrize(("height", "width"), [(20, 20), (9, 14)])
def test_srcnn_is_compiled_with_its_gradients(height: int, width: int) -> None:
    """torch 2.15 returns the gradient of `replication_pad2d` in another layout than its compiler expects.

    Every compiled training of SRCNN, and of the guided net, ended there.
    """
    torch.manual_seed(0)
    net = SRCNN(scale=2, in_channels=1, kernels=(5, 1, 3), features=(8, 4), init_std=None).double()
    enlarged = torch.rand(2, 1, height, width, dtype=torch.float64)
    found = []
    for run in (net.refine, torch.compile(net.refine, dynamic=False)):
        net.zero_grad()
        sr = run(enlarged)
        sr.square().mean().backward()
        found.append([sr.detach(), *(weight.grad for weight in net.parameters())])
    for eager, compiled in zip(*found, strict=True):
        assert eager is not None
        torch.testing.assert_close(compiled, eager, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("high", "wide"), [(0, 0), (2, 1), (0, 3)])
def test_the_pieces_are_the_padding(high: int, wide: int) -> None:
    image = torch.rand(2, 3, 4, 5)
    pieces = torch.compile(repeat_border, backend="eager", fullgraph=True)
    wanted = torch.nn.functional.pad(image, (wide, wide, high, high), mode="replicate")
    assert torch.equal(repeat_border(image, high=high, wide=wide), wanted)
    assert torch.equal(pieces(image, high=high, wide=wide), wanted)
