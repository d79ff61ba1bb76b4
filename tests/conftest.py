"""What every test may use."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def benchmark_dir(*parts: str) -> Path:
    """A path under the benchmark images, or a skip that says where they were looked for."""
    root = Path(os.environ.get("SR_BENCHMARK_DIR", ROOT.parent / "shared" / "benchmark"))
    path = root.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"benchmark images are not at {path} (set SR_BENCHMARK_DIR)")
    return path


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What tests measure is of no use to their user, and what is known of his machine none of theirs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SR_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def fresh_compiler() -> Iterator[None]:
    """A compiler that has seen nothing.

    It counts how often a function was compiled over the whole process and refuses the ninth time, and all
    subclasses share their base class's functions: which tests ran before would decide whether one passes.
    """
    import torch

    torch.compiler.reset()
    yield
    torch.compiler.reset()


@pytest.fixture
def own_logs() -> Iterator[None]:
    """Takes away the handlers that Hydra leaves at the root logger: their streams are gone after a test."""
    yield
    for handler in list(logging.getLogger().handlers):
        if type(handler) in (logging.StreamHandler, logging.FileHandler):
            logging.getLogger().removeHandler(handler)
            handler.close()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_logs: None) -> Path:
    """An empty folder to type commands in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
