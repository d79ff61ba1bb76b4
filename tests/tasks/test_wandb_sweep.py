"""What ``task=wandb_sweep`` writes: commands that wandb's agent makes of it are commands of ours."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig
from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args

from sr_experiments.arguments import as_hydra_takes
from sr_experiments.check import check
from sr_experiments.config import register
from sr_experiments.tasks.wandb_sweep import sweep_of, wandb_sweep
from tests.conftest import ROOT
from tests.tasks.runs import photographs, run, toy_config
from tests.tasks.wandb_runs import parts_of

SPACE = [
    "scale=2",
    "trainer.max_epochs=10",
    "model=edsr,rcan",
    "data=291,t91",
    "seed=range(1,4)",
    "optimizer.lr=tag(log,interval(1e-5,1e-3))",
    "net.features=int(interval(8,64))",
    "model.ema=interval(0.9,0.99)",
    "net.mean=choice([0.1,0.2,0.3],[0,0,0])",
    "init_from=null,'a b'",
    "trainer.deterministic=true,false",
]


@pytest.fixture(scope="module", autouse=True)
def _registered() -> None:
    """The program does it when it starts."""
    register()


@pytest.fixture(scope="module")
def sweep(_registered: None) -> dict[str, Any]:
    return sweep_of(SPACE, project="mine", count=7, title="mine", entity="team")


def commands_of(sweep: dict[str, Any], *, choices: list[dict[str, Any]]) -> list[list[str]]:
    """By wandb's own functions, as `wandb_agent.Agent._command_run` puts them together."""
    made = []
    for choice in choices:
        found = create_sweep_command_args({"args": {key: {"value": value} for key, value in choice.items()}})
        found |= {"env": ["/usr/bin/env"], "interpreter": ["python"], "program": [sweep["program"]]}
        line: list[str] = []
        for word in create_sweep_command(list(sweep["command"])):
            known = word.startswith("${") and word.endswith("}")
            line += found.get(word[2:-1], []) if known else [word]
        made.append(line)
    return made


def values_of(parameter: dict[str, Any]) -> list[Any]:
    """Those that are listed, or the ends."""
    return list(parameter["values"]) if "values" in parameter else [parameter["min"], parameter["max"]]


def composed(line: list[str]) -> DictConfig:
    assert line[:4] == ["/usr/bin/env", "python", "-m", "sr_experiments"]
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = compose("config", overrides=["name=test", *as_hydra_takes(line[4:])])
    check(config)
    return config


def test_what_an_agent_types_is_a_run(sweep: dict[str, Any]) -> None:
    keys = list(sweep["parameters"])
    lists = [values_of(sweep["parameters"][key]) for key in keys]
    width = max(map(len, lists))
    choices = [{k: v[n % len(v)] for k, v in zip(keys, lists, strict=True)} for n in range(width)]
    for line, choice in zip(commands_of(sweep, choices=choices), choices, strict=True):
        config = composed(line)
        assert config.net._target_.lower().endswith(choice["model"])
        assert str(config.data.name).lower() == str(choice["data"])
        assert config.seed == choice["seed"]
        assert (config.scale, config.trainer.max_epochs) == (2, 10)
        assert config.optimizer.lr == pytest.approx(choice["optimizer.lr"])
        assert config.init_from in (None, "a b")
        assert isinstance(config.trainer.deterministic, bool)
        assert list(config.net.mean) in ([0.1, 0.2, 0.3], [0, 0, 0])
        assert config.logger.wandb.project == "mine"
        assert set(config.logger) == {"csv", "wandb"}


def test_what_is_searched(sweep: dict[str, Any]) -> None:
    assert (sweep["method"], sweep["run_cap"], sweep["name"], sweep["entity"]) == ("bayes", 7, "mine", "team")
    assert sweep["metric"] == {"name": "val/psnr_y", "goal": "maximize"}
    parameters = sweep["parameters"]
    assert parameters["seed"] == {"values": [1, 2, 3]}
    assert parameters["optimizer.lr"] == {"distribution": "log_uniform_values", "min": 1e-5, "max": 1e-3}
    assert parameters["net.features"] == {"distribution": "int_uniform", "min": 8, "max": 64}
    assert parameters["model.ema"] == {"distribution": "uniform", "min": 0.9, "max": 0.99}
    assert sweep_of(["model=edsr,rcan", "seed=1,2"])["method"] == "grid"
    assert sweep_of(["model=edsr,rcan", "channels=5"])["metric"]["name"] == "val/psnr_bands"


def test_it_is_what_wandb_documents(sweep: dict[str, Any]) -> None:
    """https://docs.wandb.ai/models/sweeps/sweep-config-keys: other keys are refused by the server."""
    top = {"program", "project", "entity", "name", "method", "metric", "parameters", "command", "run_cap"}
    assert sweep.keys() == top
    assert sweep["method"] in ("grid", "random", "bayes")
    assert sweep["metric"].keys() == {"name", "goal"}
    for parameter in sweep["parameters"].values():
        if "values" in parameter:
            assert parameter.keys() == {"values"}
            assert parameter["values"]
        else:
            assert parameter.keys() == {"distribution", "min", "max"}
            assert parameter["distribution"] in {"uniform", "int_uniform", "log_uniform_values"}
    assert json.loads(json.dumps(sweep)) == sweep, "plain values"


def test_a_file_and_the_screen_say_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config, arguments = toy_config(tmp_path), ["model=edsr,rcan", "optimizer.lr=interval(1e-5,1e-3)"]
    wandb_sweep(config, tmp_path, arguments=arguments)
    printed = yaml.safe_load(capsys.readouterr().out)
    path = tmp_path / "sweep.yaml"
    wandb_sweep(config, tmp_path, arguments=arguments, output=str(path))
    assert printed == yaml.safe_load(path.read_text(encoding="utf-8")) == sweep_of(arguments)
    assert f"next     wandb sweep {path}" in capsys.readouterr().out


def test_what_is_typed_reaches_it_whole() -> None:
    typed = ["task=wandb_sweep", "output=x.yaml", *SPACE, "benchmark=set5,set14"]
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = compose("config", overrides=["name=test", *as_hydra_takes(typed)])
    assert list(config.task.arguments) == [*SPACE, "benchmark=set5,set14"]
    assert config.task.output == "x.yaml"


@pytest.mark.parametrize(
    ("arguments", "more", "told"),
    [
        (["model=edsr"], {}, "nothing is to be searched; give several values, as model=edsr,rcan, or"),
        (
            ["optimizer.lr=interval(1,2)"],
            {"method": "grid"},
            "method=grid takes listed values, and",
        ),
        (["optimizer.lr=1,-1"], {}, "optimizer.lr=-1: must be 0 or more"),
        (["seed=1,2", "logger=[csv]"], {}, "wandb is to be among the loggers"),
        (["seed=1,2", "data.cache_dir=s3://me:secret@host/x"], {}, "data.cache_dir has a password in it"),
    ],
)
def test_mistakes(arguments: list[str], more: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        sweep_of(arguments, **more)


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_run_of_an_agent_has_the_id_that_the_agent_chose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_SWEEP_ID", "mysweep")
    monkeypatch.setenv("WANDB_RUN_ID", "chosen1")
    for name in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    run(photographs(tmp_path / "p"), tmp_path / "run", "logger=wandb", "logger.wandb.offline=true")
    (part,) = parts_of(tmp_path / "run")
    assert part.id == "chosen1"
    assert "val/psnr_y" in part.keys
