"""A run that is killed or stopped, and continued, ends as the one that was not: to the bit.

Real processes, real signals. What is compared: weights, average, both optimizers, schedules, counters and the
loops' progress in last.ckpt, every row of metrics.csv and per_image.csv, and run.json's metrics.
"""

import csv
import json
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.tasks.nursery import Child, nursery, wait_for
from tests.tasks.runs import photographs

Start = Callable[..., Child]
SMALL = [
    "scale=2",
    "data=folder",
    "data.patch_size=16",
    "data.batch_size=2",
    "data.steps_per_epoch=12",
    "trainer=cpu",
    "trainer.max_epochs=4",
    "trainer.log_every_n_steps=3",
    "precision=32-true",
    "callbacks.images.count=1",
]
RESTORATION = ["model=espcn", "net.features=8"]
GAN = [
    "model=espcn",
    "net.features=8",
    "loss=gan",
    "discriminator=patchgan",
    "discriminator.width=4",
    "discriminator.layers=1",
]
SCENARIOS = {
    "restoration": [*RESTORATION, "data.workers=0"],
    "workers": [*RESTORATION, "data.workers=2", "degradation=blur_downscale"],
    "accumulation": [
        *RESTORATION,
        "trainer.accumulate_grad_batches=3",
        "schedule=multistep",
        "data.workers=0",
    ],
    "plateau": [*RESTORATION, "schedule=plateau", "schedule.scheduler.patience=0", "data.workers=0"],
    "one_cycle": [*RESTORATION, "schedule=one_cycle", "data.workers=0"],
    "restarts": [*RESTORATION, "schedule=cosine_restarts", "optimizer=sgd", "data.workers=0"],
    "constant": [*RESTORATION, "schedule=constant", "schedule.warmup=5", "data.workers=0"],
    "guided": ["model=guided", "net.features=4", "guide_channels=3", "data.workers=2"],
    "gan": [*GAN, "data.workers=0"],
    "gan, workers": [*GAN, "data.workers=2", "degradation=classical"],
    "gan, accumulation": [*GAN, "trainer.accumulate_grad_batches=2", "data.workers=0"],
    "gan, plateau": [*GAN, "schedule=plateau", "data.workers=0"],
}


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    folder = tmp_path_factory.mktemp("runs")
    photographs(folder / "photographs", count=5)
    photographs(folder / "photographs" / "guide", count=5)
    with nursery(folder) as begin:
        assert begin("--version").wait() == 0  # everything is imported now

        def run(name: str, scenario: str, *more: str, rests: int | None = None) -> Child:
            given = [*SMALL, "data.root=photographs", *SCENARIOS[scenario], *more]
            return begin(*given, f"run={name}", log=f"{name}.txt", rests=rests)

        run.folder = folder  # type: ignore[attr-defined]
        yield run


def folder_of(start: Start, name: str) -> Path:
    found: Path = start.folder / name  # type: ignore[attr-defined]
    return found


@pytest.fixture(scope="module")
def references() -> dict[str, tuple[Path, float]]:
    return {}


def reference(start: Start, scenario: str, known: dict[str, tuple[Path, float]]) -> tuple[Path, float]:
    """The run that nobody disturbs, and how long it takes."""
    if scenario not in known:
        name = f"whole-{scenario}".replace(", ", "-")
        began = time.monotonic()
        child = start(name, scenario)
        assert child.wait() == 0, child.said
        known[scenario] = folder_of(start, name), time.monotonic() - began
    return known[scenario]


def assert_equal(one: Any, other: Any, where: str = "") -> None:
    if isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for key in one:
            assert_equal(one[key], other[key], f"{where}/{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), where
        for number, (a, b) in enumerate(zip(one, other, strict=True)):
            assert_equal(a, b, f"{where}/{number}")
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, other), where
    else:
        assert one == other, where


def state(run: Path) -> dict[str, Any]:
    """All of a checkpoint, but Lightning's count of batches that were begun: one was, and not trained."""
    content = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    del content["loops"]["fit_loop"]["epoch_loop.batch_progress"]["total"]["ready"]
    callbacks = {name: value for name, value in content["callbacks"].items() if name != "Health"}
    text = json.dumps(callbacks, default=str).replace(str(run), "RUN")
    return content | {"callbacks": text}


