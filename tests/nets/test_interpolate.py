"""Enlargement inside networks against `imresize`, torch and closed forms."""

import itertools
import math

import pytest
import torch
from torch.nn import functional as F

from sr_experiments.imaging.resize import Kernel, imresize
from sr_experiments.nets.baselines import Interpolation, SpectrumInterpolation
from sr_experiments.nets.interpolate import SpectrumUpscale, Upscale, mirrored, polyphase_taps

KERNELS: list[Kernel] = ["nearest", "bilinear", "bicubic", "lanczos3"]


@pytest.mark.parametrize("scale", [1, 2, 3, 4, 5, 8])
@pytest.mark.parametrize("kernel", KERNELS)
def test_equal_to_imresize(kernel: Kernel, scale: int) -> None:
    for height, width in [(1, 1), (2, 3), (5, 1), (13, 17)]:
        image = torch.rand(2, 3, height, width, dtype=torch.float64)
        expected = imresize(image, scale=float(scale), kernel=kernel)
        upscale = Upscale(scale=scale, kernel=kernel)
        torch.testing.assert_close(upscale(image), expected, rtol=0, atol=1e-12)
        torch.testing.assert_close(upscale(image.float()), expected.float(), rtol=0, atol=1e-6)


def test_bicubic_is_keys_with_a_half() -> None:
    """Keys, Eq. 15: at a quarter of a pixel, as at x2, a = -1/2 gives these four weights."""
    phases = polyphase_taps(2, kernel="bicubic")
    expected = [-0.0234375, 0.2265625, 0.8671875, -0.0703125]
    assert phases[0] == pytest.approx(dict(zip((-2, -1, 0, 1), expected, strict=True)), abs=1e-15)
    assert phases[1] == pytest.approx(dict(zip((2, 1, 0, -1), expected, strict=True)), abs=1e-15)


def test_number_of_taps() -> None:
    for kernel, taps in zip(KERNELS, (1, 2, 4, 6), strict=True):
        assert [len(phase) for phase in polyphase_taps(4, kernel=kernel)] == [taps] * 4
    assert polyphase_taps(3, kernel="bicubic")[1] == {0: 1.0}  # the middle one of three lies on the pixel


def test_nearest_repeats_and_bilinear_is_torchs() -> None:
    image = torch.rand(1, 2, 5, 7, dtype=torch.float64)
    repeated = image.repeat_interleave(3, dim=2).repeat_interleave(3, dim=3)
    torch.testing.assert_close(Upscale(scale=3, kernel="nearest")(image), repeated, rtol=0, atol=0)
    expected = F.interpolate(image, scale_factor=3, mode="bilinear", align_corners=False)
    torch.testing.assert_close(Upscale(scale=3, kernel="bilinear")(image), expected)


def test_any_other_kernel_is_refused() -> None:
    with pytest.raises(
        ValueError, match="kernel='box': a network enlarges by nearest, bilinear, bicubic, lanczos3"
    ):
        Upscale(scale=2, kernel="box")


def test_mirrored_repeats_the_edge_again_and_again() -> None:
    image = torch.arange(3.0).reshape(1, 1, 1, 3)
    assert mirrored(image, 3, amount=5).flatten().tolist() == [1, 2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0, 1]


@pytest.mark.parametrize("module", [Upscale(scale=2), SpectrumUpscale(scale=2)])
def test_autocast_does_not_round(module: torch.nn.Module) -> None:
    """An incident: the bicubic skip of a network rounded to 8 bits by autocast."""
    image = torch.rand(1, 3, 16, 16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = module(image)
    torch.testing.assert_close(mixed, module(image), rtol=0, atol=0)
    half = module(image.bfloat16())
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half, module(image.bfloat16().float()).bfloat16(), rtol=0, atol=0)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_spectrum_is_the_cosine_series_between_the_pixels(scale: int) -> None:
    """The DCT-II of the image, evaluated at the output's pixels: (j + 1/2) / scale - 1/2."""
    length = 7
    image = torch.rand(length, dtype=torch.float64)
    n = torch.arange(length, dtype=torch.float64)
    position = (torch.arange(scale * length, dtype=torch.float64) + 0.5) / scale - 0.5
    expected = torch.zeros_like(position)
    for k in range(length):
        norm = (1 if k == 0 else 2) / length
        coefficient = norm * (image * torch.cos(math.pi * k * (n + 0.5) / length)).sum()
        expected += coefficient * torch.cos(math.pi * k * (position + 0.5) / length)
    rows = SpectrumUpscale(scale=scale)(image.expand(1, 1, 4, -1))
    torch.testing.assert_close(rows, expected.expand(1, 1, 4 * scale, -1), rtol=0, atol=1e-13)


def test_spectrum_keeps_a_band_limited_image() -> None:
    def wave(height: int, width: int) -> torch.Tensor:
        y, x = ((torch.arange(size, dtype=torch.float64) + 0.5) / size for size in (height, width))
        return 0.5 + 0.3 * torch.cos(3 * math.pi * y)[:, None] * torch.cos(5 * math.pi * x)[None, :]

    for scale, (height, width) in itertools.product((2, 3, 4, 8), ((8, 11), (9, 7))):
        sr = SpectrumInterpolation(scale=scale, in_channels=1)(wave(height, width)[None, None])
        torch.testing.assert_close(sr[0, 0], wave(scale * height, scale * width), rtol=0, atol=1e-13)


def test_baselines_have_nothing_to_train() -> None:
    for net in (Interpolation(scale=2), SpectrumInterpolation(scale=2)):
        assert not list(net.parameters())
        assert not net.state_dict()
