"""What a person meets at the command line: help, mistakes, exit codes."""

import gc
import json
import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sr_experiments import __version__, cli
from sr_experiments.imports import heavy
from tests.conftest import ROOT
from tests.typed import typed


def run_cli(monkeypatch: pytest.MonkeyPatch, folder: Path, *arguments: str) -> int:
    """The program in this process, in a folder of its own; its exit code."""
    monkeypatch.chdir(folder)
    return typed(monkeypatch, *arguments)


MISTAKES = {
    "a choice that is not there": (
        ["model=rcna"],
        "model=rcna: no such choice. Did you mean 'rcan'? model has: autoencoder, ",
    ),
    "a loss that is not there": (["loss=l2"], "loss=l2: no such choice. Did you mean 'l1'? loss has: charb"),
    "a loss for a model": (["model=gan"], "model=gan: no such choice. There is loss=gan. model has: "),
    "a loss, a discriminator and a recipe for a model": (
        ["model=esrgan"],
        "no such choice. There is discriminator=esrgan, experiment=esrgan_x4, loss=esrgan. model has: ",
    ),
    "a model for a loss": (
        ["loss=srvgg"],
        "loss=srvgg: no such choice. There is model=srvgg, net=srvgg. loss has: ",
    ),
    "a model in a folder": (["model=swinir"], "There is model=spandrel/swinir, experiment=swinir_x2, "),
    "what losses share": (["loss=_base"], "loss=??? needs a value"),
    "what adversaries share": (["loss=gan", "adversary=_base"], "adversary.loss=??? needs a value"),
    "what data share": (["data=_base"], "data.name=??? needs a value"),
    "a group that is not there": (["modle=rcan"], "modle: no such key. Did you mean 'model'?"),
    "a top-level key": (["scael=2"], "scael: no such key. Did you mean 'scale'?"),
    "a nested key": (
        ["trainer.max_epoch=3"],
        "trainer.max_epoch: no such key. Did you mean 'trainer.max_epochs'?",
    ),
    "a key of the chosen net": (
        ["model=rcan", "net.redction=8"],
        "net.redction: no such key. Did you mean 'net.reduction'? net has: ",
    ),
    "an argument added with +": (["+trainer.typo=1"], "trainer.typo: Trainer has no argument 'typo'."),
    "an argument added to a net": (
        ["model=rcan", "+net.block=3"],
        "net.block: RCAN has no argument 'block'. Did you mean 'blocks'?",
    ),
    "a key added at the top": (["+scael=3"], "scael: no such key at the top level. Did you mean 'scale'?"),
    "an experiment that is not there": (["+experiment=missing"], "missing"),
    "a rate that is a word": (["optimizer.lr=abc"], "optimizer.lr='abc': must be"),
    "a scale that is a word": (
        ["scale=abc"],
        "scale=abc: Value 'abc' of type 'str' could not be converted to Integer",
    ),
    "a count that is a fraction": (
        ["model=rcan", "net.blocks=2.5"],
        "net.blocks=2.5: must be int, not float",
    ),
    "a target that is not there": (
        ["net._target_=sr_experiments.nets.rcan.Rcan"],
        "net._target_: module 'sr_experiments.nets.rcan' has no 'Rcan'. Did you mean 'RCAN'?",
    ),
    "a term's key": (
        ["+loss.terms.l1.wieght=2"],
        "loss.terms.l1.wieght: no such key. Did you mean 'weight'?",
    ),
    "a choice of a few": (
        ["degradation.border=replicat"],
        "error: degradation.border='replicat': must be one of auto, replicate, symmetric. Did you mean "
        "'replicate'?\n",
    ),
    "a precision": (["precision=fp8"], "precision=fp8: choose one of auto, 32-true"),
    "a scale of nothing": (["scale=0"], "scale=0: must be 1 or more"),
    "a negative seed": (["seed=-1"], "seed=-1: must be 0 or more"),
    "a list where one is meant": (["net=rcan,edsr"], "net=[rcan,edsr]"),
    "not an assignment": (["rcan"], "rcan: KEY=VALUE is meant. There is experiment=rcan_x2, "),
    "a value that is needed": (["data=folder"], "data.root=??? needs a value: data.root=FOLDER"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_answered_before_anything_is_built(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, message = MISTAKES[name]
    assert run_cli(monkeypatch, tmp_path, *arguments) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert "Traceback" not in captured.err
    assert not list(tmp_path.rglob("run.json")), "nothing was started"


def test_a_mistake_inside_a_yaml_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Hydra's struct mode does not see these: they used to train the default for a week."""
    extra = tmp_path / "extra"
    (extra / "net").mkdir(parents=True)
    (extra / "experiment").mkdir()
    target = "_target_: sr_experiments.nets.rcan.RCAN\nscale: ${scale}\nin_channels: ${channels}\n"
    (extra / "net" / "mine.yaml").write_text(f"{target}redction: 8\n", encoding="utf-8")
    (extra / "net" / "typed.yaml").write_text(f"{target}reduction: eight\n", encoding="utf-8")
    (extra / "experiment" / "mine.yaml").write_text("# @package _global_\nscael: 2\n", encoding="utf-8")
    search = f"hydra.searchpath=[file://{extra}]"
    assert run_cli(monkeypatch, tmp_path, search, "net=mine") == 2
    assert (
        "net.redction: RCAN has no argument 'redction'. Did you mean 'reduction'?" in capsys.readouterr().err
    )
    assert run_cli(monkeypatch, tmp_path, search, "net=typed") == 2
    assert "net.reduction='eight': must be int, not str" in capsys.readouterr().err
    assert run_cli(monkeypatch, tmp_path, search, "experiment=mine") == 2
    assert (
        "experiment/mine': no key 'scael' at the top level. Did you mean 'scale'?" in capsys.readouterr().err
    )


@pytest.mark.parametrize("mistake", ["scale=0", "scale=abc"], ids=["checked", "composing"])
@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["debug=true"], True),
        (["debug=1"], True),
        (["debug=On"], True),
        (["++debug=yes"], True),
        (["debug=false"], False),
        (["debug=true", "debug=0"], False),
        ([], False),
    ],
)
def test_debug_shows_the_traceback_too(
    words: list[str],
    shown: bool,
    mistake: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Only the text debug=true counted: whatever else means the same was taken, and did nothing."""
    assert run_cli(monkeypatch, tmp_path, *words, mistake) == 2
    captured = capsys.readouterr().err
    assert ("Traceback" in captured) == shown
    assert f"error: {mistake}" in captured


def test_debug_of_a_recipe(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine" / "experiment").mkdir(parents=True)
    recipe = "# @package _global_\ndebug: true\nscale: 0\n"
    (tmp_path / "mine" / "experiment" / "one.yaml").write_text(recipe, encoding="utf-8")
    search = f"hydra.searchpath=[file://{tmp_path / 'mine'}]"
    assert run_cli(monkeypatch, tmp_path, search, "experiment=one") == 2
    captured = capsys.readouterr().err
    assert "Traceback" in captured
    assert "error: scale=0" in captured
    assert run_cli(monkeypatch, tmp_path, search, "experiment=one", "debug=false") == 2
    assert "Traceback" not in capsys.readouterr().err


def test_debug_of_a_sweep(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_cli(monkeypatch, tmp_path, "-m", "run=s", "debug=on", "model=bicubic", "scale=0,-1") == 2
    assert capsys.readouterr().err.count("Traceback") == 2


def test_help_is_worth_reading(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_cli(monkeypatch, tmp_path, "--help") == 0
    text = capsys.readouterr().out
    assert text.startswith("sr_experiments trains, tests and compares image super-resolution networks.")
    for group in ("model", "loss", "data", "optimizer", "schedule", "trainer"):
        assert f"\n{group} " in text
    for choice in ("rcan", "perceptual", "demo", "cosine_restarts"):
        assert choice in text
    assert text.count("python -m sr_experiments") >= 6
    assert "\nmodel=NAME takes the net NAME with " in text
    assert "\nnet=NAME puts another net into that " in text


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_help_fits_the_terminal_and_leaves_no_choice_out(
    columns: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Hydra's list had lines of 300 characters, cut in the middle of words, and ``_base`` as a data set."""
    monkeypatch.setenv("COLUMNS", str(columns))
    assert run_cli(monkeypatch, tmp_path, "--help") == 0
    text = capsys.readouterr().out
    listed = text.partition("[KEY=VALUE ...]\n\n")[2].partition("\n\nmodel=NAME")[0]
    assert max(map(len, text.replace(listed, "").splitlines())) <= 80, "what is written by hand"
    assert max(map(len, listed.splitlines())) <= min(columns, 100)
    groups = {
        group: choices.replace("\n", " ").replace(",", " ").split()
        for group, choices in re.findall(r"^(\S+) +(.+(?:\n .+)*)", listed, re.MULTILINE)
    }
    conf = ROOT / "conf"
    for folder in (path for path in conf.rglob("*") if path.is_dir()):
        names = sorted(path.stem for path in folder.glob("*.yaml") if not path.stem.startswith("_"))
        assert groups.get(folder.relative_to(conf).as_posix(), []) == names
    assert "edsr_baseline_x4" in groups["experiment"]


def test_help_lists_what_somebody_has_added(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine" / "loss").mkdir(parents=True)
    (tmp_path / "mine" / "loss" / "my_own.yaml").write_text("a: 1\n", encoding="utf-8")
    assert run_cli(monkeypatch, tmp_path, "--config-dir", str(tmp_path / "mine"), "--help") == 0
    assert "my_own" in capsys.readouterr().out


def test_the_composed_config_is_printed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_cli(monkeypatch, tmp_path, "-c", "job", "model=rcan", "seed=0", "scale=2") == 0
    text = capsys.readouterr().out
    assert "_target_: sr_experiments.nets.rcan.RCAN" in text
    assert "seed: 0" in text
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "mistake",
    [
        "data=folder data.root=nowhere",
        "net.blocks=0 model=rcan net.reduction=0",
        "task=evaluate checkpoint=gone",
    ],
)
def test_a_mistake_before_the_first_step_leaves_no_folder(
    mistake: str, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run_cli(monkeypatch, here, *mistake.split()) == 2
    assert [path for path in here.rglob("*") if path.is_file()] == []
    assert not list(here.glob("runs/*/*"))


def test_a_folder_that_somebody_has_named_stays(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_cli(monkeypatch, here, "data=folder", "data.root=nowhere", "run=mine") == 2
    assert json.loads((here / "mine" / "run.json").read_text(encoding="utf-8"))["status"] == "failed"


def test_lines_of_the_log_are_broken_at_words_in_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    path = "/a/path/of/more/than/forty/characters/that-is-copied"
    text = f"settings: bf16-mixed, channels_last, not compiled\nweights of {path}"
    record = logging.LogRecord("x", logging.INFO, "x.py", 1, text, (), None)
    assert cli._Wrapped().format(record).splitlines() == [
        "settings: bf16-mixed, channels_last, not",
        "compiled",
        "weights of",
        path,
    ]


def test_a_choice_that_looks_like_a_number(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``data=291`` is the name of a data set; Hydra reads a number and fails an assertion of its own."""
    assert run_cli(monkeypatch, tmp_path, "data=291", "-c", "job") == 0
    assert "T91" in capsys.readouterr().out


def test_main_is_three_lines() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sr_experiments", "--version"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, f"sr_experiments {__version__}\n")
    lines = (ROOT / "sr_experiments" / "__main__.py").read_text(encoding="utf-8").splitlines()
    assert len([line for line in lines if line and not line.startswith('"""')]) <= 3


ALONE = """
import sys
sys.argv = ["sr_experiments", *sys.argv[1:]]
from sr_experiments import cli
try:
    cli.main()
finally:
    print(" ".join(sorted({name.partition(".")[0] for name in sys.modules})), file=sys.stderr)
"""


@pytest.mark.parametrize("arguments", [["--help"], ["model=rcna"], ["model=rcan", "-c", "job"]])
def test_an_answer_imports_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    """Whoever waits two seconds to be told of a typo has typed the next one meanwhile."""
    command = [sys.executable, "-c", ALONE, *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    imported = set(done.stderr.splitlines()[-1].split())
    assert {"sr_experiments", "hydra"} <= imported, done.stderr
    heavy = {"torch", "numpy", "pytorch_lightning", "torchvision", "torchmetrics", "kornia", "wandb", "scipy"}
    assert not imported & (heavy | {"PIL", "matplotlib", "optuna"})


def test_training_imports_what_it_needs() -> None:
    """What a run may need, such as kornia for blur, is imported by the run that does."""
    told = """
import sys
from sr_experiments.imports import heavy
with heavy():
    import sr_experiments.tasks.train
print(" ".join(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, timeout=120)
    imported = set(done.stdout.split())
    assert {"torch", "pytorch_lightning"} <= imported
    assert not done.stderr, "what is not searched for garbage is given back at the end"
    unused = {
        "kornia",
        "lpips",
        "wandb",
        "skimage",
        "spandrel",
        "optuna",
        "onnx",
        "onnxruntime",
        "tensorboard",
    }
    assert not imported & (unused | {"tensorboard", "jinja2", "av", "rasterio", "nibabel", "pydicom", "s3fs"})


def test_heavy_imports_are_not_searched_for_garbage() -> None:
    assert gc.isenabled()
    with heavy():
        assert not gc.isenabled()
    assert gc.isenabled()
    gc.disable()
    try:
        with heavy():
            pass
        assert not gc.isenabled(), "somebody else has switched it off"
    finally:
        gc.enable()
