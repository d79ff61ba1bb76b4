"""Which runs are counted, what is one configuration, and what may stand on one board."""

import json
from pathlib import Path

import pytest

from sr_experiments.report.boards import Board
from sr_experiments.report.find import find_runs
from sr_experiments.report.gather import Gathered, gather
from sr_experiments.sweeps.book import Book
from tests.report.made import make_run, twelve

VALUES = [30.0, 31.0, 29.0]


def titles(found: Gathered) -> list[str]:
    return sorted(board.title for board in found.boards)


def only(found: Gathered) -> Board:
    (board,) = found.boards
    return board


def labels(folder: Path) -> list[str]:
    return [row.configuration.label for row in only(gather([str(folder)])).rows]


def test_folders_sweeps_and_globs_lead_to_runs_once_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "sweep/0-x", "sweep/1-y", "deep/er/b"):
        make_run(tmp_path / name, VALUES)
    make_run(tmp_path / "a" / "inside", VALUES)  # below a run there are no runs
    make_run(tmp_path / ".hidden" / "c", VALUES)
    every = [tmp_path / name for name in ("a", "deep/er/b", "sweep/0-x", "sweep/1-y")]
    assert find_runs([str(tmp_path)]) == every
    assert find_runs([str(tmp_path / "sweep"), str(tmp_path / "sweep" / "*")]) == every[2:]
    monkeypatch.chdir(tmp_path)
    assert find_runs(["a"]) == every[:1]
    assert find_runs(["sw*/0-*"]) == every[2:3]


@pytest.mark.parametrize(
    ("given", "says"), [("nowhere", "there is no such folder"), ("empty", "no run.json there or below")]
)
def test_nothing_there_is_told(tmp_path: Path, given: str, says: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=f"{given}: {says}; give a run's folder"):
        find_runs([str(tmp_path / given)])


def test_runs_that_differ_in_their_seed_only_are_one_row(tmp_path: Path) -> None:
    for seed in (3, 1, 2):
        make_run(tmp_path / f"{seed}", VALUES, seed=seed)  # data.seed and data.workers differ as well
    make_run(tmp_path / "other", VALUES, seed=1, lr=2e-4)
    board = only(gather([str(tmp_path)]))
    assert [row.configuration.label for row in board.rows] == ["espcn lr=0.0001", "espcn lr=0.0002"]
    assert [run.seed for run in board.rows[0].runs] == [1, 2, 3]
    assert len(board.rows[1].runs) == 1


def test_the_precision_that_was_used_counts_and_not_the_one_asked_for(tmp_path: Path) -> None:
    for seed, precision in enumerate(("32-true", "bf16-mixed")):
        make_run(
            tmp_path / precision,
            VALUES,
            seed=seed,
            record={"precision": precision},
            config={"precision": "auto"},
        )
    assert sorted(labels(tmp_path)) == ["espcn precision=32-true", "espcn precision=bf16-mixed"]


def test_labels_name_the_whole_loss_and_not_one_weight_of_it(tmp_path: Path) -> None:
    """A label once read weight=0.1, of which loss nobody knew."""
    term = {"_target_": "sr_experiments.losses.pixel.L1Loss"}
    for number, weights in enumerate(({"l1": 1.0}, {"mse": 1.0}, {"l1": 1.0, "perceptual": 0.1, "ssim": 0})):
        loss = {"terms": {name: {"weight": weight, "loss": term} for name, weight in weights.items()}}
        make_run(tmp_path / f"{number}", VALUES, config={"loss": loss})
    game = {"loss": {"terms": {"l1": {"weight": 0.01, "loss": term}}}, "adversary": {"weight": 5e-3}}
    make_run(tmp_path / "4", VALUES, config=game)
    told = ["l1", "mse", "l1+0.1*perceptual", "0.01*l1+0.005*adversary"]
    assert labels(tmp_path) == [f"espcn loss={loss}" for loss in told]


def test_labels_name_a_part_that_was_chosen_as_a_whole(tmp_path: Path) -> None:
    """One once read name=demo, and the runs were called so, it seemed."""
    for name in ("demo", "div2k"):
        make_run(tmp_path / name, VALUES, config={"data": {"name": name, "batch_size": len(name)}})
    assert labels(tmp_path) == ["espcn data=demo", "espcn data=div2k"]
    momentum = {"optimizer": {"_target_": "torch.optim.SGD", "lr": 1e-4, "momentum": 0.9}}
    make_run(tmp_path / "sgd", VALUES, config={"data": {"name": "demo", "batch_size": 4}} | momentum)
    assert labels(tmp_path) == [
        "espcn data=demo optimizer=Adam",
        "espcn data=div2k optimizer=Adam",
        "espcn data=demo optimizer=SGD",
    ]


