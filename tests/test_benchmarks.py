"""The scripts in benchmarks/ run and print what they promise. How fast anything is, is not asserted."""

import importlib
import re
import subprocess
import sys

import pytest

from tests.conftest import ROOT

FOLDER = ROOT / "benchmarks"


def run(*arguments: str, script: str = "resize") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(FOLDER / f"{script}.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


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


def test_report_says_how_long_a_page_takes() -> None:
    done = run("--runs", "6", "--images", "6", script="report")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^6 runs of 6 images: \d+\.\d s, page of \d\.\d MB$", done.stdout, re.MULTILINE)


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


def test_degradations_prints_a_ratio() -> None:
    done = run("--batch", "2", "--side", "48", "--rounds", "1", "--threads", "1", script="degradations")
    assert done.returncode == 0, done.stderr
    first, _, names, _, values = done.stdout.splitlines()
    assert first.startswith("real_esrgan on 2 crops of 48, cpu, 1 of ")
    assert names == "| per sample, ms | per batch, ms | per sample / per batch |"
    assert all(float(cell) > 0 for cell in values.strip("|").split("|"))


@pytest.mark.slow
def test_data_prints_a_ratio_for_both_ways() -> None:
    small = ["--workers", "0", "--rounds", "1", "--batches", "1", "--batch", "2", "--patch", "48"]
    done = run(*small, script="data")
    assert done.returncode == 0, done.stderr
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in done.stdout.splitlines()[4:]]
    assert [row[0] for row in rows] == [
        "ours, a mapped file",
        "ours, made ready: mirrored, turned and made floats",
        "decoding whole PNGs",
        "decoding sub-images of 480",
    ]
    assert all(float(row[1]) > 0 for row in rows)
    assert all(row[2].endswith(" times") and row[3].endswith(" times") for row in rows[2:])


def test_feed_prints_what_is_kept_of_the_speed() -> None:
    net = "{_target_: sr_experiments.nets.espcn.ESPCN, scale: 4}"
    small = ["--batch", "2", "--patch", "32", "--steps", "1", "--rounds", "1", "--workers", "0", "--net", net]
    done = run(*small, script="feed")
    assert done.returncode == 0, done.stderr
    first, _, names, _, values = done.stdout.splitlines()
    assert first.startswith("real_esrgan on 2 crops of 32, ESPCN, ")
    assert names == "| repeated, ms | fed, ms | speed kept | chain, ms | of a step |"
    assert all(float(cell.strip().rstrip("%")) > 0 for cell in values.strip("|").split("|"))


def test_step_prints_both_tables() -> None:
    done = run("--nets", "toy_gan", "--rounds", "1", "--seconds", "0", script="step")
    assert done.returncode == 0, done.stderr
    told = done.stdout.split("cost:")[1]
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in told.splitlines() if "|" in row]
    assert rows[0][:2] == ["net", "batch x patch"]
    assert rows[2][:2] == ["toy_gan", "2 x 48"]
    assert float(rows[2][5]) > 0
    assert [row[0] for row in rows[3:-3]] == [
        "way",
        "---",
        "eager float32",
        "channels_last",
        "bfloat16",
        "fused",
        "channels_last + bfloat16",
        "channels_last + bfloat16 + fused",
        "ours",
    ]
    assert "of the best way of the bare loop" in told
    net, plain, best, _, ours, ratio, speed = rows[-1]
    ways = {row[0]: row for row in rows[5:-3]}
    assert (net, rows[-3][0]) == ("toy_gan", "net")
    assert plain == ways["eager float32"][1].split()[0]
    assert ours == ways["ours"][1].split()[0]
    assert best in ways
    assert speed == ways["ours"][2]
    assert f"ours takes {ratio} of the best way" in told


def test_scaling_prints_what_a_ring_takes() -> None:
    """2 (n - 1) / n of 4 bytes a parameter: of EDSR-baseline's 1,517,571 at 200 and at 50 GB/s."""
    done = run("model", "--nets", "edsr_baseline", script="scaling")
    assert done.returncode == 0, done.stderr
    first, _, _, _, values = done.stdout.splitlines()
    assert "assumed: 30 TFLOP/s kept up, rings of 200 GB/s in a machine of 8 and 50 GB/s" in first
    # 6 x 114.2 G multiply-adds of a 1280x720 output x 192 x 192 / (1280 x 720) x 16, at 30 TFLOP/s: 15 ms
    cells = [cell.strip() for cell in values.strip("|").split("|")]
    assert cells == [
        "edsr_baseline",
        "1,517,571",
        "6.1",
        "15",
        "0.05",
        "0.23",
        "0.24",
        "0.24",
        "98.4%",
    ]


