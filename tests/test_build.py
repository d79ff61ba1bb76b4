"""What is chosen when the config says `auto`, and the loggers."""

import platform
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

from sr_experiments import build, devices
from tests.tasks.runs import photographs, run

CPU = torch.device("cpu")


@pytest.mark.parametrize("asked", ["32-true", "bf16-mixed", "16-mixed", "64-true"])
def test_a_precision_that_is_asked_for_is_kept(asked: str) -> None:
    assert devices.choose_precision(asked, device=CPU) == asked


@pytest.mark.parametrize(
    ("amx", "avx512", "expected"),
    [(True, False, "bf16-mixed"), (False, True, "bf16-mixed"), (False, False, "32-true")],
)
def test_a_cpu_trains_in_bfloat16_where_it_has_units_for_it(
    amx: bool, avx512: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    assert devices.choose_precision("auto", device=CPU) == expected
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    assert devices.choose_precision("auto", device=CPU) == "32-true"


@pytest.mark.parametrize(("good", "expected"), [(True, "bf16-mixed"), (False, "32-true")])
def test_a_gpu_never_trains_in_half_precision_by_itself(
    good: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fp16 overflows in RCAN and SwinIR."""
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: good)
    assert devices.choose_precision("auto", device=torch.device("cuda")) == expected


def test_another_accelerator_trains_in_float32() -> None:
    assert devices.choose_precision("auto", device=torch.device("mps")) == "32-true"


@pytest.mark.parametrize(
    ("accelerator", "given", "cuda", "mps", "expected"),
    [
        ("cpu", 2, True, True, "cpu"),
        ("auto", "auto", False, False, "cpu"),
        ("auto", "auto", False, True, "mps"),
        ("auto", "auto", True, False, "cuda:0"),
        ("gpu", 2, True, False, "cuda:0"),
        ("gpu", [3, 1], True, False, "cuda:3"),
        ("gpu", 1, False, True, "mps"),
        ("cuda", 1, True, False, "cuda:0"),
        ("cuda", 1, False, True, "refused"),
        ("mps", 1, False, True, "mps"),
        ("mps", 1, True, False, "refused"),
        ("gpu", 1, False, False, "refused"),
    ],
)
def test_the_device_that_a_trainer_means(
    accelerator: str, given: Any, cuda: bool, mps: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One answer for precision, layout, trials and tasks on one device."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    trainer = {"accelerator": accelerator, "devices": given, "strategy": "auto"}
    config = OmegaConf.create({"precision": "auto", "trainer": trainer})
    if expected == "refused":
        with pytest.raises(ValueError, match=f"accelerator={accelerator}: torch finds no GPU"):
            devices.refuse_absent_devices(config)
        return
    devices.refuse_absent_devices(config)
    assert devices.first_device(config) == torch.device(expected)


def test_tensorboard_and_csv_together(tmp_path: Path) -> None:
    root = photographs(tmp_path / "photographs")
    run(root, tmp_path / "run", "logger=[csv,tensorboard]")
    assert (tmp_path / "run" / "metrics.csv").is_file()
    assert list((tmp_path / "run" / "tensorboard").glob("events.out.tfevents.*"))


def test_a_logger_whose_package_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(_: object) -> object:
        raise ModuleNotFoundError("No module named 'tensorboard'", name="tensorboard")

    from tests.tasks.runs import toy_config

    config = toy_config(photographs(tmp_path / "photographs"), "logger=[tensorboard]")
    monkeypatch.setattr(build, "instantiate", absent)
    with pytest.raises(
        ValueError, match=r'not installed \(tensorboard\): pip install "sr-experiments\[tensorboard\]"'
    ):
        build.build_loggers(config, tmp_path)
