"""The devices that a run is to train on: whether they are there, and how Lightning is to use them."""

import os
import platform
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from omegaconf import DictConfig, ListConfig
from pytorch_lightning.strategies import DDPStrategy

from sr_experiments.models.sync import SyncBatchNorms
from sr_experiments.ranks import by_srun, by_torchrun, refuse_another_number

STRATEGIES = ("auto", "ddp", "ddp_find_unused_parameters_true")  # docs/decisions/0014-many-devices.md


def first_device(config: DictConfig) -> torch.device:
    """That the first process of a run works on, by ``trainer.accelerator`` and ``trainer.devices``.

    ``auto`` is a GPU where there is one. The CPU stands for a device that is not there, which
    `refuse_absent_devices` refuses.
    """
    accelerator, devices = config.trainer.accelerator, config.trainer.devices
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        return torch.device("cuda", int(devices[0]) if isinstance(devices, ListConfig) and devices else 0)
    if accelerator in ("auto", "gpu", "mps") and torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def only_device(config: DictConfig) -> torch.device:
    """That of a task which works on one device.

    Raises:
        ValueError: If it is not there, or several are asked for.
    """
    refuse_absent_devices(config)
    one_of(config.trainer.devices)
    return first_device(config)


def refuse_absent_devices(config: DictConfig) -> None:
    """Compare what is asked for with what this machine has, in words that say what to do.

    Raises:
        ValueError: If a device is not there, or not able to train in the precision.
    """
    accelerator, devices = config.trainer.accelerator, config.trainer.devices
    kind = first_device(config).type
    if accelerator in ("gpu", "cuda", "mps") and kind == "cpu":
        built = f"for CUDA {torch.version.cuda}" if torch.version.cuda else "for the CPU only"
        told = f"no GPU here (it was built {built}; nvidia-smi tells whether the driver finds one)"
        if accelerator == "mps":
            told = "no GPU of Apple's here"
        raise ValueError(
            f"trainer.accelerator={accelerator}: torch finds {told}: trainer=cpu, or trainer=auto for what "
            "there is"
        )
    there = torch.cuda.device_count() if kind == "cuda" else 0
    numbers = list(devices) if isinstance(devices, ListConfig) else []
    if there and (max(numbers, default=-1) >= there or (isinstance(devices, int) and devices > there)):
        every = "0" if there == 1 else f"0 to {there - 1}"
        raise ValueError(
            f"trainer.devices={devices}: there are {there} GPUs here, numbers {every}; "
            "trainer.devices=auto takes all of them"
        )
    strategy = config.trainer.strategy
    if isinstance(strategy, str) and strategy not in STRATEGIES:
        raise ValueError(f"trainer.strategy={strategy}: choose one of {', '.join(STRATEGIES)}")
    if config.precision == "16-mixed" and kind == "cpu":
        raise ValueError("precision=16-mixed needs a GPU; on the CPU choose bf16-mixed, 32-true or auto")


def one_of(devices: Any) -> Any:
    """The one device that a task other than training works on.

    Raises:
        ValueError: If several are asked for.
    """
    if devices == "auto" or devices == 1:
        return 1
    numbers = list(devices) if isinstance(devices, ListConfig) else []
    if len(numbers) == 1:
        return numbers
    raise ValueError(f"trainer.devices={devices}: this task works on one device: trainer.devices=1, or [2]")


def trainer_options(config: DictConfig) -> tuple[dict[str, Any], list[Any]]:
    """Options of the Trainer that take the place of those in the config, and its plug-ins.

    Raises:
        ValueError: If SLURM was not told how many processes there are on each machine.
    """
    plugins: list[Any] = []
    if config.trainer.get("sync_batchnorm"):
        plugins.append(SyncBatchNorms())
    if not by_torchrun() and "SLURM_NTASKS" in os.environ:
        plugins.append(_of_slurm())
    return {"sync_batchnorm": False}, plugins


def _of_slurm() -> LightningEnvironment | SLURMEnvironment:
    """Who starts the processes: SLURM where it starts several, else we do."""
    if not by_srun():
        return LightningEnvironment()
    if "SLURM_NTASKS_PER_NODE" not in os.environ:
        raise ValueError(
            f"srun has started {os.environ['SLURM_NTASKS']} processes, and how many of them on each machine "
            "is not known: give srun or sbatch --ntasks-per-node=N, and trainer=ddp trainer.devices=N"
        )
    return SLURMEnvironment(auto_requeue=False)  # `Stopping` answers its signal, and run=FOLDER continues


def prepare_strategy(trainer: pl.Trainer, *, several_nets: bool) -> None:
    """What is known only when there is a strategy.

    Args:
        trainer: Not yet used.
        several_nets: Each backward pass reaches one of several nets.

    Raises:
        ValueError: If another number of processes was started than the trainer would wait for.
    """
    refuse_another_number(devices=trainer.num_devices, nodes=trainer.num_nodes)
    if several_nets and isinstance(trainer.strategy, DDPStrategy):
        # Without this DDP waits for the other net's gradients.
        trainer.strategy._ddp_kwargs["find_unused_parameters"] = True


def choose_precision(asked: str, *, device: torch.device) -> str:
    """``auto`` becomes bfloat16 where the device has units for it, else float32; anything else is kept."""
    if asked != "auto":
        return asked
    if device.type == "cuda":
        good = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        good = device.type == "cpu" and _cpu_has_bfloat16()
    return "bf16-mixed" if good else "32-true"


def _cpu_has_bfloat16() -> bool:
    """AMX tiles or AVX-512 BF16; torch runs bfloat16 on other CPUs as well, only slower than float32."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return False
    return bool(torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())
