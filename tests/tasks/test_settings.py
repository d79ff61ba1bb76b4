"""Runs whose settings for speed are chosen by hand: they train, close to one another."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from sr_experiments.models.base import CHECKPOINT_KEY
from sr_experiments.tasks.train import train
from tests.tasks.runs import photographs, run, toy_config
from tests.typed import typed

SAME = ["precision=32-true", "schedule=constant"]
EDSR = [*SAME, "net.features=8", "net.blocks=2"]
GAN = [
    *SAME,
    "net.features=8",
    "loss=gan",
    "discriminator=patchgan",
    "discriminator.width=4",
    "discriminator.layers=1",
]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return photographs(tmp_path_factory.mktemp("photographs"))


def checkpoint(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    return content


def state(folder: Path) -> dict[str, Tensor]:
    found: dict[str, Tensor] = checkpoint(folder)["state_dict"]
    return found


def equal(one: Path, other: Path) -> bool:
    first, second = state(one), state(other)
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def assert_close(one: Path, other: Path, *, atol: float = 1e-6) -> None:
    first, second = state(one), state(other)
    assert first.keys() == second.keys()
    for key in first:
        torch.testing.assert_close(first[key], second[key], rtol=0, atol=atol)


def test_channels_last_trains_the_same_net(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_logs: None
) -> None:
    plain = run(root, tmp_path / "plain", *EDSR, "memory_format=contiguous", model="edsr")
    told = run(root, tmp_path / "last", *EDSR, "memory_format=channels_last", model="edsr")
    assert_close(tmp_path / "plain", tmp_path / "last")
    for record, layout in ((plain, "contiguous"), (told, "channels_last")):
        choices = record["choices"]
        assert (choices["memory_format"], choices["compile"], choices["fused"]) == (layout, False, True)
    assert checkpoint(tmp_path / "last")[CHECKPOINT_KEY]["choices"] == told["choices"]
    assert all(weights.is_contiguous() for weights in state(tmp_path / "last").values()), "for safetensors"
    (optimizer,) = checkpoint(tmp_path / "last")["optimizer_states"]
    moments = [kept["exp_avg"] for kept in optimizer["state"].values() if kept["exp_avg"].dim() == 4]
    assert all(one.is_contiguous(memory_format=torch.channels_last) for one in moments)
    assert not all(one.is_contiguous() for one in moments)
    where = [
        f"data.root='{root}'",
        f"checkpoint='{tmp_path / 'last'}'",
        f"hydra.run.dir={tmp_path / 'later'}",
    ]
    assert typed(monkeypatch, "task=evaluate", "data=folder", "metric=[]", *where) == 0
    (later,) = json.loads((tmp_path / "later" / "run.json").read_text())["evaluations"]
    for name, value in later["metrics"].items():
        assert value == told["metrics"]["folder"][name], "a run's test is that of later, to the bit"
    run(root, tmp_path / "again", *EDSR, "memory_format=channels_last", model="edsr")
    assert equal(tmp_path / "last", tmp_path / "again")


def test_a_fused_step_is_the_step(root: Path, tmp_path: Path) -> None:
    for fused in ("true", "false"):
        run(root, tmp_path / fused, *EDSR, f"optimizer.fused={fused}", model="edsr")
        (optimizer,) = checkpoint(tmp_path / fused)["optimizer_states"]
        assert bool(optimizer["param_groups"][0]["fused"]) is (fused == "true")
    assert_close(tmp_path / "true", tmp_path / "false")


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_blocks_that_are_computed_again_train_the_same_net(
    precision: str, root: Path, tmp_path: Path
) -> None:
    for again in ("true", "false"):
        more = [*EDSR, f"precision={precision}", f"activation_checkpointing={again}"]
        run(root, tmp_path / again, *more, model="edsr")
    assert equal(tmp_path / "true", tmp_path / "false")


def test_a_game_is_played_in_any_of_them(root: Path, tmp_path: Path) -> None:
    run(root, tmp_path / "plain", *GAN, "optimizer.fused=false", "memory_format=contiguous")
    run(root, tmp_path / "other", *GAN, "memory_format=channels_last")
    assert_close(tmp_path / "plain", tmp_path / "other", atol=1e-5)
    states = checkpoint(tmp_path / "other")["optimizer_states"]
    assert [one["param_groups"][0]["fused"] for one in states] == [True, True]


def continued(root: Path, folder: Path, *overrides: str) -> None:
    train(toy_config(root, *EDSR, "trainer.max_epochs=2", *overrides, model="edsr"), folder, resume=True)


def interrupted(folder: Path) -> None:
    """As after a first epoch of a run of two."""
    record = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(record | {"status": "interrupted"}))


def test_a_run_goes_on_as_it_was_begun(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever would be chosen by then."""
    monkeypatch.setattr("sr_experiments.devices._cpu_has_bfloat16", lambda: True)
    auto = ["precision=auto"]
    run(root, tmp_path / "whole", *EDSR, *auto, "trainer.max_epochs=2", model="edsr")
    begun = run(root, tmp_path / "parts", *EDSR, *auto, model="edsr")
    assert begun["choices"]["memory_format"] == "channels_last"
    interrupted(tmp_path / "parts")
    monkeypatch.setattr("sr_experiments.devices._cpu_has_bfloat16", lambda: False)
    continued(root, tmp_path / "parts", *auto)
    record = json.loads((tmp_path / "parts" / "run.json").read_text())
    assert (record["precision"], record["choices"]["memory_format"]) == ("bf16-mixed", "channels_last")
    assert equal(tmp_path / "whole", tmp_path / "parts")


