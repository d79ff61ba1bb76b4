"""How Hydra finds the sweeper of sr_experiments: it takes plug-ins from this name space only.

Hydra imports this file whenever it starts, so nothing but Hydra is imported here.
"""

from collections.abc import Mapping
from typing import Any

from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class Sweep(Sweeper):
    """Every combination of the values given, or a search: `sr_experiments.sweeps`."""

    def __init__(
        self, *, params: Mapping[str, str], search: bool, preview: str | None, **options: Any
    ) -> None:
        """Keep what conf/ and the command line say of the sweep."""
        self.params, self.search, self.preview, self.options = params, search, preview, options

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what Hydra hands over."""
        self.hydra_context, self.task_function, self.config = hydra_context, task_function, config

    def sweep(self, arguments: list[str]) -> Any:
        """Do what is missing, or show what would be done."""
        from sr_experiments.sweeps.launch import Setting

        assert self.hydra_context is not None
        assert self.config is not None
        setting = Setting(self.hydra_context, self.task_function, self.config)
        if self.search:
            from sr_experiments.sweeps.search import Options, search

            search(setting, self.params, arguments, options=Options(**self.options), preview=self.preview)
        else:
            from sr_experiments.sweeps.grid import sweep

            sweep(
                setting,
                [f"{key}={value}" for key, value in self.params.items()] + arguments,
                preview=self.preview,
            )
