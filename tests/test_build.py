"""What is chosen when the config says `auto`, and the loggers."""

import logging
import platform
from pathlib import Path

import pytest
import torch

from sr_experiments import build
from tests.tasks.runs import photographs, run


@pytest.mark.parametrize("asked", ["32-true", "bf16-mixed", "16-mixed", "64-true"])
def test_a_precision_that_is_asked_for_is_kept(asked: str) -> None:
    assert build.choose_precision(asked, accelerator="auto") == asked


@pytest.mark.parametrize(
    ("amx", "avx512", "expected"),
    [(True, False, "bf16-mixed"), (False, True, "bf16-mixed"), (False, False, "32-true")],
)
def test_a_cpu_trains_in_bfloat16_where_it_has_units_for_it(
    amx: bool, avx512: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    assert build.choose_precision("auto", accelerator="auto") == expected
    assert build.choose_precision("auto", accelerator="cpu") == expected
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    assert build.choose_precision("auto", accelerator="cpu") == "32-true"


@pytest.mark.parametrize(("good", "expected"), [(True, "bf16-mixed"), (False, "32-true")])
def test_a_gpu_never_trains_in_half_precision_by_itself(
    good: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fp16 overflows in RCAN and SwinIR."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: good)
    assert build.choose_precision("auto", accelerator="auto") == expected


def test_another_accelerator_trains_in_float32() -> None:
    assert build.choose_precision("auto", accelerator="mps") == "32-true"


def test_tensorboard_and_csv_together(tmp_path: Path) -> None:
    root = photographs(tmp_path / "photographs")
    run(root, tmp_path / "run", "logger=[csv,tensorboard]")
    assert (tmp_path / "run" / "metrics.csv").is_file()
    assert list((tmp_path / "run" / "tensorboard").glob("events.out.tfevents.*"))


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_wandb_goes_offline_by_itself_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Online without a key fails at once; nobody should need an account to try something."""
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    root = photographs(tmp_path / "photographs")
    with caplog.at_level(logging.WARNING):
        run(root, tmp_path / "run", "logger=[csv,wandb]")
    assert "no login found, so the run is written offline" in caplog.text
    assert list((tmp_path / "run" / "wandb").glob("offline-run-*/*.wandb"))


def test_wandb_offline_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert build.wandb_offline(True)
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert build.wandb_offline(False)
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    assert not build.wandb_offline(False)


def test_wandb_finds_a_login_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "netrc"
    monkeypatch.setenv("NETRC", str(path))
    assert build.wandb_offline(False)
    path.write_text("machine api.wandb.ai login user password 123\n", encoding="utf-8")
    assert not build.wandb_offline(False)
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.example.org")
    assert build.wandb_offline(False)
    path.write_text("not a netrc file", encoding="utf-8")
    assert build.wandb_offline(False)


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