@pytest.mark.slow
def test_scaling_measures() -> None:
    small = ["--rounds", "1", "--steps", "5", "--batch", "2", "--patch", "16", "--model", "espcn"]
    done = run("measure", *small, script="scaling")
    assert done.returncode == 0, done.stderr
    rows = [line.split("|")[1:-1] for line in done.stdout.splitlines() if line.startswith("| ")][1:]
    assert [row[0].strip() for row in rows] == ["1 process of 2", "2 processes of 1", "2 processes of 2"]
    assert all(float(row[1]) > 0 for row in rows)
    done = run("sweep", "--copies", "2", script="scaling")
    assert done.returncode == 0, done.stderr
    assert "reading run.json and both tables of 2 runs" in done.stdout


@pytest.mark.parametrize(
    ("script", "arguments", "message"),
    [
        ("scaling", ["measure", "--steps", "2"], "--steps 5, --batch 2"),
        ("degradations", ["--side", "8"], "--side from 32 to 300"),
        ("data", ["--patch", "50"], "--patch a multiple of 4"),
        ("feed", ["--patch", "8"], "--patch from 16 to 400"),
        ("metrics", ["--side", "50"], "--side must be a multiple of 4 from 32 on"),
        ("step", ["--device", "mps"], "--device cpu or cuda"),
    ],
)
def test_wrong_arguments_of_the_others(script: str, arguments: list[str], message: str) -> None:
    done = run(*arguments, script=script)
    assert done.returncode == 2
    assert message in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seeds", "1", "1"], "--seeds are numbers of 0 or more, each once"),
        (["epochs"], "epochs: neither an option nor KEY=VALUE"),
    ],
)
def test_wrong_arguments_of_guided(arguments: list[str], message: str) -> None:
    """What it prints is in tests/tasks/test_guided_runs.py, which is slow."""
    done = run(*arguments, script="guided")
    assert done.returncode == 2
    assert message in done.stderr


def test_metrics_prints_a_ratio_for_each_way_and_the_same_digits() -> None:
    done = run("--side", "64", "--rounds", "1", "--threads", "1", script="metrics")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("an RGB image of 64x64 at x4, 1 thread(s), 1 rounds: psnr_y ")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in done.stdout.splitlines()]
    rows = [row for row in rows if row][2:]
    assert [row[0] for row in rows] == ["ours", "convolve2d", "correlate", "fft", "separable", "skimage"]
    for row in rows[1:]:
        assert re.fullmatch(r"\d+\.\d times", row[3])
        assert float(row[4]) < 1e-6
        assert float(row[5]) < 1e-6


def rows_of(printed: str) -> dict[str, list[str]]:
    """A table's lines by their first cell."""
    lines = [line.strip("|").split("|") for line in printed.splitlines() if line.startswith("| ")]
    return {cells[0].strip(): [cell.strip() for cell in cells[1:]] for cells in lines}


def test_startup_prints_what_an_answer_takes() -> None:
    done = run("--answers", "--rounds", "1", script="startup")
    assert done.returncode == 0, done.stderr
    rows = rows_of(done.stdout)
    for name in ("--help", "a typo", "a typo below"):
        assert float(rows[name][0]) > 0
        assert re.fullmatch(r"1\.5, (NOT )?held", rows[name][2])
    assert rows["Python itself"][2] == ""


@pytest.mark.slow
def test_growth_prints_an_exponent_for_every_curve() -> None:
    done = run("--quick", "--only", "preview", "workers", "batch", "patch", "image", script="growth")
    assert done.returncode == 0, done.stderr
    rows = rows_of(done.stdout)
    names = ("jobs previewed", "workers, 4 batches of 16", "samples of a batch", "pixels of a crop")
    for name in (*names, "pixels of an image"):
        assert all(float(cell.removesuffix(" s")) > 0 for cell in rows[name][1:5])
        assert re.fullmatch(r"-?\d+\.\d\d", rows[name][5])
    assert rows["jobs previewed"][0] == "10"
    assert re.fullmatch(r"\d+ MB, \d+ MB", rows["jobs previewed"][7])


