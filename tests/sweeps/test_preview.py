"""What is shown before a sweep: its runs, its mistakes, and times that somebody has measured."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from sr_experiments.sweeps.preview import Planned, estimate, told, total
from tests.sweeps.plot import SHORT, read
from tests.typed import typed_line


def test_nothing_is_run_and_nothing_is_made_up(
    desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = f"-m --dry-run run=s {SHORT} net.features=4,5 seed=1,2"
    assert typed_line(monkeypatch, line) == 0
    printed = capsys.readouterr().out
    assert printed.count("unknown") == 4 + 1
    assert "to do: 4 of 4 runs, time unknown" in printed
    assert not (desk / "s").exists()
    assert typed_line(monkeypatch, f"{line} scale=2,0") == 2
    said = capsys.readouterr()
    assert said.err == "error: scale=0: must be 1 or more\n  of runs 4, 5, 6, 7\n"
    assert "to do: 4 of 8 runs" in said.out
    assert said.out.endswith("nothing was run\n")


def test_a_finished_run_tells_how_long_its_like_takes(
    desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed_line(monkeypatch, f"-m run=s {SHORT} seed=1") == 0
    seconds = read(desk / "s" / "0-espcn" / "run.json")["wall_seconds"]
    capsys.readouterr()
    before = (desk / "s" / "sweep.json").read_bytes()
    assert typed_line(monkeypatch, f"-m run=s --dry-run {SHORT} seed=1,2,3") == 0
    printed = capsys.readouterr().out
    assert f"to do: 2 of 3 runs, {told(2 * seconds)} one after the other" in printed
    assert printed.count("an earlier run") == 2
    assert typed_line(monkeypatch, "run=s --dry-run") == 0
    assert "to do: 0 of 1 runs" in capsys.readouterr().out
    assert (desk / "s" / "sweep.json").read_bytes() == before


def test_measured_here_and_now(
    desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A configuration is measured once for all its seeds; one without weights has no steps to measure."""
    from sr_experiments.tasks import timing

    asked, measure = [], timing.measure

    def counted(config: object) -> object:
        asked.append(config)
        return measure(config)  # type: ignore[arg-type]

    monkeypatch.setattr(timing, "measure", counted)
    alone = SHORT.replace("net.features=4 net.mapped_features=4 ", "")
    assert typed_line(monkeypatch, f"-m --dry-run=measure run=s {alone} model=bicubic") == 0
    assert "time unknown" in capsys.readouterr().out
    asked.clear()
    line = f"-m --dry-run=measure run=s {SHORT} seed=1,2"
    assert typed_line(monkeypatch, line) == 0
    printed, told_meanwhile = capsys.readouterr()
    assert len(asked) == 1
    assert told_meanwhile == f"measuring {SHORT}\n"
    assert printed.count("measured") == 2 + 1
    assert "unknown" not in printed
    assert not (desk / "s").exists()


def test_a_search_is_as_many_runs_as_it_has(
    desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed_line(monkeypatch, f"sweep=optuna trials=7 --dry-run run=s {SHORT}") == 0
    printed = capsys.readouterr().out
    assert "7 runs, proposed over optimizer.lr=tag(log,interval(1e-5,1e-2));" in printed
    assert "to do: 7 of 7 runs, time unknown" in printed
    assert not (desk / "s").exists()


def test_the_estimate_is_steps_and_validations() -> None:
    config = OmegaConf.create(
        {"data": {"steps_per_epoch": 100}, "trainer": {"max_epochs": 10, "check_val_every_n_epoch": 3}}
    )
    assert estimate(config, step=0.5, validation=7.0) == 10 * 100 * 0.5 + 3 * 7.0
    config.trainer.max_time = "00:00:01:30"
    assert estimate(config, step=0.5, validation=7.0) == 90.0
    config.trainer.max_time, config.trainer.max_epochs = None, -1
    assert estimate(config, step=0.5, validation=7.0) is None


def test_the_sum_tells_what_is_not_known() -> None:
    runs = [
        Planned((), "waiting", 60.0, ""),
        Planned((), "waiting", None, ""),
        Planned((), "finished", 9.0, ""),
    ]
    assert total(runs, at_once=1) == "to do: 2 of 3 runs, 1 min one after the other and 1 of unknown length"
    assert total(runs[:1], at_once=2) == (
        "to do: 1 of 1 runs, 1 min one after the other; 30 s if 2 at once do not slow one another down"
    )
    assert [told(seconds) for seconds in (None, 0.3, 59.4, 3600, 90061)] == [
        "unknown",
        "< 1 s",
        "59 s",
        "1 h 00 min",
        "1 d 1 h",
    ]
