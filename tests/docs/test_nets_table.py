"""The README's table of nets is what the configs and the records say."""

import csv
import re
from types import ModuleType

import pytest

from tests.conftest import ROOT
from tests.docs.scripts import script

README = (ROOT / "README.md").read_text(encoding="utf-8")
# Quick to build; the slow test has them all.
QUICK = ("experiment=edsr_baseline_x2", "experiment=edsr_baseline_x3", "experiment=srcnn_x3", "model=espcn")


@pytest.fixture(scope="module")
def table() -> ModuleType:
    return script("nets")


def rows(table: ModuleType) -> dict[str, list[str]]:
    """What is typed -> the other cells, as they stand in the README."""
    _, written, _ = table.placed(README)
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in written.splitlines()]
    assert tuple(cells[0]) == table.COLUMNS
    return {typed.strip("`"): others for typed, *others in cells[2:]}


def test_every_recipe_and_every_net_has_its_row_and_its_figures(table: ModuleType) -> None:
    written = rows(table)
    assert list(written) == table.names(), "python docs/site/nets.py --write"
    for typed, cells in written.items():
        assert cells[2:] == table.figures(typed), f"{typed}: python docs/site/nets.py --write"


@pytest.mark.parametrize("typed", QUICK)
def test_parameters_and_multiply_adds_are_those_of_the_nets(table: ModuleType, typed: str) -> None:
    assert rows(table)[typed][:2] == table.sizes(typed), "python docs/site/nets.py --write"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:torch.meshgrid")
def test_the_whole_table_is_what_the_command_makes(table: ModuleType) -> None:
    assert table.placed(README)[1] == table.markdown(), "python docs/site/nets.py --write"


def test_a_readme_without_marks_is_refused(table: ModuleType) -> None:
    with pytest.raises(ValueError, match=r"README\.md lacks <!-- nets: begin --> or <!-- nets: end -->"):
        table.placed("# a title\n")


def test_what_was_measured_stands_in_results_with_its_command() -> None:
    """A figure in the records that no document explains would be a number of unknown origin."""
    results = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    with (ROOT / "docs" / "measured.csv").open(newline="", encoding="utf-8") as file:
        records = list(csv.DictReader(file))
    assert records
    for record in records:
        chosen = (
            f"experiment={record['what']}" if record["weights"] == "trained" else f"model={record['what']}"
        )
        paragraphs = [text for text in results.split("\n\n") if f"{chosen} " in text]
        figure = rf"{re.escape(record['psnr_y'])}\D*{re.escape(record['ssim_y'].lstrip('0'))}"
        assert any(re.search(figure, text) for text in paragraphs), record