def rows_of(run: Path, *, health: bool) -> list[dict[str, str]]:
    with (run / "metrics.csv").open(encoding="utf-8") as file:
        return [
            {key: value for key, value in row.items() if health or not key.startswith("health/")}
            for row in csv.DictReader(file)
        ]


def assert_same_run(one: Path, other: Path, *, health: bool = True) -> None:
    """Where a GAN accumulates and is stopped within an epoch, its health is not told until measured again."""
    assert (one / "per_image.csv").read_text() == (other / "per_image.csv").read_text()
    assert rows_of(one, health=health) == rows_of(other, health=health)
    first, second = (json.loads((run / "run.json").read_text()) for run in (one, other))
    assert first["status"] == second["status"] == "finished"
    for key in ("metrics", "batches", "steps"):
        assert first[key] == second[key], key
    assert (one / "config.yaml").read_text() == (other / "config.yaml").read_text()
    assert_equal(state(one), state(other))
    assert not list(other.glob("**/.*.tmp")), "nothing is left of what was being written"


def killed_and_continued(start: Start, scenario: str, name: str, moments: list[float]) -> int:
    """How often it was really killed before it was finished."""
    kills = 0
    for moment in moments:
        child = start(name, scenario)
        time.sleep(moment)
        child.kill()
        kills += child.wait() == -signal.SIGKILL
    child = start(name, scenario)
    assert child.wait() == 0, child.said
    return kills


@pytest.mark.parametrize("scenario", ["restoration", "guided", "gan, workers"])
def test_a_run_that_is_killed_and_continued_is_the_run_that_was_not(
    scenario: str, start: Start, references: dict[str, tuple[Path, float]]
) -> None:
    whole, _ = reference(start, scenario, references)
    name = f"killed-{scenario}".replace(", ", "-")
    for batches in (14, 19):  # of each process: after 14 and after 12 + 19 of 48
        child = start(name, scenario, rests=batches)
        child.wait_until_it_rests()
        child.kill()
        assert child.wait() == -signal.SIGKILL
    assert start(name, scenario).wait() == 0
    assert_same_run(whole, folder_of(start, name))


@pytest.mark.slow
def test_killed_at_random_moments(start: Start, references: dict[str, tuple[Path, float]]) -> None:
    """At least forty kills over all scenarios; a seed decides when, the machine what that hits."""
    randomness, kills, runs = random.Random(6), 0, 0
    for round_ in range(2):
        for scenario in SCENARIOS:
            whole, seconds = reference(start, scenario, references)
            name = f"random-{round_}-{scenario}".replace(", ", "-")
            moments = [randomness.uniform(0.1, 1.1) * seconds for _ in range(3)]
            kills += killed_and_continued(start, scenario, name, moments)
            runs += 1
            assert_same_run(whole, folder_of(start, name))
    print(f"{kills} kills in {runs} runs: every run ended as the one that was not killed")
    assert kills >= 40


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
@pytest.mark.parametrize("scenario", ["accumulation", "gan", "gan, accumulation", "plateau"])
def test_a_run_that_is_stopped_writes_and_says_how_to_continue(
    scenario: str, number: signal.Signals, start: Start, references: dict[str, tuple[Path, float]]
) -> None:
    whole, _ = reference(start, scenario, references)
    name = f"stopped-{scenario}-{number.name}".replace(", ", "-")
    run = folder_of(start, name)
    child = start(name, scenario, rests=14)
    child.wait_until_it_rests()
    child.send(number)
    child.go_on()
    assert child.wait() == 130, child.said
    assert f"{number.name}: stopping after this step" in child.said
    assert f"interrupted: continue with: python -m sr_experiments run={name}\n" in child.said
    assert "Traceback" not in child.said
    assert json.loads((run / "run.json").read_text())["status"] == "interrupted"
    stopped_at = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["sr_experiments"]["batches"]
    assert start(name, scenario).wait() == 0
    assert f"continuing after {stopped_at} batches, from last.ckpt" in child.said
    assert_same_run(whole, run, health=scenario != "gan, accumulation")


def test_asked_twice_it_leaves_at_once_and_the_run_is_none_the_worse(
    start: Start, references: dict[str, tuple[Path, float]]
) -> None:
    whole, _ = reference(start, "restoration", references)
    name = "twice"
    run = folder_of(start, name)
    child = start(name, "restoration", rests=14)
    child.wait_until_it_rests()
    child.send(signal.SIGINT)
    child.send(signal.SIGTERM)
    assert child.wait() == 130, child.said
    assert json.loads((run / "run.json").read_text())["status"] == "interrupted"
    assert start(name, "restoration").wait() == 0
    assert_same_run(whole, run)


