"""What the README shows as printed is what the program prints; no page shows what nothing holds."""

from pathlib import Path

import pytest
import torch

from sr_experiments.nets.srvgg import SRVGG
from sr_experiments.report.published import table
from sr_experiments.tasks.comparison import Measured, print_comparison
from sr_experiments.tasks.table import print_results
from tests.conftest import ROOT
from tests.docs.pages import differs, masked, shown
from tests.tasks.runs import photographs
from tests.typed import typed_line

README = ROOT / "README.md"
# What opens a block of output, and what holds it. Pages of console lines are typed by tests of their own.
HELD = {
    "x4  DEMO RUN": "here, and in tests/test_demo.py",
    "vdsr": "here; its figures in tests/tasks/test_evaluate.py",
    "done     2 images in OUT: srvgg_small x4": "here",
    "$ python -m sr_experiments model=rcan net.redction=8": "here",
    "edsr_baseline x2 of 4000x3000 pixels on the CPU, 2 threads": "measured by benchmarks/upscale.py",
    "parameters: 12,115 with a guide, 11,795 without": "measured by benchmarks/guided.py",
}
TYPED = {"first-hour.md", *(path.name for path in (ROOT / "docs" / "howto").glob("*.md"))}


@pytest.fixture(autouse=True)
def eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """As wide as the README's blocks, whatever terminal the tests run in."""
    monkeypatch.setenv("COLUMNS", "80")


def block(first: str) -> list[str]:
    """The README's block that begins with this line."""
    (found,) = [lines for lines in shown(README) if lines[0] == first]
    return found


def rows(lines: list[str]) -> list[list[str]]:
    """The cells of a printed table's rows."""
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in lines if line.startswith("│")]


def test_no_page_shows_output_that_nothing_holds() -> None:
    pages = [README, *sorted((ROOT / "docs").rglob("*.md"))]
    firsts = [lines[0] for page in pages if page.name not in TYPED for lines in shown(page)]
    assert sorted(firsts) == sorted(HELD)


def test_the_table_of_the_demo(capsys: pytest.CaptureFixture[str]) -> None:
    lines = block("x4  DEMO RUN")
    metrics: dict[str, float] = {}
    bicubic: dict[str, float] = {}
    for _, metric, low, high, gain in rows(lines):
        bicubic[metric], metrics[metric] = float(low), float(high)
        assert float(gain) == pytest.approx(float(high) - float(low), abs=1e-9), "of what is shown"
    note = " ".join(lines).partition("note: ")[2].partition("  picture")[0]
    record = {"scale": 4, "demo": True, "notes": [note], "metrics": {"demo": metrics | {"bicubic": bicubic}}}
    print_results(record, name="srvgg_small", protocol="rgb")
    assert differs(masked(lines[:-1]), "\n".join(masked(capsys.readouterr().out.splitlines()))) is None


def test_the_table_of_vdsr(capsys: pytest.CaptureFixture[str]) -> None:
    lines = block("vdsr")
    found = []
    for where, protocol, psnr, _, _, ssim, _, _ in rows(lines):
        dataset, scale = where.split(" x")
        found.append(
            Measured(
                dataset=dataset,
                scale=int(scale),
                protocol=protocol,
                degradation="",
                metrics={"psnr_y": float(psnr), "ssim_y": float(ssim)},
                bicubic={},
                published=table()["vdsr", dataset, int(scale), protocol],
            )
        )
    print_comparison(found, name="vdsr", notes=[], demo=False)
    assert differs([*lines, "..."], capsys.readouterr().out) is None


def test_a_folder_with_a_file_that_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    whole = photographs(Path("PHOTOS"), count=3) / "2.png"
    Path("PHOTOS/broken.png").write_bytes(whole.read_bytes()[:-400])
    whole.unlink()
    torch.save(SRVGG(scale=4, features=32, convolutions=8).state_dict(), "net.pth")
    line = "task=upscale model=srvgg_small checkpoint=net.pth input=PHOTOS output=OUT trainer=cpu"
    assert typed_line(monkeypatch, line) == 2
    captured = capsys.readouterr()
    printed = [line for line in (captured.out + captured.err).splitlines() if "left" not in line]
    shown_lines = block("done     2 images in OUT: srvgg_small x4")
    lines = [line.replace("<date>/<time>", "...") for line in shown_lines]
    assert differs(["...", *lines], "\n".join(printed)) is None


def test_a_mistake_is_answered_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    command, *lines = block("$ python -m sr_experiments model=rcan net.redction=8")
    assert typed_line(monkeypatch, command.removeprefix("$ python -m sr_experiments ")) == 2
    assert differs(lines, capsys.readouterr().err) is None
