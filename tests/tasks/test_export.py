"""``task=export`` as it is typed: a run's weights as a plain file, and weights between those of two runs."""

import json
import os
import shlex
import shutil
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

from sr_experiments.config import register
from sr_experiments.export.files import write_weights
from sr_experiments.export.words import words_for
from sr_experiments.models.onnx_net import OnnxNet
from sr_experiments.nets.weights import read_state_dict
from sr_experiments.rebuild import open_checkpoint, rebuild
from tests.conftest import ROOT
from tests.tasks.runs import photographs, run, toy_config
from tests.typed import typed


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
    torch.save(read_state_dict(folder / "a" / "checkpoints" / "best.ckpt"), folder / "plain.pth")
    return folder


def test_the_file_measures_as_its_run_by_the_command_that_was_printed(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "it's new" / "toy.safetensors"
    arguments = [f"checkpoint={runs / 'a'}", f'output="{file}"']
    assert export(tmp_path / "export", monkeypatch, *arguments) == 0
    printed = capsys.readouterr().out
    card = file.with_name("toy.safetensors.md")
    assert f"wrote    {file}: toy x2, weights\ncard     {card}\nfrom     {runs / 'a'}\n" in printed
    assert "weights  ema, the moving average, which is what is judged\n" in printed
    python, option, module, *arguments = shlex.split(printed.partition("use      ")[2])
    assert (python, option, module) == ("python", "-m", "sr_experiments")
    quoted = "'" + str(file).replace("'", r"\'") + "'"  # as Hydra has it, within the shell's
    assert arguments == ["task=evaluate", f"checkpoint={quoted}"], "the file says which net it is"

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


def test_the_raw_weights_where_they_are_asked_for(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "toy.safetensors"
    arguments = [f"checkpoint={runs / 'a'}", f"output={file}", "weights=raw"]
    assert export(tmp_path / "export", monkeypatch, *arguments) == 0
    content = torch.load(runs / "a" / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    raw = {key.removeprefix("net."): value for key, value in content.items() if key.startswith("net.")}
    assert bits(load_file(file)) == bits(raw)
    assert "weights  raw, as the optimizer left them" in capsys.readouterr().out
    assert "these are the raw ones" in file.with_name(f"{file.name}.md").read_text(encoding="utf-8")


def test_every_format_in_one_folder(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "out"
    arguments = [f"checkpoint={runs / 'a'}", f"output={folder}", "format=safetensors,pth,onnx,torch_export"]
    assert export(tmp_path / "export", monkeypatch, *arguments, "licence=cc-by-4.0") == 0
    names = [f"toy-x2{suffix}" for suffix in (".onnx", ".pt2", ".pth", ".safetensors")]
    assert sorted(path.name for path in folder.iterdir()) == ["model_card.md", *names]
    assert "a graph; run by onnxruntime at three other sizes: " in capsys.readouterr().out
    record = json.loads((tmp_path / "export" / "run.json").read_text(encoding="utf-8"))
    assert record["weights"] == "ema"
    assert 0 <= record["differences"]["onnx"] < 1e-4
    net, _ = rebuild(toy_config(ROOT), open_checkpoint(str(runs / "a")), scale=2, channels=[3])
    lq = torch.rand(1, 3, 19, 23)
    wanted = net(lq).detach()
    found = OnnxNet(folder / "toy-x2.onnx")
    assert (found.scale, found.in_channels, found.multiple_of, found.minimum) == (2, 3, 1, 1)
    torch.testing.assert_close(found(lq), wanted, rtol=0, atol=1e-4)
    program = torch.export.load(folder / "toy-x2.pt2").module()
    torch.testing.assert_close(program(lq), wanted, rtol=0, atol=1e-4)


def test_the_card_has_the_runs_figures(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import yaml

    folder = tmp_path / "export"
    assert export(folder, monkeypatch, f"checkpoint={runs / 'a'}", "licence=cc-by-4.0") == 0
    text = (folder / "model_card.md").read_text(encoding="utf-8")
    _, head, body = text.split("---\n", 2)
    facts = yaml.safe_load(head)
    assert (facts["license"], facts["pipeline_tag"]) == ("cc-by-4.0", "image-to-image")
    assert facts["tags"] == ["super-resolution", "image-super-resolution", "x2", "toy"]
    record = json.loads((runs / "a" / "run.json").read_text(encoding="utf-8"))
    means = record["metrics"]["folder"]
    assert f"| folder | psnr_y | {means['bicubic']['psnr_y']:.2f} | {means['psnr_y']:.2f} |" in body
    assert f"| folder | ssim_y | {means['bicubic']['ssim_y']:.4f} | {means['ssim_y']:.4f} |" in body
    for told in (
        "| data | folder |",
        "| degradation | Bicubic |",
        f"| steps | {record['steps']} |",
        "| seed | 0 |",
    ):
        assert told in body
    assert f"torch {record['versions']['torch']}" in body
    assert str(tmp_path) not in body, "no path of the machine"
    for section in ("Files", "Figures", "Training", "Limits", "Licence"):
        assert f"\n## {section}\n" in body


def test_half_precision_says_by_how_much_it_differs(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "half.safetensors"
    arguments = [f"checkpoint={runs / 'a'}", f"output={file}", "dtype=bfloat16"]
    assert export(tmp_path / "export", monkeypatch, *arguments) == 0
    assert {value.dtype for value in load_file(file).values()} == {torch.bfloat16}
    said = "weights in bfloat16, whose results differ from float32's by 0.00"
    assert said in capsys.readouterr().out
    assert said in file.with_name(f"{file.name}.md").read_text(encoding="utf-8")


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
        "multiple_of": "1",
        "minimum": "1",
        "range": "0 is black, 1 is white",
        "dtype": "float32",
        "weights": "ema, the moving average, which is what is judged",
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
        "interpolate=[RUNS/a]: give two, interpolate=[A,B]",
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
    "another suffix": (
        ["checkpoint=RUNS/a", "output=RUNS/new/toy.ckpt"],
        "output=RUNS/new/toy.ckpt: a file ends in .safetensors, .pth, .onnx, .pt2; a folder has no ending",
    ),
    "a suffix of another format": (
        ["checkpoint=RUNS/a", "output=RUNS/new/toy.onnx", "format=pth"],
        "output=RUNS/new/toy.onnx is one file, of onnx, and format=pth; for several give a folder",
    ),
    "several formats in one file": (
        ["checkpoint=RUNS/a", "output=RUNS/new/toy.pth", "format=pth,onnx"],
        "output=RUNS/new/toy.pth is one file, of pth, and format=pth,onnx; for several give a folder",
    ),
    "no such format": (
        ["checkpoint=RUNS/a", "format=tflite"],
        "format=tflite: choose of safetensors, pth, onnx, torch_export",
    ),
    "no such precision": (
        ["checkpoint=RUNS/a", "dtype=half"],
        "task.dtype='half': must be one of float32, float16, bfloat16",
    ),
    "ONNX in bfloat16": (
        ["checkpoint=RUNS/a", "format=onnx", "dtype=bfloat16"],
        "format=onnx dtype=bfloat16: onnxruntime has no convolution for it on CPUs; float16",
    ),
    "neither average nor raw": (
        ["checkpoint=RUNS/a", "weights=best"],
        "task.weights='best': must be",
    ),
    "no average": (
        ["checkpoint=RUNS/plain.pth", "weights=ema", "model=espcn"],
        "weights=ema: RUNS/plain.pth holds weights of one kind; leave weights= away",
    ),
    "another scale": (["checkpoint=RUNS/a", "scale=3"], "does not fit ESPCN with scale=3 and channels=3."),
    "an unknown option": (["checkpoint=RUNS/a", "task.opset=18"], "task.opset: no such key."),
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
