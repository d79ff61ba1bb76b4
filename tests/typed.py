"""The program as somebody types it, in this process."""

import shlex
import sys

import pytest

from sr_experiments import cli


def typed(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Type a command; its exit code."""
    monkeypatch.setattr(sys, "argv", ["sr_experiments", *arguments])
    try:
        cli.main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def typed_line(monkeypatch: pytest.MonkeyPatch, line: str) -> int:
    """The same of a line as in a shell."""
    return typed(monkeypatch, *shlex.split(line))
