"""How far a net looks: by hand, by gradients in float64, and by tiles that agree with the whole image."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sr_experiments.imaging.tile import run_tiled
from sr_experiments.models.reach import Reach, measure_reach
from sr_experiments.nets.base import SRNet
from tests.nets.toys import build_net

pytestmark = pytest.mark.filterwarnings("ignore:torch.meshgrid")  # of spandrel's code

Interval = tuple[int, int]  # first and last


def around(radius: int) -> Callable[[Interval], Interval]:
    """What convolutions that reach so far need."""
    return lambda seen: (seen[0] - radius, seen[1] + radius)


def shuffled(scale: int) -> Callable[[Interval], Interval]:
    """What a pixel shuffle takes them from."""
    return lambda seen: (seen[0] // scale, seen[1] // scale)


def bicubic(scale: int) -> Callable[[Interval], Interval]:
    """Two pixels at each side of (y + 1/2) / scale - 1/2, or that pixel alone where it is one."""

    def taps(y: int) -> Interval:
        numerator = 2 * y + 1 - scale  # of the place, over 2 * scale
        if numerator % (2 * scale) == 0:
            return numerator // (2 * scale), numerator // (2 * scale)
        return numerator // (2 * scale) - 1, numerator // (2 * scale) + 2

    return lambda seen: (
        min(taps(y)[0] for y in range(seen[0], seen[1] + 1)),
        max(taps(y)[1] for y in range(seen[0], seen[1] + 1)),
    )


def transposed(kernel: int, scale: int) -> Callable[[Interval], Interval]:
    """A transposed convolution, whose kernel's middle lies on its input's pixel."""
    half = kernel // 2
    return lambda seen: (-((half - seen[0]) // scale), (seen[1] + half) // scale)


# From the output back to lq, as one reads it off the papers.
BY_HAND = {
    ("srcnn_915", 2): [around(4 + 0 + 2), bicubic(2)],
    ("srcnn_915", 3): [around(4 + 0 + 2), bicubic(3)],
    ("srcnn_915", 4): [around(4 + 0 + 2), bicubic(4)],
    ("srcnn", 4): [around(4 + 2 + 2), bicubic(4)],
    ("vdsr", 2): [around(20), bicubic(2)],  # 41 pixels of the enlarged image
    ("vdsr", 3): [around(20), bicubic(3)],
    ("bicubic", 3): [bicubic(3)],
    ("nearest", 4): [shuffled(4)],
    ("espcn", 3): [shuffled(3), around(2 + 1 + 1)],
    ("srvgg_small", 4): [shuffled(4), around(8 + 2)],
    ("edsr_baseline", 2): [around(1), shuffled(2), around(1 + 16 * 2 + 1 + 1)],
    ("edsr_baseline", 3): [around(1), shuffled(3), around(1 + 16 * 2 + 1 + 1)],
    ("edsr_baseline", 4): [around(1), shuffled(2), around(1), shuffled(2), around(1 + 16 * 2 + 1 + 1)],
    ("fsrcnn", 3): [transposed(9, 3), around(4 + 2)],
    # nearest enlargement and a convolution, twice; 8 blocks (not 23) of three times five convolutions
    ("rrdbnet", 4): [around(3), shuffled(2), around(1), shuffled(2), around(8 * 15 + 2)],
}


@pytest.mark.parametrize(("name", "scale"), BY_HAND)
def test_it_is_what_one_finds_by_hand(name: str, scale: int) -> None:
    channels = 1 if name in ("srcnn", "srcnn_915", "vdsr") else 3
    narrow: dict[str, Any] = {"features": 4, "growth": 2, "blocks": 8} if name == "rrdbnet" else {}
    net = build_net(name, scale=scale, channels=channels, **narrow)
    extents, radii = [], []
    for y in range(100 * scale, 101 * scale):
        first, last = y, y
        for step in BY_HAND[name, scale]:
            first, last = step((first, last))
        extents.append(last - first + 1)
        radii.append(max(100 - first, last - 100))
    assert measure_reach(net) == Reach(max(radii), max(extents), max(extents), 1)


def by_gradients(net: SRNet, *, step: int, side: int) -> tuple[int, int]:
    """Radius and height from gradients that are not zero, in float64, of every output row of a step."""
    torch.manual_seed(1)
    net = net.double().eval()
    with torch.no_grad():
        for parameter in net.parameters():  # some start at zero
            parameter.add_(0.05 * torch.randn_like(parameter))
    first = side // 2 // step * step
    radius = height = 0
    shape = (1, net.in_channels, side, 24)
    lqs = [torch.rand(shape, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    outputs = [net(lq) for lq in lqs]  # two images: a unit that is off in one may be on in the other
    for row in range(net.scale * first, net.scale * (first + step)):
        reached = torch.zeros(side, dtype=torch.bool)
        for lq, sr in zip(lqs, outputs, strict=True):
            line = sr[..., row, sr.shape[-1] // 2]
            (gradient,) = torch.autograd.grad((line * torch.rand_like(line)).sum(), lq, retain_graph=True)
            reached |= (gradient != 0).any(-1).any(1)[0]
        rows = reached.nonzero().flatten().tolist()
        assert rows[0] >= 8
        assert rows[-1] < side - 8, "the image is too small for this test"
        own = row // net.scale
        radius, height = max(radius, own - rows[0], rows[-1] - own), max(height, rows[-1] - rows[0] + 1)
    return radius, height


@pytest.mark.parametrize("name", ["autoencoder", "edsr", "fsrcnn", "lanczos", "msrresnet", "noisy", "rednet"])
def test_gradients_find_the_same(name: str) -> None:
    net = build_net(name, scale=2, toy=True)
    reach = measure_reach(net)
    assert reach is not None
    assert by_gradients(net, step=1, side=64) == (reach.radius, reach.height)


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("unet", 2),
        ("rrdbnet", 2),
        ("spandrel/span", 1),
        ("spandrel/swiftsrgan", 1),
        ("spandrel/ditn", 8),
        ("spandrel/safmn", 8),  # which states no multiple: it pads by itself
        ("spandrel/swinir", 8),
    ],
)
def test_gradients_find_the_same_of_nets_that_work_in_blocks(name: str, step: int) -> None:
    torch.manual_seed(0)
    net = build_net(name, scale=2, toy=True)
    reach = measure_reach(net)
    assert reach is not None
    assert reach.step == step
    side = 96 if reach.radius < 34 else 112
    assert by_gradients(net, step=step, side=side) == (reach.radius, reach.height)


@pytest.mark.parametrize("name", ["rcan", "spectrum", "spandrel/hat", "spandrel/dat", "spandrel/fdat"])
def test_a_net_that_sees_the_whole_image_has_none(name: str) -> None:
    net = build_net(name, scale=2, toy=True)
    assert measure_reach(net) is None


class Toy(SRNet):
    """A convolution, or something else."""

    def __init__(self, inside: nn.Module, *, multiple_of: int = 1) -> None:
        super().__init__(scale=2, in_channels=1, multiple_of=multiple_of)
        self.inside = inside

    def forward(self, lq: Tensor) -> Tensor:
        seen: Tensor = self.inside(lq)
        return seen.repeat_interleave(2, 2).repeat_interleave(2, 3)


@pytest.mark.parametrize("radius", [100, 140])
def test_a_large_kernel_is_not_taken_for_the_whole_image(radius: int) -> None:
    net = Toy(nn.Conv2d(1, 1, (2 * radius + 1, 1), padding=(radius, 0), bias=False))
    assert measure_reach(net) == Reach(radius, 2 * radius + 1, 1, 1)


def test_beyond_the_limit_there_is_none() -> None:
    net = build_net("edsr_baseline", scale=2, features=4)
    assert measure_reach(net, limit=36) == Reach(36, 72, 72, 1)
    assert measure_reach(net, limit=35) is None


def test_weights_of_zero_and_units_that_are_off_count() -> None:
    """What a gradient does not see."""
    conv = nn.Conv2d(1, 1, 5, padding=2)
    nn.init.zeros_(conv.weight)
    nn.init.constant_(conv.bias if conv.bias is not None else conv.weight, -1.0)
    assert measure_reach(Toy(nn.Sequential(conv, nn.ReLU()))) == Reach(2, 5, 5, 1)


def test_it_stays_as_it_is() -> None:
    net = build_net("srvgg_small", scale=2).double().train()
    measure_reach(net)
    assert net.training
    assert all(parameter.dtype == torch.float64 for parameter in net.parameters())


def test_weights_that_are_no_numbers_are_refused() -> None:
    net = build_net("espcn", scale=2)
    next(net.parameters()).data.fill_(torch.nan)
    with pytest.raises(ValueError, match="ESPCN makes infinity or NaN of an ordinary image"):
        measure_reach(net)


@pytest.mark.parametrize(("name", "exact"), [("edsr", True), ("srresnet", True), ("unet", False)])
@torch.no_grad()
def test_tiles_with_that_overlap_agree_with_the_whole_image(name: str, exact: bool) -> None:
    """And with a pixel less they do not, where the radius is exact."""
    torch.manual_seed(3)
    net = build_net(name, scale=2, toy=True).double().eval()
    reach = measure_reach(net)
    assert reach is not None
    overlap = reach.radius + reach.step - 1  # enough wherever in its window a tile ends
    lq = torch.rand(1, 3, 76, 90, dtype=torch.float64)
    whole = net(lq)

    def tiled(overlap: int) -> Tensor:
        return run_tiled(net, lq, scale=2, tile=2 * overlap + 12, overlap=overlap, multiple_of=reach.step)

    torch.testing.assert_close(tiled(overlap), whole, rtol=0, atol=1e-13)
    if exact:
        assert float((tiled(overlap - 1) - whole).abs().max()) > 1e-10
