"""Configs of very many runs: composed by Hydra where their choices differ, else the last one is updated.

To compose a config takes a tenth of a second, most of it for reading YAML files. Runs of a grid have mostly
the same choices (``model=``, ``data=``) and other values (``seed=``, ``optimizer.lr=``), and what Hydra does
with a value, once everything is composed, is to write it over the one that was there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hydra._internal.config_loader_impl import get_overrides_dirname
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

if TYPE_CHECKING:
    from sr_experiments.sweeps.launch import Setting


@dataclass(frozen=True)
class Parts:
    """Arguments of a run.

    Attributes:
        choices: What decides about anything but single values: groups, additions, mappings, Hydra's own.
        values: ``KEY=VALUE`` by key, where nothing but that value differs.
    """

    choices: tuple[str, ...]
    values: dict[str, str]

    @property
    def frame(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Runs of the same frame differ in values only."""
        return self.choices, tuple(self.values)


class Composer:
    """Composes configs, one after the other.

    Args:
        setting: Hydra's.
    """

    def __init__(self, setting: "Setting") -> None:
        """Nothing is composed yet."""
        self._setting = setting
        self._parser = OverridesParser.create(config_loader=setting.context.config_loader)
        self._parsed: dict[str, Override] = {}
        self._groups: dict[str, bool] = {}
        self._last: tuple[Parts, DictConfig] | None = None

    def parts(self, overrides: Sequence[str]) -> Parts:
        """What of some arguments is a choice, and what a value.

        Raises:
            HydraException: If one can not be read.
        """
        self._read(overrides)
        keys = [self._parsed[text].key_or_group for text in overrides]
        choices, values = [], {}
        for text, key in zip(overrides, keys, strict=True):
            # A key that is given twice, or inside of another one, depends on which comes last.
            alone = sum(other == key or other.startswith(f"{key}.") for other in keys) == 1
            if alone and self._is_value(self._parsed[text]):
                values[key] = text
            else:
                choices.append(text)
        return Parts(tuple(choices), values)

    def config(self, overrides: Sequence[str], *, number: int) -> DictConfig:
        """The config of a run, Hydra's part included: to be used before the next one is asked for.

        Args:
            overrides: Its arguments.
            number: Of the run.

        Raises:
            HydraException: If there is no such config.
        """
        parts = self.parts(overrides)
        if self._last is None or self._last[0].frame != parts.frame or not self._update(parts):
            self._last = None
            self._last = parts, self._setting.composed(overrides, number=number)
            return self._last[1]
        config = self._last[1]
        self._last = parts, config
        hydra = config.hydra
        OmegaConf.set_readonly(hydra, False)  # HydraConfig, to which it was given, does not want it changed
        own = [one for one in map(self._parsed.__getitem__, overrides) if not one.is_hydra_override()]
        hydra.overrides.task = [one.input_line for one in own]
        names = hydra.job.config.override_dirname
        hydra.job.override_dirname = get_overrides_dirname(
            own, exclude_keys=names.exclude_keys, item_sep=names.item_sep, kv_sep=names.kv_sep
        )
        numbered(config, number)
        return config

    def _update(self, parts: Parts) -> bool:
        """Write other values over those of the last config; False where Hydra has to say something."""
        assert self._last is not None
        last, config = self._last
        for key, text in parts.values.items():
            if last.values[key] != text:
                try:
                    OmegaConf.update(config, key, self._parsed[text].value(), merge=True)
                except OmegaConfBaseException:
                    return False
        return True

    def _read(self, overrides: Sequence[str]) -> None:
        new = [text for text in overrides if text not in self._parsed]
        self._parsed |= dict(zip(new, self._parser.parse_overrides(new), strict=True))

    def _is_value(self, override: Override) -> bool:
        changes = not (override.is_add() or override.is_force_add() or override.is_delete())
        if not changes or override.package is not None or override.is_hydra_override():
            return False
        return not isinstance(override.value(), dict | list) and not self._is_group(override.key_or_group)

    def _is_group(self, key: str) -> bool:
        if key not in self._groups:
            self._groups[key] = self._setting.context.config_loader.repository.group_exists(key)  # type: ignore[attr-defined]
        return self._groups[key]


def numbered(config: DictConfig, number: int) -> None:
    """Tell a composed config which of a sweep's runs it is."""
    with open_dict(config):
        config.hydra.job.num = number
        config.hydra.job.id = str(number)
