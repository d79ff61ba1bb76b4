"""Who may import whom: the table of docs/architecture.md, held."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGE = ROOT / "sr_experiments"
FILES = sorted(PACKAGE.rglob("*.py"))

# The table of docs/architecture.md: (rooms of a row, what they may import besides one another).
_ROW = re.compile(r"^\| (?P<rooms>`[^|]*`) \| [^|]* \| (?P<others>[^|]*) \|$", re.MULTILINE)
_TABLE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").split("\n## ")[1]
ROWS = [
    (set(re.findall(r"`([\w.]+)`", row["rooms"])), set(re.findall(r"`([\w.]+)`", row["others"])))
    for row in _ROW.finditer(_TABLE)
]
MAY_IMPORT = {room: rooms | others for rooms, others in ROWS for room in rooms}
NEVER = {
    "imaging": {"pytorch_lightning", "hydra", "omegaconf", "kornia", "wandb"},
    "features": {"pytorch_lightning", "hydra", "omegaconf", "kornia", "wandb", "lpips"},
    "nets": {"pytorch_lightning", "hydra", "omegaconf"},
    "losses": {"pytorch_lightning", "hydra", "omegaconf"},
    "metrics": {"pytorch_lightning", "hydra", "omegaconf"},
    "degradations": {"pytorch_lightning", "hydra", "omegaconf"},
    "data": {"hydra"},
    "models": {"hydra", "omegaconf"},
    "sweeps": {"torch", "numpy", "pytorch_lightning", "kornia"},
    "prepare": {"pytorch_lightning", "hydra", "omegaconf"},
    "report": {"pytorch_lightning", "hydra", "omegaconf", "kornia", "wandb"},
}
LIGHT = [
    "__init__",
    "__main__",
    "cli",
    "arguments",
    "continuing",
    "ranks",
    "secret",
    "config",
    "check",
    "signature",
    "mistakes",
    "mistyped",
    "flags",
    "nearest",
    "paths",
    "written",
    "help",
]


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: absolute imports only"
            assert node.module is not None
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def rooms_of(path: Path) -> Iterator[str]:
    """What a file imports of ours beyond its room, as `room.file`."""
    for name in imports(path):
        root, *rest = name.split(".")
        if root == "sr_experiments" and rest and rest[0] != room_of(path) and rest[0] in MAY_IMPORT:
            yield ".".join(rest[:2])


def test_every_room_has_a_row() -> None:
    assert set(MAY_IMPORT) == {room_of(path) for path in FILES} - {"__init__", "__main__"}
    assert len(MAY_IMPORT) == sum(len(rooms) for rooms, _ in ROWS), "a room has one row"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_only_what_lies_below(path: Path) -> None:
    room = room_of(path)
    for name in imports(path):
        assert name.split(".")[0] not in NEVER.get(room, set()), f"{room} must not know {name}"
    for name in rooms_of(path):
        if room in MAY_IMPORT:
            allowed = MAY_IMPORT[room]
            assert name.split(".")[0] in allowed or name in allowed, f"{room} must not import {name}"


def test_the_table_is_the_house_as_built() -> None:
    """A row that allows what nobody does is a picture of another house."""
    for rooms, others in ROWS:
        found = {name for path in FILES if room_of(path) in rooms for name in rooms_of(path)}
        unused = {
            one for one in others if not any(name == one or name.split(".")[0] == one for name in found)
        }
        assert not unused, f"{' '.join(sorted(rooms))} no longer imports {' '.join(sorted(unused))}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_and_its_files_stay_small(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 320
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno is not None
            docstring = ast.get_docstring(node) or ""
            assert node.end_lineno - node.lineno - len(docstring.splitlines()) <= 50, node.name


@pytest.mark.parametrize("name", LIGHT)
def test_what_answers_a_typo_is_light(name: str) -> None:
    """Torch takes two seconds to import and Lightning five; ``--help`` must not wait for them."""
    heavy = {"torch", "numpy", "pytorch_lightning", "kornia", "wandb", "torchvision"}
    for module in imports(PACKAGE / f"{name}.py"):
        assert module.split(".")[0] not in heavy
        assert module.split(".")[:2] not in (["sr_experiments", "build"], ["sr_experiments", "tasks"])


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_wandb_is_imported_where_it_is_used_only(path: Path) -> None:
    """Without logger=wandb nobody waits for it, or has to have it work."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = (
                [alias.name for alias in node.names] if isinstance(node, ast.Import) else [str(node.module)]
            )
            assert not any(name.startswith("wandb") for name in names)


def test_there_is_no_room_for_odds_and_ends() -> None:
    assert not list(PACKAGE.rglob("*util*"))


def test_a_room_has_an_empty_door() -> None:
    """Re-exports would make importing one net import all of them."""
    for path in PACKAGE.rglob("*/__init__.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert all(isinstance(node, ast.Expr) for node in tree.body), path


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_runs_from_data(path: Path) -> None:
    """No text is run as a program; `torch.load` opens tensors and text only."""
    forbidden = {"eval", "exec", "__import__"}
    unsafe = {("pickle", "load"), ("pickle", "loads"), ("yaml", "load"), ("os", "system"), ("np", "load")}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name):
            assert node.func.id not in forbidden
        elif isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
            called = node.func.value.id, node.func.attr
            options = {option.arg: option.value for option in node.keywords}
            assert called not in unsafe or _is_false(options.get("allow_pickle")), called
            if called == ("torch", "load"):
                safe = options.get("weights_only")
                assert isinstance(safe, ast.Constant)
                assert safe.value is True


def _is_false(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is False
