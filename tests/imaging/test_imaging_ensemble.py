"""The self-ensemble against closed forms."""

import itertools

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from sr_experiments.imaging.ensemble import run_ensemble


def symmetries(kernel: Tensor) -> list[Tensor]:
    """The kernel in the eight orientations, by quarter turns and one mirror."""
    return [
        torch.rot90(start, turns, dims=(-2, -1))
        for start, turns in itertools.product((kernel, kernel.flip(-1)), range(4))
    ]


def enlarged(x: Tensor) -> Tensor:
    return x.repeat_interleave(2, -2).repeat_interleave(2, -1)


def test_a_function_that_treats_all_orientations_alike_is_unchanged() -> None:
    kernel = torch.stack(symmetries(torch.rand(3, 3, 3, 3, dtype=torch.float64))).mean(dim=0)
    image = torch.rand(2, 3, 11, 18, dtype=torch.float64)

    def run(x: Tensor) -> Tensor:
        return enlarged(F.conv2d(x, kernel, padding=1).tanh())

    torch.testing.assert_close(run_ensemble(run, image), run(image), rtol=0, atol=1e-14)


def test_a_kernel_becomes_the_mean_of_its_symmetries() -> None:
    """Convolution with k on all turned images, turned back, is convolution with all turned k."""
    kernel = torch.rand(4, 3, 3, 3, dtype=torch.float64)
    image = torch.rand(2, 3, 11, 18, dtype=torch.float64)
    result = run_ensemble(lambda x: enlarged(F.conv2d(x, kernel, padding=1)), image)
    mean = torch.stack(symmetries(kernel)).mean(dim=0)
    torch.testing.assert_close(result, enlarged(F.conv2d(image, mean, padding=1)), rtol=0, atol=1e-14)
    single = enlarged(F.conv2d(image, kernel, padding=1))
    assert (single - result).abs().max() > 0.1


def test_a_function_of_position_is_turned_back() -> None:
    """A bright top left corner, whatever comes in, ends up in each corner of the square: twice an eighth."""

    def corner(x: Tensor) -> Tensor:
        output = torch.zeros_like(x)
        output[..., 0, 0] = 1
        return output

    expected = torch.zeros(1, 1, 3, 5)
    expected[..., 0, 0] = expected[..., 0, -1] = expected[..., -1, 0] = expected[..., -1, -1] = 0.25
    assert torch.equal(run_ensemble(corner, torch.rand(1, 1, 3, 5)), expected)


def test_the_function_sees_eight_different_images_of_both_shapes() -> None:
    seen: list[Tensor] = []

    def keep(x: Tensor) -> Tensor:
        assert x.is_contiguous()
        seen.append(x)
        return x

    square, oblong = torch.rand(1, 3, 4, 4), torch.rand(1, 3, 4, 6)
    run_ensemble(keep, square)
    assert len({tuple(x.flatten().tolist()) for x in seen}) == 8
    seen.clear()
    run_ensemble(keep, oblong)
    assert sorted(tuple(x.shape[-2:]) for x in seen) == [(4, 6)] * 4 + [(6, 4)] * 4


@pytest.mark.parametrize(("dtype", "large"), [(torch.float16, 2048.0), (torch.bfloat16, 256.0)])
def test_half_precisions_are_summed_in_float32(dtype: torch.dtype, large: float) -> None:
    """In the half precisions large + 1 is large again, and the seven ones would be lost."""
    assert torch.tensor(large, dtype=dtype) + 1 == large
    values = iter([large, *[1.0] * 7])
    result = run_ensemble(lambda x: torch.full_like(x, next(values)), torch.zeros(1, 1, 4, 6, dtype=dtype))
    expected = torch.tensor((large + 7) / 8).to(dtype)
    assert expected != torch.tensor(large / 8).to(dtype)
    assert torch.equal(result, expected.expand(1, 1, 4, 6))


def test_what_the_function_returned_is_left_alone() -> None:
    """An identity hands back its argument: the sum must not be taken in place there."""
    image = torch.rand(1, 1, 4, 6)
    before = image.clone()
    torch.testing.assert_close(run_ensemble(lambda x: x, image), image)
    assert torch.equal(image, before)
