"""run_padded: what the function gets, and what comes back."""

import pytest
import torch
import torch.nn.functional as F

from sr_experiments.imaging.pad import run_padded


class Recorder:
    """Enlarges by repetition and remembers what it was given."""

    def __init__(self, scale: int) -> None:
        self.scale = scale
        self.given = torch.empty(0)

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        self.given = image
        return F.interpolate(image, scale_factor=self.scale, mode="nearest")


@pytest.mark.parametrize("shape", [(1, 1), (3, 17), (16, 16), (23, 8), (40, 5)])
@pytest.mark.parametrize("scale", [1, 2, 3])
@pytest.mark.parametrize(("multiple_of", "minimum"), [(1, 1), (8, 1), (1, 20), (8, 20)])
def test_any_size_goes_in_and_the_exact_size_comes_out(
    shape: tuple[int, int], scale: int, multiple_of: int, minimum: int
) -> None:
    image = torch.rand(2, 3, *shape)
    net = Recorder(scale)
    result = run_padded(net, image, scale=scale, multiple_of=multiple_of, minimum=minimum)
    for side, given in zip(shape, net.given.shape[-2:], strict=True):
        assert given % multiple_of == 0
        assert max(side, minimum) <= given < max(side, minimum) + multiple_of
    assert torch.equal(result, F.interpolate(image, scale_factor=scale, mode="nearest"))


def test_nothing_is_copied_where_nothing_lacks() -> None:
    image = torch.rand(1, 3, 16, 24)
    net = Recorder(1)
    run_padded(net, image, scale=1, multiple_of=8, minimum=16)
    assert net.given is image


def test_an_axis_is_mirrored_where_it_is_long_enough_and_repeated_where_not() -> None:
    image = torch.arange(10.0).reshape(1, 1, 5, 2)
    net = Recorder(1)
    run_padded(net, image, scale=1, multiple_of=8, minimum=1)
    rows, columns = [0, 1, 2, 3, 4, 3, 2, 1], [0, 1, 1, 1, 1, 1, 1, 1]
    assert torch.equal(net.given, image[:, :, rows][..., columns])


def test_gradient_and_bfloat16() -> None:
    image = torch.rand(1, 1, 5, 5, dtype=torch.bfloat16, requires_grad=True)
    run_padded(Recorder(2), image, scale=2, multiple_of=4, minimum=1).sum().backward()
    assert image.grad is not None
    assert torch.equal(image.grad, torch.full_like(image, 4.0))


def test_a_function_of_another_scale_is_our_fault() -> None:
    with pytest.raises(AssertionError, match=r"scale 3 makes \(12, 12\), got \(1, 1, 8, 8\)"):
        run_padded(Recorder(2), torch.rand(1, 1, 4, 4), scale=3, multiple_of=1, minimum=1)
