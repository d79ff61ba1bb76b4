"""The final table is read by people: what it must say, and that it fits."""

import pytest

from sr_experiments.metrics.protocol import OTHERS
from sr_experiments.tasks.table import below_bicubic, print_results, tell_results
from tests.conftest import ROOT

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


def test_a_gain_is_the_difference_of_what_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """30.1849 - 29.3751 is 0.8098, and a reader who subtracts 29.38 from 30.18 finds 0.80."""
    one = {"psnr_y": 30.1849, "ssim_y": 0.81096, "bicubic": {"psnr_y": 29.3751, "ssim_y": 0.78566}}
    print_results(RECORD | {"metrics": {"demo": one}}, name="rcan", protocol="rgb")
    cells = [line.split() for line in capsys.readouterr().out.splitlines() if "│" in line]
    assert [[row[-6], row[-4], row[-2]] for row in cells] == [
        ["29.38", "30.18", "+0.80"],
        ["0.7857", "0.8110", "+0.0253"],
    ]


def test_what_is_measured_beside_the_protocol_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    one = {"psnr_y": 30.0, "lr_psnr": 40.0, "bicubic": {"psnr_y": 29.0, "lr_psnr": 38.0}}
    print_results(RECORD | {"metrics": {"demo": one}}, name="rcan", protocol="rgb")
    text = " ".join(capsys.readouterr().out.split())
    assert "lr_psnr: PSNR in dB of SR, rounded to 8 bit and shrunk again by MATLAB's bicubic" in text
    assert "niqe" not in text


def test_a_net_below_bicubic_is_told_what_the_cure_is() -> None:
    below = {"psnr_y": 27.104, "ssim_y": 0.9, "bicubic": {"psnr_y": 29.38, "ssim_y": 0.86}}
    above = {"psnr_y": 29.38, "ssim_y": 0.8, "bicubic": {"psnr_y": 29.38, "ssim_y": 0.86}}
    assert below_bicubic({"demo": below}, protocol="rgb") == [
        "below bicubic on demo (27.10 of 29.38 dB psnr_y): so far the net is worse than interpolation; more "
        "steps are the usual cure (trainer.max_epochs=, data.steps_per_epoch=)"
    ]
    assert below_bicubic({"demo": above}, protocol="rgb") == []
    assert below_bicubic({"demo": above, "set5": below}, protocol="rgb") == [], "not on all"
    assert below_bicubic({}, protocol="rgb") == [], "nothing was tested"


def test_of_several_runs_each_is_told_in_a_line(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        tell_results(RECORD, protocol="rgb")
    said = "demo     psnr_y 30.01 (+0.51 from bicubic's 29.50), ssim_y 0.8500 (-0.0100 from 0.8600)\n"
    assert capsys.readouterr().out == said
    assert [message.split(":")[0] for message in caplog.messages] == ["rgb", "note"]
    assert all(record.__dict__["once"] for record in caplog.records), "said once in a sweep"


def test_every_metric_that_can_be_chosen_is_explained() -> None:
    assert set(OTHERS) == {path.stem for path in (ROOT / "conf" / "metric").glob("*.yaml")}


@pytest.mark.parametrize(
    ("protocol", "words"),
    [("luma", "luma: one channel"), ("bands", "over all bands"), ("range", "PSNR at 65535")],
)
def test_the_protocol_is_named(protocol: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_results(RECORD | {"demo": False}, name="rcan", protocol=protocol)
    text = capsys.readouterr().out
    assert words in text
    assert "DEMO" not in text
