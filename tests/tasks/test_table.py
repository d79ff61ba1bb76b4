"""The final table is read by people: what it must say, and that it fits."""

import pytest

from sr_experiments.tasks.table import print_results

RECORD = {
    "scale": 4,
    "demo": True,
    "notes": ["random features were used"],
    "metrics": {"demo": {"psnr_y": 30.014, "ssim_y": 0.85, "bicubic": {"psnr_y": 29.5, "ssim_y": 0.86}}},
}


def test_it_shows_net_bicubic_gain_protocol_and_notes(capsys: pytest.CaptureFixture[str]) -> None:
    print_results(RECORD, name="rcan", protocol="rgb")
    text = capsys.readouterr().out
    row = next(line for line in text.splitlines() if "psnr_y" in line)
    assert ("29.50" in row, "30.01" in row, "+0.51" in row) == (True, True, True)
    assert "-0.0100" in next(line for line in text.splitlines() if "ssim_y" in line)
    assert "DEMO RUN" in text
    assert "rgb: from the 8-bit RGB LR file" in text
    assert "note: random features were used" in text
    assert max(map(len, text.splitlines())) <= 80


def test_what_rounds_to_nothing_has_no_sign(capsys: pytest.CaptureFixture[str]) -> None:
    """Bicubic interpolation once had a gain of -0.00 dB over itself."""
    values = {"psnr_y": 29.4999, "bicubic": {"psnr_y": 29.5}}
    print_results(RECORD | {"metrics": {"demo": values}}, name="bicubic", protocol="rgb")
    row = next(line for line in capsys.readouterr().out.splitlines() if "psnr_y" in line)
    assert "-0.00" not in row
    assert row.split()[-2] == "0.00"


@pytest.mark.parametrize(
    ("protocol", "words"),
    [("luma", "luma: one channel"), ("bands", "over all bands"), ("range", "PSNR at 65535")],
)
def test_the_protocol_is_named(protocol: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_results(RECORD | {"demo": False}, name="rcan", protocol=protocol)
    text = capsys.readouterr().out
    assert words in text
    assert "DEMO" not in text