@pytest.mark.slow
def test_growth_of_files_and_reports() -> None:
    done = run("--quick", "--only", "files", "report", script="growth")
    assert done.returncode == 0, done.stderr
    rows = rows_of(done.stdout)
    assert {"files, first start", "files, second start", "of it: pixels", "runs in a report"} <= rows.keys()


def test_an_exponent_is_that_of_the_curve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    growth = importlib.import_module("growth")
    curve = growth.Curve(
        "n", [3, 6, 12, 24], [5.0 * n**1.5 for n in (3, 6, 12, 24)], peaks=[1000, 0, 0, 22000]
    )
    assert curve.exponent == pytest.approx(1.5)
    assert curve.last == pytest.approx(1.5)
    assert curve.memory == "1.0 kB"
    assert growth.table([curve])[-1].endswith("| 1.50 | 1.50 | 1 kB, 22 kB | 1.0 kB |")


@pytest.mark.parametrize(
    ("script", "arguments", "message"),
    [
        ("growth", ["--files", "7"], "--files, --runs and --jobs must be at least 8"),
        ("growth", ["--only", "nets"], "invalid choice: 'nets'"),
        ("startup", ["--rounds", "0"], "--rounds must be at least 1"),
    ],
)
def test_wrong_arguments_of_startup_and_growth(script: str, arguments: list[str], message: str) -> None:
    done = run(*arguments, script=script)
    assert done.returncode == 2
    assert message in done.stderr


def test_checkpointing_prints_what_is_saved_and_paid() -> None:
    small = ["--nets", "tiny", "--batch", "1", "--patch", "48", "--rounds", "1", "--threads", "1"]
    done = run(*small, script="checkpointing")
    assert done.returncode == 0, done.stderr
    first, _, _, _, values = done.stdout.splitlines()[:5]
    assert first == "1 of 48x48, forward and backward, float32, cpu"
    cells = [cell.strip() for cell in values.strip("|").split("|")]
    assert cells[0] == "tiny"
    assert all(re.match(r"\d", cell) for cell in cells[1:])
    done = run("--batch", "-1", script="checkpointing")
    assert done.returncode == 2
    assert "--batch, --patch, --threads and --rounds must be at least 1" in done.stderr


def test_busy_watches_a_training() -> None:
    done = run("--nets", "toy", "--degradation", "bicubic", "--warm-up", "1", script="busy")
    assert done.returncode == 0, done.stderr
    header, _, row = (line for line in done.stdout.splitlines() if line.startswith("|"))
    assert header.count("|") == row.count("|") == 10
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert (cells[0], cells[-2:]) == ("toy", ["-", "-"]), "no GPU, no share of its time"


def test_what_busy_reads_from_a_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels at 0-10, 5-20 and 30-40 of 40 us: busy for 30 of 40; a copy at 15-25 overlaps for 5 of 10."""
    monkeypatch.syspath_prepend(str(FOLDER))
    busy = importlib.import_module("busy")
    kernels = [
        {"cat": "kernel", "name": "gemm", "ts": ts, "dur": dur} for ts, dur in ((5, 15), (0, 10), (30, 10))
    ]
    copies = [
        {"cat": "gpu_memcpy", "name": "Memcpy HtoD (Pinned -> Device)", "ts": 15, "dur": 10},
        {"cat": "gpu_memcpy", "name": "Memcpy HtoD (Pageable -> Device)", "ts": 16, "dur": 2},
        {"cat": "gpu_memcpy", "name": "Memcpy DtoH (Device -> Pageable)", "ts": 50, "dur": 1},
        {"cat": "gpu_memcpy", "name": "Memcpy DtoD (Device -> Device)", "ts": 60, "dur": 9},
    ]
    others = [
        {"cat": "cuda_runtime", "name": "cudaStreamSynchronize", "ts": 1, "dur": 1},
        {"cat": "cuda_runtime", "name": "cudaLaunchKernel", "ts": 2, "dur": 1},
        {"cat": "cpu_op", "name": "aten::_local_scalar_dense", "ts": 3, "dur": 1},
        {"ph": "M", "name": "process_name"},
    ]
    found = busy.seen([*kernels, *copies, *others], steps=2)
    assert found == busy.Seen(
        kernels=1.5,
        waits=0.5,
        values=0.5,
        from_device=0.5,
        pinned=0.5,
        pageable=0.5,
        overlapped=0.5,
        busy=0.75,
    )
