"""What a person sees while something long is done."""

import io

import pytest
from rich.console import Console

from sr_experiments.prepare.progress import Meter


def test_lines_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("sr_experiments.prepare.progress.time.monotonic", lambda: now[0])
    stream = io.StringIO()
    with Meter(
        "set.zip", unit="bytes", total=4_000_000, done=1_000_000, console=Console(file=stream)
    ) as meter:
        for _ in range(3):
            now[0] += 6.0
            meter.advance(1_000_000)
    assert stream.getvalue().splitlines() == [
        "set.zip: 3 MB of 4 MB, 167 kB/s",  # not every 6 s, and what was there before has no speed
        "set.zip: 4 MB of 4 MB, 167 kB/s",
    ]


def test_counting_without_a_total() -> None:
    stream = io.StringIO()
    with Meter("looking", unit="images", total=None, console=Console(file=stream)) as meter:
        meter.advance(3)
    assert stream.getvalue() == "looking: 3 images\n"


def test_no_last_line_after_a_failure() -> None:
    stream = io.StringIO()
    with pytest.raises(RuntimeError), Meter("x", unit="images", total=2, console=Console(file=stream)):
        raise RuntimeError
    assert stream.getvalue() == ""


def test_a_bar_in_a_terminal() -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=120)
    with Meter("set.zip", unit="bytes", total=2_000_000, console=console) as meter:
        meter.advance(2_000_000)
    assert "set.zip" in stream.getvalue()
    assert "2 MB of 2 MB" in stream.getvalue()
    assert "━" in stream.getvalue()
