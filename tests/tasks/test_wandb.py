"""Offline runs read back: everything that docs/wandb.md promises is there, and nothing that it does not."""

import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wandb
from omegaconf import DictConfig, OmegaConf
from PIL import Image

from sr_experiments.mistakes import user_message
from sr_experiments.tasks.dashboard import layout_of, workspace_of
from tests.tasks.nursery import Child, nursery
from tests.tasks.runs import photographs, run
from tests.tasks.wandb_runs import Part, documented, parts_of

Start = Callable[..., Child]
KEY = "0123456789abcdef0123456789abcdef01234567"
SMALL = [
    "scale=2",
    "data=folder",
    "data.root=photographs",
    "data.patch_size=24",
    "data.batch_size=2",
    "data.steps_per_epoch=4",
    "data.workers=0",
    "model=espcn",
    "net.features=8",
    "trainer=cpu",
    "trainer.max_epochs=3",
    "trainer.log_every_n_steps=2",
    "logger=csv,wandb",
    "logger.wandb.offline=true",
]
GAN = ["loss=gan", "discriminator.width=4", "discriminator.layers=1"]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    folder = tmp_path_factory.mktemp("runs")
    photographs(folder / "photographs", count=5)
    with pytest.MonkeyPatch.context() as patch, nursery(folder) as begin:
        for name in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "HOME"):
            patch.setenv(name, str(folder / "wandb"))
        yield begin


@pytest.fixture(scope="module")
def restored(start: Start) -> Path:
    return finished(start, "restored", "logger.wandb.pictures=1", "logger.wandb.tags=[mine]")


@pytest.fixture(scope="module")
def adversarial(start: Start) -> Path:
    return finished(
        start, "adversarial", *GAN, "logger.wandb.checkpoint=true", "logger.wandb.pictures_every=2"
    )


def finished(start: Start, name: str, *more: str) -> Path:
    child = start(*SMALL, *more, f"run={name}", log=f"{name}.txt")
    assert child.wait() == 0, child.said
    assert_nothing_is_left(child)
    return child.log.parent / name


def cores_of(pid: int) -> list[int]:
    """wandb's own processes, which are told whose they are."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended meanwhile
            program, *words = path.read_bytes().decode(errors="replace").split("\0")
            if program.endswith("wandb-core") and " ".join(words).strip().endswith(f"--pid {pid}"):
                found.append(int(path.parent.name))
    return found


def assert_nothing_is_left(child: Child) -> None:
    with suppress(ProcessLookupError):
        os.killpg(child.pid, 0)
        raise AssertionError("its workers are alive")
    assert not cores_of(child.pid)


def only(run: Path) -> Part:
    (part,) = parts_of(run)
    return part


@pytest.mark.parametrize("kind", ["restored", "adversarial"])
def test_what_is_documented_is_there_and_nothing_else(kind: str, request: pytest.FixtureRequest) -> None:
    part = only(request.getfixturevalue(kind))
    promised = documented(adversarial=kind == "adversarial")
    assert len(promised) > 15
    for key, pattern in promised.items():
        assert any(pattern.fullmatch(logged) for logged in part.keys), f"{key} is missing"
    for logged in part.keys:
        assert any(pattern.fullmatch(logged) for pattern in promised.values()), f"{logged} is not documented"


@pytest.mark.parametrize("kind", ["restored", "adversarial"])
def test_every_row_knows_where_the_run_stands(kind: str, request: pytest.FixtureRequest) -> None:
    """Lightning's own count would be of optimizer steps."""
    part = only(request.getfixturevalue(kind))
    assert part.axes == {"*": "samples"}
    assert list(part.rows) == list(range(len(part.rows)))
    assert [row["batches"] for row in part.rows.values() if "train/loss" in row] == [2, 4, 6, 8, 10, 12]
    assert [row["batches"] for row in part.rows.values() if "val/psnr_y" in row] == [4, 8, 12]
    assert all(row["samples"] == 2 * row["batches"] for row in part.rows.values())


def test_who_it_is(restored: Path) -> None:
    part, written = only(restored), json.loads((restored / "wandb.json").read_text(encoding="utf-8"))
    assert part.id == written["id"]
    assert (part.name, part.group, part.exit_code) == ("espcn", "", 0)
    assert set(part.tags) == {"mine", "espcn", "x2", "folder"}
    assert part.config["data"]["batch_size"] == 2
    assert part.config["net"]["features"] == 8


