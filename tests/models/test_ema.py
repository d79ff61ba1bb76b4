"""The average against its closed form, buffers included."""

import pytest
import torch
from torch import nn

from sr_experiments.models.ema import Averaging


class Counter(nn.Module):
    """A parameter, a floating buffer and a counter, as batch normalisation has them."""

    running: torch.Tensor
    count: torch.Tensor

    def __init__(self, value: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((3,), value, dtype=torch.float64))
        self.register_buffer("running", torch.full((2,), value, dtype=torch.float64))
        self.register_buffer("count", torch.tensor(int(value)))


def test_it_equals_the_recursion() -> None:
    average, averaging = Counter(0.0), Averaging(0.9)
    expected = 0.0
    for step in range(200):
        net = Counter(float(step % 7))
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * (step % 7)
        averaging.update(average, net)
    assert averaging.steps == 200
    torch.testing.assert_close(
        average.weight, torch.full((3,), expected, dtype=torch.float64), rtol=0, atol=1e-12
    )
    torch.testing.assert_close(
        average.running, torch.full((2,), expected, dtype=torch.float64), rtol=0, atol=1e-12
    )
    assert int(average.count) == 199 % 7


def test_batch_norm_statistics_follow() -> None:
    """An average without its buffers restores with the statistics of the initial net: grey mud."""
    net, average = nn.BatchNorm2d(2), nn.BatchNorm2d(2)
    averaging = Averaging(0.0)
    net(torch.randn(4, 2, 8, 8) * 3 + 5)
    for _ in range(2):
        averaging.update(average, net)
    assert net.running_mean is not None
    torch.testing.assert_close(average.running_mean, net.running_mean)
    assert average.num_batches_tracked == net.num_batches_tracked


@pytest.mark.parametrize("decay", [-0.1, 1.0, 2.0])
def test_a_decay_outside_its_range(decay: float) -> None:
    with pytest.raises(ValueError, match=r"ema=.*: the decay must be at least 0 and less than 1"):
        Averaging(decay)
