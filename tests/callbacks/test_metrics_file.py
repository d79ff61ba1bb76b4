"""metrics.csv keeps what belongs to the state that a run continues from, and is never half a file."""

import csv
from pathlib import Path

import pytest
import torch

from sr_experiments.callbacks.metrics_file import MetricsFile, read_rows


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_rows_and_new_columns(tmp_path: Path) -> None:
    logger = MetricsFile(save_dir=str(tmp_path), flush_every=2)
    logger.log_metrics({"loss": torch.tensor(0.5)}, step=0)
    assert not (tmp_path / "metrics.csv").exists()
    logger.log_metrics({"loss": 0.25}, step=1)
    logger.log_metrics({"val": 30.0}, step=1)
    logger.finalize("success")
    assert rows(tmp_path) == [
        {"loss": "0.5", "step": "0", "val": ""},
        {"loss": "0.25", "step": "1", "val": ""},
        {"loss": "", "step": "1", "val": "30.0"},
    ]
    assert logger.rows == 3
    assert (logger.name, logger.version, logger.log_dir) == ("csv", "", str(tmp_path))
    logger.log_hyperparams({"a": 1})


def test_a_run_that_continues_forgets_what_came_after_its_state(tmp_path: Path) -> None:
    first = MetricsFile(save_dir=str(tmp_path), flush_every=1)
    for step in range(5):
        first.log_metrics({"loss": step / 4, **({"val": 1.0} if step == 4 else {})}, step=step)
    with (tmp_path / "metrics.csv").open("a") as file:
        file.write("0.9,5")  # killed in the middle of a line
    second = MetricsFile(save_dir=str(tmp_path), flush_every=1)
    second.continue_from(3)
    second.log_metrics({"loss": 7.0}, step=3)
    second.save()
    assert [row["step"] for row in rows(tmp_path)] == ["0", "1", "2", "3"]
    assert [row["loss"] for row in rows(tmp_path)] == ["0.0", "0.25", "0.5", "7.0"]


def test_where_there_is_no_file_it_begins_one(tmp_path: Path) -> None:
    logger = MetricsFile(save_dir=str(tmp_path))
    logger.continue_from(0)
    logger.save()
    assert read_rows(tmp_path / "metrics.csv", 9) == []
    logger.log_metrics({"a": 1}, step=0)
    logger.save()
    assert rows(tmp_path) == [{"a": "1", "step": "0"}]


def test_a_rewrite_that_fails_leaves_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logger = MetricsFile(save_dir=str(tmp_path), flush_every=1)
    logger.log_metrics({"a": 1}, step=0)

    def fails(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.replace", fails)
        with pytest.raises(OSError, match="No space left"):
            logger.log_metrics({"b": 2}, step=1)
    assert rows(tmp_path) == [{"a": "1", "step": "0"}]
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.csv"]
