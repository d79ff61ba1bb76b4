"""Every config file composes, passes the check, and is documented by its first line."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from sr_experiments.check import check
from sr_experiments.config import register
from tests.conftest import ROOT

CONF = ROOT / "conf"
FILES = sorted(path for path in CONF.rglob("*.yaml"))
CHOICES = [
    path.relative_to(CONF).with_suffix("") for path in FILES if path.parent != CONF and path.stem != "_base"
]
NEEDED = {
    "data/folder": ["data.root=x"],
    "experiment/medical_x2": ["data.root=x"],
    "experiment/satellite_x2": ["data.root=x"],
    "data/guided": ["data.root=x", "model=guided"],
    "data/stereo": ["model=guided"],
    "benchmark/stereo": ["data=stereo", "model=guided"],
    "data/paired": ["data.gt=x", "data.lq=y"],
    "data/shards": ["data.train.url=x", "data.val.root=y"],
}


def composed(*overrides: str) -> DictConfig:
    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", overrides=["name=test", *overrides])


def test_there_is_something_to_test() -> None:
    assert len(CHOICES) > 60


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_it_composes_and_passes_the_check(choice: Path) -> None:
    group, name = choice.parts[0], "/".join(choice.parts[1:])
    needed = NEEDED.get(str(choice), [])
    if group in ("adversary", "discriminator"):
        needed = ["loss=gan"]  # where else would they be used?
    check(composed(f"{group}='{name}'", *needed))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(CONF)))
def test_its_first_line_says_what_it_is(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    first = lines[1] if lines[0].startswith("# @package") else lines[0]
    assert first.startswith("# ")
    assert len(first) > 15


def test_an_experiment_is_a_paper_and_the_command_line_wins() -> None:
    config = composed("experiment=edsr_baseline_x4")
    assert config.net._target_.endswith("EDSR")
    assert (config.scale, config.data.patch_size, config.data.batch_size, config.model.ema) == (
        4,
        192,
        16,
        None,
    )
    assert config.trainer.max_epochs * config.data.steps_per_epoch == 300_000
    assert config.trainer.max_time is None, "the demo's clock is the demo's"
    assert composed("experiment=edsr_baseline_x4", "scale=3", "optimizer.lr=0.5").optimizer.lr == 0.5
    assert composed("experiment=edsr_baseline_x4", "data=demo").data.demo


def test_a_model_chooses_its_net_and_the_command_line_wins() -> None:
    assert composed("model=rcan").net._target_.endswith("RCAN")
    assert composed("model=rcan", "net=edsr").net._target_.endswith("EDSR")


def test_every_net_has_a_model() -> None:
    nets = {path.relative_to(CONF / "net") for path in (CONF / "net").rglob("*.yaml")}
    models = {path.relative_to(CONF / "model") for path in (CONF / "model").rglob("*.yaml")}
    assert nets <= models


def test_several_loggers_and_benchmarks_compose() -> None:
    config = composed("logger=[csv,tensorboard,wandb]", "benchmark=[set5,set14]")
    assert set(config.logger) == {"csv", "tensorboard", "wandb"}
    assert set(config.benchmark) == {"set5", "set14"}
    check(config)
