"""Sweeps by the basic launcher, in this process: one folder, record and table, and only what is missing."""

import re
import shutil
import statistics
from pathlib import Path
from typing import Any

import pytest

from sr_experiments.build import build_model
from sr_experiments.sweeps.summary import spread
from tests.sweeps.plot import SHORT, read, statuses
from tests.typed import typed_line


def began(folder: Path) -> dict[str, str]:
    """When each run began; a run that is left alone keeps its second and its file's time."""
    return {path.parent.name: f"{path.stat().st_mtime_ns}" for path in folder.glob("*/run.json")}


def test_four_runs_one_folder_one_record_one_table(
    desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed_line(monkeypatch, f"-m run=s {SHORT} net.features=4,5 seed=1,2") == 0
    printed = capsys.readouterr().out
    folders = sorted(path.name for path in (desk / "s").iterdir() if path.name[0] != ".")
    assert folders == ["0-espcn", "1-espcn", "2-espcn", "3-espcn", "sweep.json"]
    content = read(desk / "s" / "sweep.json")
    assert content["status"] == "finished"
    assert [row["number"] for row in content["jobs"]] == [0, 1, 2, 3]
    assert statuses(desk / "s") == ["finished"] * 4
    wanted = [(4, 1), (4, 2), (5, 1), (5, 2)]
    for row, (features, seed) in zip(content["jobs"], wanted, strict=True):
        assert {f"net.features={features}", f"seed={seed}"} <= set(row["overrides"])
        record = read(desk / "s" / row["folder"] / "run.json")
        assert row["metrics"] == record["metrics"]
        assert record["seed"] == seed
    assert printed.count("\nsweep on folder") == 1
    first, *others = re.split(r"\n\[\d of 4\] ", printed.partition("\nsweep on")[0])[1:]
    for said in ("settings: ", "decoded 5 images", "held out for validation: ", "rgb: from the 8-bit"):
        assert first.count(f"\n{said}") == 1
        assert not any(said in other for other in others), "once in a sweep"
        assert said in (desk / "s" / "3-espcn" / "sr_experiments.log").read_text(encoding="utf-8")
    for other in others:
        assert len(other.strip().splitlines()) == 5, "its name, its net, its epoch, its result, below bicubic"
    values = [row["metrics"]["folder"]["psnr_y"] for row in content["jobs"]]
    assert len(set(values)) == 4
    for place, row in enumerate(content["table"]):
        pair = values[2 * place : 2 * place + 2]
        told = row["metrics"]["folder"]["psnr_y"]
        assert told == {"mean": pytest.approx(sum(pair) / 2), "sd": pytest.approx(statistics.stdev(pair))}
        assert row["configuration"] == [f"net.features={4 + place}"]
        assert f"{told['mean']:.2f} ± {told['sd']:.2f}" in printed
    before = began(desk / "s")
    for again in (f"-m run=s {SHORT} net.features=4,5 seed=1,2", "run=s"):
        assert typed_line(monkeypatch, again) == 0
        assert "4 of 4 runs are finished" in capsys.readouterr().out
        assert began(desk / "s") == before, "nothing was done again"
    assert typed_line(monkeypatch, f"-m run=s {SHORT} net.features=4,5 seed=2,3") == 0
    assert "2 of 4 runs are finished" in capsys.readouterr().out
    content = read(desk / "s" / "sweep.json")
    assert [row["folder"] for row in content["jobs"]] == [f"{number}-espcn" for number in range(6)]
    assert [row["runs"] for row in content["table"]] == [3, 3], "the table is over all that is in the folder"
    assert {name: time for name, time in began(desk / "s").items() if name in before} == before


def test_a_failed_run_stops_nothing_and_is_done_again(
    desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = f"-m run=s {SHORT} data.root=photos,later seed=1,2"
    assert typed_line(monkeypatch, line) == 2
    said = capsys.readouterr()
    assert said.err.count("error: ") == 1, "the same mistake of two runs is told once"
    assert "of run 2 (data.root=later seed=1), run 3 (data.root=later seed=2)" in said.err
    assert said.out.endswith("complete the sweep with: python -m sr_experiments run=s\n")
    assert statuses(desk / "s") == ["finished", "finished", "failed", "failed"]
    assert "later" in read(desk / "s" / "sweep.json")["jobs"][2]["error"]
    before = began(desk / "s")
    shutil.copytree(desk / "photos", desk / "later")
    assert typed_line(monkeypatch, "run=s") == 0
    assert statuses(desk / "s") == ["finished"] * 4
    after = began(desk / "s")
    assert [after[name] == before.get(name) for name in sorted(after)] == [True, True, False, False]


def test_a_fault_of_ours_in_one_run(
    desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    build = build_model

    def broken(config: Any, **more: Any) -> Any:
        if config.seed == 1:
            raise RuntimeError("inside")
        return build(config, **more)

    monkeypatch.setattr("sr_experiments.tasks.train.build_model", broken)
    assert typed_line(monkeypatch, f"-m run=s {SHORT} seed=1,2") == 1
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert "error: RuntimeError: inside\n  of run 0 (seed=1)" in said
    assert statuses(desk / "s") == ["failed", "finished"]
    monkeypatch.setattr("sr_experiments.tasks.train.build_model", build)
    assert typed_line(monkeypatch, "run=s") == 0
    assert statuses(desk / "s") == ["finished", "finished"]


def test_ctrl_c_ends_the_sweep_and_it_is_completed(
    desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    build = build_model

    def interrupted(config: Any, **more: Any) -> Any:
        if config.seed == 2:
            raise KeyboardInterrupt
        return build(config, **more)

    monkeypatch.setattr("sr_experiments.tasks.train.build_model", interrupted)
    assert typed_line(monkeypatch, f"-m run=s {SHORT} seed=1,2,3") == 130
    told = "interrupted: complete the sweep with: python -m sr_experiments run=s\n"
    assert capsys.readouterr().err == told
    assert statuses(desk / "s") == ["finished", "interrupted", "waiting"]
    monkeypatch.setattr("sr_experiments.tasks.train.build_model", build)
    assert typed_line(monkeypatch, "run=s") == 0
    assert statuses(desk / "s") == ["finished"] * 3


def test_a_typo_leaves_nothing_behind(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert typed_line(monkeypatch, f"-m run=s {SHORT} loss=l1,l3") == 2
    assert not (desk / "s").exists()


def test_other_tasks_sweep_too(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line = "-m run=s task=evaluate model=nearest,bicubic data=folder data.root=photos trainer=cpu scale=2"
    line += " metric=[]"
    assert typed_line(monkeypatch, line) == 0
    assert statuses(desk / "s") == ["finished"] * 2
    assert typed_line(monkeypatch, line) == 0


def test_the_spread_of_one_or_of_an_infinite_value_is_none() -> None:
    assert spread([1.0]) is None
    assert spread([1.0, float("inf")]) is None
    assert spread([1.0, 2.0, 4.0]) == pytest.approx((7 / 3) ** 0.5)


def test_a_launcher_that_is_not_installed(
    desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from sr_experiments.mistyped import _unknown_choice

    told = 'hydra/launcher=joblib needs a package that is not installed: pip install "sr-experiments[sweeps]"'
    assert _unknown_choice("hydra/launcher/joblib", "hydra/launcher", ["basic"]) == told


def test_a_launcher_that_breaks(
    desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As joblib's does when the system ends one of its workers."""
    from hydra.core.plugins import Plugins

    class Broken:
        def launch(self, *_: object, **__: object) -> None:
            raise RuntimeError("a worker is gone")

    monkeypatch.setattr(Plugins, "instantiate_launcher", lambda *_, **__: Broken())
    assert typed_line(monkeypatch, f"-m run=s {SHORT} seed=1,2") == 1
    said = capsys.readouterr()
    assert "error: the launcher stopped: RuntimeError: a worker is gone" in said.err
    assert said.out.endswith("complete the sweep with: python -m sr_experiments run=s\n")
    assert statuses(desk / "s") == ["waiting", "waiting"]
    monkeypatch.undo()
    monkeypatch.chdir(desk)
    assert typed_line(monkeypatch, "run=s") == 0
    assert statuses(desk / "s") == ["finished", "finished"]
