"""Multiply-adds are those of the papers' tables; counting them changes and computes nothing."""

import pytest
import torch
from torch import Tensor

from sr_experiments.models.cost import multiply_adds
from sr_experiments.nets.base import SRNet
from sr_experiments.rebuild import build_net
from tests.test_conf import composed


@pytest.mark.parametrize(
    ("model", "scale", "channels", "billions"),
    [
        ("srcnn", 4, 1, 52.7),  # on the enlarged image, whatever the scale
        ("vdsr", 2, 1, 612.6),
        ("edsr_baseline", 2, 3, 316.2),
        ("edsr_baseline", 3, 3, 160.1),
        ("edsr_baseline", 4, 3, 114.2),
        pytest.param("edsr", 2, 3, 9384.7, marks=pytest.mark.slow),
        pytest.param("edsr", 3, 3, 4469.5, marks=pytest.mark.slow),
        pytest.param("edsr", 4, 3, 2894.5, marks=pytest.mark.slow),
        pytest.param("rcan", 2, 3, 3526.8, marks=pytest.mark.slow),
        pytest.param("rcan", 3, 3, 1584.7, marks=pytest.mark.slow),
        ("rcan", 4, 3, 916.9),
        ("rrdbnet", 4, 3, 1032.6),
        ("bicubic", 4, 3, 0.0),
    ],
)
def test_they_are_the_published_ones(model: str, scale: int, channels: int, billions: float) -> None:
    """The figures of the papers' tables, which count the convolutions of one 1280x720 output."""
    net = build_net(composed(f"model={model}", f"scale={scale}", f"channels={channels}").net)
    counted = multiply_adds(net)
    assert counted is not None
    assert round(counted / 1e9, 1) == billions
    assert all(parameter.device.type == "cpu" for parameter in net.parameters()), "the net stays as it was"


def test_a_net_that_looks_at_values_has_no_count() -> None:
    class Looks(SRNet):
        def forward(self, lq: Tensor) -> Tensor:
            return torch.zeros(1, 3, 4, 4) if bool(lq.mean() > 0) else lq

    assert multiply_adds(Looks(scale=4, in_channels=3)) is None
