"""What a run leaves is whole, without secrets, and written by what loads nothing heavy."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from sr_experiments.secret import HIDDEN
from sr_experiments.written import config_text, read_json, told_of_early_ends, write_json, write_rows
from tests.conftest import ROOT

SECRETS = ["correct-horse", 'it\'s "so": #8\n', "12345678", "back\\slash,comma", "schlüssel-wörter"]


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_that_is_another_text_once_it_is_written(
    secret: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JSON, CSV and YAML each have a way of their own to write a quote or a line break."""
    monkeypatch.setenv("MY_SECRET", secret)
    write_json(tmp_path / "a.json", {"a": [secret, f"x {secret}"]})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"a": [HIDDEN, f"x {HIDDEN}"]}
    write_rows(tmp_path / "a.csv", [{"a": secret, "b": 1}])
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.DictReader(file)) == [{"a": HIDDEN, "b": "1"}]
    text = config_text(OmegaConf.create({"a": "s3://me:word@host", "b": secret, "c": "${b}"}))
    assert OmegaConf.create(text) == {"a": f"s3://{HIDDEN}@host", "b": HIDDEN, "c": HIDDEN}


def test_rows_with_other_columns(tmp_path: Path) -> None:
    write_rows(tmp_path / "a.csv", [{"image": "1", "x": 0.5}, {"image": "2, of two", "y": 1}])
    assert (tmp_path / "a.csv").read_bytes() == b'image,x,y\r\n1,0.5,\r\n"2, of two",,1\r\n'
    write_rows(tmp_path / "none.csv", [])
    assert (tmp_path / "none.csv").read_bytes() == b"\r\n"


@pytest.mark.parametrize("content", [None, "", "{", "[1]", b"\xff"])
def test_a_record_that_is_none_says_nothing(content: str | bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    if content is not None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    assert read_json(path) == {}


def test_what_lies_below_the_tasks_loads_none_of_them() -> None:
    """A ring of imports: which process this is, how runs continue, sweeps, and then a task's record."""
    names = ["ranks", "continuing", "written", "sweeps.book", "sweeps.member", "sweeps.state"]
    script = "; ".join(
        [
            "import sys",
            *(f"import sr_experiments.{name}" for name in names),
            "print([name for name in sys.modules if name.startswith(('sr_experiments.tasks', 'torch'))])",
            "import sr_experiments.tasks.record",
            "print([name for name in sys.modules if name.startswith(('sr_experiments.tasks.', 'torch'))])",
        ]
    )
    found = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True
    )
    assert found.stdout.splitlines() == ["[]", "['sr_experiments.tasks.record']"], found.stdout


def test_runs_that_a_limit_ended_after_different_numbers_of_steps() -> None:
    """The number of the first run was told as that of all; and 74 steps do not compare with 392."""
    note = "training ended after {} of 1000 batches: trainer.max_time=00:00:00:30 was reached"
    some = [note.format(number) for number in (392, 91, 118, 74)]
    assert told_of_early_ends([], runs=4) == ""
    assert told_of_early_ends(some[:1], runs=4) == (
        f"1 of 4 runs were ended before their last step, and do not compare with the others: {some[0]}"
    )
    assert told_of_early_ends(some[:1] * 4, runs=4) == (
        f"all 4 runs were ended before their last step, and do not compare with any other: {some[0]}"
    )
    assert told_of_early_ends(some, runs=4) == (
        "all 4 runs were ended before their last step, after 74 to 392 batches, and do not compare with one "
        "another: trainer.max_time=00:00:00:30 was reached"
    )
