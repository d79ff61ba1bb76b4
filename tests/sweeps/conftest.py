"""A folder to sweep in."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sweeps.plot import lay


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(lay(tmp_path))
    yield tmp_path
    for handler in list(logging.getLogger().handlers):
        if type(handler) in (logging.StreamHandler, logging.FileHandler):  # Hydra's, of streams that are gone
            logging.getLogger().removeHandler(handler)
            handler.close()
