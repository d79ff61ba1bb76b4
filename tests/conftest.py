"""What every test may use."""

import os
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
