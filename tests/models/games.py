"""Toy games of generator and discriminator."""

from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint

from sr_experiments.losses.adversarial import AdversarialLoss, Vanilla
from sr_experiments.losses.adversary import Adversary
from sr_experiments.losses.pixel import L1Loss
from sr_experiments.losses.weighted import Term, WeightedSum
from sr_experiments.models.gan import GANModel
from sr_experiments.models.schedule import Schedule
from sr_experiments.nets.discriminators.base import Discriminator
from sr_experiments.nets.discriminators.patchgan import PatchGAN
from sr_experiments.nets.espcn import ESPCN
from tests.data.pictures import module


def judge(**options: Any) -> Discriminator:
    """A small PatchGAN."""
    defaults: dict[str, Any] = {
        "in_channels": 3,
        "width": 4,
        "layers": 1,
        "norm": "none",
        "spectral_norm": True,
    }
    return PatchGAN(**(defaults | options))


def game(
    *,
    net: Any = None,
    discriminator: Any = None,
    loss: AdversarialLoss | None = None,
    lr: float = 1e-3,
    optimizer: Any = None,
    schedule: Schedule | None = None,
    adversary: dict[str, Any] | None = None,
    pixel: Any = None,
    seed: int = 0,
    **options: Any,
) -> GANModel:
    """A GANModel of toy nets."""
    torch.manual_seed(seed)
    net = net or ESPCN(scale=4, in_channels=3)
    weights: dict[str, Any] = {"weight": 0.1} | (adversary or {})
    return GANModel(
        net,
        loss=WeightedSum(terms={"l1": Term(weight=1.0, loss=pixel or L1Loss())}),
        adversary=Adversary(discriminator or judge(), loss=loss or Vanilla(), **weights),
        optimizer=optimizer or partial(torch.optim.Adam, lr=lr),
        schedule=schedule or Schedule(partial(torch.optim.lr_scheduler.ConstantLR, factor=1.0)),
        **options,
    )


def fit(
    model: GANModel,
    folder: Path,
    *,
    steps: int = 4,
    epochs: int = 1,
    trainer: dict[str, Any] | None = None,
    resume: Path | None = None,
    **data: Any,
) -> pl.Trainer:
    """Train for some steps of 4 crops; a checkpoint each epoch."""
    options: dict[str, Any] = {
        "accelerator": "cpu",
        "max_epochs": epochs,
        "logger": False,
        "callbacks": [ModelCheckpoint(folder, filename="last", enable_version_counter=False)],
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "limit_val_batches": 0,
        "log_every_n_steps": 1,
        "default_root_dir": str(folder),
    }
    made = pl.Trainer(**(options | (trainer or {})))
    made.fit(model, datamodule=module(**({"steps_per_epoch": steps} | data)), ckpt_path=resume)
    return made


def vector(net: torch.nn.Module) -> torch.Tensor:
    """All parameters in one."""
    return torch.nn.utils.parameters_to_vector(net.parameters()).detach().clone()
