"""``task=wandb_sweep``: what ``wandb sweep`` takes, whose agents choose and start the runs.

The arguments are those of a sweep of ours: lists, ``range(...)``, ``interval(...)`` and, for equal factors,
``tag(log, interval(...))``. An agent puts a value of each behind the others and starts the program.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override
from omegaconf import DictConfig, OmegaConf

from sr_experiments.arguments import as_hydra_takes
from sr_experiments.check import check
from sr_experiments.paths import conf_dir
from sr_experiments.secret import redacted
from sr_experiments.written import write_text

# Two agents may begin in the same second: the folder has the run's id.
_FOLDER = "hydra.run.dir=runs/${now:%Y-%m-%d}/${now:%H-%M-%S}-${oc.env:WANDB_RUN_ID}"


def wandb_sweep(
    config: DictConfig,
    run_dir: Path,
    *,
    arguments: Sequence[str] = (),
    output: str | None = None,
    project: str = "sr_experiments",
    entity: str | None = None,
    title: str | None = None,
    method: Literal["grid", "random", "bayes"] | None = None,
    monitor: str | None = None,
    count: int | None = None,
) -> None:
    """Print the configuration of a sweep, or write it.

    Args:
        config: Of the program without `arguments`.
        run_dir: Of this task; nothing is written there.
        arguments: As typed.
        output: The file.
        project: Where the runs are shown.
        entity: The team or user that it belongs to.
        title: Of the sweep.
        method: How values are chosen.
        monitor: What decides which run is best.
        count: Runs at most.

    Raises:
        ValueError: If nothing is to be searched, a value composes to no run, or intervals are for a grid.
    """
    found = sweep_of(
        arguments, project=project, entity=entity, title=title, method=method, monitor=monitor, count=count
    )
    text = OmegaConf.to_yaml(OmegaConf.create(_escaped(found))).replace("\\${", "${")
    if output is None:
        print(text, end="")
        return
    if Path(output).suffix not in (".yaml", ".yml"):
        raise ValueError(f"output={output}: it is YAML, so give FILE.yaml")
    write_text(Path(output), text)
    print(f"written  {output}\nnext     wandb sweep {output}")


def sweep_of(
    arguments: Sequence[str],
    *,
    project: str = "sr_experiments",
    entity: str | None = None,
    title: str | None = None,
    method: str | None = None,
    monitor: str | None = None,
    count: int | None = None,
) -> dict[str, Any]:
    """The configuration as plain values; see `wandb_sweep`."""
    parsed = list(OverridesParser.create().parse_overrides(list(arguments)))
    fixed = [text for text, one in zip(arguments, parsed, strict=True) if not one.is_sweep_override()]
    searched = [one for one in parsed if one.is_sweep_override()]
    if not searched:
        raise ValueError(
            "task=wandb_sweep: nothing is to be searched; give several values, as model=edsr,rcan, or "
            "'optimizer.lr=tag(log,interval(1e-5,1e-3))'"
        )
    if secret := next((text for text in fixed if redacted(text) != text), None):
        raise ValueError(
            f"task=wandb_sweep: {secret.partition('=')[0]} has a password in it, which everybody of the "
            "project could read; agents take it from their environment: KEY='${oc.env:NAME}'"
        )
    parameters = {one.get_key_element(): _values(one) for one in searched}
    endless = [key for key, values in parameters.items() if "values" not in values]
    method = method or ("bayes" if endless else "grid")
    if method == "grid" and endless:
        raise ValueError(
            f"method=grid takes listed values, and {endless[0]} is an interval: method=bayes or random"
        )
    example = _tried(fixed, searched)
    if "wandb" not in example.logger:
        raise ValueError("task=wandb_sweep: wandb is to be among the loggers, as logger=[csv,wandb]")
    best = example.callbacks.checkpoints
    given = {"name": title, "entity": entity, "run_cap": count}
    return {
        "program": "sr_experiments",
        "project": project,
        **{key: value for key, value in given.items() if value is not None},
        "method": method,
        "metric": {"name": monitor or best.monitor, "goal": "maximize" if best.mode == "max" else "minimize"},
        "parameters": parameters,
        "command": _command(fixed, project=project, entity=entity),
    }


def _command(fixed: Sequence[str], *, project: str, entity: str | None) -> list[str]:
    """What an agent starts; the last word stands for the values that it chose."""
    where = [f"logger.wandb.project={project}", *([f"logger.wandb.entity={entity}"] if entity else [])]
    program = ["${env}", "${interpreter}", "-m", "sr_experiments"]
    return [*program, *fixed, *_loggers(fixed), *where, _FOLDER, "${args_no_hyphens}"]


def _loggers(fixed: Sequence[str]) -> list[str]:
    """An agent waits for a run at Weights & Biases; loggers that are chosen are taken to have it."""
    return [] if any(text.partition("=")[0] == "logger" for text in fixed) else ["logger=[csv,wandb]"]


def _values(override: Override) -> dict[str, Any]:
    """What wandb calls the values of an argument."""
    sweep = override.value()
    if isinstance(sweep, IntervalSweep):
        whole = isinstance(sweep.start, int) and isinstance(sweep.end, int)
        even = "int_uniform" if whole else "uniform"
        return {
            "distribution": "log_uniform_values" if "log" in sweep.tags else even,
            "min": sweep.start,
            "max": sweep.end,
        }
    plain = list(override.sweep_iterator())
    return {
        "values": [
            value if isinstance(value, int | float) and not isinstance(value, bool) else text
            for value, text in zip(plain, _texts(override), strict=True)
        ]
    }


def _texts(override: Override) -> list[str]:
    """Values as they stand on a command line; of an interval its ends."""
    sweep = override.value()
    if isinstance(sweep, IntervalSweep):
        return [str(sweep.start), str(sweep.end)]
    # A range is an iterator that is used up once.
    again = OverridesParser.create().parse_override(str(override.input_line))
    return list(again.sweep_string_iterator())


def _tried(fixed: Sequence[str], searched: Sequence[Override]) -> DictConfig:
    """The config of the first values; each choice of a group, and the last of other values, are tried."""
    values = {one.get_key_element(): _texts(one) for one in searched}
    first = {key: texts[0] for key, texts in values.items()}
    config = _checked(fixed, first)
    for key, texts in values.items():
        others = texts[1:] if (conf_dir() / key).is_dir() else texts[-1:]
        for text in others:
            _checked(fixed, {**first, key: text})
    return config


def _checked(fixed: Sequence[str], values: dict[str, str]) -> DictConfig:
    typed = as_hydra_takes([*fixed, *_loggers(fixed), *(f"{key}={text}" for key, text in values.items())])
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        config = compose("config", overrides=["name=wandb_sweep", *typed])
    check(config)
    return config


def _escaped(value: Any) -> Any:
    """Interpolations are wandb's, or the run's: not this program's."""
    if isinstance(value, str):
        return value.replace("${", "\\${")
    if isinstance(value, dict):
        return {key: _escaped(entry) for key, entry in value.items()}
    return [_escaped(entry) for entry in value] if isinstance(value, list) else value
