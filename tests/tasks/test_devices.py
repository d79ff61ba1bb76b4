"""One run by several processes: real ones, as the command line starts them, on the CPU."""

import csv
import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.tasks.nursery import Child, nursery, wait_for
from tests.tasks.runs import photographs

Start = Callable[..., Child]
TOY = [
    "model=espcn",
    "net.features=8",
    "scale=2",
    "data=folder",
    "data.root=photographs",
    "data.val_root=others",
    "data.patch_size=32",
    "data.workers=0",
    "trainer.accelerator=cpu",
    "trainer.log_every_n_steps=1",
]
GAN = ["loss=gan", "metric=[]", "discriminator.width=4"]
TWO = ["trainer=ddp", "trainer.devices=2"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With four photographs, and five others for validation: they do not come out even on two devices."""
    made = tmp_path_factory.mktemp("devices")
    photographs(made / "photographs")
    photographs(made / "others", count=5, side=44)
    return made


@pytest.fixture(scope="module")
def start(folder: Path) -> Iterator[Start]:
    with nursery(folder) as started:
        yield started


def finished(child: Child, *, code: int = 0) -> str:
    """What it said; nothing of it is left."""
    assert child.wait() == code, child.said
    with pytest.raises(ProcessLookupError):
        os.killpg(child.pid, 0)
    return child.said


def record(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "run.json").read_text(encoding="utf-8"))
    return found


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def runs_in(folder: Path) -> list[Path]:
    return sorted(path.parent for path in folder.rglob("run.json"))


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("folder-*.png")}


def test_a_sweep_of_runs_on_two_devices_is_so_many_runs(start: Start, folder: Path) -> None:
    """The incident: each run's second process began the whole sweep anew, and wanted a folder of its own.

    Weights do not move, so what is measured on two devices is equal to the last bit to that of one.
    """
    still = [*TOY, *GAN, "optimizer.lr=0", "data.steps_per_epoch=2", "trainer.max_epochs=1"]
    said = finished(start("-m", "seed=1,2", "hydra.sweep.dir=sweep", *still, *TWO, log="sweep.txt"))
    finished(start("seed=1", *still, "trainer.devices=1", "hydra.run.dir=alone", log="alone.txt"))
    assert [run.name for run in runs_in(folder / "sweep")] == ["0-espcn", "1-espcn"]
    for run in runs_in(folder / "sweep"):
        assert record(run)["status"] == "finished"
        assert said.count(f"-> {run.relative_to(folder)}") == 1
        measured = rows(run / "per_image.csv")
        assert [row["image"] for row in measured] == [str(index) for index in range(5)]
        logged = rows(run / "metrics.csv")
        assert len([row for row in logged if row["val/psnr_y"]]) == 1
        assert len([row for row in logged if row["train/loss"]]) == 2
    assert said.count("from bicubic's") == 2, "each run's result, once"
    assert "Warning" not in said
    first, alone = folder / "sweep" / "0-espcn", folder / "alone"
    assert record(first)["metrics"] == record(alone)["metrics"]
    assert rows(first / "per_image.csv") == rows(alone / "per_image.csv")
    assert files(first / "images") == files(alone / "images"), "whichever device restored the image"
    assert len(list((first / "images").glob("folder-*.png"))) == 5


def tensors(checkpoint: Any, name: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    """Every tensor of the model and of its optimizers, by its path."""
    if isinstance(checkpoint, torch.Tensor):
        yield name, checkpoint
    elif isinstance(checkpoint, dict | list):
        pairs = checkpoint.items() if isinstance(checkpoint, dict) else enumerate(checkpoint)
        for key, value in pairs:
            yield from tensors(value, f"{name}/{key}")


def apart(one: Path, other: Path) -> float:
    """The largest distance between two runs' last states, in parts of a tensor's largest value above one."""
    kept = ("state_dict", "optimizer_states")
    first, second = (
        dict(tensors([torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)[key] for key in kept]))
        for run in (one, other)
    )
    assert first.keys() == second.keys()
    assert any("optimizer" in key or "/1/" in key for key in first)
    distances = {key: (first[key].double() - second[key].double()).abs().max() for key in first}
    return max(float(distances[key] / first[key].double().abs().max().clamp_min(1)) for key in first)


def samples(folder: Path, *, ranks: int, batch: int) -> list[list[Any]]:
    """What the processes were given, as one list in the order of the positions of each global batch."""
    given = [
        [json.loads(line) for line in (folder / f"{rank}.jsonl").read_text().splitlines()]
        for rank in range(ranks)
    ]
    steps = range(0, len(given[0]), batch)
    return [sample for step in steps for one in given for sample in one[step : step + batch]]


PAIRS = {
    "restoration": ["degradation=real_esrgan"],
    "gan": [
        *GAN,
        "adversary=relativistic_average",
        "discriminator=patchgan",
        "discriminator.layers=1",
        "discriminator.norm=batch",
        "trainer.sync_batchnorm=true",
        "adversary.r1=1.0",
        "adversary.penalty_every=2",
        "degradation=bicubic",
    ],
}


@pytest.mark.parametrize(
    ("precision", "limit"), [("64-true", 1e-9), pytest.param("32-true", 1e-3, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("which", PAIRS)
def test_two_devices_with_the_batches_of_one_end_as_one(
    which: str, precision: str, limit: float, start: Start, folder: Path
) -> None:
    """Weights, averages, optimizers; and what each was given, byte for byte."""
    given = [*TOY, *PAIRS[which], f"precision={precision}", "data.steps_per_epoch=4", "trainer.max_epochs=2"]
    given += ["+callbacks.recorder._target_=tests.recorder.Recorder"]
    for devices, batch in ((1, 4), (2, 2)):
        name = f"{which}-{precision}-{devices}"
        own = [
            f"hydra.run.dir={name}",
            f"data.batch_size={batch}",
            f"+callbacks.recorder.folder={name}/given",
        ]
        trainer = TWO if devices == 2 else ["trainer=cpu"]
        finished(start(*given, *own, *trainer, log=f"{name}.txt"))
    one, two = folder / f"{which}-{precision}-1", folder / f"{which}-{precision}-2"
    print(f"{which}, {precision}: {apart(one, two):.1e} apart")
    assert apart(one, two) < limit
    whole = samples(one / "given", ranks=1, batch=4)
    assert [sample[0] for sample in whole] == list(range(32))
    assert all(len(sample[3]) > 2 for sample in whole)
    assert samples(two / "given", ranks=2, batch=2) == whole


def of_rank(child: Child, rank: int) -> int | None:
    """The process of that rank among a run's, as it is before its end."""
    for entry in Path("/proc").iterdir():
        try:
            told = (entry / "environ").read_bytes().split(b"\0") if entry.name.isdigit() else []
            if f"LOCAL_RANK={rank}".encode() in told and os.getpgid(int(entry.name)) == child.pid:
                return int(entry.name)
        except OSError:  # it is gone, or another's
            continue
    return None


SETTLED = ["precision=32-true", "memory_format=contiguous", "compile=false"]  # as of a short run
LONG = [*TOY, *TWO, *SETTLED, "data.steps_per_epoch=100", "trainer.max_epochs=500"]


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are found in /proc")
def test_a_process_that_is_killed_takes_the_run_with_it(start: Start, folder: Path) -> None:
    """Within seconds, with the reason, and it can be continued."""
    run = folder / "killed"
    child = start(*LONG, "run=killed", log="killed.txt")
    wait_for(lambda: (run / "checkpoints" / "last.ckpt").is_file(), seconds=120)
    other = of_rank(child, 1)
    assert other is not None
    os.kill(other, signal.SIGKILL)
    said = finished(child, code=2)
    why = "process 1 of 2 was ended by SIGKILL"
    assert said.count("error: ") == said.count(f"error: {why}") == 1
    assert record(run)["status"] == "failed"
    assert why in record(run)["error"]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_on_two_devices_is_stopped_and_continued(
    number: signal.Signals, start: Start, folder: Path
) -> None:
    """Either process is told, both stop after the same step; the end is that of the run that was not."""
    name = f"stopped-{number.name}"
    short = [*TOY, *TWO, "data.steps_per_epoch=40", "trainer.max_epochs=3", "precision=32-true"]
    child = start(*short, f"run={name}", log=f"{name}.txt")
    wait_for(lambda: (folder / name / "checkpoints" / "last.ckpt").is_file(), seconds=120)
    child.send(number)
    said = finished(child, code=130)
    assert said.count("interrupted: continue with: python -m sr_experiments run=") == 1
    assert record(folder / name)["status"] == "interrupted"
    assert 40 <= record(folder / name)["batches"] < 120
    finished(start(f"run={name}", log=f"{name}.txt"))
    assert record(folder / name)["batches"] == 120
    if not (folder / "whole").exists():
        finished(start(*short, "run=whole", log="whole.txt"))
    assert apart(folder / name, folder / "whole") == 0
    assert record(folder / name)["metrics"] == record(folder / "whole")["metrics"]


@pytest.mark.parametrize("devices", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_run_is_stopped_in_its_final_test(devices: int, start: Start, folder: Path) -> None:
    """The incident: SIGTERM was not heard there, and Lightning told it to processes that did not wait."""
    name = f"tested-{devices}"
    short = [*TOY, "data.steps_per_epoch=2", "trainer.max_epochs=1", "precision=32-true"]
    stops = "+callbacks.stops._target_=tests.recorder.StopsInTest"
    child = start(*short, *(TWO if devices == 2 else []), stops, f"run={name}", log=f"{name}.txt")
    said = finished(child, code=130)
    assert said.count("interrupted: continue with: python -m sr_experiments run=") == 1
    assert record(folder / name)["status"] == "interrupted"
    finished(start(f"run={name}", log=f"{name}.txt"))
    assert record(folder / name)["status"] == "finished"
    assert record(folder / name)["metrics"]


@pytest.mark.slow
def test_what_only_another_process_ran_into_is_told_once(start: Start, folder: Path) -> None:
    fails = ["+callbacks.fails._target_=tests.recorder.Fails", "+callbacks.fails.rank=1"]
    said = finished(start(*LONG, *fails, "run=full", log="full.txt"), code=2)
    why = "process 1 of 2: /scratch: No space left on device; make room, or write elsewhere"
    assert said.count("error: ") == said.count(f"error: {why}") == 1
    assert why in record(folder / "full")["error"]
    assert record(folder / "full")["status"] == "failed"


@pytest.mark.slow
def test_four_runs_in_a_sweep(start: Start, folder: Path) -> None:
    """As it is typed: two models and two seeds on two devices are four runs in one folder, and one table."""
    small = ["scale=2", "data=folder", "data.root=photographs", "data.val_root=others", "data.patch_size=32"]
    small += [
        "data.steps_per_epoch=2",
        "trainer.max_epochs=1",
        "data.batch_size=1",
        "trainer.accelerator=cpu",
    ]
    sweep = ["-m", "model=srcnn,edsr_baseline", "seed=1,2", "hydra.sweep.dir=four"]
    said = finished(start(*sweep, *small, *TWO, log="four.txt"))
    names = [run.name for run in runs_in(folder / "four")]
    assert len(names) == 4
    assert all(record(run)["devices"] == 2 for run in runs_in(folder / "four"))
    assert {record(run)["status"] for run in runs_in(folder / "four")} == {"finished"}
    assert {(record(run)["model"], record(run)["seed"]) for run in runs_in(folder / "four")} == {
        (model, seed) for model in ("srcnn", "edsr_baseline") for seed in (1, 2)
    }
    assert (folder / "four" / "sweep.json").is_file()
    assert said.count("from bicubic's") == 4, "each run's result, once"