def test_pictures_are_of_the_same_crop_every_time(restored: Path) -> None:
    part = only(restored)
    shown = part.of_type("images/separated")["pictures/val"]
    assert [value["captions"] for value in shown] == [["4"]] * 3, "the one image that is not trained on"
    pictures = [np.asarray(Image.open(part.folder / "files" / value["filenames"][0])) for value in shown]
    whole, bicubic, result, truth = (slice(168 * k + 8, 168 * (k + 1)) for k in range(4))
    for picture in pictures[1:]:
        for column in (whole, bicubic, truth):
            assert np.array_equal(picture[8:168, column], pictures[0][8:168, column])
        assert not np.array_equal(picture[8:168, result], pictures[0][8:168, result])


def test_fewer_pictures(adversarial: Path) -> None:
    shown = only(adversarial).of_type("images/separated")
    assert len(shown["pictures/val"]) == 2, "of the first and the third validation"
    assert len(shown["pictures/test"]) == 1


@pytest.mark.parametrize("kind", ["restored", "adversarial"])
def test_the_dashboard_shows_what_a_run_logs(kind: str, request: pytest.FixtureRequest) -> None:
    run: Path = request.getfixturevalue(kind)
    config = OmegaConf.load(run / "config.yaml")
    assert isinstance(config, DictConfig)
    layout = layout_of(workspace_of(config, entity="me", project="p", title="t"))
    sections = {entry["name"]: entry["panels"] for entry in layout["section"]["panelBankConfig"]["sections"]}
    assert {"Quality", "Pictures", "Speed", "Training"} <= sections.keys()
    assert ("Adversary" in sections) == (kind == "adversarial")
    logged = only(run).keys
    for name, panels in sections.items():
        assert panels
        for panel in panels:
            shown = keys_of(panel)
            assert shown, f"{name}: {panel}"
            assert shown <= logged, f"{name}: {shown - logged} is not logged"
    assert layout["section"]["settings"]["xAxis"] == "samples"


def keys_of(panel: dict[str, Any]) -> set[str]:
    """Of what a panel shows."""
    config = panel["config"]
    if panel["viewType"] == "Weave":
        return set(re.findall(r"results/\w+", json.dumps(config)))
    values = [*config.get("metrics", []), *config.get("mediaKeys", [])]
    values += [config[axis] for axis in ("xAxis", "yAxis") if axis in config]
    return {value.removeprefix("summary_metrics.").removeprefix("summary:") for value in values}


def test_histograms_are_of_what_was_measured(adversarial: Path) -> None:
    found = only(adversarial).of_type("histogram")
    for name in ("d_real", "d_fake"):
        counts = [sum(value["values"]) for value in found[f"histograms/{name}"]]
        # Two patches of 24 x 24; a discriminator of one layer says something of each 5 x 5.
        assert len(counts) == 3
        assert len(set(counts)) == 1
        assert counts[0] > 100
    # After the first batch, the second and the fourth of the first epoch, then twice an epoch.
    assert [sum(value["values"]) for value in found["histograms/generator_norm"]] == [3, 2, 2]


def test_tables_are_those_of_the_run(restored: Path) -> None:
    part = only(restored)
    tables = {
        key: json.loads((part.folder / "files" / value["path"]).read_text(encoding="utf-8"))
        for key, (value,) in part.of_type("table-file").items()
    }
    record = json.loads((restored / "run.json").read_text(encoding="utf-8"))
    for dataset, metric, bicubic, value, gain in tables["results/table"]["data"]:
        metrics = record["metrics"][dataset]
        assert (metrics[metric], metrics["bicubic"][metric]) == pytest.approx((value, bicubic))
        assert gain == pytest.approx(value - bicubic)
    assert tables["results/table"]["columns"] == ["data set", "metric", "bicubic", "espcn", "gain"]
    lines = (restored / "per_image.csv").read_text(encoding="utf-8").splitlines()
    assert tables["results/per_image"]["columns"] == lines[0].split(",")
    assert len(tables["results/per_image"]["data"]) == len(lines) - 1


def test_a_checkpoint_is_kept_where_asked_for(restored: Path, adversarial: Path) -> None:
    assert ("model", ["best.ckpt"]) in only(adversarial).artifacts
    assert "model" not in [kind for kind, _ in only(restored).artifacts]


def test_members_of_a_sweep_belong_together(start: Start) -> None:
    child = start(
        "-m",
        *SMALL,
        "logger=[csv,wandb]",
        "trainer.max_epochs=1",
        "seed=1,2",
        "hydra.sweep.dir=mine/sweep",
        log="sweep.txt",
    )
    assert child.wait() == 0, child.said
    parts = [only(child.log.parent / "mine" / "sweep" / f"{number}-espcn") for number in (0, 1)]
    assert {part.group for part in parts} == {"sweep"}
    assert [part.name for part in parts] == ["0-espcn", "1-espcn"]
    assert len({part.id for part in parts}) == 2
    assert [part.config["seed"] for part in parts] == [1, 2]
    assert_nothing_is_left(child)


