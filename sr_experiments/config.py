"""The root of every composed config: which keys there are and which plain values they take.

Nothing heavy is imported here, so that ``--help`` and a typo are answered at once.
"""

import math
import re
from dataclasses import dataclass, field, fields
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from sr_experiments.help import choices

_ACCELERATORS = ("auto", "cpu", "gpu", "cuda", "mps", "tpu")
# The least that numbers of libraries' classes may be, which say it late or not at all.
_AT_LEAST = {
    "trainer.max_epochs": -1,
    "trainer.accumulate_grad_batches": 1,
    "trainer.check_val_every_n_epoch": 1,
    "trainer.log_every_n_steps": 1,
    "trainer.gradient_clip_val": 0,
    "trainer.num_nodes": 1,
    "optimizer.lr": 0,
    "optimizer.eps": 0,
    "optimizer.weight_decay": 0,
    "optimizer.momentum": 0,
}
_LIMITS = ("limit_train_batches", "limit_val_batches", "limit_test_batches")
TOGETHER = (
    ("guide_channels", "net.guide_channels"),
    ("channels", "callbacks.images.bands"),
    ("trainer.accelerator", "trainer.devices"),
)
"""Keys whose values can be a mistake together, and none each; any other mistake is in one value."""
PRECISIONS = ("auto", "32-true", "64-true", "bf16-mixed", "16-mixed")
MEMORY_FORMATS = ("auto", "contiguous", "channels_last")
GRAPHS = "reduce-overhead"  # torch.compile's mode that records CUDA graphs


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
    guide_channels: int = 0
    seed: int = 0
    precision: str = "auto"
    memory_format: str = "auto"
    compile: Any = "auto"
    activation_checkpointing: bool = False
    init_from: str | None = None
    data_dir: str = "data"
    debug: bool = False


@dataclass
class SweepConfig:
    """What ``-m`` does: ``hydra.sweeper``. conf/sweep/optuna.yaml explains what is of a search."""

    _target_: str = "hydra_plugins.sr_experiments_sweeps.Sweep"
    # Values of keys as on the command line, which overrides them.
    params: dict[str, str] = field(default_factory=dict)
    # --dry-run: jobs, or measure; nothing is run.
    preview: str | None = None
    search: bool = False
    trials: int = 20
    search_seed: int = 0
    startup: int = 5
    prune: bool = True
    warm_up: int = 2
    objective: str | None = None


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
    problems += _settings_problems(config)
    bands = _plain(config, "callbacks.images.bands")
    if isinstance(bands, ListConfig) and (
        len(bands) not in (1, 3) or not all(1 <= band <= config.channels for band in bands)
    ):
        problems.append(
            f"callbacks.images.bands={list(bands)}: give one band or three (red, green, blue) of 1 to "
            f"{config.channels}, the number of channels"
        )
    return [
        *problems,
        *_guide_problems(config),
        *_number_problems(config),
        *_trainer_problems(config),
        *_adversarial_problems(config),
    ]


def _settings_problems(config: DictConfig) -> list[str]:
    """Of what is chosen for speed; a run that was begun before there was a choice says nothing of it."""
    problems = []
    layout, compiled = config.get("memory_format", "auto"), config.get("compile", "auto")
    if layout not in MEMORY_FORMATS:
        problems.append(f"memory_format={layout}: choose one of {', '.join(MEMORY_FORMATS)}")
    if compiled not in ("auto", GRAPHS) and not isinstance(compiled, bool):
        problems.append(f"compile={compiled}: choose one of auto, true, false, {GRAPHS}")
    if compiled == GRAPHS and (_plain(config, "trainer.accumulate_grad_batches") or 1) > 1:
        problems.append(
            f"compile={GRAPHS}: a CUDA graph writes the gradients of a batch over those of the one before, "
            "which trainer.accumulate_grad_batches would add up; compile=true"
        )
    if config.precision == "16-mixed" and _plain(config, "optimizer.fused"):
        problems.append(
            "optimizer.fused=true: with precision=16-mixed gradients are scaled until the step is made, and "
            "nothing could look at them before; optimizer.fused=null or bf16-mixed"
        )
    if compiled in (True, GRAPHS) and _plain(config, "data.scales"):
        problems.append(
            f"compile={str(compiled).lower()}: with data.scales a net sees enlarged images of several sizes, "
            "which is not compiled; compile=false"
        )
    if compiled in (True, GRAPHS) and config.get("activation_checkpointing", False):
        problems.append(
            f"compile={str(compiled).lower()} and activation_checkpointing=true: torch.compile decides by "
            "itself what is kept for the gradient; choose one of them"
        )
    return problems


