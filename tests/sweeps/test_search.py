"""Searches by Optuna, in this process."""

import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from sr_experiments.build import build_model
from sr_experiments.sweeps.state import State
from sr_experiments.sweeps.trials import Pruning, Reporter, open_study, told_to_run
from tests.sweeps.plot import SHORT, read, statuses
from tests.typed import typed_line

SEARCH = f"sweep=optuna run=s startup=2 prune=false {SHORT} 'net.features=choice(3,4)'"


def proposals(folder: Path) -> list[list[str]]:
    """What was searched, of each run."""
    keys = ("optimizer.lr=", "net.features=")
    return [
        [o for o in row["overrides"] if o.startswith(keys)] for row in read(folder / "sweep.json")["jobs"]
    ]


def test_a_search_repeats_continues_and_tells_the_best(
    desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed_line(monkeypatch, f"{SEARCH} trials=5") == 0
    printed = capsys.readouterr().out
    content = read(desk / "s" / "sweep.json")
    assert statuses(desk / "s") == ["finished"] * 5
    wanted = proposals(desk / "s")
    assert len({str(own) for own in wanted}) == 5
    scores = [read(desk / "s" / row["folder"] / "run.json")["best"]["score"] for row in content["jobs"]]
    assert [row["score"] for row in content["jobs"]] == scores
    best = content["search"]["best"]
    assert best["score"] == max(scores)
    assert best["run"] == scores.index(max(scores))
    assert best["command"] in printed
    # the command trains what the run has trained
    arguments = shlex.split(best["command"].removeprefix("python -m sr_experiments "))
    assert typed_line(monkeypatch, shlex.join([*arguments, "run=again"])) == 0
    assert read(desk / "again" / "run.json")["best"]["score"] == best["score"]
    # a journal with two runs, as of a search that was stopped after them
    shutil.rmtree(desk / "s")
    build = build_model
    seen = []

    def interrupted(config: Any, **more: Any) -> Any:
        seen.append(config.optimizer.lr)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return build(config, **more)

    monkeypatch.setattr("sr_experiments.tasks.train.build_model", interrupted)
    assert typed_line(monkeypatch, f"{SEARCH} trials=5") == 130
    assert statuses(desk / "s") == ["finished", "finished", "interrupted"]
    assert typed_line(monkeypatch, "run=s") == 0
    assert proposals(desk / "s") == wanted, "it goes on as the one that was not interrupted"
    assert len(seen) == 6, "nothing was done again but what was interrupted"
    assert read(desk / "s" / "sweep.json")["search"]["best"] == best
    # longer
    assert typed_line(monkeypatch, "run=s trials=6") == 0
    assert proposals(desk / "s")[:5] == wanted
    assert len(seen) == 7
    # another seed proposes other values
    assert typed_line(monkeypatch, f"{SEARCH} trials=1 search_seed=1".replace("run=s", "run=t")) == 0
    assert proposals(desk / "t")[0] != wanted[0]


def test_a_failed_run_of_a_search_is_done_again(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build, broken = build_model, [True]

    def sometimes(config: Any, **more: Any) -> Any:
        if config.net.features == 3 and broken:
            raise ValueError("no")
        return build(config, **more)

    monkeypatch.setattr("sr_experiments.tasks.train.build_model", sometimes)
    assert typed_line(monkeypatch, f"{SEARCH} trials=4") == 1  # a ValueError that no line of ours has raised
    before = proposals(desk / "s")
    assert sorted(set(statuses(desk / "s"))) == ["failed", "finished"]
    broken.clear()
    assert typed_line(monkeypatch, "run=s") == 0
    assert statuses(desk / "s") == ["finished"] * 4
    assert proposals(desk / "s") == before


def test_another_space_is_refused(
    desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed_line(monkeypatch, f"{SEARCH} trials=1") == 0
    assert typed_line(monkeypatch, f"{SEARCH} trials=2".replace("(3,4)", "(3,5)")) == 2
    assert (
        "s holds a search over optimizer.lr=tag(log,interval(1e-5,1e-2)), net.features="
        in capsys.readouterr().err
    )


def test_a_hopeless_run_ends_early(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three runs that learn, and one with a learning rate of nothing."""
    line = (
        f"sweep=optuna run=s startup=3 warm_up=1 trials=4 {SHORT} data.steps_per_epoch=5 trainer.max_epochs=6"
    )
    rates = iter(["1e-2", "1e-2", "1e-2", "1e-9"])
    monkeypatch.setattr(
        "sr_experiments.sweeps.space._suggest", lambda trial, key, override: _known(trial, next(rates))
    )
    assert typed_line(monkeypatch, f"{line} net.features=4 seed=0") == 0
    content = read(desk / "s" / "sweep.json")
    assert [row["status"] for row in content["jobs"]] == ["finished", "pruned"], "equal values are one run"
    record = read(desk / "s" / "1-espcn" / "run.json")
    assert record["status"] == "pruned"
    assert 2 * 5 <= record["batches"] < 6 * 5
    assert typed_line(monkeypatch, "run=s") == 0
    assert read(desk / "s" / "1-espcn" / "run.json") == record, "it is not begun again"


def _known(trial: Any, value: str) -> str:
    trial.suggest_categorical("rate", ["1e-2", "1e-9"])
    return value


def test_the_rule_of_pruning_is_the_median_of_the_best_so_far(tmp_path: Path) -> None:
    """By hand: at epoch 2 the earlier runs had 3, 2 and 8, so that 3 is what the best so far has to reach."""
    pruning = Pruning(startup=3, warm_up=1)
    study = open_study(tmp_path, maximize=True, pruner=pruning.pruner())
    for values in ([1.0, 3.0, 4.0], [5.0, 2.0, 6.0], [9.0, 8.0, 9.0]):
        trial = study.ask()
        for epoch, value in enumerate(values, start=1):
            trial.report(value, epoch)
        study.tell(trial, values[-1])
    for first, value, hopeless in ((0.0, 2.9, True), (0.0, 3.1, False), (3.1, 1.0, False)):
        number = study.ask().number
        reporter = Reporter(told_to_run(tmp_path, number, maximize=True, pruning=pruning))
        assert not reporter.hopeless(first, epoch=1), "it warms up"
        assert reporter.hopeless(value, epoch=2) is hopeless
        assert reporter.hopeless(value, epoch=2) is hopeless, "a run that continues comes by again"


@pytest.mark.parametrize(
    ("text", "low", "high"), [("interval(1,5)", 1, 5), ("tag(log,interval(1e-5,1e-2))", 1e-5, 1e-2)]
)
def test_words_of_hydra_become_words_of_optuna(text: str, low: float, high: float, tmp_path: Path) -> None:
    from sr_experiments.sweeps.space import _suggest

    study = open_study(tmp_path, maximize=True)
    override = OverridesParser.create().parse_override(f"a={text}")
    trial = study.ask()
    value = float(_suggest(trial, "a", override))
    assert low <= value <= high
    assert trial.params == {"a": value}
    assert trial.distributions["a"].log is ("log" in text)
    number = OverridesParser.create().parse_override("b=tag(log,int(interval(8,64)))")
    assert 8 <= int(_suggest(trial, "b", number)) <= 64
    choice = OverridesParser.create().parse_override("c=choice([1,2],x)")
    assert _suggest(trial, "c", choice) in ("[1,2]", "x")


def test_what_is_compared() -> None:
    from sr_experiments.sweeps.search import score_of

    state = State("finished", metrics={"a": {"psnr_y": 30.0}, "b": {"psnr_y": 1.0}}, score=29.0)
    assert score_of(state, None) == 29.0
    assert score_of(state, "psnr_y") == 30.0
    assert score_of(state, "lpips") is None
