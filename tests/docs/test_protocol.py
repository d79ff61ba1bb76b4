"""docs/protocol.md names every figure there is, in the words and with the facts of what measures it."""

import importlib
import re

import torch
import yaml

from sr_experiments.metrics.protocol import PROTOCOLS, image_metrics, ranged_metrics, unit_of
from sr_experiments.report.published import table
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
CHOSEN = {path.stem: path for path in sorted((ROOT / "conf" / "metric").glob("*.yaml"))}
# Name -> the cells of its row: what, unit, better, where.
ROWS = {
    name: [cell.strip() for cell in line.strip("|").split("|")[1:]]
    for line in PAGE.split("## The names")[1].split("## ")[0].splitlines()
    if line.startswith("| `")
    for name in re.findall(r"`(\w+)`", line.split("|")[1])
}


def of_the_protocols() -> set[str]:
    """What is measured of grey, RGB, other bands, and two bands of measured values."""
    names: set[str] = set()
    for channels in (1, 3, 4):
        names |= set(image_metrics(*[torch.rand(1, channels, 16, 16)] * 2, scale=1))
    return names | set(ranged_metrics(*[torch.rand(1, 2, 16, 16)] * 2, scale=1))


def test_every_metric_has_a_row_and_every_row_a_metric() -> None:
    assert set(ROWS) == of_the_protocols() | set(CHOSEN)


def test_a_row_says_which_way_is_better_and_in_which_unit() -> None:
    for name, (_, unit, better, _) in ROWS.items():
        higher = True
        if name in CHOSEN:
            target = yaml.safe_load(CHOSEN[name].read_text(encoding="utf-8"))[name]["_target_"]
            module, _, found = target.rpartition(".")
            higher = getattr(importlib.import_module(module), found).higher_is_better
        assert better == ("higher" if higher else "lower"), name
        units = unit.split(", ")
        own = units[0] if name.startswith("psnr") else units[-1]
        assert (own == "dB") == (unit_of(name) == "dB"), name


def test_the_protocols_are_quoted() -> None:
    words = " ".join(PAGE.split())
    for name, text in PROTOCOLS.items():
        assert f"- **{name}**: {text}" in words


def test_the_sets_are_those_of_the_configs() -> None:
    found = dict(re.findall(r"^\| `(\w+)` \| (\d+) \|", PAGE.split("## The sets")[1], re.M))
    for path in sorted((ROOT / "conf" / "benchmark").glob("*.yaml")):
        expected = yaml.safe_load(path.read_text(encoding="utf-8"))[path.stem].get("expected", 1)
        assert found.pop(path.stem) == str(expected)
    assert found == {}


def test_the_published_bicubic_row_is_the_papers() -> None:
    for scale in (2, 3, 4):
        published = table()["bicubic", "set5", scale, "luma"]
        assert f"{published.psnr_y:.2f} / {published.ssim_y:.4f}".replace(" 0.", " .") in PAGE


def test_the_tests_that_it_names_are_there() -> None:
    for line in PAGE.split("## Where it is proven")[1].splitlines():
        folder = ""
        for path in re.findall(r"`([\w/]+\.py)`", line):
            folder = path.rpartition("/")[0] or folder
            assert (ROOT / folder / path.rpartition("/")[2]).is_file(), path
