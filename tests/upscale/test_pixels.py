"""What a person sees while images are enlarged."""

import io

import pytest
from rich.console import Console

from sr_experiments.upscale.progress import Pixels


def test_lines_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time left is by pixels: the second image is nine times as large as the first."""
    now = [0.0]
    monkeypatch.setattr("sr_experiments.bar.time.monotonic", lambda: now[0])
    stream = io.StringIO()
    with Pixels(images=2, pixels=1000, console=Console(file=stream), seconds=20.0) as bar:
        now[0] = 10.0
        bar.at("a.png", 100)  # not yet
        bar.end(100)
        now[0] = 30.0
        bar.at("deep/b.png", 200)
        now[0] = 4000.0
        bar.at("deep/b.png", 400)
        bar.end(900)
    assert stream.getvalue().splitlines() == [
        "2 of 2  deep/b.png  1:10 left",
        "2 of 2  deep/b.png  1:06:40 left",
    ]


def test_a_bar_in_a_terminal() -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=100)
    with Pixels(images=3, pixels=300, console=console) as bar:
        bar.at("a [b].png", 150)
        assert bar._bar is not None
        bar._bar.refresh()
    said = stream.getvalue()
    assert "1 of 3" in said
    assert "━" in said
    assert "left" in said
