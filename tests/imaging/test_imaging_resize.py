"""imresize against real MATLAB files, a direct loop, and closed forms."""

import math

import numpy as np
import pytest
import torch

from sr_experiments.imaging import resize, rows
from sr_experiments.imaging.io import list_images, read_image
from sr_experiments.imaging.resize import KERNEL_WIDTHS, Border, Kernel, imresize, imresize_uint8
from tests.conftest import benchmark_dir


def set5_pairs(scale: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """(hr, lq) uint8 (3, H, W) of the files that real MATLAB made."""
    folder = benchmark_dir("Set5")
    pairs = []
    for path in list_images(folder / "HR" / f"x{scale}"):
        files = (path, folder / "LR" / f"x{scale}" / path.name)
        hr, lq = (torch.from_numpy(read_image(file)).permute(2, 0, 1) for file in files)
        pairs.append((hr, lq))
    assert len(pairs) == 5
    return pairs


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_every_pixel_of_matlabs_files(scale: int) -> None:
    for hr, lq in set5_pairs(scale):
        assert torch.equal(imresize_uint8(hr, scale=1 / scale), lq)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_mirrored_borders_miss_matlabs_files_at_the_border_only(scale: int) -> None:
    """Half the kernel's width is two pixels of the small image."""
    for hr, lq in set5_pairs(scale):
        wrong = imresize_uint8(hr, scale=1 / scale, border="symmetric") != lq
        assert wrong.any()
        assert not wrong[:, 2:-2, 2:-2].any()


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_float_between_the_passes_misses_one_pixel_in_ten(scale: int) -> None:
    """The trap that BasicSR, KAIR and mmagic are in (FACTS: 14.7, 12.4 and 11.5 % of the pixels)."""
    wrong = total = 0
    for hr, lq in set5_pairs(scale):
        image = imresize(hr.double(), scale=1 / scale, border="replicate")
        wrong += int(((image + 0.5).floor().clamp(0, 255) != lq).sum())
        total += lq.numel()
    assert 0.10 < wrong / total < 0.16


# An independent reference: the definition, pixel by pixel, in plain Python.


def sinc(x: float) -> float:
    return 1.0 if x == 0 else math.sin(math.pi * x) / (math.pi * x)


def kernel_value(kernel: Kernel, x: float) -> float:
    a = abs(x)
    match kernel:
        case "nearest" | "box":
            return 1.0 if -0.5 <= x < 0.5 else 0.0
        case "bilinear":
            return max(0.0, 1 - a)
        case "bicubic" if a <= 1:
            return ((1.5 * a - 2.5) * a) * a + 1
        case "bicubic" if a <= 2:
            return ((-0.5 * a + 2.5) * a - 4) * a + 2
        case "lanczos2" if a < 2:
            return sinc(x) * sinc(x / 2)
        case "lanczos3" if a < 3:
            return sinc(x) * sinc(x / 3)
        case _:
            return 0.0


def outside(position: int, length: int, border: Border) -> int:
    while not 0 <= position < length:
        if border == "replicate":
            return 0 if position < 0 else length - 1
        position = -1 - position if position < 0 else 2 * length - 1 - position
    return position


def resize_vector(
    values: np.ndarray, length_out: int, scale: float, kernel: Kernel, antialias: bool, border: Border
) -> np.ndarray:
    """Along axis 0, for output pixel i at (i + 1/2) / scale - 1/2 of the input."""
    shrink = min(scale, 1.0) if antialias and kernel != "nearest" else 1.0
    reach = math.ceil(KERNEL_WIDTHS[kernel] / shrink) + 1
    result = np.zeros((length_out, *values.shape[1:]))
    for i in range(length_out):
        centre = (i + 1) / scale + 0.5 * (1 - 1 / scale) - 1
        around = range(math.floor(centre) - reach, math.floor(centre) + reach + 1)
        weights = {j: kernel_value(kernel, shrink * (centre - j)) for j in around}
        total = sum(weights.values())
        for j, weight in weights.items():
            result[i] += weight / total * values[outside(j, len(values), border)]
    return result


def resize_reference(
    image: np.ndarray,
    scales: tuple[float, float],
    size: tuple[int, int],
    kernel: Kernel = "bicubic",
    antialias: bool = True,
    border: Border = "symmetric",
) -> np.ndarray:
    """(H, W) to `size`, rows first."""
    rows = resize_vector(image, size[0], scales[0], kernel, antialias, border)
    return resize_vector(rows.T, size[1], scales[1], kernel, antialias, border).T


@pytest.mark.parametrize("kernel", list(KERNEL_WIDTHS))
@pytest.mark.parametrize("border", ["symmetric", "replicate"])
@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("scale", [1 / 4, 1 / 3, 0.5, 0.37, 1.0, 1.5, 2.0, 3.0])
def test_float64_equals_the_direct_loop(
    kernel: Kernel, border: Border, antialias: bool, scale: float
) -> None:
    image = np.random.default_rng(0).random((13, 6))
    size = (math.ceil(13 * scale), math.ceil(6 * scale))
    expected = resize_reference(image, (scale, scale), size, kernel, antialias, border)
    result = imresize(torch.from_numpy(image), scale=scale, kernel=kernel, antialias=antialias, border=border)
    np.testing.assert_allclose(result.numpy(), expected, rtol=0, atol=1e-12)


def dense(length: int, length_out: int, scale: float, border: Border) -> np.ndarray:
    """The matrix of one pass, (length_out, length): what the definition answers to each unit vector."""
    return resize_vector(np.eye(length), length_out, scale, "bicubic", True, border)


# Whole scales, their inverses, a ratio, and two without a period: slices, phases and gathering.
SCALES = [1 / 8, 1 / 4, 1 / 3, 1 / 2, 0.75, 0.37, 1.71, 2.0, 3.0, 4.0]


@pytest.mark.parametrize("border", ["symmetric", "replicate"])
@pytest.mark.parametrize("scale", SCALES)
def test_equal_to_a_dense_matrix_on_both_sides(scale: float, border: Border) -> None:
    """R X C^T, and its gradient R^T G C, for an image whose interior is much larger than its borders."""
    image = np.random.default_rng(3).random((2, 3, 83, 61))
    size = (math.ceil(83 * scale), math.ceil(61 * scale))
    left, right = dense(83, size[0], scale, border), dense(61, size[1], scale, border)
    x = torch.from_numpy(image).requires_grad_()
    result = imresize(x, scale=scale, border=border)
    np.testing.assert_allclose(result.detach().numpy(), left @ image @ right.T, rtol=0, atol=1e-12)
    upstream = np.random.default_rng(4).standard_normal((2, 3, *size))
    (gradient,) = torch.autograd.grad(result, x, torch.from_numpy(upstream))
    np.testing.assert_allclose(gradient.numpy(), left.T @ upstream @ right, rtol=0, atol=1e-12)


@pytest.mark.parametrize("scale", SCALES)
def test_neither_slices_nor_blocks_change_a_bit(scale: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sum is taken in the same order whichever way its rows are found."""
    image = torch.rand(2, 3, 97, 64, dtype=torch.float64)
    pixels = (255 * image).to(torch.uint8)
    whole = imresize(image, scale=scale), imresize_uint8(pixels, scale=scale)
    for block in (1, 100, 1000):
        monkeypatch.setattr(rows, "_BLOCK", block)
        assert torch.equal(imresize(image, scale=scale), whole[0])
        assert torch.equal(imresize_uint8(pixels, scale=scale), whole[1])
    monkeypatch.setattr(rows, "_LONGEST_PERIOD", 0)
    monkeypatch.setattr(resize, "_cached_taps", resize._cached_taps.__wrapped__)
    assert torch.equal(imresize(image, scale=scale), whole[0])
    assert torch.equal(imresize_uint8(pixels, scale=scale), whole[1])


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (2, 3)])
@pytest.mark.parametrize("size", [(1, 1), (5, 2), (3, 20)])
def test_images_smaller_than_the_kernel(shape: tuple[int, int], size: tuple[int, int]) -> None:
    image = np.random.default_rng(1).random(shape)
    expected = resize_reference(image, (size[0] / shape[0], size[1] / shape[1]), size)
    np.testing.assert_allclose(imresize(torch.from_numpy(image), size=size).numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16])
@pytest.mark.parametrize("size", [(7, 5), (30, 9), (6, 40)])
def test_integers_round_half_up_after_each_pass_the_smaller_scale_first(
    dtype: torch.dtype, size: tuple[int, int]
) -> None:
    maximum = torch.iinfo(dtype).max
    image = np.random.default_rng(2).integers(0, maximum + 1, (21, 17))
    image[:, ::4], image[::5] = 0, maximum  # overshoots that must be clipped
    scales = (size[0] / 21, size[1] / 17)
    passes = [0, 1] if scales[0] <= scales[1] else [1, 0]
    expected = image.astype(float)
    for axis in passes:
        moved = np.moveaxis(expected, axis, 0)
        moved = resize_vector(moved, size[axis], scales[axis], "bicubic", True, "replicate")
        expected = np.moveaxis(np.clip(np.floor(moved + 0.5), 0, maximum), 0, axis)
    result = imresize_uint8(torch.from_numpy(image).to(dtype), size=size)
    assert result.dtype == dtype
    np.testing.assert_array_equal(result.to(torch.int64).numpy(), expected)


def test_bicubic_reproduces_a_parabola() -> None:
    """Keys' kernel with a = -1/2 is exact for polynomials of degree 2."""
    x = torch.arange(20, dtype=torch.float64)
    position = (torch.arange(60, dtype=torch.float64) + 0.5) / 3 - 0.5
    image = (x**2 - 3 * x + 1).expand(4, 20)
    expected = position**2 - 3 * position + 1
    torch.testing.assert_close(imresize(image, scale=3.0)[5, 6:-6], expected[6:-6], rtol=0, atol=1e-11)


def test_nearest_repeats_pixels() -> None:
    image = torch.arange(6.0).reshape(2, 3)
    expected = image.repeat_interleave(2, 0).repeat_interleave(2, 1)
    assert torch.equal(imresize(image, scale=2, kernel="nearest"), expected)


def test_box_averages_blocks() -> None:
    image = torch.rand(2, 3, 12, 8, dtype=torch.float64)
    expected = torch.nn.functional.avg_pool2d(image, 4)
    torch.testing.assert_close(imresize(image, scale=0.25, kernel="box"), expected, rtol=0, atol=1e-15)


@pytest.mark.parametrize(
    ("length", "scale", "expected"),
    [(7, 0.5, 4), (256, 1 / 3, 86), (255, 1 / 3, 85), (5, 2, 10), (9, 1.5, 14)],
)
def test_output_size_is_rounded_up(length: int, scale: float, expected: int) -> None:
    assert imresize(torch.zeros(length, 2 * length), scale=scale).shape[0] == expected
    assert imresize_uint8(torch.zeros(length, 1, dtype=torch.uint8), scale=scale).shape[0] == expected


def test_batch_dimensions_and_memory_layout_do_not_matter() -> None:
    image = torch.rand(2, 3, 4, 11, 9)
    single = torch.stack([imresize(one, scale=2.0) for one in image.reshape(-1, 11, 9)])
    assert torch.equal(imresize(image, scale=2.0).reshape(-1, 22, 18), single)
    last = image[0].contiguous(memory_format=torch.channels_last)
    assert torch.equal(imresize(last, scale=0.5), imresize(image[0], scale=0.5))
    assert imresize(image[0, 0, 0], scale=0.5).is_contiguous()


@pytest.mark.parametrize("channels", [1, 2, 5, 31])
def test_any_number_of_channels(channels: int) -> None:
    pixels = torch.randint(0, 256, (channels, 33, 26), dtype=torch.uint8)
    for scale in (1 / 3, 2):
        alone = torch.cat([imresize_uint8(band[None], scale=scale) for band in pixels])
        assert torch.equal(imresize_uint8(pixels, scale=scale), alone)


def test_a_scale_without_change_is_the_identity() -> None:
    image = torch.rand(3, 8, 8)
    assert torch.equal(imresize(image, scale=1.0), image)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precisions_are_computed_in_float32(dtype: torch.dtype) -> None:
    image = torch.rand(3, 9, 9).to(dtype)
    result = imresize(image, scale=2.0)
    assert result.dtype == dtype
    assert torch.equal(result, imresize(image.float(), scale=2.0).to(dtype))


def test_autocast_changes_nothing() -> None:
    image = torch.rand(1, 3, 16, 16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = imresize(image, scale=0.5)
    assert torch.equal(result, imresize(image, scale=0.5))


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_gradient(scale: float) -> None:
    image = torch.rand(2, 5, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: imresize(x, scale=scale), image)


@pytest.mark.parametrize("scale", [1 / 3, 0.6, 3.0])
def test_gradient_of_the_gradient(scale: float) -> None:
    image = torch.rand(9, 7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda x: imresize(x, scale=scale).square(), image)


@pytest.mark.parametrize("kernel", list(KERNEL_WIDTHS))
def test_gradient_where_pixels_go_unused(kernel: Kernel) -> None:
    """Without antialiasing most pixels of the image take no part: their gradient is zero, not garbage."""
    image = torch.rand(24, 20, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: imresize(x, scale=0.25, kernel=kernel, antialias=False), image)


def test_a_gradient_of_any_layout() -> None:
    image = torch.rand(3, 40, 36, dtype=torch.float64, requires_grad=True)
    result = imresize(image, scale=0.25)
    (expanded,) = torch.autograd.grad(result.sum(), image, retain_graph=True)
    (plain,) = torch.autograd.grad(result, image, torch.ones_like(result))
    assert torch.equal(expanded, plain)
    assert expanded.sum().item() == pytest.approx(3 * 10 * 9, abs=1e-10)  # a constant keeps its mean


def test_weights_made_in_inference_mode_can_train_afterwards() -> None:
    """They are cached: born as inference tensors they would break the training step after validation."""
    with torch.inference_mode():
        imresize(torch.rand(1, 23, 29), scale=2.0)
    image = torch.rand(1, 23, 29, requires_grad=True)
    imresize(image, scale=2.0).sum().backward()
    assert image.grad is not None


class Upscale(torch.nn.Module):
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return imresize(image, scale=3)


def test_export_with_dynamic_height_and_width() -> None:
    sizes = {2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
    program = torch.export.export(Upscale(), (torch.rand(1, 3, 10, 14),), dynamic_shapes=(sizes,))
    other = torch.rand(1, 3, 7, 31)
    torch.testing.assert_close(program.module()(other), imresize(other, scale=3))
    assert type(imresize(torch.rand(10, 14), scale=3)) is torch.Tensor, (
        "the cache holds a tensor of the trace"
    )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_agrees() -> None:
    image = torch.randint(0, 256, (2, 3, 61, 47), dtype=torch.uint8)
    for scale in (1 / 4, 1 / 3, 2):
        on_gpu = imresize_uint8(image.cuda(), scale=scale)
        assert torch.equal(on_gpu.cpu(), imresize_uint8(image, scale=scale))
        torch.testing.assert_close(
            imresize(image.float().cuda(), scale=scale).cpu(), imresize(image.float(), scale=scale)
        )


@pytest.mark.usefixtures("fresh_compiler")
def test_compiled() -> None:
    compiled = torch.compile(Upscale(), backend="eager", fullgraph=True)
    image = torch.rand(1, 3, 10, 14)
    torch.testing.assert_close(compiled(image), imresize(image, scale=3))


@pytest.mark.parametrize("function", [imresize, imresize_uint8])
def test_wrong_arguments(function) -> None:
    image = torch.zeros(4, 4) if function is imresize else torch.zeros(4, 4, dtype=torch.uint8)
    with pytest.raises(ValueError, match="either scale or size, got scale=None and size=None"):
        function(image)
    with pytest.raises(ValueError, match=r"either scale or size, got scale=2 and size=\(2, 2\)"):
        function(image, scale=2, size=(2, 2))
    with pytest.raises(ValueError, match="scale must be a positive number, got -2"):
        function(image, scale=-2)
    with pytest.raises(ValueError, match="scale must be a positive number, got nan"):
        function(image, scale=float("nan"))
    with pytest.raises(ValueError, match=r"size must be \(height, width\), both at least 1, got \(0, 3\)"):
        function(image, size=(0, 3))
    with pytest.raises(ValueError, match="unknown kernel 'cubic'; choose one of nearest, box, bili"):
        function(image, scale=2, kernel="cubic")
    with pytest.raises(ValueError, match="unknown border 'zeros'; choose one of symmetric, replicate"):
        function(image, scale=2, border="zeros")
    with pytest.raises(ValueError, match=r"cannot resize an image of shape \(0, 4\)"):
        function(image[:0], scale=2)


def test_wrong_dtype() -> None:
    with pytest.raises(ValueError, match=r"imresize takes floats, not torch\.uint8; imresize_uint8 takes"):
        imresize(torch.zeros(4, 4, dtype=torch.uint8), scale=2)
    with pytest.raises(
        ValueError, match=r"imresize_uint8 takes uint8 and uint16, not torch\.float32; imresize"
    ):
        imresize_uint8(torch.zeros(4, 4), scale=2)
