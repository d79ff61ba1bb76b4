"""The translation of option files: every right-hand side composes, and whole files mean the same."""

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from sr_experiments.arguments import as_hydra_takes
from sr_experiments.check import check
from sr_experiments.config import register
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "coming-from.md").read_text(encoding="utf-8")
RESULTS = {"psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb"}  # what is measured, and not typed
COMMAND = "python -m sr_experiments "


@pytest.fixture(scope="module", autouse=True)
def opened() -> Iterator[None]:
    """Hydra reads each file once while it is open."""
    register()
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        yield


def composed(words: str) -> DictConfig:
    # The seed begins a run, which run=FOLDER alone does not.
    config = compose("config", overrides=["name=test", *as_hydra_takes(["seed=0", *shlex.split(words)])])
    check(config)
    return config


def rows() -> list[tuple[str, str]]:
    """(theirs, words of ours), for every code of a right-hand side."""
    found = []
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")] if line.startswith("| ") else []
        if len(cells) == 2 and "`" in cells[1]:
            found += [(cells[0], words) for words in re.findall(r"`([^`]+)`", cells[1])]
    return [(theirs, words) for theirs, words in found if words not in RESULTS]


COMMANDS = [line.removeprefix(COMMAND) for line in PAGE.splitlines() if line.startswith(COMMAND)]


def test_the_keys_that_people_ask_for_are_there() -> None:
    theirs = " ".join(line.split(" | ")[0] for line in PAGE.splitlines() if line.startswith("| "))
    keys = """scale gt_size batch_size_per_gpu dataroot_gt dataroot_lq network_d optim_g optim_d scheduler
        total_iter pixel_opt perceptual_opt gan_opt ema_decay resume_state val pretrain_network_g"""
    assert [key for key in keys.split() if key not in theirs] == []
    assert len(rows()) > 60
    assert len(COMMANDS) == 3


@pytest.mark.parametrize(("theirs", "words"), rows(), ids=lambda text: str(text)[:60])
def test_a_right_hand_side_composes(theirs: str, words: str) -> None:
    composed(words)


def select(config: DictConfig, key: str) -> Any:
    value: Any = config
    for part in key.split("."):
        value = value[part]
    return value


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (
            1,
            {
                "scale": 2,
                "seed": 10,
                "net.blocks": 16,
                "net.features": 64,
                "data.patch_size": 96,
                "data.batch_size": 16,
                "optimizer.lr": 1e-4,
                "optimizer.betas": [0.9, 0.99],
                "schedule.scheduler.milestones": [200000],
                "schedule.scheduler.gamma": 0.5,
                "schedule.warmup": 0,
                "loss.terms.l1.weight": 1.0,
                "model.ema": None,
            },
        ),
        (
            2,
            {
                "scale": 4,
                "net.blocks": 23,
                "net.growth": 32,
                "data.patch_size": 256,
                "data.batch_size": 12,
                "data.augment.rotate": False,
                "model.ema": 0.999,
                "optimizer.lr": 1e-4,
                "adversary.weight": 0.1,
                "discriminator.width": 64,
                "loss.terms.l1.weight": 1.0,
                "loss.terms.perceptual.loss.loss.layers.conv1_2": 0.1,
                "degradation.steps.noise.choices.gaussian.sigma": [1, 30],
                "degradation.steps.jpeg.quality": [30, 95],
                "trainer.devices": 4,
            },
        ),
    ],
)
def test_a_whole_file_has_the_values_of_the_original(number: int, expected: dict[str, Any]) -> None:
    """The values stand in BasicSR's files, from where they were read off."""
    config = composed(COMMANDS[number])
    assert {key: select(config, key) for key in expected} == expected
    steps = config.trainer.max_epochs * config.data.steps_per_epoch
    assert steps == {1: 300_000, 2: 400_000}[number]


def test_every_other_command_of_the_page_composes() -> None:
    composed(COMMANDS[0])