def _guide_problems(config: DictConfig) -> list[str]:
    """A guide that the net does not look at, or that the data is not asked for."""
    wanted, node = config.guide_channels, config.get("net")
    if wanted < 0:
        return [f"guide_channels={wanted}: must be 0 (no guide) or more"]
    if not isinstance(node, DictConfig):
        return []
    taken = _plain(config, "net.guide_channels") if "guide_channels" in node else 0
    if taken == wanted or not isinstance(taken, int):
        return []
    if taken == 0:
        return [
            f"guide_channels={wanted}: the data brings a guide, and this net does not take it; choose "
            "model=guided, or guide_channels=0 to do without"
        ]
    return [
        f"net.guide_channels={taken}, but guide_channels={wanted}: the data would not bring what the net "
        "takes; say guide_channels only"
    ]


def _plain(config: DictConfig, key: str) -> Any:
    """A value where there is one that can be resolved; the rest of the check tells of the others."""
    try:
        return OmegaConf.select(config, key)
    except OmegaConfBaseException:
        return None


def _number_problems(config: DictConfig) -> list[str]:
    """Numbers out of their range; one of a wrong type is told by its signature."""
    problems = []
    for key, least in _AT_LEAST.items():
        value = _plain(config, key)
        if isinstance(value, int | float) and not (value >= least and math.isfinite(value)):
            more = " (-1: without end)" if least < 0 else ""
            problems.append(f"{key}={value}: must be {least} or more{more}")
    betas = _plain(config, "optimizer.betas")
    if isinstance(betas, ListConfig):
        wrong = [one for one in betas if isinstance(one, int | float) and not 0 <= one < 1]
        problems += [
            f"optimizer.betas={list(betas)}: {one} must be 0 or more and less than 1" for one in wrong
        ]
    return problems


def _trainer_problems(config: DictConfig) -> list[str]:
    """What Lightning refuses late, or would take and then not do."""
    problems = []
    accelerator, devices = (_plain(config, f"trainer.{key}") for key in ("accelerator", "devices"))
    if isinstance(accelerator, str) and accelerator not in _ACCELERATORS:
        problems.append(f"trainer.accelerator={accelerator}: choose one of {', '.join(_ACCELERATORS)}")
    number = isinstance(devices, int) and not isinstance(devices, bool) and (devices > 0 or devices == -1)
    listed = re.fullmatch(r"\d+(,\d+)*", str(devices).strip("[]").replace(" ", ""))
    if devices is not None and devices != "auto" and not number and not (listed and devices != 0):
        problems.append(
            f"trainer.devices={devices}: must be auto, a number of devices, or a list of GPUs such as [0,1]"
        )
    if isinstance(devices, ListConfig) and accelerator == "cpu":
        problems.append(
            f"trainer.devices={devices}: a list names GPUs; on the CPU it is a number of processes"
        )
    if _plain(config, "trainer.fast_dev_run"):
        problems.append(
            "trainer.fast_dev_run leaves nothing to test; a short run is trainer.max_epochs=1 "
            "data.steps_per_epoch=1"
        )
    problems += [
        f"trainer.{key}=0: nothing would be done; leave it away"
        for key in _LIMITS
        if _plain(config, f"trainer.{key}") == 0
    ]
    length = _plain(config, "trainer.max_time")
    if length is not None and not re.fullmatch(r"\d+(:\d\d){3}", str(length).strip()):
        problems.append(
            f"trainer.max_time={length}: must be DD:HH:MM:SS, such as 00:08:00:00 for eight hours"
        )
    return problems


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


def _psnr_of(channels: int, span: Any = None) -> str:
    # As `metrics.protocol.metrics_of` has it, which imports torch; a test compares the two.
    if span is not None:
        return "psnr_16"
    return "psnr_y" if channels in (1, 3) else "psnr_bands"


def _same(store: ConfigStore, memo: dict[int, Any]) -> ConfigStore:
    return store


def register() -> None:
    """Make the root dataclass and the resolvers known to Hydra. May be called again."""
    store = ConfigStore.instance()
    # Hydra copies this singleton, which nothing changes, whenever it composes, and for every list in --help.
    ConfigStore.__deepcopy__ = _same  # type: ignore[attr-defined]
    store.store(name="schema", node=Config)
    store.store(group="hydra/sweeper", name="sr_experiments", node=SweepConfig)
    # ${mul:a,b}: budgets in epochs and schedules in steps are written once and derived from one another.
    OmegaConf.register_new_resolver("mul", _product, replace=True)
    # ${psnr_of:5,${data.range}}: what the protocol calls the PSNR of an image with so many channels.
    OmegaConf.register_new_resolver("psnr_of", _psnr_of, replace=True)
    # ${slug:spandrel/swinir}: a choice from a nested group as part of a file name.
    OmegaConf.register_new_resolver("slug", lambda text: str(text).replace("/", "-"), replace=True)
    # ${choices:}: the groups and what can be chosen of each, for --help.
    OmegaConf.register_new_resolver("choices", choices, replace=True)
