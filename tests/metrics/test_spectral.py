"""SAM and ERGAS by closed forms and by torchmetrics; the PSNR of 16-bit images and of a window."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torchmetrics.functional.image import (
    error_relative_global_dimensionless_synthesis,
    peak_signal_noise_ratio,
    spectral_angle_mapper,
)

from sr_experiments.config import _psnr_of
from sr_experiments.metrics.protocol import (
    PROTOCOLS,
    PSNR,
    image_metrics,
    is_ranged,
    metrics_of,
    protocol_of,
    protocol_of_config,
    ranged_metrics,
)
from sr_experiments.metrics.spectral import ERGAS, SpectralAngle
from sr_experiments.metrics.windowed import WindowedPSNR


def levels(*shape: int, seed: int = 0) -> Tensor:
    """What a 16-bit file holds, float32 in [0, 1]; nowhere zero."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(3000, 65536, shape, generator=generator).float() / 65535


@pytest.mark.parametrize("channels", [2, 4, 13])
@pytest.mark.parametrize("scale", [1, 2, 4])
def test_torchmetrics_says_the_same(channels: int, scale: int) -> None:
    gt, sr = levels(3, channels, 40, 31), levels(3, channels, 40, 31, seed=1)
    inside = (..., slice(scale, 40 - scale), slice(scale, 31 - scale))
    sam, ergas = (kind(scale=scale)(sr, gt, lq=gt) for kind in (SpectralAngle, ERGAS))
    for b in range(3):
        x, y = sr[b : b + 1][inside].double(), gt[b : b + 1][inside].double()
        assert sam[b].item() == pytest.approx(math.degrees(spectral_angle_mapper(x, y).item()), rel=1e-6)
        other = error_relative_global_dimensionless_synthesis(x, y, ratio=scale)
        assert ergas[b].item() == pytest.approx(other.item(), rel=1e-6)


def test_the_angle_of_two_spectra_is_known() -> None:
    """(1, 1) and (1, 0) are at 45 degrees, whatever their length."""
    gt = torch.zeros(2, 2, 12, 12)
    gt[:, 0], gt[0, 1], gt[1, 1] = 0.25, 0.25, 0.0
    sr = torch.zeros(2, 2, 12, 12)
    sr[:, 0] = 0.75
    assert SpectralAngle(scale=2)(sr, gt, lq=gt).tolist() == pytest.approx([45.0, 0.0], abs=1e-12)


def test_a_darker_image_has_the_same_spectra() -> None:
    gt = levels(1, 4, 20, 20) // (2 / 65535) * (2 / 65535)
    assert SpectralAngle(scale=2)(gt / 2, gt, lq=gt).item() < 1e-2
    assert SpectralAngle(scale=2)(gt, gt, lq=gt).item() == 0.0, "arccos would leave some 1e-6"


def test_pixels_without_a_spectrum() -> None:
    gt = torch.full((1, 3, 14, 14), 0.5)
    gt[..., 2:7, :] = 0.0  # half of what is left inside the border
    assert SpectralAngle(scale=2)(gt, gt, lq=gt).item() == 0.0
    sr = gt.clone()
    sr[..., 7:9, :] = 0.0  # 2 of the 5 rows that count
    assert SpectralAngle(scale=2)(sr, gt, lq=gt).item() == pytest.approx(90 * 2 / 5)
    with pytest.raises(
        ValueError, match="an image is zero in all bands, so sam has no spectrum: leave it out"
    ):
        SpectralAngle(scale=2)(sr, gt * 0, lq=gt)
    with pytest.raises(ValueError, match="these images have one band: leave metric=sam away"):
        SpectralAngle(scale=2)(sr[:, :1], gt[:, :1], lq=gt)


def test_ergas_of_a_constant_error() -> None:
    """Bands of 0.5 and 0.25, each wrong by a tenth of itself: 100 / 4 * 0.1."""
    gt = torch.cat([torch.full((1, 1, 20, 20), level) for level in (0.5, 0.25)], dim=1)
    assert ERGAS(scale=4)(gt * 1.1, gt, lq=gt).item() == pytest.approx(2.5, rel=1e-3)
    assert ERGAS(scale=4)(gt, gt, lq=gt).item() == 0.0
    gt[:, 1] = 0
    with pytest.raises(ValueError, match="band 2 of an image is zero everywhere, so ergas is not defined"):
        ERGAS(scale=4)(gt, gt, lq=gt)


def test_a_diverged_image_shows() -> None:
    gt = levels(2, 4, 20, 20)
    sr = gt.clone()
    sr[1, 2, 9, 9] = torch.nan
    for metric in (SpectralAngle(scale=2), ERGAS(scale=2)):
        assert metric(sr, gt, lq=gt).isnan().tolist() == [False, True]
        assert not metric.higher_is_better