def test_labels_name_the_part_where_a_word_is_of_several(tmp_path: Path) -> None:
    for features in (32, 64):
        parts = {"net": {"features": features, "scale": 4}, "discriminator": {"features": 64}}
        make_run(tmp_path / f"{features}", VALUES, config=parts)
    assert labels(tmp_path) == ["espcn net.features=32", "espcn net.features=64"]


def test_a_net_without_parameters_is_one_configuration_however_it_was_run(tmp_path: Path) -> None:
    """A leaderboard once had bicubic in three rows, of two seeds, another loss and the same figures."""
    plain = [25.0, 26.0, 27.0]  # those of made.py's bicubic
    for number, lr in enumerate((1e-4, 1e-4, 1e-3)):
        when = f"2026-01-0{number + 1}T00:00:00+0000"
        folder = tmp_path / f"{number}"
        make_run(folder, plain, model="bicubic", seed=number, lr=lr, parameters=0, started=when)
    found = gather([str(tmp_path)])
    (row,) = only(found).rows
    assert (row.configuration.label, [run.folder.name for run in row.runs]) == ("bicubic", ["2"])
    assert [one.why for one in found.apart][-1] == "2 has the same configuration, and is newer"


def test_labels_name_what_somebody_chose_and_nothing_that_follows_from_it(tmp_path: Path) -> None:
    """A label once read T_max=1500 accelerator=auto devices=auto, of runs of 15 and 2 epochs."""
    for name, epochs, devices in (("long", 15, "auto"), ("short", 2, "auto"), ("two", 2, 2)):
        trainer = {"max_epochs": epochs, "accelerator": "auto" if devices == "auto" else "cpu"}
        config = {"schedule": {"T_max": epochs * 100}, "trainer": trainer | {"devices": devices}}
        make_run(tmp_path / name, VALUES, config=config)
    assert set(labels(tmp_path)) == {
        "espcn accelerator=auto max_epochs=15",
        "espcn accelerator=auto max_epochs=2",
        "espcn accelerator=cpu max_epochs=2",
    }


def test_the_same_seed_again_is_no_second_seed(tmp_path: Path) -> None:
    make_run(tmp_path / "new", [33.0, 33.0, 33.0], started="2026-02-01T00:00:00+0000")
    make_run(tmp_path / "old", VALUES, started="2026-01-01T00:00:00+0000")
    found = gather([str(tmp_path)])
    (row,) = only(found).rows
    assert [run.folder.name for run in row.runs] == ["new"]
    assert [(one.folder, one.what) for one in found.apart] == [("old", "repeated")]
    assert found.apart[0].why == "new has the same configuration and seed, and is newer"


def test_what_did_not_finish_or_can_not_be_read_is_apart_with_its_reason(tmp_path: Path) -> None:
    make_run(tmp_path / "good", VALUES)
    make_run(tmp_path / "failed", VALUES, status="failed", record={"error": "ValueError: lr\nfull_key: loss"})
    make_run(tmp_path / "stopped", VALUES, status="interrupted")
    make_run(tmp_path / "running", VALUES, status="running")
    make_run(tmp_path / "prepared", VALUES, record={"task": "prepare"})
    for name, file, content in [
        ("cut", "run.json", '{"status": "fini'),
        ("list", "run.json", "[]"),
        ("yaml", "config.yaml", "a: [1"),
        ("csv", "per_image.csv", "data set,image,psnr_y\nset5,a,much\n"),
    ]:
        (make_run(tmp_path / name, VALUES) / file).write_text(content, encoding="utf-8")
    (make_run(tmp_path / "gone", VALUES) / "per_image.csv").unlink()
    found = gather([str(tmp_path)])
    assert [run.folder.name for run in found.runs] == ["good"]
    apart = {one.folder: f"{one.what}: {one.why}" for one in found.apart}
    assert apart["failed"] == "failed: ValueError: lr"
    assert apart["stopped"] == "interrupted: it was stopped before its end"
    assert apart["running"].startswith("running: it runs still, or was killed")
    for name in ("cut", "list", "yaml", "csv", "gone"):
        assert apart[name].startswith("unreadable: "), apart[name]
    assert "per_image.csv" in apart["csv"]
    assert found.others == 1