def test_a_run_goes_on_in_another_layout(root: Path, tmp_path: Path) -> None:
    """torch's fused steps walk through weights and moments side by side, whatever their strides say."""
    run(root, tmp_path / "whole", *EDSR, "memory_format=contiguous", "trainer.max_epochs=2", model="edsr")
    run(root, tmp_path / "parts", *EDSR, "memory_format=channels_last", model="edsr")
    interrupted(tmp_path / "parts")
    continued(root, tmp_path / "parts", "memory_format=contiguous")
    assert_close(tmp_path / "whole", tmp_path / "parts")


def test_a_run_of_a_time_without_choices_goes_on_as_it_was(root: Path, tmp_path: Path) -> None:
    run(root, tmp_path, *EDSR, "memory_format=contiguous", model="edsr")
    interrupted(tmp_path)
    for path in (tmp_path / "checkpoints").glob("*.ckpt"):
        content = torch.load(path, weights_only=True)
        del content[CHECKPOINT_KEY]["choices"]
        torch.save(content, path)
    continued(root, tmp_path, "precision=bf16-mixed")
    assert json.loads((tmp_path / "run.json").read_text())["choices"]["memory_format"] == "contiguous"


@pytest.mark.slow
@pytest.mark.usefixtures("fresh_compiler")
@pytest.mark.parametrize("ema", ["0.999", "null"])
def test_a_compiled_net_trains_and_goes_on(ema: str, root: Path, tmp_path: Path) -> None:
    """Where there is no average, the net itself is evaluated, on images of many sizes: not compiled."""
    more = ["compile=true", f"model.ema={ema}"]
    run(root, tmp_path / "plain", *EDSR, f"model.ema={ema}", "trainer.max_epochs=2", model="edsr")
    record = run(root, tmp_path / "whole", *EDSR, *more, "trainer.max_epochs=2", model="edsr")
    assert record["choices"]["compile"]
    assert_close(tmp_path / "plain", tmp_path / "whole")
    run(root, tmp_path / "parts", *EDSR, *more, model="edsr")
    interrupted(tmp_path / "parts")
    torch.compiler.reset()
    continued(root, tmp_path / "parts", f"model.ema={ema}")
    assert json.loads((tmp_path / "parts" / "run.json").read_text())["choices"]["compile"]
    assert equal(tmp_path / "whole", tmp_path / "parts")
    assert not [key for key in state(tmp_path / "whole") if "_orig_mod" in key]


@pytest.mark.slow
@pytest.mark.usefixtures("fresh_compiler")
def test_a_compiled_net_plays_a_game(root: Path, tmp_path: Path) -> None:
    run(root, tmp_path / "plain", *GAN)
    run(root, tmp_path / "compiled", *GAN, "compile=true")
    assert_close(tmp_path / "plain", tmp_path / "compiled", atol=1e-5)
