"""Tables of the documentation that commands have printed stand there as they were printed."""

from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.docs.scripts import script

DOCS = ROOT / "docs"
tables = script("tables")


def test_every_marked_table_is_that_of_its_file() -> None:
    for page in DOCS.rglob("*.md"):
        text = page.read_text(encoding="utf-8")
        assert tables.renewed(text) == text, f"{page.name}: python docs/site/tables.py --write"


@pytest.mark.parametrize("page", ["speed.md"])
def test_pages_of_measurements_have_no_other_tables(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    assert tables.tables(text) == tables.marked(text)
    assert tables.tables(text)


def test_a_table_that_was_measured_again_is_renewed(tmp_path: Path) -> None:
    record = tmp_path / "benchmarks" / "results" / "x.md"
    record.parent.mkdir(parents=True)
    record.write_text(
        "`command`\n\n| a |\n|---|\n| 1 |\n\nand\n\n| b |\n|---|\n| 2 |\n| 3 |\n", encoding="utf-8"
    )
    mark = "<!-- benchmarks/results/x.md: 2 -->\n\n"
    page = f"# Page\n\n{mark}| b |\n|---|\n| 9 |\n\nText.\n\n| other |\n"
    assert tables.renewed(page, root=tmp_path) == page.replace("| 9 |", "| 2 |\n| 3 |")
    empty = f"{mark}Text.\n"
    assert tables.renewed(empty, root=tmp_path) == f"{mark}| b |\n|---|\n| 2 |\n| 3 |\nText.\n"


@pytest.mark.parametrize("mark", ["benchmarks/results/x.md: 1", "benchmarks/results/startup.md: 9"])
def test_a_mark_for_a_table_that_is_not_there_is_refused(mark: str) -> None:
    with pytest.raises(ValueError, match=f"{mark}: there is no such table"):
        tables.renewed(f"<!-- {mark} -->\n\n| a |\n")