def test_stopped_before_training_there_is_nothing_to_save(start: Start) -> None:
    child = start("early", "restoration")
    wait_for(lambda: (folder_of(start, "early") / "run.json").is_file())
    child.send(signal.SIGINT)
    code = child.wait()
    assert code in (0, 130), child.said  # a quick machine may be training already, or be done
    assert "Traceback" not in child.said


def test_a_finished_run_has_nothing_left_to_do(
    start: Start, references: dict[str, tuple[Path, float]]
) -> None:
    whole, _ = reference(start, "restoration", references)
    before = (whole / "run.json").read_text()
    child = start(whole.name, "restoration")
    assert child.wait() == 0
    assert f"{whole.name} is finished: nothing is left to do" in child.said
    assert (whole / "run.json").read_text() == before


def test_a_damaged_checkpoint_is_told_and_the_one_before_is_taken(
    start: Start, references: dict[str, tuple[Path, float]]
) -> None:
    whole, _ = reference(start, "restoration", references)
    run = folder_of(start, "damaged")
    child = start("damaged", "restoration", rests=26)  # with a checkpoint of the epoch before the last one
    child.wait_until_it_rests()
    child.kill()
    child.wait()
    last = run / "checkpoints" / "last.ckpt"
    content = bytearray(last.read_bytes())
    content[len(content) // 2] ^= 1
    last.write_bytes(content)
    (run / "checkpoints" / ".last.ckpt.1.tmp").write_bytes(b"half of it")
    child = start("damaged", "restoration")
    assert child.wait() == 0, child.said
    assert "last.ckpt is damaged: a PyTorch file that was damaged, " in child.said
    notes = json.loads((run / "run.json").read_text())["notes"]
    assert any(note.startswith("last.ckpt is damaged (a PyTorch file that was damaged, ") for note in notes)
    assert_same_run(whole, run)


def test_no_whole_checkpoint_is_a_mistake(start: Start, references: dict[str, tuple[Path, float]]) -> None:
    run = folder_of(start, "hopeless")
    child = start("hopeless", "restoration", rests=14)
    child.wait_until_it_rests()
    child.kill()
    child.wait()
    for path in (run / "checkpoints").glob("*.ckpt"):
        path.write_bytes(path.read_bytes()[:1000])
    child = start("hopeless", "restoration")
    assert child.wait() == 2
    assert "is whole" in child.said.splitlines()[-1]


def test_two_at_once_are_refused(start: Start) -> None:
    run = folder_of(start, "taken")
    child = start("taken", "restoration", rests=14)
    child.wait_until_it_rests()
    from sr_experiments.tasks.resume import alone

    with pytest.raises(ValueError, match=r"taken: another process is training into this folder"), alone(run):
        pass
    child.kill()
    child.wait()
    with alone(run):
        pass


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            ["model=edsr"],
            "continues with its own config, so model=edsr has no place; it was begun with: scale=2",
        ),
        (["trainer.max_epoch=5"], "trainer.max_epoch"),
        (["-m"], "holds a single run: a sweep takes another folder"),
        (["hydra.run.dir=x"], "run=FOLDER and hydra.run.dir=FOLDER name the same"),
        (["run=other"], "run=FOLDER names one folder"),
    ],
)
def test_what_does_not_go_with_continuing_is_refused(
    more: list[str], message: str, start: Start, references: dict[str, tuple[Path, float]]
) -> None:
    whole, _ = reference(start, "restoration", references)
    child = start(whole.name, "restoration", *more)
    assert child.wait() == 2, child.said
    assert message in child.said
    assert "Traceback" not in child.said


def test_a_run_can_be_made_longer(start: Start, references: dict[str, tuple[Path, float]]) -> None:
    """From its folder alone, and with another value on top."""
    name, run = "longer", folder_of(start, "longer")
    child = start(name, "constant", "trainer.max_epochs=2", rests=14)
    child.wait_until_it_rests()
    child.send(signal.SIGTERM)
    child.go_on()
    assert child.wait() == 130, child.said
    assert start(name, "constant", "trainer.max_epochs=4").wait() == 0
    whole, _ = reference(start, "constant", references)
    assert_equal(state(whole)["state_dict"], state(run)["state_dict"])
