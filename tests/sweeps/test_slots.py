"""Devices and threads shared out; which slots are free."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from sr_experiments.data.threads import cores
from sr_experiments.sweeps import slots


def test_each_run_gets_gpus_of_its_own() -> None:
    gpus = ["0", "1", "2", "3"]
    shares = [slots.share(slot, at_once=4, gpus=gpus, per_run=1, cores=8) for slot in range(4)]
    assert shares == [{"CUDA_VISIBLE_DEVICES": gpu} for gpu in gpus]
    shares = [slots.share(slot, at_once=2, gpus=gpus, per_run=2, cores=8) for slot in range(2)]
    assert shares == [{"CUDA_VISIBLE_DEVICES": "0,1"}, {"CUDA_VISIBLE_DEVICES": "2,3"}]


def test_more_runs_than_gpus_share_them_in_turn() -> None:
    shares = [slots.share(slot, at_once=4, gpus=["3", "5"], per_run=1, cores=8) for slot in range(4)]
    assert [share["CUDA_VISIBLE_DEVICES"] for share in shares] == ["3", "5", "3", "5"]


def test_without_gpus_the_cores_are_shared_out() -> None:
    assert slots.share(0, at_once=3, gpus=[], per_run=1, cores=8)["OMP_NUM_THREADS"] == "2"
    assert slots.share(0, at_once=9, gpus=[], per_run=1, cores=8)["OMP_NUM_THREADS"] == "1"


def test_gpus_are_those_that_may_be_used() -> None:
    assert slots.visible_gpus({"CUDA_VISIBLE_DEVICES": "2, GPU-ab"}) == ["2", "GPU-ab"]
    assert slots.visible_gpus({"CUDA_VISIBLE_DEVICES": "-1"}) == []
    assert slots.visible_gpus({"CUDA_VISIBLE_DEVICES": ""}) == []
    text = "GPU 0: NVIDIA H100 (UUID: GPU-1)\n  MIG 1g.10gb Device 0: (UUID: MIG-1)\nGPU 1: NVIDIA H100\n"
    assert len(slots._gpu_lines(text)) == 2


@pytest.mark.parametrize(
    ("launcher", "trainer", "gpus", "expected"),
    [
        ({"_target_": "a.BasicLauncher"}, {}, "0,1", 1),
        ({"_target_": "a.JoblibLauncher", "n_jobs": 3}, {}, "0,1", 3),
        ({"_target_": "a.JoblibLauncher", "n_jobs": -1}, {}, "0,1,2,3", 4),
        ({"_target_": "a.JoblibLauncher", "n_jobs": -1}, {"devices": 2}, "0,1,2,3", 2),
        ({"_target_": "a.JoblibLauncher", "n_jobs": -1}, {"accelerator": "cpu"}, "0,1,2,3", cores()),
        ({"_target_": "a.LocalLauncher"}, {}, "0,1", 2),
        ({"_target_": "a.SlurmLauncher"}, {}, "0,1", None),
    ],
)
def test_how_many_at_once(
    launcher: dict[str, object],
    trainer: dict[str, object],
    gpus: str,
    expected: int | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", gpus)
    config = OmegaConf.create({"hydra": {"launcher": launcher}, "trainer": trainer})
    assert slots.at_once(config) == expected


def test_a_slot_is_held_and_given_back(tmp_path: Path) -> None:
    with slots.slot(tmp_path, at_once=2) as first, slots.slot(tmp_path, at_once=2) as second:
        assert (first, second) == (0, 1)
        slots.wait_until_free(tmp_path, at_once=2, seconds=0.01)  # in vain
    with slots.slot(tmp_path, at_once=2) as again:
        assert again == 0
