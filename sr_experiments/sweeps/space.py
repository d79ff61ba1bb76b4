"""What a search searches: Hydra's words for intervals and choices become Optuna's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from optuna.trial import Trial


@dataclass(frozen=True)
class Space:
    """Of a search.

    Attributes:
        searched: By key, what its values are drawn from.
        fixed: Arguments that every run has.
        left_out: Keys that conf/ would search and the config has not.
    """

    searched: dict[str, Override]
    fixed: list[str]
    left_out: list[str]

    def draw(self, trial: Trial) -> list[str]:
        """The arguments of a run, as Optuna proposes them."""
        values = [f"{key}={_suggest(trial, key, override)}" for key, override in self.searched.items()]
        return [*self.fixed, *values]

    def described(self) -> list[str]:
        """For a reader, and to tell one space from another."""
        return [str(override.input_line) for override in self.searched.values()]


def space_of(params: Mapping[str, str], arguments: Sequence[str], *, composed: DictConfig) -> Space:
    """What is searched.

    Args:
        params: What conf/ proposes; only keys with a number in the config count.
        arguments: What was typed; it comes before.
        composed: The config without what is searched.

    Raises:
        HydraException: If an argument can not be read.
        ValueError: If nothing is left to search.
    """
    parser = OverridesParser.create()
    typed = parser.parse_overrides(list(arguments))
    named = {override.get_key_element() for override in typed}
    searched: dict[str, Override] = {}
    left_out = []
    for key, text in params.items():
        if key in named:
            continue
        if _is_number(OmegaConf.select(composed, key)):
            searched[key] = parser.parse_override(f"{key}={text}")
        else:
            left_out.append(key)
    last = {override.get_key_element(): override for override in typed}
    last.pop("sweep", None)  # the search itself
    fixed = [str(override.input_line) for override in last.values() if not override.is_sweep_override()]
    searched |= {key: override for key, override in last.items() if override.is_sweep_override()}
    for key, override in searched.items():
        if not override.is_sweep_override():
            raise HydraException(
                f"hydra.sweeper.params.{key}={override.get_value_element_as_str()}: no space"
            )
    if not searched:
        raise ValueError(
            "sweep=optuna: nothing is left to search; such as optimizer.lr='tag(log,interval(1e-5,1e-2))'"
        )
    return Space(searched, fixed, left_out)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _suggest(trial: Trial, key: str, override: Override) -> str:
    space = override.value()
    if isinstance(space, IntervalSweep):
        low, high, log = space.start, space.end, "log" in space.tags
        assert low is not None
        assert high is not None
        if isinstance(low, int) and isinstance(high, int):
            return str(trial.suggest_int(key, low, high, log=log))
        return repr(trial.suggest_float(key, float(low), float(high), log=log))
    return str(trial.suggest_categorical(key, [str(element) for element in override.sweep_string_iterator()]))
