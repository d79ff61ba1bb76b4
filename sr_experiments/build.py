"""The composition root: here a checked config becomes the data, model, loggers and Trainer of a run.

`rebuild.py` makes nets, alone or of what is on disk, and those of a run too. Besides, `cli.py` makes the task
that is typed, `tasks/evaluate.py` a Trainer that only tests with the pictures it draws, and
`profiling/memory.py` a net in a process where nothing else is to be loaded.
"""

import logging
import warnings
from pathlib import Path
from typing import Any, cast

import pytorch_lightning as pl
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.loggers import Logger

from sr_experiments.callbacks.checkpoints import WholeFiles
from sr_experiments.callbacks.pruning import Pruning
from sr_experiments.callbacks.speed import Speed
from sr_experiments.callbacks.stopping import Stopping
from sr_experiments.callbacks.unwatched import Unwatched
from sr_experiments.callbacks.wandb_run import WandbRun
from sr_experiments.callbacks.wandb_views import WandbViews
from sr_experiments.data.datamodule import SRData
from sr_experiments.devices import prepare_strategy, refuse_absent_devices, trainer_options
from sr_experiments.features.pretrained import NotAtHand
from sr_experiments.metrics.protocol import is_ranged
from sr_experiments.models.base import SRModel
from sr_experiments.models.inference import Inference
from sr_experiments.nets.base import SRNet
from sr_experiments.ranks import is_first
from sr_experiments.rebuild import build_net, start_from
from sr_experiments.secret import redacted_all
from sr_experiments.sweeps.member import sweep_name
from sr_experiments.sweeps.trials import Pruned, of_a_search, reporter
from sr_experiments.tuning.choices import Choices, apply_choices, by_rule
from sr_experiments.written import config_text

_log = logging.getLogger(__name__)


def build_data(config: DictConfig) -> SRData:
    """The data module with its sources and degradation; nothing is read yet."""
    return cast(SRData, instantiate(config.data))


def build_model(config: DictConfig, *, continues: bool = False, choices: Choices | None = None) -> SRModel:
    """The LightningModule round the net, its weights drawn from `seed` or taken from `init_from`.

    Args:
        config: Composed and checked.
        continues: Its weights will come from a checkpoint, so `init_from` need not be there any more.
        choices: What is chosen for speed; None: what the rule says.
    """
    pl.seed_everything(config.seed, workers=True, verbose=False)
    net = build_net(config.net)
    if config.init_from is not None and not continues:
        start_from(net, config.init_from, node=config.net)
    parts = {key: instantiate(config[key]) for key in ("loss", "optimizer", "schedule")}
    if config.adversary is not None:
        parts["adversary"] = instantiate(config.adversary)(instantiate(config.discriminator))
    metrics = {name: instantiate(node) for name, node in config.metric.items()}
    model = cast(SRModel, instantiate(config.model)(net, metrics=metrics, **parts))
    apply_choices(model, choices or by_rule(config), config)
    model.seed = int(config.seed)
    model.ranged = is_ranged(config)
    model.config_text = config_text(config)
    return model


def build_tester(config: DictConfig, net: SRNet, *, inference: Inference) -> tuple[SRModel, dict[str, str]]:
    """A net that is measured and not trained; the metrics for which files are not at hand, and which."""
    refuse_absent_devices(config)
    metrics, absent = {}, {}
    for name, node in config.metric.items():
        try:
            metrics[name] = instantiate(node)
        except InstantiationException as error:
            if not isinstance(error.__cause__, NotAtHand):
                raise
            absent[name] = str(error.__cause__).replace("metric.NAME", f"metric.{name}")
    model = SRModel(net, ema=None, metrics=metrics, inference=inference)
    model.ranged = is_ranged(config)
    return model, absent


def _of_a_search(config: DictConfig) -> list[Pruning]:
    """For a run that may end because others are ahead of it."""
    monitor = OmegaConf.select(config, "callbacks.checkpoints.monitor")
    if not of_a_search() or monitor is None:
        return []
    judge = reporter() if is_first() else None
    return [Pruning(judge, monitor=monitor, ending=Pruned("the runs before were ahead at this epoch"))]


