"""``task=evaluate`` as it is typed, against the published numbers."""

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from sr_experiments.report.published import models, table
from tests.conftest import ROOT, benchmark_dir
from tests.tasks.runs import photographs, run
from tests.typed import typed

BICUBIC = {  # scale -> luma, then RGB; the first is the published row
    2: ((33.66, 0.9299), (33.68, 0.9304)),
    3: ((30.39, 0.8682), (30.41, 0.8690)),
    4: ((28.42, 0.8104), (28.43, 0.8113)),
}


def evaluate(folder: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Type ``task=evaluate ...``; its exit code. Real weights of metrics are never looked for."""
    monkeypatch.setenv("TORCH_HOME", str(folder / "torch"))
    return typed(monkeypatch, "task=evaluate", f"hydra.run.dir={folder}", *arguments)


def evaluations(folder: Path) -> dict[tuple[str, int, str], dict[str, Any]]:
    """Of run.json, by data set, scale and protocol."""
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    return {(one["dataset"], one["scale"], one["protocol"]): one for one in record["evaluations"]}


def per_image(folder: Path) -> list[dict[str, str]]:
    with (folder / "per_image.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_bicubic_is_the_published_row_by_both_protocols(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = benchmark_dir()
    arguments = ("model=bicubic", "benchmark=set5", "scale=2,3,4", f"data_dir={root}", "metric=lr_psnr")
    assert evaluate(tmp_path, monkeypatch, *arguments) == 0
    found = evaluations(tmp_path)
    for scale, rows in BICUBIC.items():
        for protocol, (psnr, ssim) in zip(("luma", "rgb"), rows, strict=True):
            metrics = found["set5", scale, protocol]["metrics"]
            assert round(metrics["psnr_y"], 2) == psnr
            assert round(metrics["ssim_y"], 4) == ssim
    expected = json.loads(benchmark_dir("Set5", "expected.json").read_text(encoding="utf-8"))["results"]
    names = {"luma": "paper_Y8", "rgb": "lrpng_rgb_round"}
    rows_found = per_image(tmp_path)
    assert len(rows_found) == 5 * 3 * 2
    for row in rows_found:
        psnr, ssim = expected[f"x{row['scale']}"][names[row["protocol"]]][row["image"]]
        assert float(row["psnr_y"]) == pytest.approx(psnr, abs=1e-4)
        assert float(row["ssim_y"]) == pytest.approx(ssim, abs=1e-6)
    printed = capsys.readouterr().out
    assert "│ set5 x2 │ luma     │  33.66 │ 33.66 │ 0.00 │ 0.9299 │ 0.9299 │ 0.0000 │" in printed
    assert "│ set5 x2 │ rgb      │  33.68 │     - │    - │ 0.9304 │      - │      - │" in printed, (
        "no other protocol's number beside it"
    )
    assert "luma: " in printed
    assert "paper: RCAN paper (arXiv:1807.02758)" in printed
    written = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert "| set5 x2 | luma | 33.66 | 33.66 | 0.00 | 0.9299 | 0.9299 | 0.0000 |" in written
    page = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"(?:^\| set5 x.*\n)+", page, re.MULTILINE)
    assert shown in written, "docs/results.md shows the table as it is written"
    assert r"set5 x4 & rgb & 28.43 & - & - & 0.8113 & - & - \\" in (tmp_path / "table.tex").read_text(
        encoding="utf-8"
    )
    assert sorted(path.name for path in (tmp_path / "images").iterdir()) == [
        f"x{scale}-{protocol}" for scale in (2, 3, 4) for protocol in ("luma", "rgb")
    ]


def test_metrics_without_their_weights_are_left_out_and_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(tmp_path, monkeypatch, "model=bicubic", "scale=2", "channels=1", "trainer=cpu") == 0
    (one,) = evaluations(tmp_path).values()
    assert {"psnr_y", "ssim_y", "lr_psnr"} <= set(one["metrics"])
    notes = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))["notes"]
    for name in {"lpips", "dists"}:
        assert name not in one["metrics"]
        assert any(note.startswith(f"{name} was not measured: the ImageNet weights of ") for note in notes)
        assert any(f"or let metric.{name}.download=true fetch it" in note for note in notes)
    printed = capsys.readouterr().out
    assert "DEMO" in printed
    told = " ".join(printed.split())
    assert (
        "note: lpips, dists, niqe were not measured, for want of their files: metric=lpips (and so on) says "
        "which and where to put them; metric=[] asks for none"
    ) in told, "once in a line, not three times in four lines"
    assert "lr_psnr: PSNR in dB of SR" in told
    places = {line.split()[0]: line.split()[1] for line in printed.splitlines()[-3:]}
    assert places == {
        "pictures": f"{tmp_path / 'images'}",
        "table": f"{tmp_path / 'table.md'}",
        "run": f"{tmp_path}",
    }
    assert f"({len(list((tmp_path / 'images').glob('*/*.png')))})" in printed.splitlines()[-3]


def test_a_metric_alone_without_its_file_says_which(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("model=bicubic", "scale=2", "channels=1", "trainer=cpu", "metric=lpips")
    assert evaluate(tmp_path, monkeypatch, *arguments) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "note: lpips was not measured: the ImageNet weights of AlexNet are not at hand: put " in told


def test_set14_with_its_grey_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ("model=bicubic", "benchmark=set14", f"data_dir={benchmark_dir()}", "metric=[]")
    assert evaluate(tmp_path, monkeypatch, *arguments) == 0
    found = evaluations(tmp_path)
    assert round(found["set14", 4, "luma"]["metrics"]["psnr_y"], 2) == 26.00
    grey = {row["protocol"]: float(row["psnr_y"]) for row in per_image(tmp_path) if row["image"] == "img_003"}
    assert grey["luma"] == pytest.approx(grey["rgb"], abs=0.02), "1.32 dB apart if expanded to RGB first"


@pytest.mark.parametrize(
    ("model", "file", "scale", "psnr", "ssim"),
    [
        ("vdsr", "vdsr_official", 2, 37.527, 0.9587),
        ("vdsr", "vdsr_official", 3, 33.658, 0.9213),
        ("vdsr", "vdsr_official", 4, 31.343, 0.8838),
        ("srcnn_915", "srcnn_915_x3", 3, 32.4407, 0.9050),
    ],
)
def test_official_weights_reach_the_papers_numbers(
    model: str,
    file: str,
    scale: int,
    psnr: float,
    ssim: float,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As a stranger types it: channels=1 is found out from the file."""
    weights = benchmark_dir("weights", f"{file}.safetensors")
    arguments = (f"model={model}", f"checkpoint={weights}", "benchmark=set5", f"scale={scale}", "metric=[]")
    assert evaluate(tmp_path, monkeypatch, *arguments, f"data_dir={benchmark_dir()}") == 0
    (one,) = evaluations(tmp_path).values()
    assert one["protocol"] == "luma"
    assert one["metrics"]["psnr_y"] == pytest.approx(psnr, abs=1e-3)
    assert one["metrics"]["ssim_y"] == pytest.approx(ssim, abs=5e-5)
    assert abs(one["metrics"]["psnr_y"] - one["published"]["psnr_y"]) < 0.01


def test_a_run_is_rebuilt_from_its_own_config(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not from today's conf/, whose default is another net at another scale."""
    root = photographs(tmp_path / "photographs")
    record = run(root, tmp_path / "run", model="vdsr")
    folder = tmp_path / "evaluated"
    arguments = (
        f"checkpoint={tmp_path / 'run'}",
        "data=folder",
        f"data.root={root}",
        "metric=[]",
        "trainer=cpu",
    )
    assert evaluate(folder, monkeypatch, *arguments) == 0
    (one,) = evaluations(folder).values()
    assert one["scale"] == 2
    means = record["metrics"]["folder"]
    assert one["metrics"]["psnr_y"] == pytest.approx(means["psnr_y"], abs=1e-6), "what training ended with"
    assert "toy" in capsys.readouterr().out, "the run's name"


def test_a_checkpoint_file_is_a_run_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = photographs(tmp_path / "photographs")
    run(root, tmp_path / "run")
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    common = ("data=folder", f"data.root={root}", "metric=[]", "trainer=cpu")
    assert evaluate(tmp_path / "evaluated", monkeypatch, f"checkpoint={last}", *common) == 0
    record = json.loads((tmp_path / "evaluated" / "run.json").read_text(encoding="utf-8"))
    assert record["model"] == "toy"
    assert set(record["metrics"]["folder"]) == {"psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb", "bicubic"}


@pytest.mark.parametrize(
    "net",
    [
        "{_target_: pathlib.Path.touch, self: EVIL}",
        "{_target_: sr_experiments.nets.weights.Path.touch, self: EVIL}",
        "{_target_: sr_experiments.nets.weights.read_state_dict, path: EVIL}",
        "{_target_: sr_experiments.nets.espcn.ESPCN, scale: {_target_: pathlib.Path.touch, self: EVIL}}",
        "{path: EVIL}",
    ],
)
def test_a_checkpoint_can_not_run_code(
    net: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its tensors were opened safely, and then its config could have called any function."""
    config = f"{{name: x, scale: 2, channels: 3, net: {net.replace('EVIL', str(tmp_path / 'evil'))}}}"
    content = {"state_dict": {"net.a": torch.zeros(1)}, "sr_experiments": {"config": config}}
    torch.save(content, tmp_path / "evil.ckpt")
    assert evaluate(tmp_path / "run", monkeypatch, f"checkpoint={tmp_path / 'evil.ckpt'}") == 2
    assert "and only a net of sr_experiments.nets is built from a file" in capsys.readouterr().err
    assert not (tmp_path / "evil").exists()


def test_several_scales_of_one_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """VDSR's weights serve every scale; ESPCN's do not, and it says so."""
    root = photographs(tmp_path / "photographs")
    common = (
        "scale=2,3",
        "data=folder",
        f"data.root={root}",
        "metric=[]",
        "trainer=cpu",
        "data.patch_size=24",
    )
    run(root, tmp_path / "vdsr", model="vdsr")
    assert evaluate(tmp_path / "a", monkeypatch, f"checkpoint={tmp_path / 'vdsr'}", *common) == 0
    assert [scale for _, scale, _ in evaluations(tmp_path / "a")] == [2, 3]
    run(root, tmp_path / "espcn", model="espcn")
    assert evaluate(tmp_path / "b", monkeypatch, f"checkpoint={tmp_path / 'espcn'}", *common) == 2


def test_self_ensemble_and_tiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = benchmark_dir("weights", "srcnn_915_x3.safetensors")
    common = (
        "model=srcnn_915",
        f"checkpoint={weights}",
        "benchmark=set5",
        "scale=3",
        f"data_dir={benchmark_dir()}",
    )
    found = []
    for name, options in {
        "plain": [],
        "tiles": ["tile=40", "tile_overlap=8"],
        "plus": ["self_ensemble=true"],
    }.items():
        assert evaluate(tmp_path / name, monkeypatch, *common, "metric=[]", *options) == 0
        (one,) = evaluations(tmp_path / name).values()
        found.append(one["metrics"]["psnr_y"])
    plain, tiles, plus = found
    assert tiles == pytest.approx(plain, abs=1e-4), "tiles see as far as the net does"
    assert plus > plain + 0.005
    assert "psnr_y srcnn_915+ |" in (tmp_path / "plus" / "table.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["model=edsr"], "model=edsr has weights, and none are given: checkpoint=RUN, or checkpoint=FILE"),
        (
            ["model=edsr", "checkpoint=absent.pth"],
            "checkpoint=absent.pth: there is no such run, checkpoint or",
        ),
        (["model=bicubic", "paper=esdr"], "task.paper=esdr: nothing of it is in the table; it has bicubic, "),
        (["model=bicubic", "benchmark=set5"], "Set5 does not exist"),
        (["model=bicubic", "tile=0"], "tile"),
        (["model=bicubic", "sclae=2"], "sclae: no such key."),
    ],
)
def test_mistakes(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert evaluate(tmp_path / "run", monkeypatch, "trainer=cpu", *arguments) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert "Traceback" not in captured.err


def test_weights_of_another_net_say_what_was_expected_and_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = benchmark_dir("weights", "srcnn_915_x3.safetensors")
    assert (
        evaluate(
            tmp_path / "run", monkeypatch, "model=srcnn", f"checkpoint={weights}", "scale=3", "channels=1"
        )
        == 2
    )
    message = capsys.readouterr().err
    assert str(weights) in message
    assert "conv2.weight: expected (32, 64, 5, 5), found (32, 64, 1, 1)" in message


@pytest.mark.parametrize("wrapper", ["params", "params_ema", "state_dict", "dataparallel"])
def test_wrapped_weights(wrapper: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = load_file(benchmark_dir("weights", "srcnn_915_x3.safetensors"))
    content: Any = {wrapper: state}
    if wrapper == "dataparallel":
        content = {f"module.{key}": value for key, value in state.items()}
    torch.save(content, tmp_path / "weights.pth")
    arguments = ("model=srcnn_915", f"checkpoint={tmp_path / 'weights.pth'}", "scale=3", "metric=[]")
    assert evaluate(tmp_path / "run", monkeypatch, *arguments) == 0, "on the demo's photographs"
    record = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    assert record["demo"]
    assert (
        "demo photographs: these numbers compare with nothing published; benchmark=set5 does"
        in record["notes"]
    )


def test_weights_with_nan_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    state = load_file(benchmark_dir("weights", "srcnn_915_x3.safetensors"))
    state["conv1.bias"][0] = torch.nan
    save_file(state, tmp_path / "w.safetensors")
    assert (
        evaluate(tmp_path / "run", monkeypatch, "model=srcnn_915", f"checkpoint={tmp_path / 'w.safetensors'}")
        == 2
    )
    assert "conv1.bias" in capsys.readouterr().err


def test_the_published_table_is_whole() -> None:
    """Each number has a protocol and a source, and the classical rows are whole."""
    assert {"bicubic", "srcnn", "vdsr", "edsr", "rcan"} <= set(models())
    five = {"set5", "set14", "bsd100", "urban100", "manga109"}
    for model, protocol in [
        ("bicubic", "luma"),
        ("srcnn", "luma"),
        ("vdsr", "luma"),
        ("edsr", "rgb"),
        ("rcan", "rgb"),
    ]:
        for scale in (2, 3, 4):
            assert {key[1] for key in table() if key[0] == model and key[2:] == (scale, protocol)} == five
    assert table()["rcan", "urban100", 4, "rgb"].psnr_y == 26.82
    assert table()["vdsr", "set5", 3, "luma"].psnr_y == 33.66, "its own paper's, not 33.67 of a later table"
    for (*_, scale, _), one in table().items():
        assert one.source
        assert 20 < one.psnr_y < 41 - scale / 2
        assert one.ssim_y is None or 0.6 < one.ssim_y < 0.98
