"""BT.601 against its definition and against MATLAB's documented corner values."""

import numpy as np
import pytest
import torch

from sr_experiments.imaging.colour import rgb_to_y, rgb_to_ycbcr, to_channels, to_levels, ycbcr_to_rgb


def rgb(*colour: float) -> torch.Tensor:
    return torch.tensor(colour, dtype=torch.float64).reshape(3, 1, 1)


@pytest.mark.parametrize(
    ("colour", "luma"),
    [((0, 0, 0), 16), ((1, 1, 1), 235), ((1, 0, 0), 81.481), ((0, 1, 0), 144.553), ((0, 0, 1), 40.966)],
)
def test_luma_of_the_corners(colour: tuple[float, ...], luma: float) -> None:
    assert 255 * rgb_to_y(rgb(*colour)).item() == pytest.approx(luma, abs=1e-12)


@pytest.mark.parametrize(
    ("colour", "chroma"),
    [((1, 1, 1), (128, 128)), ((0, 0, 1), (240, 128 - 18.214)), ((1, 0, 0), (128 - 37.797, 240))],
)
def test_chroma_of_the_corners(colour: tuple[float, ...], chroma: tuple[float, float]) -> None:
    result = 255 * rgb_to_ycbcr(rgb(*colour))
    assert result[1:].ravel().tolist() == pytest.approx(chroma, abs=1e-12)


def test_luma_is_the_first_channel() -> None:
    image = torch.rand(2, 5, 3, 4, 6)
    assert torch.equal(rgb_to_ycbcr(image)[..., :1, :, :], rgb_to_y(image))
    assert rgb_to_y(image).shape == (2, 5, 1, 4, 6)


def test_ycbcr_and_back() -> None:
    image = torch.rand(2, 3, 8, 8, dtype=torch.float64)
    torch.testing.assert_close(ycbcr_to_rgb(rgb_to_ycbcr(image)), image, rtol=0, atol=1e-14)
    torch.testing.assert_close(rgb_to_ycbcr(ycbcr_to_rgb(image)), image, rtol=0, atol=1e-14)


def test_float32_stays_within_its_precision() -> None:
    image = torch.rand(3, 32, 32)
    torch.testing.assert_close(rgb_to_y(image).double(), rgb_to_y(image.double()), rtol=0, atol=2e-7)
    assert rgb_to_y(image).dtype == torch.float32


def test_luma_has_a_gradient() -> None:
    image = torch.rand(3, 2, 2, dtype=torch.float64, requires_grad=True)
    rgb_to_y(image).sum().backward()
    expected = torch.tensor([65.481, 128.553, 24.966], dtype=torch.float64) / 255
    assert image.grad is not None
    torch.testing.assert_close(image.grad[:, 0, 0], expected)


@pytest.mark.parametrize("function", [rgb_to_y, rgb_to_ycbcr, ycbcr_to_rgb])
@pytest.mark.parametrize("image", [torch.zeros(1, 4, 4), torch.zeros(3, 4), torch.zeros(3, 4, 4).byte()])
def test_what_is_no_colour(function, image: torch.Tensor) -> None:
    with pytest.raises(
        ValueError, match=r"a colour conversion needs floating point \(\.\.\., 3, H, W\), got torch"
    ):
        function(image)


def test_levels_of_every_byte_and_of_ties() -> None:
    levels = torch.arange(256, dtype=torch.float32)
    for dtype in (torch.float32, torch.float64):
        assert torch.equal(to_levels((levels / 255).to(dtype)), levels.double())
    ties = torch.tensor([-0.1, 0.5, 1.5, 2.49999, 254.5, 400], dtype=torch.float64) / 255
    assert to_levels(ties).tolist() == [0, 1, 2, 2, 255, 255]
    assert to_levels(torch.tensor([float("nan")])).isnan().all()


def test_a_half_that_floats_hold_a_little_short_of_one_goes_up() -> None:
    """Bicubic at x2 is full of halves; a float32 of 2.5 / 255 times 255 is one only by luck."""
    halves = torch.arange(64, dtype=torch.float64) + 0.5
    short = (halves - 2.0**-21) / 255
    assert torch.equal(to_levels(short), halves + 0.5)
    below = (halves - 2.0**-19) / 255
    assert torch.equal(to_levels(below), halves - 0.5)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_rgb_to_one_channel_is_rounded_luma(dtype: type) -> None:
    maximum = np.iinfo(dtype).max
    image = np.random.default_rng(0).integers(0, maximum + 1, (40, 30, 3), dtype=dtype)
    result = to_channels(image, channels=1)
    assert result.shape == (40, 30, 1)
    assert result.dtype == dtype
    exact = maximum * rgb_to_y(torch.from_numpy(image / maximum).permute(2, 0, 1))[0].numpy()
    assert np.abs(result[:, :, 0] - exact).max() <= 0.5 + 1e-9
    white: np.ndarray = np.full((1, 1, 3), maximum, dtype)
    assert to_channels(white, channels=1).item() == 235 * (maximum // 255)
    assert to_channels(0 * white, channels=1).item() == 16 * (maximum // 255)


def test_luma_of_exactly_a_half_is_rounded_up() -> None:
    """Found by search; in floats some of these fall below the half."""
    levels = np.arange(0, 256, 3)
    red, green, blue = (axis.ravel() for axis in np.meshgrid(levels, levels, levels, indexing="ij"))
    exact = 65481 * red + 128553 * green + 24966 * blue  # thousandths of luma times 255
    halves = exact % 255_000 == 127_500
    assert halves.sum() > 10
    image = np.stack([red, green, blue], axis=-1)[halves][None].astype(np.uint8)
    np.testing.assert_array_equal(to_channels(image, channels=1)[0, :, 0], exact[halves] / 255_000 + 16.5)


def test_grey_to_rgb_is_repeated() -> None:
    image = np.arange(6, dtype=np.uint16).reshape(2, 3, 1)
    result = to_channels(image, channels=3)
    assert result.shape == (2, 3, 3)
    assert (result == image).all()


@pytest.mark.parametrize("channels", [1, 3, 8])
def test_nothing_to_do(channels: int) -> None:
    image = np.zeros((2, 2, channels), np.uint8)
    assert to_channels(image, channels=channels) is image


@pytest.mark.parametrize(("found", "wanted"), [(3, 8), (8, 3), (4, 1), (1, 2)])
def test_no_such_conversion(found: int, wanted: int) -> None:
    with pytest.raises(
        ValueError,
        match=rf"an image of {found} channels cannot become one of {wanted}; set channels={found}, or use",
    ):
        to_channels(np.zeros((2, 2, found), np.uint8), channels=wanted)