@pytest.mark.parametrize("channels", [1, 3, 4, 20])
def test_psnr_is_that_of_the_16_bit_files(channels: int) -> None:
    """One level of 65535 is 96.33 dB; rounded to 8 bit the same images would be equal, or 48 dB apart."""
    gt = levels(2, channels, 40, 40)
    off = torch.where(gt > 0.5, gt - 1 / 65535, gt + 1 / 65535)
    measured = ranged_metrics(off, gt, scale=2)
    assert measured["psnr_16"].tolist() == pytest.approx([20 * math.log10(65535)] * 2, abs=1e-6)
    bands = {f"psnr_16_band{band + 1}" for band in range(channels)} if 2 <= channels <= 16 else set()
    assert set(measured) == {"psnr_16", "ssim_16"} | bands
    sr = levels(2, channels, 40, 40, seed=1)
    measured = ranged_metrics(sr, gt, scale=3)
    for b in range(2):
        x, y = sr[b : b + 1, :, 3:-3, 3:-3].double(), gt[b : b + 1, :, 3:-3, 3:-3].double()
        assert measured["psnr_16"][b].item() == pytest.approx(
            peak_signal_noise_ratio(x, y, data_range=1.0).item(), abs=1e-6
        )
        for band in range(len(bands)):
            one = peak_signal_noise_ratio(x[:, band], y[:, band], data_range=1.0).item()
            assert measured[f"psnr_16_band{band + 1}"][b].item() == pytest.approx(one, abs=1e-6)


def test_8_bits_would_be_too_few() -> None:
    """What is measured without a range says less of the same images: here nothing at all."""
    gt = (levels(1, 1, 40, 40) * 65535 // 257 * 257) / 65535
    sr = gt + 100 / 65535
    assert image_metrics(sr, gt, scale=2)["psnr_y"].item() == math.inf
    assert ranged_metrics(sr, gt, scale=2)["psnr_16"].item() == pytest.approx(
        20 * math.log10(655.35), abs=0.1
    )


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_its_protocol_is_named(channels: int) -> None:
    assert protocol_of(channels, ranged=True) == "range"
    assert "data.range" in PROTOCOLS["range"]
    assert "luma" not in PROTOCOLS["range"]


@pytest.mark.parametrize(("channels", "span"), [(1, None), (3, None), (5, None), (1, [0, 9]), (3, [0, 9])])
def test_what_a_protocol_measures_is_known_before(channels: int, span: list[float] | None) -> None:
    """By whoever shows it, and by config.py, which says it again because it imports nothing heavy."""
    gt = levels(1, channels, 20, 20) / 65535
    measured = (image_metrics if span is None else ranged_metrics)(gt, gt, scale=2)
    protocol = protocol_of_config({"channels": channels, "data": {"range": span}})
    names = metrics_of(protocol)
    assert list(names) == [name for name in measured if "_band" not in name or protocol == "bands"]
    assert [name for name in PSNR if name in measured] == [names[0]]
    assert names[0] == _psnr_of(channels, span)


@pytest.mark.parametrize("config", [{}, {"data": None}, {"data": {}}, {"data": {"range": None}}])
def test_a_config_of_photographs(config: dict[str, Any]) -> None:
    assert not is_ranged(config)
    assert protocol_of_config(config | {"channels": 1}) == "luma"
    assert protocol_of_config(config) == "rgb"


def test_what_a_window_shows() -> None:
    """-1024 to 3071 HU, window 40 +- 200: outside of it nothing counts, inside 4 HU are 4 / 400."""
    metric = WindowedPSNR(scale=2, range=[-1024, 3071], window=[40, 400])

    def of(value: float) -> Tensor:
        return torch.full((1, 1, 20, 20), (value + 1024) / 4095)

    assert metric(of(2000), of(800), lq=of(0)).item() == math.inf
    assert metric(of(-1000), of(-160), lq=of(0)).item() > 90  # float32
    assert metric(of(4), of(0), lq=of(0)).item() == pytest.approx(20 * math.log10(100), abs=1e-3)
    assert metric(of(-1000), of(2000), lq=of(0)).item() == pytest.approx(0.0, abs=1e-12)


def test_a_window_must_lie_in_the_range() -> None:
    with pytest.raises(
        ValueError, match=r"window=\[40, 400\] needs data.range=\[LOW,HIGH\], in whose unit it"
    ):
        WindowedPSNR(scale=2, range=None, window=[40, 400])
    with pytest.raises(ValueError, match=r"the window \(4900 to 5100\) lies outside data.range=\[0, 4095\]"):
        WindowedPSNR(scale=2, range=[0, 4095], window=[5000, 200])
    with pytest.raises(ValueError, match=r"window=\[40, 0\]: give \[CENTER, WIDTH\], with a width above 0"):
        WindowedPSNR(scale=2, range=[0, 4095], window=[40, 0])
