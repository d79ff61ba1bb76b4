"""Every net of conf/net in tiles, small: the whole image where the overlap is as far as the net looks."""

import pytest
import torch

from sr_experiments.imaging.tile import run_tiled
from sr_experiments.models.reach import measure_reach
from sr_experiments.nets.base import run_net
from tests.nets.toys import build_net, has_scale, net_names

NAMES = [
    pytest.param(name, marks=pytest.mark.slow if name.startswith("spandrel/") else ()) for name in net_names()
]


# Of the largest value of the result, where a net looks further than the overlap: none of ours differs more,
# and none of spandrel's, some of which see the whole image at once.
BOUNDS = {4: 0.5, 12: 0.1, 32: 0.02}
THEIRS = {4: 0.6, 12: 0.3, 32: 0.3}


@torch.no_grad()
@pytest.mark.parametrize("overlap", [4, 12, 32])
@pytest.mark.parametrize("name", NAMES)
def test_tiles(name: str, overlap: int) -> None:
    """Odd sizes, tiles with and without a ramp. docs/upscale.md has what was measured below the reach."""
    torch.manual_seed(0)
    scale = next(scale for scale in (2, 3, 4, 8) if has_scale(name, scale))
    net = build_net(name, scale=scale, toy=True).eval()
    lq = torch.rand(1, net.in_channels, 101, 91, generator=torch.Generator().manual_seed(1))
    reach = measure_reach(net, limit=128)
    unit = net.multiple_of
    tile = -(-(2 * overlap + 20) // unit) * unit + unit
    whole = run_net(net, lq)
    for blend in (0, 8):
        tiled = run_tiled(
            lambda image: run_net(net, image),
            lq,
            scale=scale,
            tile=max(tile, net.minimum),
            overlap=overlap,
            multiple_of=unit,
            blend=blend,
            batch=2,
        )
        difference = float((tiled - whole).abs().max() / whole.abs().max())
        if reach is not None and reach.radius + reach.step - 1 <= overlap:
            assert difference < 2e-5
        else:
            assert difference < (THEIRS if name.startswith("spandrel/") else BOUNDS)[overlap]