def test_many_mistakes_that_were_typed_are_one_line(tmp_path: Path) -> None:
    """Each run that ended in a mistake before training had a row with the same sentence."""
    make_run(tmp_path / "good", VALUES)
    for number in range(3):
        make_run(
            tmp_path / f"typo{number}", VALUES, status="failed", record={"error": f"ValueError: {number}"}
        )
    make_run(tmp_path / "later", VALUES, status="failed", record={"error": "RuntimeError: x", "steps": 7})
    assert [one.folder for one in gather([str(tmp_path)]).apart] == ["later", "typo0", "typo1", "typo2"]
    make_run(tmp_path / "typo3", VALUES, status="failed", record={"error": "ValueError: 3", "steps": 0})
    make_run(tmp_path / "typo4", VALUES, status="failed")
    found = gather([str(tmp_path)])
    assert [(one.folder, one.what, one.why) for one in found.apart] == [
        ("later", "failed", "RuntimeError: x"),
        ("typo0, typo1, typo2 and 2 more", "failed", "before the first step; typo0: ValueError: 0"),
    ]
    assert found.not_counted == 6


def test_runs_that_a_sweep_has_not_begun_are_told(tmp_path: Path) -> None:
    for lr, name in enumerate(("sweep", "whole", "alone")):
        for seed in range(2):
            make_run(tmp_path / name / f"{seed}-espcn", VALUES, seed=seed, lr=lr)
    for name, seeds in (("sweep", 5), ("whole", 2)):
        book = Book(tmp_path / name, arguments=["seed=0,1"])
        for seed in range(seeds):
            book.add([f"seed={seed}"], folder=f"{seed}-espcn")
        book.write()
    (tmp_path / "alone" / "sweep.json").write_text('{"jobs": ["of another program"]}', encoding="utf-8")
    found = gather([str(tmp_path)])
    (one,) = found.apart
    assert (one.folder, one.what, one.why) == ("sweep", "not begun", "3 of the 5 runs of this sweep")
    assert found.not_counted == 3


def test_nothing_finished_is_one_message(tmp_path: Path) -> None:
    make_run(tmp_path / "x", VALUES, status="failed")
    with pytest.raises(ValueError, match=r"of 1 folders none holds a finished training .*\(x: failed\)"):
        gather([str(tmp_path)])


def test_numbers_of_other_images_scales_or_small_images_stand_on_boards_of_their_own(tmp_path: Path) -> None:
    make_run(tmp_path / "a", VALUES, seed=1)
    make_run(tmp_path / "b", VALUES, seed=2, bicubic=25.0004)  # another machine
    make_run(tmp_path / "c", VALUES, seed=3, bicubic=26.0)  # other small images
    make_run(tmp_path / "d", [*VALUES, 30.0], seed=4)
    make_run(tmp_path / "e", VALUES, seed=5, scale=2)
    spoilt = {"_target_": "sr_experiments.degradations.pipeline.Chain"}
    make_run(tmp_path / "f", VALUES, seed=6, config={"degradation": spoilt})
    found = gather([str(tmp_path)])
    assert titles(found) == [
        "set5 x2, rgb",
        "set5 x4, rgb",
        "set5 x4, rgb (2)",
        "set5 x4, rgb (3)",
        "set5 x4, rgb, Chain",
    ]
    assert sorted(sum(len(row.runs) for row in board.rows) for board in found.boards) == [1, 1, 1, 1, 2]


def test_an_evaluation_belongs_to_the_run_whose_weights_it_measured(tmp_path: Path) -> None:
    for seed in (1, 2):
        trained = make_run(tmp_path / f"{seed}", VALUES, seed=seed)
        evaluated = {
            "task": "evaluate",
            "checkpoint": str(trained),
            "seed": None,
            "inference": {"self_ensemble": False},
        }
        make_run(tmp_path / f"set14-{seed}", [27.0] * 14, dataset="set14", record=evaluated)
    better = evaluated | {"inference": {"self_ensemble": True}}
    make_run(tmp_path / "plus", [27.5] * 14, dataset="set14", record=better)
    found = gather([str(tmp_path)])
    boards = {board.title: board for board in found.boards}
    seeds = {row.configuration.label: [run.seed for run in row.runs] for row in boards["set14 x4, rgb"].rows}
    assert seeds == {"espcn": [1, 2], "espcn self_ensemble=true": [2]}
    (row,) = boards["set5 x4, rgb"].rows
    assert [run.seed for run in row.runs] == [1, 2]


def test_twelve_runs_are_four_configurations(tmp_path: Path) -> None:
    board = only(gather([str(twelve(tmp_path, pictures=0))]))
    assert [len(row.runs) for row in board.rows] == [3, 3, 3, 3]
    assert all(row.configuration.demo for row in board.rows)
    record = json.loads((tmp_path / "edsr-0.0001-1" / "run.json").read_text(encoding="utf-8"))
    assert board.rows[0].configuration.marked.endswith("(demo)"), record
