"""The notebooks run from top to bottom and stay short guests."""

import ast
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests.conftest import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
# Said after what a reader trains, in the cell that is tagged `parameters`: everything else is the same.
TOY_SIZES = {
    "spoilt_and_restored": 'SIZES = "trainer=cpu trainer.max_epochs=1 data.steps_per_epoch=2"',
    "which_is_better": 'SEEDS, EPOCHS, STEPS, HELD_OUT = "1,2", 2, 2, "chelsea,coins"',
    "your_photographs": "STEPS, EPOCHS, MORE_EPOCHS = 2, 1, 2",
}


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def executed(path: Path) -> Any:
    """A case; `make notebooks` runs the slow one as well."""
    return pytest.param(path, marks=[pytest.mark.slow] if path.stem == "your_photographs" else [])


def made_small(path: Path) -> Any:
    """A notebook with the sizes of `TOY_SIZES`."""
    notebook = read(path)
    chosen = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    assert len(chosen) == 1
    chosen[0].source += "\n" + TOY_SIZES[path.stem]
    return notebook


def test_there_are_three() -> None:
    assert {path.stem for path in NOTEBOOKS} == set(TOY_SIZES)
    assert len(NOTEBOOKS) == 3


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("path", [executed(path) for path in NOTEBOOKS], ids=lambda path: path.stem)
def test_it_runs(path: Path, tmp_path: Path) -> None:
    notebook = made_small(path)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("image/png" in output.get("data", {}) for output in outputs), "it shows something"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_short_and_stripped(path: Path) -> None:
    cells = read(path).cells
    assert len(cells) < 40
    for cell in cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
        functions = [
            n
            for n in ast.walk(ast.parse(cell.source if cell.cell_type == "code" else ""))
            if isinstance(n, ast.FunctionDef)
        ]
        assert all(f.end_lineno is not None and f.end_lineno - f.lineno < 10 for f in functions)
