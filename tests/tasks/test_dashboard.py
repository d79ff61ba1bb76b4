"""``task=dashboard``: a file without an account; with one, created once and then updated."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import wandb
from wandb_workspaces.workspaces import interface, internal

from sr_experiments.tasks.dashboard import dashboard
from tests.tasks.runs import toy_config

KEY = "0123456789abcdef0123456789abcdef01234567"


class Server:
    """What Weights & Biases keeps of dashboards, by the two requests that are made."""

    def __init__(self) -> None:
        self.views: dict[tuple[str, str, str], dict[str, Any]] = {}
        self.projects = {("me", "p")}

    def answer(self, api: object, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        where = variables["entityName"], variables["projectName"]
        assert variables.get("type", variables.get("viewType")) == "project-view"
        if "mutation" not in query:
            if where not in self.projects:
                return {"project": None}
            view = self.views.get((*where, variables["viewName"]))
            return {"project": {"allViews": {"edges": [{"node": view}] if view else []}}}
        key = (*where, variables["name"])
        assert ("id" in variables) == (key in self.views), "an id is that of one that is there"
        view = {"id": variables.get("id", f"id{len(self.views)}"), "displayName": variables["displayName"]}
        self.views[key] = {**view, "spec": variables["spec"], "name": variables["name"]}
        return {"upsertView": {"view": self.views[key], "inserted": "id" not in variables}}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    server = Server()
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setattr(internal, "execute_graphql", server.answer)
    monkeypatch.setattr(wandb, "Api", lambda: SimpleNamespace(default_entity="me"))
    monkeypatch.setattr(interface, "get_app_url", lambda api: "https://wandb.example")
    yield server
    wandb.teardown()  # it has read the environment once, for all that comes


def test_it_is_created_once_and_then_updated(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dashboard(toy_config(tmp_path), tmp_path, project="p", title="mine")
    first = capsys.readouterr().out
    assert first.startswith("dashboard  created: https://wandb.example/me/p?nw=")
    dashboard(toy_config(tmp_path, "loss=gan"), tmp_path, project="p", title="mine")
    assert capsys.readouterr().out == first.replace("created", "updated")
    (view,) = server.views.values()
    assert view["displayName"] == "mine"
    names = [entry["name"] for entry in json.loads(view["spec"])["section"]["panelBankConfig"]["sections"]]
    assert names == ["Quality", "Pictures", "Speed", "Training", "Adversary"]
    dashboard(toy_config(tmp_path), tmp_path, project="p", title="another")
    assert len(server.views) == 2


def test_a_project_without_runs(server: Server, tmp_path: Path) -> None:
    told = r"task=dashboard: Project `me/q` not found\..* A project begins with its first run there"
    with pytest.raises(ValueError, match=told):
        dashboard(toy_config(tmp_path), tmp_path, project="q")


def test_a_server_that_refuses(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise wandb.errors.CommError("permission denied.")

    monkeypatch.setattr(internal, "execute_graphql", refuse)
    told = r"^task=dashboard: permission denied\. Without an account: output=FILE\.json writes the layout$"
    with pytest.raises(ValueError, match=told):
        dashboard(toy_config(tmp_path), tmp_path, project="p")


def test_a_file_of_the_config_s_sets_metrics_and_terms(tmp_path: Path) -> None:
    config = toy_config(
        tmp_path, "benchmark=[set5,set14]", "loss=l1_ms_ssim", "metric=[lr_psnr]", "data.patch_size=64"
    )
    dashboard(config, tmp_path, output=str(tmp_path / "layout.json"))
    text = (tmp_path / "layout.json").read_text(encoding="utf-8")
    for key in (
        "gain/set5/psnr_y",
        "gain/set14/lr_psnr",
        "val/lr_psnr",
        "train/loss/ms_ssim",
        "train/loss/l1",
    ):
        assert f'{key}"' in text
    assert "health/" not in text


def test_without_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb_workspaces.workspaces", None)
    with pytest.raises(ValueError, match=r'pip install "sr-experiments\[dashboard\]"'):
        dashboard(toy_config(tmp_path), tmp_path, output=str(tmp_path / "layout.json"))