def test_several_devices_are_one_run(start: Start) -> None:
    part = only(finished(start, "devices", "trainer=ddp", "trainer.devices=2", "trainer.max_epochs=1"))
    assert {row["batches"]: row["samples"] for row in part.rows.values()} == {2: 8, 4: 16}


@pytest.mark.parametrize("how", ["killed", pytest.param("asked to stop", marks=pytest.mark.slow)])
def test_a_run_that_continues_is_the_same_run(start: Start, how: str) -> None:
    """Each row once, and none is missing."""
    name = how.replace(" ", "-")
    given = [*SMALL, *GAN, "data.steps_per_epoch=40", "logger.wandb.pictures=1", f"run={name}"]
    child = start(*given, log=f"{name}.txt", rests=52)  # with a checkpoint of 40, and rows after it
    run = child.log.parent / name
    child.wait_until_it_rests()
    if how == "killed":
        child.kill()
    else:
        child.send(signal.SIGTERM)
        child.go_on()
    assert child.wait() == (-9 if how == "killed" else 130), child.said
    child = start(*given, log=f"{name}.txt")
    assert child.wait() == 0, child.said
    first, second = parts_of(run)
    assert first.id == second.id
    assert first.exit_code == (None if how == "killed" else 1)
    numbers = [*first.rows, *second.rows]
    assert numbers == list(range(len(numbers)))
    rows = {**first.rows, **second.rows}
    assert [row["batches"] for row in rows.values() if "train/loss" in row] == list(range(2, 121, 2))
    assert [row["batches"] for row in rows.values() if "pictures/val" in row] == [40, 80, 120]
    assert [row["batches"] for row in rows.values() if "histograms/d_real" in row] == [40, 80, 120]
    assert [
        sum(row["histograms/accuracy"]["values"]) for row in rows.values() if "histograms/accuracy" in row
    ] == [
        21,
        20,
        20,
    ]


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are found in /proc")
def test_wandb_that_breaks_down_ends_nothing(start: Start) -> None:
    child = start(*SMALL, "data.steps_per_epoch=60", "run=broken", log="broken.txt", rests=70)
    run = child.log.parent / "broken"
    child.wait_until_it_rests()
    (core,) = cores_of(child.pid)
    os.kill(core, signal.SIGKILL)
    child.go_on()
    assert child.wait() == 0, child.said
    record = json.loads((run / "run.json").read_text(encoding="utf-8"))
    assert record["status"] == "finished"
    assert record["batches"] == 180
    (note,) = [note for note in record["notes"] if not note.startswith("below bicubic on ")]
    assert note.startswith("wandb has broken down (")
    assert f"{note}; the run goes on without it" in child.said
    assert_nothing_is_left(child)


LOGIN = (
    r"logger=wandb needs a login at http://127\.0\.0\.1:9, and there is none: `wandb login`, or the "
    r"environment variable WANDB_API_KEY\. Without an account: logger\.wandb\.offline=true writes "
    r"the same to disk"
)
SILENT = (
    r"logger=wandb: no run was begun at http://127\.0\.0\.1:9: .*\. It is waited for "
    r"logger\.wandb\.timeout=1 seconds; logger\.wandb\.offline=true writes to disk, and `wandb sync` "
    r"sends it later"
)


@pytest.mark.parametrize(("key", "told"), [(None, LOGIN), (KEY, SILENT)], ids=["no login", "no server"])
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_run_that_can_not_be_online_says_so_at_once(
    key: str | None, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """wandb's own check would ask at a terminal, and wait for 100 seconds where there is no network."""
    photographs(tmp_path / "photographs")
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("WANDB_CONFIG_DIR", "WANDB_CACHE_DIR", "HOME", "NETRC"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    if key is not None:
        monkeypatch.setenv("WANDB_API_KEY", key)
    wandb.teardown()  # it reads the environment once
    began = time.monotonic()
    with pytest.raises(ValueError, match=told) as raised:
        run(tmp_path / "photographs", tmp_path / "run", "logger=wandb", "logger.wandb.timeout=1")
    assert time.monotonic() - began < 60
    assert user_message(raised.value) == str(raised.value), "exit code 2"
    assert KEY not in str(raised.value)
    assert not (tmp_path / "run" / "checkpoints").exists()
    assert not cores_of(os.getpid())
