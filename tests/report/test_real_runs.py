"""A report over runs that really trained: what they leave is what is read."""

import json
from pathlib import Path

import pytest

from sr_experiments.report.curves import read_series
from sr_experiments.report.gather import gather
from sr_experiments.report.pictures import scenes
from sr_experiments.tasks.evaluate import evaluate
from sr_experiments.tasks.report import report
from tests.report.test_page import config, data_of
from tests.tasks.runs import photographs, run, toy_config


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seeds, another learning rate, bicubic, and an evaluation of the first."""
    root = tmp_path_factory.mktemp("real")
    images = photographs(root / "images")
    for seed in (1, 2):
        run(images, root / "runs" / f"seed{seed}", f"seed={seed}")
    run(images, root / "runs" / "faster", "seed=1", "optimizer.lr=0.01")
    run(images, root / "runs" / "bicubic", model="bicubic")
    checkpoint = str(root / "runs" / "seed1")
    evaluate(toy_config(images), root / "runs" / "evaluated", checkpoint=checkpoint, self_ensemble=True)
    return root / "runs"


def test_they_are_grouped_measured_and_compared(runs: Path, tmp_path: Path) -> None:
    found = gather([str(runs)])
    assert found.apart == []
    (board,) = found.boards
    rows = {row.configuration.label: row for row in board.rows}
    assert sorted(len(row.runs) for row in rows.values()) == [1, 1, 1, 2]
    two = next(row for row in rows.values() if len(row.runs) == 2)
    assert [run.seed for run in two.runs] == [1, 2]
    ensemble = next(row for row in rows.values() if row.configuration.config.get("task.self_ensemble"))
    assert ensemble.runs[0].seed == 1, "an evaluation has the seed of the weights"
    record = json.loads((runs / "seed1" / "run.json").read_text(encoding="utf-8"))
    ((name, metrics),) = record["metrics"].items()
    assert board.place.dataset == name
    values = two.values("psnr_y")
    assert values is not None
    assert values[0].mean() == pytest.approx(metrics["psnr_y"], abs=1e-9)
    assert board.bicubic["psnr_y"].mean() == pytest.approx(metrics["bicubic"]["psnr_y"], abs=1e-9)
    assert (two.configuration.multiply_adds or 0) > 1e8

    report(config(), tmp_path, runs=[str(runs)])
    content = data_of((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert len(content["labels"]) == 4
    assert content["scenes"], "runs leave crops"
    assert json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))["counted"] == 5


def test_all_leave_the_same_squares_and_curves_where_they_trained(runs: Path) -> None:
    found = gather([str(runs)])
    squares = scenes(found.runs)
    assert len(squares) == len(found.boards[0].images)
    assert all(len(scene.shots) == 5 + 2 for scene in squares), "five runs, bicubic and the truth"
    series = read_series(runs / "seed1" / "metrics.csv")
    assert {"train/loss", "val/psnr_y", "val/ssim_y"} <= set(series)
    assert len(series["train/loss"]) == 2
