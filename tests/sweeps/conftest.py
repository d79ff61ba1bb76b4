"""A folder to sweep in."""

from pathlib import Path

import pytest

from tests.sweeps.plot import lay


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_logs: None) -> Path:
    monkeypatch.chdir(lay(tmp_path))
    return tmp_path
