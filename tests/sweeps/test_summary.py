"""What the table at a sweep's end says."""

from pathlib import Path

import pytest

from sr_experiments.sweeps.book import Book, Job
from sr_experiments.sweeps.summary import print_table
from tests.report.made import make_run


def test_a_table_that_is_too_wide_has_its_keys_above_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Keys were broken in the middle of a word, and values cut to dots."""
    monkeypatch.setenv("COLUMNS", "80")
    keys = ["model=edsr_baseline net.features=64 optimizer.lr=0.0001", "model=rcan optimizer.lr=0.0002"]
    jobs = []
    for number, (key, seed) in enumerate((key, seed) for key in keys for seed in (1, 2)):
        one = {"psnr_y": 30.0 + number, "ssim_y": 0.9, "bicubic": {"psnr_y": 25.0, "ssim_y": 0.7}}
        make_run(tmp_path / f"{number}-x", [30.0], seed=seed, record={"metrics": {"set5": one}})
        jobs.append(Job(number, (*key.split(), f"seed={seed}"), f"{number}-x"))
    print_table(Book(tmp_path, jobs=jobs))
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:3] == [f" 1  {keys[0]}", f" 2  {keys[1]}"]
    assert [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if line.startswith("│")] == [
        ["1", "2", "30.50 ± 0.71", "0.9000 ± 0.0000", "+5.50 ± 0.71"],
        ["2", "2", "32.50 ± 0.71", "0.9000 ± 0.0000", "+7.50 ± 0.71"],
    ]
    assert max(map(len, lines)) <= 80


def test_a_run_that_a_clock_ended_does_not_pass_for_a_whole_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a busy machine a demo's four minutes cut a third of the seeds: their spread was that of the load."""
    monkeypatch.setenv("COLUMNS", "200")
    note = "training ended after 228 of 1500 batches: trainer.max_time=00:00:04:00 was reached"
    whole: list[str] = []
    for seed, notes in ((1, whole), (2, ["demo run", note])):
        make_run(tmp_path / f"{seed}-x", [30.0, 31.0], seed=seed, record={"notes": notes})
    book = Book(tmp_path, jobs=[Job(seed, (f"seed={seed}",), f"{seed}-x") for seed in (1, 2)])
    print_table(book)
    printed = " ".join(capsys.readouterr().out.split())
    said = "note: 1 of 2 runs were ended before their last step, and do not compare with the others"
    assert f"{said}: {note}" in printed
    assert book.more["table"][0]["notes"] == [note]
