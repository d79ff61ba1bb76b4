"""What the table at a sweep's end says."""

from pathlib import Path

import pytest

from sr_experiments.sweeps.book import Book, Job
from sr_experiments.sweeps.summary import print_table
from tests.report.made import make_run


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
