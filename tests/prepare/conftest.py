"""For all tests of this room."""

import pytest


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loopback is not reached through anybody's proxy."""
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
