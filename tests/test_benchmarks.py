"""The scripts in benchmarks/ run and print what they promise. How fast anything is, is not asserted."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT

SCRIPT = ROOT / "benchmarks" / "resize.py"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, timeout=120, check=False
    )


def test_resize_prints_a_ratio_for_every_job() -> None:
    done = run("--case", "1x3x16x20:1/4", "2x1x5x6:3", "--rounds", "1", "--threads", "1")
    assert done.returncode == 0, done.stderr
    first, _, *rows = done.stdout.splitlines()
    assert first.startswith("cpu (")
    assert "1 of " in first
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert cells[0] == ["image", "scale", "what", "ours, ms", "torch, ms", "ours / torch"]
    assert [row[:3] for row in cells[2:]] == [
        [size, scale, what]
        for size, scale in (("1x3x16x20", "1/4"), ("2x1x5x6", "3"))
        for what in ("float32", "float32 and gradient", "uint8")
    ]
    for row in cells[2:]:
        ours, theirs, ratio = map(float, row[3:])
        assert min(ours, theirs, ratio) > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--case", "16x3x192:1/4"], "'16x3x192:1/4' is no case; give BxCxHxW:SCALE, as 16x3x192x192:1/4"),
        (["--case", "1x3x8x8:1/0"], "'1x3x8x8:1/0' is no case"),
        (["--case", "1x3x0x8:2"], "'1x3x0x8:2': sizes and scale must be positive"),
        (["--rounds", "0"], "--rounds and --threads must be at least 1"),
    ],
)
def test_wrong_arguments(arguments: list[str], message: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
