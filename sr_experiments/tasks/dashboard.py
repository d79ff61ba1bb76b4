"""``task=dashboard``: what one looks at when runs are at Weights & Biases, as code.

The keys of its panels are those of docs/wandb.md; which sets, metrics and terms there are says the config, as
in ``task=dashboard loss=gan benchmark=set5,set14 metric=lpips``.
"""

import hashlib
import logging
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from sr_experiments.account import refuse_without_login
from sr_experiments.callbacks.wandb_run import X
from sr_experiments.metrics.protocol import metrics_of, protocol_of_config
from sr_experiments.written import write_json

_log = logging.getLogger(__name__)


def dashboard(
    config: DictConfig,
    run_dir: Path,
    *,
    project: str = "sr_experiments",
    entity: str | None = None,
    title: str = "sr_experiments",
    output: str | None = None,
) -> None:
    """Create the dashboard, or give the one of this name the layout that it has here.

    Args:
        config: Composed and checked: its sets, metrics and terms are shown.
        run_dir: Of this task; nothing is written there.
        project: Whose runs are shown.
        entity: The team or user that it belongs to; None: the account's own.
        title: What it is called.
        output: A file for the layout, in place of Weights & Biases.

    Raises:
        ValueError: If nobody is logged in, the server does not answer, or the project has no runs yet.
    """
    if output is not None:
        path = Path(output)
        if path.suffix != ".json":
            raise ValueError(f"output={output}: the layout is JSON, so give FILE.json")
        write_json(path, layout_of(workspace_of(config, entity=entity or "", project=project, title=title)))
        print(f"layout  {path}")
        return
    refuse_without_login("task=dashboard", instead="output=FILE.json writes the layout")
    print(f"dashboard  {_save(config, entity=entity, project=project, title=title)}")


def workspace_of(config: DictConfig, *, entity: str, project: str, title: str) -> Any:
    """The dashboard, nowhere saved: wandb's `Workspace`.

    Raises:
        ValueError: If its package is not installed.
    """
    try:
        import wandb_workspaces.workspaces as ws
    except ModuleNotFoundError as error:
        raise ValueError(
            'task=dashboard needs wandb-workspaces: pip install "sr-experiments[dashboard]"'
        ) from error
    panels = {
        "Quality": _quality(config),
        "Pictures": _pictures(),
        "Speed": _speed(),
        "Training": _training(config),
    }
    if config.adversary is not None:
        panels["Adversary"] = _adversary(config)
    sections = [
        ws.Section(
            name=name,
            panels=shown,
            is_open=True,
            layout_settings=ws.SectionLayoutSettings(columns=1 if name == "Pictures" else 3),
        )
        for name, shown in panels.items()
    ]
    settings = ws.WorkspaceSettings(x_axis=X, max_runs=20)
    return ws.Workspace(entity=entity, project=project, name=title, sections=sections, settings=settings)


def layout_of(workspace: Any) -> Any:
    """The layout as plain values, as it is sent."""
    return workspace._to_model().spec.model_dump(mode="json", by_alias=True, exclude_none=True)


# ---- sections


def _quality(config: DictConfig) -> list[Any]:
    import wandb_workspaces.reports.v2 as wr

    metrics = [*metrics_of(protocol_of_config(config)), *config.metric]
    sets = list(config.benchmark) or [config.data.name]
    curves = [_curves(f"validation: {metric}", [f"val/{metric}"]) for metric in metrics]
    bars = [
        wr.BarPlot(
            title=f"{name}: {metric} less bicubic's", metrics=[wr.SummaryMetric(f"gain/{name}/{metric}")]
        )
        for name in sets
        for metric in metrics
    ]
    return [*curves, *bars, wr.WeavePanelSummaryTable(table_name="results/table")]


def _pictures() -> list[Any]:
    import wandb_workspaces.reports.v2 as wr

    return [
        wr.MediaBrowser(
            title=f"bicubic, result and truth: {of}", media_keys=[f"pictures/{role}"], num_columns=1
        )
        for role, of in (("val", "validation, the same crops in every epoch"), ("test", "final test"))
    ]


def _speed() -> list[Any]:
    import wandb_workspaces.reports.v2 as wr

    return [
        _curves("training: samples per second", ["speed/samples_per_second"]),
        _curves("validation: seconds", ["speed/validation_seconds"]),
        wr.ScatterPlot(
            title="parameters and speed",
            x=wr.SummaryMetric("parameters"),
            y=wr.SummaryMetric("speed/samples_per_second"),
        ),
    ]


def _training(config: DictConfig) -> list[Any]:
    terms = [f"train/loss/{name}" for name in config.loss.terms]
    return [
        _curves("what is minimised", ["train/loss"], log=True),
        _curves("terms before their weights", terms, log=True),
        _curves("learning rate", ["train/learning_rate"], log=True),
    ]


def _adversary(config: DictConfig) -> list[Any]:
    import wandb_workspaces.reports.v2 as wr

    sides = ("generator", "discriminator")
    shares = [f"health/share/{name}" for name, term in config.loss.terms.items() if term.weight > 0]
    return [
        _curves("output of the discriminator", ["health/d_real", "health/d_fake"]),
        _curves("right decisions of the discriminator", ["health/accuracy"]),
        _curves("norm of the gradients", [f"health/{side}_norm" for side in sides], log=True),
        _curves("share of the generator's gradient", ["health/share/adversarial", *shares]),
        _curves("losses of the game", ["train/loss/adversarial", "train/loss/discriminator"]),
        _curves("steps left out", ["health/skipped"]),
        *(
            wr.MediaBrowser(title=f"distribution: {name}", media_keys=[f"histograms/{name}"])
            for name in ("d_real", "d_fake", *(f"{side}_norm" for side in sides))
        ),
    ]


def _curves(title: str, keys: list[str], *, log: bool = False) -> Any:
    import wandb_workspaces.reports.v2 as wr

    return wr.LinePlot(title=title, x=X, y=keys, log_y=log or None)


# ---- saving


def _save(config: DictConfig, *, entity: str | None, project: str, title: str) -> str:
    """Where it is shown."""
    import wandb
    from wandb_workspaces.workspaces import internal

    try:
        owner = entity or wandb.Api().default_entity
        workspace = workspace_of(config, entity=owner, project=project, title=title)
        name = internal._url_query_str_to_internal_name(hashlib.sha256(title.encode()).hexdigest()[:11])
        workspace._internal_name = name
        workspace._internal_id = _known_id(owner, project, name)
        done = "updated" if workspace._internal_id else "created"
        workspace.save()
    except (wandb.Error, OSError) as error:
        said = str(error).splitlines()[0].rstrip(".")
        raise ValueError(
            f"task=dashboard: {said}. Without an account: output=FILE.json writes the layout"
        ) from error
    return f"{done}: {workspace.url}"


def _known_id(entity: str, project: str, name: str) -> str:
    """Of the dashboard with this name; empty where there is none."""
    from wandb_workspaces.workspaces import internal

    try:
        return str(internal.View.from_name(entity, project, name).id)
    except ValueError as error:
        if "not found in project" in str(error):
            return ""
        raise ValueError(f"task=dashboard: {error} A project begins with its first run there") from error
