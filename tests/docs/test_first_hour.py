"""docs/first-hour.md, typed from its first line to its last, with smaller sizes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.docs.pages import read_page
from tests.docs.test_howto import WORKER, held, small
from tests.tasks.runs import photographs


@pytest.mark.slow
def test_the_first_hour_goes_as_it_is_written(tmp_path: Path) -> None:
    page = read_page(ROOT / "docs" / "first-hour.md")
    photographs(tmp_path / "PHOTOS", count=6, side=200)
    lines, said = tmp_path / "lines.json", tmp_path / "said.json"
    lines.write_text(json.dumps([small(typed.line) for typed in page.typed]), encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "80"}
    command = [sys.executable, str(WORKER), str(lines), str(said)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    printed = json.loads(said.read_text(encoding="utf-8"))
    assert len(printed) > 10
    for typed, output in zip(page.typed, printed, strict=True):
        held(typed, output)