def build_trainer(config: DictConfig, run_dir: Path, *, model: SRModel) -> pl.Trainer:
    """The Trainer with its callbacks and loggers, all writing into the run's folder."""
    note = f"x{config.scale}" + (", demo run" if config.data.demo else "")
    supplied: dict[str, dict[str, Any]] = {
        "checkpoints": {"folder": run_dir / "checkpoints"},
        "images": {"folder": run_dir / "images", "net_name": config.name, "note": note},
        "health": {"folder": run_dir / "images", "net_name": config.name, "note": note},
    }
    quieten_lightning()
    callbacks = [Speed(), Stopping(), *_of_a_search(config)]
    for name, node in config.callbacks.items():
        made = instantiate(node)
        callbacks.append(made(**supplied[name]) if name in supplied else made)
    # A model that steps by itself clips and accumulates by itself, and Lightning refuses to do it for it.
    alone = {} if model.automatic_optimization else {"accumulate_grad_batches": 1, "gradient_clip_val": None}
    options, plugins = trainer_options(config)
    loggers = build_loggers(config, run_dir)
    views = [WandbViews(one, net_name=config.name, note=note) for one in loggers if isinstance(one, WandbRun)]
    try:
        trainer = cast(
            pl.Trainer,
            instantiate(
                config.trainer,
                **alone,
                **options,
                precision=model.choices["precision"],
                benchmark=model.choices["benchmark"],
                profiler=config.trainer.get("profiler") or Unwatched(),
                callbacks=[*callbacks, *views],
                plugins=[WholeFiles(), *plugins],
                logger=loggers or False,
                default_root_dir=str(run_dir),
            ),
        )
    except InstantiationException as error:
        if isinstance(error.__cause__, ValueError | TypeError | ImportError):
            raise ValueError(
                f"trainer: {error.__cause__}"
            ) from error  # Lightning's words, meant for the user
        raise
    prepare_strategy(trainer, several_nets=not model.automatic_optimization)
    return trainer


def quieten_lightning() -> None:
    """What Lightning says at every start, and what is as intended here."""
    for name in ("pytorch_lightning", "lightning.pytorch", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in (
        ".*exists and is not empty.*",  # the run's folder is ours and new
        ".*in eval mode at the start of training.*",  # the moving average
        ".*treespec, LeafSpec.*",  # between Lightning and torch
        ".*smaller than the logging interval.*",  # of a short run the epochs' rows are there
        ".*sync_dist=True.*",  # a mean over images is the same on every device already
        ".*does not have many workers.*",  # a crop from memory costs less than handing it over
    ):
        warnings.filterwarnings("ignore", message=message)


def build_loggers(config: DictConfig, run_dir: Path) -> list[Logger]:
    """Every logger chosen by ``logger=``.

    Raises:
        ValueError: if a logger's package is not installed, or nobody is logged in where that is needed.
    """
    loggers = []
    for name, node in config.logger.items():
        options: dict[str, Any] = {"save_dir": str(run_dir)}
        if name == "wandb":
            options |= _of_wandb(config, node, run_dir)
        try:
            logger = instantiate(node)(**options)
        except ModuleNotFoundError as error:
            raise ValueError(
                f"logger={name} needs a package that is not installed ({error.name or error}): "
                f'pip install "sr-experiments[{name}]"'
            ) from error
        if name != "csv":
            logger.log_hyperparams(redacted_all(OmegaConf.to_container(config, resolve=True)))
        loggers.append(logger)
    return loggers


def _of_wandb(config: DictConfig, node: DictConfig, run_dir: Path) -> dict[str, Any]:
    """What a run at Weights & Biases is called there, and by which words it is found."""
    sweep = sweep_name()
    words = [*node.tags, config.name, f"x{config.scale}", config.data.name]
    words += ["demo"] if config.data.demo else []
    return {
        "name": node.name or (run_dir.name if sweep else config.name),
        "group": node.group or sweep,
        "tags": list(dict.fromkeys(word[:64] for word in words)),  # longer ones are refused there
    }
