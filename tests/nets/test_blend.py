"""Network interpolation against its formula."""

import numpy as np
import pytest
import torch
from torch import Tensor

from sr_experiments.nets.blend import blend
from sr_experiments.nets.srresnet import SRResNet


def weights(seed: int, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        "conv.weight": torch.randn(4, 3, 3, 3, generator=generator).to(dtype),
        "conv.bias": torch.tensor([1.0, 0.0, 1e-30, -3.0] if seed == 1 else [-0.0, 2.0, -1e-30, 4.0]).to(
            dtype
        ),
        "norm.num_batches_tracked": torch.tensor(10 * seed),
        "mask": torch.tensor([True, seed == 1]),
    }


@pytest.mark.parametrize("alpha", [0.1, 0.5, 0.8, 1 / 3])
def test_it_is_the_formula_in_double_precision(alpha: float) -> None:
    a, b = weights(1), weights(2)
    found = blend(a, b, alpha=alpha)
    assert list(found) == list(a)
    for key in ("conv.weight", "conv.bias"):
        exact = (1 - alpha) * a[key].numpy().astype(np.float64) + alpha * b[key].numpy().astype(np.float64)
        assert np.array_equal(found[key].numpy(), exact.astype(np.float32))


def test_double_precision_matters() -> None:
    """In float32 the sum of two rounded products is another number for some weights: the test can fail."""
    a, b = weights(1)["conv.weight"], weights(2)["conv.weight"]
    single = (1 - 0.8) * a + 0.8 * b
    assert not torch.equal(blend({"x": a}, {"x": b}, alpha=0.8)["x"], single)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("alpha", [0, 1])
def test_the_ends_are_the_two_bit_for_bit(alpha: int, dtype: torch.dtype) -> None:
    a, b = weights(1, dtype), weights(2, dtype)
    found = blend(a, b, alpha=alpha)
    for key, expected in (a, b)[alpha].items():
        assert found[key].dtype == expected.dtype
        bits = [value.reshape(-1).view(torch.uint8) for value in (found[key], expected)]  # -0 is not 0
        assert torch.equal(*bits), key


def test_whole_numbers_are_the_second_ones() -> None:
    a, b = weights(1), weights(2)
    found = blend(a, b, alpha=0.3)
    assert int(found["norm.num_batches_tracked"]) == 20
    assert found["mask"].tolist() == [True, False]


def test_the_kind_of_the_first_is_kept() -> None:
    a, b = weights(1, torch.float16), weights(2, torch.float64)
    found = blend(a, b, alpha=0.25)["conv.weight"]
    exact = 0.75 * a["conv.weight"].double() + 0.25 * b["conv.weight"]
    assert found.dtype == torch.float16
    assert torch.equal(found, exact.half())
    complex_numbers = {"x": torch.tensor([1 + 2j])}, {"x": torch.tensor([3 - 2j])}
    assert torch.equal(blend(*complex_numbers, alpha=0.5)["x"], torch.tensor([2 + 0j]))


@pytest.mark.parametrize("alpha", [0, 0.5, 1])
def test_nothing_is_shared_with_what_went_in(alpha: float) -> None:
    a, b = weights(1), weights(2)
    before = {key: value.clone() for key, value in (a | {f"b.{k}": v for k, v in b.items()}).items()}
    for value in blend(a, b, alpha=alpha).values():
        value.zero_()
    for key, value in (a | {f"b.{k}": v for k, v in b.items()}).items():
        assert torch.equal(value, before[key])


def test_a_net_with_normalisation() -> None:
    """The statistics of a batch normalisation are interpolated like weights; its counter is not."""
    nets = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        net = SRResNet(scale=2, in_channels=3, features=4, blocks=1)
        for _ in range(seed):
            net(torch.rand(2, 3, 8, 8))
        nets.append(net.eval())
    a, b = (net.state_dict() for net in nets)
    mixed = blend(a, b, alpha=0.5)
    mean = next(key for key in a if key.endswith("running_mean"))
    assert not torch.equal(a[mean], b[mean])
    counter = next(key for key in a if key.endswith("num_batches_tracked"))
    torch.testing.assert_close(mixed[mean], (a[mean] + b[mean]) / 2)
    assert (int(a[counter]), int(b[counter]), int(mixed[counter])) == (1, 2, 2)
    nets[0].load_state_dict(mixed)
    assert bool(nets[0](torch.rand(1, 3, 8, 8)).isfinite().all())


@pytest.mark.parametrize("alpha", [-0.01, 1.01, float("nan"), float("inf")])
def test_alpha_beyond_the_two(alpha: float) -> None:
    message = (
        rf"^alpha={alpha}: must be from 0 \(all of psnr\.pth\) to 1 \(all of gan\.pth\); beyond the two lie "
        r"weights that no training has come near$"
    )
    with pytest.raises(ValueError, match=message):
        blend(weights(1), weights(2), alpha=alpha, names=("psnr.pth", "gan.pth"))


def test_weights_of_different_nets_are_refused_and_both_named() -> None:
    a = {"same": torch.zeros(2), "left": torch.zeros(1), "shape": torch.zeros(2, 3), "kind": torch.zeros(1)}
    b = {
        "same": torch.ones(2),
        "right": torch.zeros(1),
        "shape": torch.zeros(3, 2),
        "kind": torch.zeros(1, dtype=torch.int64),
    }
    with pytest.raises(ValueError, match="different nets") as caught:
        blend(a, b, alpha=0.5, names=("A", "B"))
    assert str(caught.value).splitlines() == [
        "A and B can not be interpolated: they are weights of different nets",
        "  left: only in A",
        "  right: only in B",
        "  shape: (2, 3) in A, (3, 2) in B",
        "  kind: torch.float32 in A, torch.int64 in B",
    ]


def test_a_long_list_of_differences_is_cut() -> None:
    a = {f"layer {i}": torch.zeros(1) for i in range(20)}
    with pytest.raises(ValueError, match=r"layer 7: only in a\n  and 12 more$"):
        blend(a, {}, alpha=0.5)
