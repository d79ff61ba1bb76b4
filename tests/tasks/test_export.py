"""``task=export`` as it is typed: a run's weights as a plain file, and weights between those of two runs."""

import json
import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from sr_experiments import cli
from sr_experiments.config import register
from sr_experiments.nets.weights import read_state_dict
from sr_experiments.tasks.export import words_for, write_weights
from tests.conftest import ROOT
from tests.tasks.runs import photographs, run, toy_config


def typed(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Type a command; its exit code."""
    monkeypatch.setattr(sys, "argv", ["sr_experiments", *arguments])
    try:
        cli.main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def export(folder: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    return typed(monkeypatch, "task=export", f"hydra.run.dir={folder}", *arguments)


def bits(state: dict[str, Tensor]) -> dict[str, bytes]:
    return {key: state[key].numpy().tobytes() for key in sorted(state)}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of toy runs: `a`; `b` from its weights; `wide`, another net; and photographs."""
    folder = tmp_path_factory.mktemp("runs")
    root = photographs(folder / "photographs")
    run(root, folder / "a", "net.features=4", "net.mapped_features=4", "optimizer.lr=0.01")
    run(
        root,
        folder / "b",
        "net.features=4",
        "net.mapped_features=4",
        "optimizer.lr=0.01",
        f"init_from={folder / 'a'}",
        "seed=7",
    )
    run(root, folder / "wide", "net.features=8", "net.mapped_features=4")
    return folder


def test_the_file_measures_as_its_run_by_the_command_that_was_printed(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "it's new" / "toy.safetensors"
    arguments = [f"checkpoint={runs / 'a'}", f'output="{file}"']
    assert export(tmp_path / "export", monkeypatch, *arguments) == 0
    printed = capsys.readouterr().out
    assert f"wrote    {file}: toy x2, {len(load_file(file))} tensors\nfrom     {runs / 'a'}\n" in printed
    python, option, module, *arguments = shlex.split(printed.partition("use      ")[2])
    assert (python, option, module) == ("python", "-m", "sr_experiments")
    quoted = "'" + str(file).replace("'", r"\'") + "'"  # as Hydra has it, within the shell's
    assert arguments[:3] == ["task=evaluate", f"checkpoint={quoted}", "model=espcn"]

    data = ["data=folder", f"data.root={runs / 'photographs'}", "metric=[]", "trainer=cpu"]
    folder = tmp_path / "evaluated"
    assert typed(monkeypatch, *arguments, *data, f"hydra.run.dir={folder}") == 0
    found = json.loads((folder / "run.json").read_text(encoding="utf-8"))["metrics"]["folder"]
    ours = json.loads((runs / "a" / "run.json").read_text(encoding="utf-8"))["metrics"]["folder"]
    assert found == ours


def test_it_is_the_average_that_was_judged(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "toy.safetensors"
    assert export(tmp_path / "export", monkeypatch, f"checkpoint={runs / 'a'}", f"output={file}") == 0
    content = torch.load(runs / "a" / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    nets = {
        name: {key.removeprefix(name): value for key, value in content.items() if key.startswith(name)}
        for name in ("ema.", "net.")
    }
    assert bits(load_file(file)) == bits(nets["ema."])
    assert bits(load_file(file)) != bits(nets["net."])


def test_the_file_says_what_it_holds(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "export"
    assert export(folder, monkeypatch, f"checkpoint={runs / 'a'}") == 0
    file = folder / "toy-x2.safetensors"  # where it goes unless told otherwise
    with safe_open(file, framework="pt") as opened:
        facts = opened.metadata()
    assert {key: value for key, value in facts.items() if key != "config"} == {
        "scale": "2",
        "channels": "3",
        "model": "toy",
        "source": str(runs / "a"),
    }
    trained = OmegaConf.load(runs / "a" / "config.yaml")
    # Enough to build the net; the run's paths are nobody else's business.
    expected = {key: OmegaConf.select(trained, key) for key in ("name", "scale", "channels", "net")}
    assert OmegaConf.create(facts["config"]) == expected
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    told = {"task": "export", "status": "finished", "output": str(file), "model": "toy", "scale": 2}
    assert {key: record[key] for key in told} == told


def test_a_pytorch_file_is_a_state_dict(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both = [tmp_path / "toy.pth", tmp_path / "toy.safetensors"]
    for number, file in enumerate(both):
        folder = tmp_path / str(number)
        assert export(folder, monkeypatch, f"checkpoint={runs / 'a'}", f"output={file}") == 0
    content = torch.load(both[0], weights_only=True)
    assert type(content) is dict
    assert bits(content) == bits(load_file(both[1]))


def test_a_plain_file_gets_the_nets_own_key_names(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here also its channels are found out: 1, and not the 3 of the default config."""
    root = runs / "photographs"
    run(root, tmp_path / "luma", "channels=1", "net.features=4", "net.mapped_features=4")
    state = read_state_dict(tmp_path / "luma" / "checkpoints" / "best.ckpt")
    torch.save({"params": {f"module.{key}": value for key, value in state.items()}}, tmp_path / "theirs.pth")
    file = tmp_path / "ours.safetensors"
    arguments = [f"checkpoint={tmp_path / 'theirs.pth'}", "model=espcn", "scale=2", f"output={file}"]
    small = ["net.features=4", "net.mapped_features=4"]
    assert export(tmp_path / "export", monkeypatch, *arguments, *small) == 0
    assert bits(load_file(file)) == bits(state)
    with safe_open(file, framework="pt") as opened:
        facts = opened.metadata()
    assert (facts["scale"], facts["channels"], facts["model"]) == ("2", "1", "espcn")
    assert list(OmegaConf.create(facts["config"])) == ["name", "scale", "channels", "net"]


def interpolated(runs: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, alpha: str) -> dict[str, Tensor]:
    file = folder / f"{alpha}.safetensors"
    both = f"interpolate=[{runs / 'a'},{runs / 'b'}]"
    assert export(folder / alpha, monkeypatch, both, f"alpha={alpha}", f"output={file}") == 0
    return load_file(file)


def test_interpolation_is_the_formula_and_its_ends_are_the_two(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = (read_state_dict(runs / name / "checkpoints" / "best.ckpt") for name in ("a", "b"))
    assert all(not torch.equal(a[key], b[key]) for key in a), "there is something to interpolate"
    assert bits(interpolated(runs, tmp_path, monkeypatch, "0")) == bits(a)
    assert bits(interpolated(runs, tmp_path, monkeypatch, "1")) == bits(b)
    capsys.readouterr()
    found = interpolated(runs, tmp_path, monkeypatch, "0.8")
    for key in a:
        exact = (1 - 0.8) * a[key].numpy().astype(np.float64) + 0.8 * b[key].numpy().astype(np.float64)
        assert np.array_equal(found[key].numpy(), exact.astype(np.float32))
    told = f"0.2 of {runs / 'a'} + 0.8 of {runs / 'b'}"
    assert f"from     {told}\n" in capsys.readouterr().out
    with safe_open(tmp_path / "0.8.safetensors", framework="pt") as opened:
        assert opened.metadata()["source"] == told
    record = json.loads((tmp_path / "0.8" / "run.json").read_text(encoding="utf-8"))
    assert (record["alpha"], record["source"]) == (0.8, told)


def test_a_run_and_a_plain_file(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In either order: the net is the run's, whatever today's default is. And two plain files by model=."""
    expected = bits(interpolated(runs, tmp_path, monkeypatch, "0.25"))
    plain = {name: tmp_path / f"{name}.pth" for name in ("a", "b")}
    for name, file in plain.items():
        torch.save(read_state_dict(runs / name / "checkpoints" / "best.ckpt"), file)
    model = ["model=espcn", "scale=2", "net.features=4", "net.mapped_features=4"]
    for number, (a, b, more) in enumerate(
        [(runs / "a", plain["b"], []), (plain["a"], runs / "b", []), (plain["a"], plain["b"], model)]
    ):
        file = tmp_path / f"mixed{number}.safetensors"
        both = f"interpolate=[{a},{b}]"
        folder = tmp_path / f"mixed{number}"
        assert export(folder, monkeypatch, both, "alpha=0.25", f"output={file}", *more) == 0
        assert bits(load_file(file)) == expected


REFUSALS = {
    "nothing": ([], "task=export needs checkpoint=RUN, or interpolate=[A,B] together with alpha="),
    "too much": (
        ["checkpoint=RUNS/a", "interpolate=[RUNS/a,RUNS/b]"],
        "checkpoint=RUNS/a and interpolate=[RUNS/a,RUNS/b]: give one of the two",
    ),
    "no alpha": (
        ["interpolate=[RUNS/a,RUNS/b]"],
        "interpolate=[RUNS/a,RUNS/b] needs the share of the second, from 0 to 1: alpha=0.8",
    ),
    "alpha alone": (
        ["checkpoint=RUNS/a", "alpha=0.5"],
        "alpha=0.5 is for interpolate=[A,B]; checkpoint= is one net, written as it is",
    ),
    "alpha beyond": (
        ["interpolate=[RUNS/a,RUNS/b]", "alpha=1.5"],
        "alpha=1.5: must be from 0 (all of RUNS/a) to 1 (all of RUNS/b); beyond the two lie weights that no "
        "training has come near",
    ),
    "one of two": (
        ["interpolate=[RUNS/a]", "alpha=0.5"],
        "interpolate=[RUNS/a]: give two, interpolate=[A,B]: A trained for PSNR, B from there against an "
        "adversary",
    ),
    "no list": (
        ["interpolate=RUNS/a", "alpha=0.5"],
        "task.interpolate='RUNS/a': must be Sequence[str] | None, not str",
    ),
    "other nets": (
        ["interpolate=[RUNS/a,RUNS/wide]", "alpha=0.5"],
        "interpolate=[RUNS/a,RUNS/wide]: these are of different nets\n"
        "  net.features: 4 in RUNS/a, 8 in RUNS/wide",
    ),
    "absent": (
        ["checkpoint=RUNS/absent"],
        "checkpoint=RUNS/absent: there is no such run, checkpoint or weight file",
    ),
    "absent of two": (
        ["interpolate=[RUNS/a,RUNS/absent]", "alpha=0.5"],
        "interpolate=RUNS/absent: there is no such run, checkpoint or weight file",
    ),
    "another format": (
        ["checkpoint=RUNS/a", "output=RUNS/new/toy.onnx"],
        "output=RUNS/new/toy.onnx: the name must end in .safetensors or, for a state dict of PyTorch, in "
        ".pth; not in .onnx",
    ),
    "no format": (
        ["checkpoint=RUNS/a", "output=RUNS/new/toy"],
        "output=RUNS/new/toy: the name must end in .safetensors or, for a state dict of PyTorch, in .pth; it "
        "ends in neither",
    ),
    "a folder": (
        ["checkpoint=RUNS/a", "output=RUNS/b"],
        "output=RUNS/b is a folder; give a file: output=RUNS/b/toy-x2.safetensors",
    ),
    "another scale": (["checkpoint=RUNS/a", "scale=3"], "does not fit ESPCN with scale=3 and channels=3."),
    "an unknown option": (["checkpoint=RUNS/a", "task.format=onnx"], "task.format: no such key."),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_mistakes(
    name: str,
    runs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments, message = REFUSALS[name]
    arguments = [argument.replace("RUNS", str(runs)) for argument in arguments]
    assert export(tmp_path / "export", monkeypatch, *arguments) == 2
    captured = capsys.readouterr()
    assert message.replace("RUNS", str(runs)) in captured.err
    assert "Traceback" not in captured.err
    assert not list(tmp_path.rglob("*.safetensors"))
    assert not (runs / "new").exists()


def test_a_plain_file_of_another_net_than_the_runs(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "wide.pth"
    torch.save(read_state_dict(runs / "wide" / "checkpoints" / "best.ckpt"), file)
    both = f"interpolate=[{runs / 'a'},{file}]"
    assert export(tmp_path / "export", monkeypatch, both, "alpha=0.5") == 2
    assert f"{file}: does not fit ESPCN" in capsys.readouterr().err


def test_what_is_there_is_replaced_only_when_asked(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "toy.pth"
    file.write_bytes(b"mine")
    arguments = [f"checkpoint={runs / 'a'}", f"output={file}"]
    assert export(tmp_path / "refused", monkeypatch, *arguments) == 2
    assert f"output={file} is there already; overwrite=true replaces it" in capsys.readouterr().err
    assert file.read_bytes() == b"mine"
    assert export(tmp_path / "replaced", monkeypatch, *arguments, "overwrite=true") == 0
    assert torch.load(file, weights_only=True)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_file_is_written_whole_or_not_at_all(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / f"weights{suffix}"
    file.write_bytes(b"the old ones")

    def full(*paths: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="the disk is full"):
        write_weights(file, {"a": torch.ones(3)}, {})
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
    assert file.read_bytes() == b"the old ones"


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_tensors_that_share_memory_or_are_views(suffix: str, tmp_path: Path) -> None:
    file = tmp_path / f"weights{suffix}"
    large = torch.arange(6000.0).reshape(2, 3000)
    state = {"tied": large[0], "too": large[0], "turned": large.t()[:2], "half": large[1, :2].bfloat16()}
    write_weights(file, state, {"scale": "2"})
    found = read_state_dict(file)
    assert set(found) == set(state)
    for key, value in state.items():
        assert found[key].dtype == value.dtype
        assert torch.equal(found[key], value)
    assert file.stat().st_size < 30_000, "the memory that a view looks at is not written"


def test_weights_of_a_demo_run_say_so(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(runs / "a", tmp_path / "demo")
    path = tmp_path / "demo" / "checkpoints" / "best.ckpt"
    content: dict[str, Any] = torch.load(path, weights_only=True)
    config = OmegaConf.create(content["sr_experiments"]["config"])
    config.data.demo = True
    content["sr_experiments"]["config"] = OmegaConf.to_yaml(config)
    torch.save(content, path)
    both = f"interpolate=[{runs / 'a'},{tmp_path / 'demo'}]"
    for name, arguments in {"demo": [both, "alpha=0.5"], "real": [f"checkpoint={runs / 'a'}"]}.items():
        assert export(tmp_path / name / "export", monkeypatch, *arguments) == 0
        note = "the weights are of a demo run: a few photographs and a few minutes"
        assert (f"note     {note}\n" in capsys.readouterr().out) is (name == "demo")
        record = json.loads((tmp_path / name / "export" / "run.json").read_text(encoding="utf-8"))
        assert record["notes"] == ([note] if name == "demo" else [])


@pytest.mark.parametrize(
    ("model", "more"),
    [
        ("edsr", []),
        ("edsr_baseline", ["channels=1", "scale=3", "net.mean=[0.5]", "net.res_scale=0.25"]),
        ("srcnn_915", ["net.init_std=null"]),
        ("spandrel/swinir_light", ["+net.options.resi_connection=3conv"]),
        ("spandrel/atd", ["~net.options.embed_dim", "channels=5"]),
    ],
)
def test_the_words_on_the_command_line_make_the_same_net(model: str, more: list[str]) -> None:
    config = toy_config(ROOT, *more, model=model)
    register()
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        again = compose("config", overrides=["name=again", *words_for(config, checkpoint="x")[1:]])
    for key in ("net", "scale", "channels"):
        assert OmegaConf.to_container(OmegaConf.create({"x": again[key]})) == OmegaConf.to_container(
            OmegaConf.create({"x": config[key]})
        )


def test_of_the_published_size_a_models_name_is_enough() -> None:
    register()
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        for model in ("rcan", "edsr", "edsr_baseline", "srcnn_915", "spandrel/swinir", "spandrel/swin2sr"):
            config = compose("config", overrides=["name=toy", f"model={model}", "scale=2"])
            assert words_for(config, checkpoint="a/b.pth") == [
                "checkpoint=a/b.pth",
                f"model={model}",
                "scale=2",
            ]
        config.net._target_ = "sr_experiments.nets.new.New"
        assert words_for(config, checkpoint="a/b.pth") == ["checkpoint=a/b.pth", "model=MODEL", "scale=2"], (
            "a net without a file in conf/net"
        )


@pytest.mark.parametrize(
    "path", ["a b", "it's", "null", "1e5", "12", "a=b,c", "[x]", "{x}", "ü", "~/a-b_c.pth", "Inf"]
)
def test_any_path_is_printed_as_hydra_reads_it(path: str) -> None:
    register()
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        word = words_for(compose("config", overrides=["name=toy"]), checkpoint=path)[0]
        config = compose("config", overrides=["name=toy", "task=export", f"task.{word}"])
    assert config.task.checkpoint == path
