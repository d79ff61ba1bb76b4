"""Where a step goes: a clock whose parts add up, on real runs of both procedures. No time is asserted."""

import gzip
import json
import math
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning import LightningModule
from pytorch_lightning.core import hooks

from sr_experiments.callbacks.metrics_file import MetricsFile
from sr_experiments.callbacks.speed import Speed
from sr_experiments.data import loader
from sr_experiments.data.datamodule import SRData
from sr_experiments.data.dataset import TrainSet
from sr_experiments.losses.adversary import Adversary
from sr_experiments.losses.weighted import WeightedSum
from sr_experiments.models.base import SRModel
from sr_experiments.models.ema import Averaging
from sr_experiments.models.restoration import RestorationModel
from sr_experiments.nets.espcn import ESPCN
from sr_experiments.profiling import steps
from sr_experiments.profiling.laps import REST, Laps
from sr_experiments.tasks.tracing import TIMELINE, WATCHED, trace
from tests.tasks.runs import photographs, toy_config
from tests.test_cli import run_cli


def test_one_part_at_a_time_and_all_of_them_are_the_lap() -> None:
    now = 0.0
    laps = Laps(moment=lambda: now)

    def at(time: float, what: Callable[..., None], *part: str) -> None:
        nonlocal now
        now = time
        what(*part)

    at(0, laps.enter, "epoch")  # before the first lap: not counted
    at(10, laps.begin)
    at(11, laps.enter, "step")
    at(13, laps.enter, "forward")
    assert laps.inside() == "forward"
    at(17, laps.leave)
    at(25, laps.enter, "forward")
    at(26, laps.leave)
    at(27, laps.leave)
    at(29, laps.begin)
    at(30, laps.leave)
    at(34, laps.begin)
    assert laps.finished() == [{"epoch": 3, "step": 2 + 8 + 1, "forward": 5}, {"epoch": 1, REST: 4}]


def test_distances_are_asked_for_at_the_end_only() -> None:
    """Events of a GPU have none before it has come that far, and asking would wait for it."""
    asked: list[tuple[int, int]] = []
    moments = iter(range(100))

    def seconds(since: int, now: int) -> float:
        asked.append((since, now))
        return now - since

    laps = Laps(moment=lambda: next(moments), seconds=seconds)
    laps.begin()
    laps.enter("a")
    laps.leave()
    laps.begin()
    assert not asked
    assert laps.finished() == [{REST: 2, "a": 1}]
    assert asked == [(0, 1), (1, 2), (2, 3)]


