"""The pages of docs/howto/ are followed literally, in a copy of the house, and it comes out as they say."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.docs.pages import Typed, differs, read_page
from tests.tasks.runs import photographs

PAGES = {path.stem: path for path in sorted((ROOT / "docs" / "howto").glob("*.md"))}
WORKER = Path(__file__).parent / "typing_worker.py"
# Sizes that a page does not name, made small; the table and the messages are the same with them.
TRAINING = [
    "data.steps_per_epoch=1",
    "trainer.max_epochs=1",
    "data.patch_size=32",
    "data.batch_size=2",
    "trainer=cpu",
    "trainer.log_every_n_steps=1",
]


def small(line: str) -> str:
    """A line as it is typed here."""
    trains = line.startswith("python -m sr_experiments") and " task=" not in line
    return " ".join([line, *TRAINING]) if trains else line


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the house, with a data set in it and nothing of the pages."""
    folder = tmp_path_factory.mktemp("house")
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("sr_experiments", "hydra_plugins", "conf", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", folder)  # pytest's options
    photographs(folder / "data" / "Holiday" / "HR", count=6, side=200)
    return folder


@pytest.fixture(scope="module")
def printed(house: Path) -> dict[str, list[str]]:
    """Page -> what each of its lines printed; in one process, because torch takes long to import."""
    pages = {name: read_page(path) for name, path in PAGES.items()}
    for page in pages.values():
        for name, text in page.files.items():
            assert not (house / name).exists(), f"{name} is there already: the page would overwrite it"
            assert (house / name).parent.is_dir(), f"{name}: there is no such room"
            (house / name).write_text(text, encoding="utf-8")
    lines, said = house / "lines.json", house / "said.json"
    every = [small(typed.line) for page in pages.values() for typed in page.typed]
    lines.write_text(json.dumps(every), encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(house), "COLUMNS": "80", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, str(WORKER), str(lines), str(said)]
    done = subprocess.run(command, cwd=house, env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    answers = iter(json.loads(said.read_text(encoding="utf-8")))
    return {name: [next(answers) for _ in page.typed] for name, page in pages.items()}


def held(typed: Typed, output: str) -> None:
    """What a page says is printed, is."""
    missing = differs(typed.printed, output)
    assert missing is None, f"$ {typed.line}\nshould print\n{missing}\nand printed\n{output}"


def test_there_is_a_page_for_each_thing_that_is_added_often() -> None:
    assert set(PAGES) == {"net", "loss", "degradation", "data", "training"}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_followed_literally_comes_out_as_it_says(name: str, printed: dict[str, list[str]]) -> None:
    page = read_page(PAGES[name])
    assert page.files
    assert page.typed
    for typed, output in zip(page.typed, printed[name], strict=True):
        held(typed, output)


def test_a_page_that_rots_is_noticed() -> None:
    printed = ["...", "error: net.x=1: must be int, not ...", "..."]
    assert differs(printed, "a\nb\nerror: net.x=1: must be int, not str\nc\n") is None
    assert differs(printed, "a\nerror: net.x=1: must be whole\n") == printed[1]
    assert differs(["one", "two"], "one\n\ntwo  \n") is None
    assert differs(["one", "two"], "one\nthree\ntwo\n") == "two"
    assert differs(["one"], "one\ntwo\n") == "(nothing more), but: two"
