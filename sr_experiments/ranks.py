"""Which of a run's processes this one is, by what started it has put into the environment.

torchrun, SLURM's srun and `tasks/together.py` start a process for each device. The first of them writes and
speaks; the others only work.
"""

import os

from sr_experiments.paths import TRAINS

_NUMBERS = ("RANK", "SLURM_PROCID", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK")
_BY_HAND = ("bash", "interactive")  # names of SLURM's jobs in which one types: Lightning's rule, too


def is_first() -> bool:
    """Whether this process is the one that writes; a process alone is."""
    return all(os.environ.get(name, "0") in ("0", "") for name in _NUMBERS)


def one_of_several() -> bool:
    """Whether this process does runs of a sweep one after the other, which share what is printed."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    if not HydraConfig.initialized():
        return False
    hydra = HydraConfig.get()
    return hydra.mode == RunMode.MULTIRUN and str(hydra.launcher._target_).endswith(".BasicLauncher")


def by_torchrun() -> bool:
    """Whether torchrun has started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def by_srun() -> bool:
    """Whether this is one of several processes that SLURM's srun has started.

    In a batch script SLURM says how many there may be; only srun starts them, and says which step they are.
    """
    several = int(os.environ.get("SLURM_NTASKS", "1")) > 1
    return several and "SLURM_STEP_ID" in os.environ and os.environ.get("SLURM_JOB_NAME") not in _BY_HAND


def started() -> int | None:
    """How many processes a launcher has started for this run; None: there is no launcher."""
    if by_torchrun():
        return int(os.environ["WORLD_SIZE"])
    return int(os.environ["SLURM_NTASKS"]) if by_srun() else None


def as_another(arguments: list[str]) -> list[str]:
    """What Hydra takes in a process that is not the first: no folder of its own, no log, no word.

    A folder that is named is kept, as a run that continues has to read from it.
    """
    named = any(argument.startswith("hydra.run.dir=") for argument in arguments)
    folder = [] if named else ["hydra.run.dir=."]
    quiet = [
        "hydra.output_subdir=null",
        "~hydra.job_logging.handlers.file",
        "hydra.job_logging.root.handlers=[console]",
        "hydra.job_logging.root.level=ERROR",
    ]
    return [*arguments, *folder, *quiet]


def refuse_a_sweep(arguments: list[str]) -> None:
    """A sweep under a launcher would run in every process.

    Raises:
        ValueError: If this is one.
    """
    if started() and any(argument in ("-m", "--multirun") for argument in arguments):
        who = "torchrun" if by_torchrun() else "srun"
        raise ValueError(
            f"-m under {who}: each of its {started()} processes would run the sweep. Without {who} a sweep "
            "starts the processes of its runs by itself: trainer=ddp trainer.devices=N"
        )


def refuse_several_processes(target: str) -> None:
    """Only training is done by several processes.

    Args:
        target: The task's ``_target_``.

    Raises:
        ValueError: If there are others and the task is another one.
    """
    if target != TRAINS and (started() or not is_first()):
        task = target.rpartition(".")[2]
        raise ValueError(f"task={task} is done by one process: start it without torchrun or srun")


def refuse_another_number(*, devices: int, nodes: int) -> None:
    """Compare what a launcher has started with what the trainer will wait for.

    Raises:
        ValueError: If they differ.
    """
    there = started()
    if there is None or there == devices * nodes:
        return
    who, option = ("torchrun", "--nproc-per-node") if by_torchrun() else ("srun", "--ntasks-per-node")
    raise ValueError(
        f"{who} has started {there} processes, and trainer.devices x trainer.num_nodes is {devices} x "
        f"{nodes}: give trainer=ddp trainer.devices= what {option} is, and trainer.num_nodes= the number of "
        "machines"
    )
