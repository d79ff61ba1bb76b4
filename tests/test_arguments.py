"""What people type becomes what Hydra takes, and nothing else is touched."""

import pytest

from sr_experiments.arguments import as_hydra_takes

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
    "flags and additions": (
        ["-c", "job", "+trainer.x=1", "~logger"],
        ["-c", "job", "+trainer.x=1", "~logger"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_rewritten(name: str) -> None:
    typed, taken = CASES[name]
    assert as_hydra_takes(typed) == taken