class Hours:
    """A clock that runs only where a test lets it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.monkeypatch = monkeypatch
        monkeypatch.setattr(steps, "Laps", partial(Laps, moment=lambda: self.now))

    def pass_in(self, owner: Any, name: str, hours: float) -> None:
        inner = getattr(owner, name)

        def longer(*args: Any, **kwargs: Any) -> Any:
            self.now += hours
            return inner(*args, **kwargs)

        self.monkeypatch.setattr(owner, name, longer)


def means(data: list[dict[str, Any]]) -> Mapping[str, float]:
    return {one["part"]: one["process"]["mean"] for one in data}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return photographs(tmp_path_factory.mktemp("photographs"))


@pytest.mark.filterwarnings("ignore:.*num_workers.*")
def test_what_takes_long_is_found_where_it_is(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Hours(monkeypatch)
    monkeypatch.setattr(loader, "TOGETHER", 1)
    clock.pass_in(TrainSet, "__getitems__", 2)
    clock.pass_in(hooks, "move_data_to_device", 3)
    clock.pass_in(SRData, "finish", 5)
    clock.pass_in(ESPCN, "forward", 7)
    clock.pass_in(WeightedSum, "weighted", 11)
    clock.pass_in(LightningModule, "backward", 13)
    clock.pass_in(RestorationModel, "_judge", 17)
    clock.pass_in(torch.optim.Adam, "step", 19)
    clock.pass_in(Averaging, "update", 23)
    clock.pass_in(MetricsFile, "log_metrics", 29)
    clock.pass_in(Speed, "on_train_batch_end", 31)
    clock.pass_in(SRModel, "on_train_batch_start", 37)
    found = trace(toy_config(root, "data.workers=0"), tmp_path, steps=2)
    expected = {"data wait": 2, "transfer": 3, "degradation": 5, "forward": 7, "loss": 11, "backward": 13}
    expected |= {"gradient": 17, "optimizer": 19, "average": 23, "logging": 29, "callbacks": 31, REST: 37}
    assert means(found.data) == expected
    assert found.grid.rows[-1][1] == f"{1000 * sum(expected.values()):.2f}"
    (judged,) = (one for one in found.data if one["part"] == "gradient")
    assert judged["process"]["share"] == pytest.approx(17 / sum(expected.values()))
    assert judged["gpu"] is None


@pytest.mark.filterwarnings("ignore:.*num_workers.*")
def test_a_step_of_an_adversarial_run_over_two_batches(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Hours(monkeypatch)
    clock.pass_in(ESPCN, "forward", 7)
    clock.pass_in(WeightedSum, "weighted", 11)
    clock.pass_in(LightningModule, "backward", 13)  # of the generator and of the discriminator
    clock.pass_in(torch.optim.Adam, "step", 19)  # likewise
    clock.pass_in(Averaging, "update", 23)
    clock.pass_in(Adversary, "for_generator", 41)
    clock.pass_in(Adversary, "for_discriminator", 43)
    words = ["loss=gan", "metric=[]", "discriminator.width=4", "trainer.accumulate_grad_batches=2"]
    words.append("data.patch_size=32")
    found = trace(toy_config(root, "data.workers=0", *words), tmp_path, steps=2)
    expected = {"forward": 14, "loss": 22, "adversary": 2 * 84, "backward": 2 * 26}
    assert means(found.data) == expected | {"optimizer": 38, "average": 23}


@pytest.mark.filterwarnings("ignore:.*num_workers.*")
@pytest.mark.parametrize(
    ("owner", "name", "words"),
    [
        (RestorationModel, "restore_crops", []),
        (WeightedSum, "weighted", []),
        (Adversary, "condition", ["loss=gan", "metric=[]", "discriminator.width=4"]),
    ],
)
def test_a_part_whose_method_was_renamed_is_not_missing_without_a_word(
    owner: type, name: str, words: list[str], root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(owner, name)
    with pytest.raises(AttributeError, match=f"no attribute '{name}'"):
        trace(toy_config(root, "data.workers=0", *words), tmp_path, steps=1)


def test_the_task_as_it_is_typed(
    root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["model=espcn", "scale=2", "data=folder", f"data.root='{root}'", "data.patch_size=16"]
    words += ["trainer=cpu", "data.batch_size=2", "steps=2", "logger=[csv,wandb]", "run=out"]
    words.append("trainer.log_every_n_steps=1")
    assert run_cli(monkeypatch, tmp_path, "task=profile", "trace=true", *words) == 0
    said, complaints = capfd.readouterr()
    assert "a step of espcn: 2 crops of 16" in said
    assert f"timeline out/{TIMELINE}" in said
    assert "ERROR" not in complaints
    content = json.loads((tmp_path / "out" / "trace.json").read_text(encoding="utf-8"))
    assert set(content) == {"machine", "notes", "parts"}
    parts = {one["part"]: one["process"] for one in content["parts"]}
    assert set(parts) == set(steps.PARTS) - {"adversary"}
    assert math.fsum(one["share"] for one in parts.values()) == pytest.approx(1.0)
    assert all(0 < one["low"] <= one["median"] <= one["high"] for one in parts.values())
    with gzip.open(tmp_path / "out" / TIMELINE, "rt", encoding="utf-8") as file:
        events = json.load(file)["traceEvents"]
    spans = [event["name"] for event in events if event.get("cat") == "user_annotation"]
    assert set(parts) - {REST} <= set(spans)
    assert spans.count("forward") == spans.count("average") == WATCHED
    page = (tmp_path / "out" / "trace.md").read_text(encoding="utf-8")
    assert "| step |" in page
    record = json.loads((tmp_path / "out" / "run.json").read_text(encoding="utf-8"))
    assert (record["task"], record["status"], record["nets"]) == ("profile", "finished", ["espcn"])
    left = {path.name for path in (tmp_path / "out").iterdir()}
    assert not left & {"checkpoints", "metrics.csv", "wandb", "images"}, (
        "its run was in a folder that is gone"
    )


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (
            ["models=rcan"],
            "trace=true follows the training that model=, data= and loss= make: it does not go ",
        ),
        (["realtime=true"], "trace=true follows the training that model=, data= and loss= make: it does not"),
        (["steps=0"], "task.steps=0: must be more than 0"),
        (["model=bicubic"], "trace=true follows a training, and bicubic has no parameters to train"),
        (
            ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2"],
            "trainer.devices=2: this task works on one device: trainer.devices=1, or [2]",
        ),
    ],
)
def test_mistakes(
    typed: list[str],
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_cli(monkeypatch, tmp_path, "task=profile", "trace=true", "trainer=cpu", *typed) == 2
    said = capsys.readouterr().err
    assert f"error: {told}" in said
    assert "Traceback" not in said
