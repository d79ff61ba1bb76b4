"""What people type becomes what Hydra takes, and nothing else is touched."""

import re

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from sr_experiments.arguments import FILE_KEYS, FILES, SEVERAL_FILES, as_hydra_takes
from tests.conftest import ROOT

CASES = {
    "a choice that is a number": (["data=291"], ["data='291'"]),
    "a value that is a number": (["seed=291"], ["seed=291"]),
    "several benchmarks": (["benchmark=set5,set14"], ["benchmark=[set5,set14]"]),
    "several loggers": (["logger=csv,wandb"], ["logger=[csv,wandb]"]),
    "brackets": (["benchmark=[set5,set14]"], ["benchmark=[set5,set14]"]),
    "one benchmark": (["benchmark=set5"], ["benchmark=set5"]),
    "an option of the task": (
        ["task=evaluate", "checkpoint=runs/a", "self_ensemble=true"],
        ["task=evaluate", "task.checkpoint=runs/a", "task.self_ensemble=true", "model=recognised"],
    ),
    "weights and a word about the net": (
        ["task=evaluate", "checkpoint=a.pth", "model=rcan", "net.blocks=3"],
        ["task=evaluate", "task.checkpoint=a.pth", "model=rcan", "net.blocks=3"],
    ),
    "no weights": (["task=evaluate", "model=bicubic"], ["task=evaluate", "model=bicubic"]),
    "a net of a file, of a scale": (
        ["model=recognised", "init_from=a.pth", "scale=2", "channels=1"],
        ["model=recognised", "init_from=a.pth", "scale=2", "channels=1", "net.scale=2", "net.in_channels=1"],
    ),
    "with its prefix": (["task=evaluate", "task.checkpoint=a"], ["task=evaluate", "task.checkpoint=a"]),
    "an option of another task": (["task=train", "checkpoint=runs/a"], ["task=train", "checkpoint=runs/a"]),
    "no task": (["checkpoint=runs/a"], ["checkpoint=runs/a"]),
    "no such task": (["task=evalaute", "checkpoint=a"], ["task=evalaute", "checkpoint=a"]),
    "scales of an evaluation": (["task=evaluate", "scale=2,3,4"], ["task=evaluate", "task.scales=[2,3,4]"]),
    "a scale of an evaluation": (["scale=2", "task=evaluate"], ["task.scales=[2]", "task=evaluate"]),
    "two runs": (
        ["task=export", "interpolate=runs/a,runs/b", "alpha=0.8"],
        ["task=export", "task.interpolate=[runs/a,runs/b]", "task.alpha=0.8", "model=recognised"],
    ),
    "two runs in brackets": (
        ["task=export", "interpolate=[runs/a,runs/b]"],
        ["task=export", "task.interpolate=[runs/a,runs/b]", "model=recognised"],
    ),
    "two runs with spaces": (
        ["task=export", "interpolate=my runs/a (1),runs/b"],
        ["task=export", "task.interpolate=['my runs/a (1)',runs/b]", "model=recognised"],
    ),
    "a folder with a space": (["data.root=my photos"], ["data.root='my photos'"]),
    "a folder that is called like a number": (["data.root=2024"], ["data.root='2024'"]),
    "a folder of a variable": (["data.root=${oc.env:HOME}/a b"], ["data.root='${oc.env:HOME}/a b'"]),
    "no folder": (["data.val_root=null", "data_dir="], ["data.val_root=null", "data_dir="]),
    "a folder in quotes": (["data.root='my photos'"], ["data.root='my photos'"]),
    "folders of a sweep": (["-m", "data.root=a,b"], ["-m", "data.root=a,b"]),
    "a folder with a space in a sweep": (
        ["-m", "data.root=my photos", "seed=1,2"],
        ["-m", "data.root='my photos'", "seed=1,2"],
    ),
    "no file": (["data.batch_size=4", "data.patch_size=(1)"], ["data.batch_size=4", "data.patch_size=(1)"]),
    "what results are called": (
        ["task=upscale", "name={stem} {scale}"],
        ["task=upscale", "task.name='{stem} {scale}'"],
    ),
    "what a run is called": (["name=toy"], ["name=toy"]),
    "two runs without their task": (["interpolate=runs/a,runs/b"], ["interpolate=runs/a,runs/b"]),
    "the scale of a training": (["scale=2"], ["scale=2"]),
    "a sweep": (
        ["-m", "task=evaluate", "scale=2,3", "benchmark=set5,set14"],
        ["-m", "task=evaluate", "task.scales=[2],[3]", "benchmark=set5,set14"],
    ),
    "a sweep with its flag behind": (["seed=1,2", "--multirun", "a=1"], ["-m", "seed=1,2", "a=1"]),
    "a sweep in a folder": (
        ["run=a b/s", "-m", "seed=1,2"],
        ["-m", "seed=1,2", "hydra.sweep.dir='a b/s'"],
    ),
    "a search": (
        ["sweep=optuna", "trials=5", "prune=false", "benchmark=set5"],
        ["-m", "sweep=optuna", "hydra.sweeper.trials=5", "hydra.sweeper.prune=false", "benchmark=set5"],
    ),
    "no search": (["sweep=null", "trials=5"], ["sweep=null", "trials=5"]),
    "a flag between two others": (
        ["model=rcan", "-c", "job", "seed=1", "~logger"],
        ["model=rcan", "seed=1", "~logger", "-c", "job"],
    ),
    "flags and additions": (
        ["-c", "job", "+trainer.x=1", "~logger"],
        ["-c", "job", "+trainer.x=1", "~logger"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_rewritten(name: str) -> None:
    typed, taken = CASES[name]
    assert as_hydra_takes(typed) == taken


AWKWARD = [
    "a b.png",
    "a=b.png",
    "[1].png",
    "[a,b]",
    "a, b (2) {c}.png",
    "it's.png",
    'say "x".png',
    "'half",
    "back\\slash.png",
    "end\\",
    "\\'",
    "ä ö.png",
    "写真.jpg",
    "#1 100% & more!.png",
    "$HOME `x`.png",
    "null.png",
    "NULL",
    "true",
    "1e5",
    "-1",
    ".5",
    "007",
    "inf",
    "a:b",
    "*.png",
    "**/[ab]*.jp?g",
    "~/a",
    "../a",
    "-rf",
    " lead and trail ",
    "choice(a,b)",
    "a\tb",
    "😀.png",
]


@pytest.mark.parametrize("name", AWKWARD)
def test_a_name_of_a_file_arrives_as_it_was_typed(name: str) -> None:
    typed = ["task=upscale", f"input={name}", f"data.root={name}"]
    for argument in as_hydra_takes(typed)[1:]:
        (override,) = OverridesParser.create().parse_overrides([argument])
        assert not override.is_sweep_override()
        assert OmegaConf.create({"value": override.value()}).value == name


def test_what_names_files_is_there() -> None:
    """The words of the tasks, and the keys of the data sets."""
    tasks = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "conf" / "task").glob("*.yaml"))
    for option in (*FILES, *SEVERAL_FILES):
        assert re.search(rf"^  {option}: ", tasks, re.MULTILINE), option
    for path in (ROOT / "conf" / "data").glob("*.yaml"):
        for key in re.findall(r"^ *(\w*(?:root|gt|lq|url|cache_dir)): ", path.read_text(), re.MULTILINE):
            assert FILE_KEYS.fullmatch(f"data.{key}"), key
