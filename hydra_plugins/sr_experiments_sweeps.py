"""How Hydra finds the sweepers of sr_experiments: it takes plug-ins from this name space only.

Hydra imports this file whenever it starts, so nothing but Hydra is imported here.
"""

from collections.abc import Mapping
from typing import Any

from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class Grid(Sweeper):
    """Every combination of the values given; see `sr_experiments.sweeps.grid`."""

    def __init__(self, *, params: Mapping[str, str]) -> None:
        """Keep what conf/ and the command line say of the sweep."""
        self.params = params

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what Hydra hands over."""
        self.hydra_context = hydra_context
        self.task_function = task_function
        self.config = config

    def sweep(self, arguments: list[str]) -> Any:
        """Run what is missing."""
        from sr_experiments.sweeps.grid import sweep
        from sr_experiments.sweeps.launch import Setting

        assert self.hydra_context is not None
        assert self.config is not None
        setting = Setting(self.hydra_context, self.task_function, self.config)
        sweep(setting, [f"{key}={value}" for key, value in self.params.items()] + arguments)
