"""Any combination of choices trains two toy steps and is tested, or is refused in words for the user.

No traceback, ever: what is raised has a message that `mistakes` tells, or the composition itself has one.
"""

import json
import math
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from sr_experiments.arguments import as_hydra_takes
from sr_experiments.check import check
from sr_experiments.config import register
from sr_experiments.mistakes import user_message
from sr_experiments.mistyped import composition_message
from sr_experiments.tasks.train import train
from tests.conftest import ROOT
from tests.nets.discriminator_toys import TOYS as DISCRIMINATOR_TOYS
from tests.nets.toys import TOYS
from tests.tasks.runs import photographs

CONF = ROOT / "conf"
pytestmark = pytest.mark.filterwarnings("ignore")  # of libraries, about toys


def names(group: str) -> list[str]:
    return sorted(path.stem for path in (CONF / group).glob("*.yaml") if not path.stem.startswith("_"))


MODELS = [name for name in names("model") if name != "noisy"]
DEFAULTS = {"model": "espcn", "scale": 2, "data.patch_size": 24, "data.batch_size": 2, "precision": "32-true"}
VALUES: dict[str, list[Any]] = {
    "model": MODELS,
    "loss": names("loss"),
    "degradation": names("degradation"),
    "optimizer": names("optimizer"),
    "schedule": names("schedule"),
    "schedule.warmup": [1, 3, -1],
    "scale": [1, 3, 4, 5, 8, 0],
    "channels": [1, 4, 0],
    "precision": ["bf16-mixed", "64-true", "16-mixed", "auto"],
    "data.patch_size": [1, 8, 15, 33, 48, 400],
    "data.batch_size": [1, 3, 0],
    "data.cache": ["memory", "device", "none", "disk"],
    "data.scales": ["[2,3,4]", "[2]", "[0]"],
    "data.augment.crop_scale": ["[1,1.5]", "[0.5,3]", "[2,1]"],
    "data.augment.mixup": [0.5, 1, 2],
    "data.augment.cutmix": [0.5],
    "data.augment.cutblur": [0.5],
    "data.augment.permute_rgb": [0.5],
    "trainer.accumulate_grad_batches": [2, 3, 0],
    "trainer.gradient_clip_val": [0.5, -1],
    "model.ema": ["null", 0.9, 1.5],
    "metric": ["[lr_psnr]", "[niqe]", "[lpips_random]"],
    "seed": [7, -1],
    "discriminator": names("discriminator"),
    "adversary": names("adversary"),
}
CHANGE = st.sampled_from([(key, value) for key, values in VALUES.items() for value in values])
# A few changes at a time: of many one is nearly always impossible, and nothing is trained.
CONFIG = st.lists(CHANGE, max_size=5, unique_by=lambda change: change[0]).map(
    lambda changes: tuple(f"{key}={value}" for key, value in together(dict(changes)).items())
)


def together(changes: dict[str, Any]) -> dict[str, Any]:
    """A discriminator or an adversary is nothing without a game."""
    plays = "discriminator" in changes or "adversary" in changes
    return DEFAULTS | ({"loss": "gan"} if plays else {}) | changes


def attempt(arguments: list[str], root: Path, folder: Path) -> str:
    """What came of it: `trained`, or `refused`.

    Raises:
        AssertionError: If what was raised has no message for the user, or a run has not done what it should.
    """
    fixed = [
        "name=toy",
        "data=folder",
        f"data.root='{root}'",
        "data.steps_per_epoch=2",
        f"data.cache_dir='{folder / 'cache'}'",
        "trainer=cpu",
        "trainer.max_epochs=1",
        "callbacks.images.count=1",
    ]
    try:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            config = compose("config", overrides=as_hydra_takes([*fixed, *arguments]))
        shrink(config, arguments)
        check(config)
        train(config, folder / "run")
    except Exception as error:
        composing = isinstance(error, HydraException | OmegaConfBaseException)
        message = composition_message(error, arguments) if composing else user_message(error)
        if message is None:
            raise
        assert message.strip(), "an empty message"
        return "refused"
    record = json.loads((folder / "run" / "run.json").read_text(encoding="utf-8"))
    assert record["status"] == "finished"
    assert all(
        math.isfinite(value) or value > 0  # the same image has an infinite PSNR
        for metrics in record["metrics"].values()
        for name, value in metrics.items()
        if isinstance(value, float)
    )
    return "trained"


def shrink(config: Any, arguments: list[str]) -> None:
    """The published size of everything takes too long."""
    chosen = dict(argument.split("=", 1) for argument in arguments)
    with open_dict(config):
        for key, value in TOYS.get(chosen["model"], {}).items():
            if OmegaConf.select(config, f"net.{key}") is not None:
                config.net[key] = value
        if config.get("discriminator") is not None:
            kind = str(config.discriminator.get("_target_", "")).rsplit(".", 2)[-2]
            toys = {"vgg": "esrgan"}.get(kind, kind)
            for key, value in DISCRIMINATOR_TOYS.get(toys, {}).items():
                if key in config.discriminator:
                    config.discriminator[key] = value


def survey(count: int) -> Counter[str]:
    found: Counter[str] = Counter()
    register()

    @settings(
        max_examples=count,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(CONFIG)
    def any_config(arguments: tuple[str, ...]) -> None:
        folder = Path(tempfile.mkdtemp())
        try:
            found[attempt(list(arguments), root, folder)] += 1
        finally:
            shutil.rmtree(folder)

    place = Path(tempfile.mkdtemp())
    root = photographs(place / "photographs", count=5, side=56)
    try:
        any_config()
    finally:
        shutil.rmtree(place)
    return found


def test_some_combinations() -> None:
    found = survey(25)
    assert found["trained"] >= 3
    assert found["refused"] >= 3


@pytest.mark.slow
def test_many_combinations() -> None:
    found = survey(600)
    print(f"{sum(found.values())} configs: {found['trained']} trained, {found['refused']} refused in words")
    assert found["trained"] >= 100
