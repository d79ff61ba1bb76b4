"""A weight file of any net that is made here tells which ``model=`` it belongs to."""

import pytest
import torch

from sr_experiments.lineup import words_for
from sr_experiments.nets.espcn import ESPCN
from sr_experiments.nets.srcnn import SRCNN
from sr_experiments.nets.vdsr import VDSR


def test_the_net_is_named_and_so_is_what_differs_from_what_is_composed() -> None:
    state = VDSR(scale=2, in_channels=1).state_dict()
    assert words_for(state, scale=2, channels=3) == "model=vdsr channels=1"
    assert words_for(state, scale=3, channels=1) == "model=vdsr", "its weights are of no scale"
    state = ESPCN(scale=3, in_channels=3).state_dict()
    assert words_for(state, scale=4, channels=3) == "model=espcn scale=3"


def test_two_nets_of_one_class_are_told_apart_by_their_shapes() -> None:
    small = SRCNN(scale=3, in_channels=1, kernels=[9, 1, 5], features=[64, 32]).state_dict()
    assert words_for(small, scale=3, channels=1) == "model=srcnn_915"


@pytest.mark.parametrize(
    "state", [{}, {"a": torch.ones(2)}, ESPCN(scale=2, in_channels=3, features=5).state_dict()]
)
def test_nothing_is_said_of_what_fits_no_net(state: dict[str, torch.Tensor]) -> None:
    assert words_for(state, scale=2, channels=3) is None
