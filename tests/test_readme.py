"""What the README tells people to type, works; what it lists, is there."""

import re
import shlex

import pytest
from hydra import compose, initialize_config_dir

from sr_experiments.arguments import as_hydra_takes
from sr_experiments.check import check
from sr_experiments.config import register
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
FIELDS = sorted((ROOT / "docs" / "fields").glob("*.md"))
DOCUMENTS = [README, *(path.read_text(encoding="utf-8") for path in [ROOT / "data" / "README.md", *FIELDS])]
CONF = ROOT / "conf"


def commands() -> list[str]:
    found, fenced = [], False
    for line in "\n".join(DOCUMENTS).splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif fenced and "python -m sr_experiments" in line:
            found.append(line.removeprefix("$ ").split("  ")[0])
    return found


def test_there_are_commands() -> None:
    assert len(commands()) > 10


@pytest.mark.parametrize("command", commands())
def test_a_command_composes_and_passes_the_check(command: str) -> None:
    arguments = shlex.split(command)[3:]
    if "redction" in command:
        pytest.skip("the README's example of a mistake; tests/test_cli.py has it")
    if len(arguments) == 1 and arguments[0].startswith("run="):
        pytest.skip("continues what is there; tests/docs/test_readme_typed.py types it behind what begins it")
    overrides = [a for a in as_hydra_takes(arguments) if not a.startswith("-") and a != "job"]
    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        if "-m" in arguments:  # the first choice of each
            overrides = [re.sub(r"=([^,\[]+),.*", r"=\1", override) for override in overrides]
        overrides = [override for override in overrides if "=tag(" not in override]  # of a search
        check(compose("config", overrides=["name=test", *overrides]))


@pytest.mark.parametrize(
    "group",
    [
        "loss",
        "data",
        "benchmark",
        "task",
        "metric",
        "experiment",
        "degradation",
        "optimizer",
        "schedule",
        "trainer",
        "logger",
        "sweep",
    ],
)
def test_the_table_of_choices_is_complete(group: str) -> None:
    row = next(line for line in README.splitlines() if line.startswith(f"| `{group}`"))
    there = {path.stem for path in (CONF / group).glob("*.yaml")} - {"_base"}
    assert set(re.findall(r"`([\w]+)`", row.split("|", 2)[2])) == there


def test_the_table_of_models_is_complete() -> None:
    row = next(line for line in README.splitlines() if line.startswith("| `model`"))
    there = {path.stem for path in (CONF / "model").glob("*.yaml")} - {"restoration"}
    assert there <= set(re.findall(r"`([\w]+)`", row))


def test_every_target_of_make_is_described() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in ("demo", "test", "check", "lint", "types", "slow", "notebooks", "build", "clean", "help"):
        assert re.search(rf"^{target}:.*## \w+", makefile, re.MULTILINE)


def test_links_lead_somewhere() -> None:
    for path in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / path).exists(), path
