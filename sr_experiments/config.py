"""The root of every composed config: which keys there are and which plain values they take.

Nothing heavy is imported here, so that ``--help`` and a typo are answered at once.
"""

import math
from dataclasses import dataclass, field, fields
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, OmegaConf

PRECISIONS = ("auto", "32-true", "64-true", "bf16-mixed", "16-mixed")


@dataclass
class Config:
    """One experiment. The groups (``net``, ``loss``, ...) hold what ``conf/<group>/<choice>.yaml`` says."""

    # What to do.
    task: Any = MISSING
    # What is trained, on what, against what.
    model: Any = MISSING
    net: Any = MISSING
    loss: Any = MISSING
    adversary: Any = None
    discriminator: Any = None
    data: Any = MISSING
    degradation: Any = MISSING
    benchmark: Any = field(default_factory=dict)
    metric: Any = field(default_factory=dict)
    # How.
    optimizer: Any = MISSING
    schedule: Any = MISSING
    trainer: Any = MISSING
    logger: Any = field(default_factory=dict)
    callbacks: Any = field(default_factory=dict)
    # What the run is called in tables and pictures.
    name: str = MISSING
    # Facts that several groups share; written once, here.
    scale: int = 4
    channels: int = 3
    seed: int = 0
    precision: str = "auto"
    init_from: str | None = None
    data_dir: str = "data"
    debug: bool = False


def root_keys() -> list[str]:
    """The keys that may stand at the top level of a config."""
    return [entry.name for entry in fields(Config)]


def value_problems(config: DictConfig) -> list[str]:
    """What is wrong with the plain values of the root, a sentence each."""
    problems = []
    for key in ("scale", "channels"):
        if config[key] < 1:
            problems.append(f"{key}={config[key]}: must be 1 or more")
    if config.seed < 0:
        problems.append(f"seed={config.seed}: must be 0 or more")
    if config.precision not in PRECISIONS:
        problems.append(f"precision={config.precision}: choose one of {', '.join(PRECISIONS)}")
    return problems + _adversarial_problems(config)


def _adversarial_problems(config: DictConfig) -> list[str]:
    """A discriminator that nothing would train, and an adversary that nobody would feel."""
    if OmegaConf.is_missing(config, "model"):
        return []
    objectives = "an adversarial objective (loss=gan, srgan, esrgan or real_esrgan)"
    plays = str(config.model.get("_target_", "")).endswith(".GANModel")
    given = [key for key in ("adversary", "discriminator") if config[key] is not None]
    if plays:
        return [
            f"{key}=null: {objectives} needs one"
            for key in ("adversary", "discriminator")
            if key not in given
        ]
    return [f"{key} is used by {objectives} only; this loss would not feel it" for key in given]


def _product(*factors: float) -> float:
    return math.prod(factors)


def _psnr_of(channels: int) -> str:
    return "psnr_y" if channels in (1, 3) else "psnr_bands"


def register() -> None:
    """Make the root dataclass and the resolvers known to Hydra. May be called again."""
    ConfigStore.instance().store(name="schema", node=Config)
    # ${mul:a,b}: budgets in epochs and schedules in steps are written once and derived from one another.
    OmegaConf.register_new_resolver("mul", _product, replace=True)
    # ${psnr_of:5}: what the protocol calls the PSNR of an image with so many channels.
    OmegaConf.register_new_resolver("psnr_of", _psnr_of, replace=True)
    # ${slug:spandrel/swinir}: a choice from a nested group as part of a file name.
    OmegaConf.register_new_resolver("slug", lambda text: str(text).replace("/", "-"), replace=True)
