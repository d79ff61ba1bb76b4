"""What the page and the tables say. How the page behaves is in test_browser.py."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from sr_experiments.config import register
from sr_experiments.imaging.io import write_png
from sr_experiments.tasks.report import report
from tests.conftest import ROOT
from tests.report.made import make_run, twelve

REFERS = re.compile(r"""(?:src|href|url)\s*[=(]\s*["']?(?!#|data:)[a-z]+:""", re.IGNORECASE)


def config() -> DictConfig:
    register()
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        return compose("config", overrides=["name=test", "task=report"])


def made(runs: Path, folder: Path, **options: object) -> str:
    report(config(), folder, runs=[str(runs)], **options)  # type: ignore[arg-type]
    return (folder / "report.html").read_text(encoding="utf-8")


def data_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


class Tags(HTMLParser):
    """Every element that is opened is closed, in its order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in ("meta", "link", "img", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("report")


@pytest.fixture(scope="module")
def page(folder: Path) -> str:
    return made(twelve(folder / "runs"), folder / "out")


def test_it_is_one_file_that_asks_nothing_of_anyone(page: str) -> None:
    assert not REFERS.search(page)
    assert "default-src 'none'" in page
    tags = Tags()
    tags.feed(page)
    assert not tags.wrong
    assert not tags.open
    names = re.findall(r'\sid="([^"]+)"', page.partition('<script type="application/json"')[0])
    assert len(names) == len(set(names)), "names are told apart, also those within drawings"


def test_it_says_which_is_better_and_which_are_not_distinguishable(page: str) -> None:
    content = data_of(page)
    (board,) = content["boards"]
    number = {label: place for place, label in enumerate(content["labels"])}
    says = board["metrics"]["psnr_y"]["says"]
    rcan, edsr = number["rcan (demo)"], number["edsr (demo)"]
    one, two = number["espcn lr=0.0001 (demo)"], number["espcn lr=0.0002 (demo)"]
    assert re.match(
        r"rcan \(demo\) is better than edsr \(demo\) in psnr_y by 0\.\d+ dB \(95 %", says[f"{rcan},{edsr}"]
    )
    assert says[f"{edsr},{rcan}"].startswith("edsr (demo) is worse than rcan (demo) in psnr_y by 0.")
    assert "are not distinguishable in psnr_y" in says[f"{one},{two}"]
    assert says[f"{one},{one}"].startswith("A and B are one configuration. seed 1 and seed 2 are not disting")
    assert len(board["metrics"]["psnr_y"]["at"][str(rcan)]) == 14


def test_demo_runs_are_marked_wherever_they_are_named(page: str, folder: Path) -> None:
    content = data_of(page)
    assert all(label.endswith("(demo)") for label in content["labels"])
    assert all("(demo), seed" in shot for shot in content["shots"])
    rows = re.findall(r'<tr class="ours">(.*?)</tr>', page, re.DOTALL)
    assert len(rows) == 4
    assert all('class="demo"' in row for row in rows)
    assert "compare with nothing published" in page
    for name in ("table.md", "table.tex"):
        assert (folder / "out" / name).read_text(encoding="utf-8").count("(demo)") == 4


def test_the_tables_hold_the_means_and_students_intervals(folder: Path, page: str) -> None:
    lines = (folder / "out" / "table.md").read_text(encoding="utf-8").splitlines()
    row = next(line for line in lines if line.startswith("| edsr"))
    reached = []
    for seed in (1, 2, 3):
        text = (folder / "runs" / f"edsr-0.0001-{seed}" / "per_image.csv").read_text(encoding="utf-8")
        reached.append(np.mean([float(line.split(",")[2]) for line in text.splitlines()[1:]]))
    half = 4.302653 * np.std(reached, ddof=1) / 3**0.5
    assert f"| 3 | {np.mean(reached):.2f} ± {half:.2f} |" in row, "value and spread have the same digits"
    assert "1.52 M | 87.4 G | 102 |" in row
    tex = (folder / "out" / "table.tex").read_text(encoding="utf-8")
    assert r"\toprule" in tex
    assert f"{np.mean(reached):.2f} $\\pm$ {half:.2f}" in tex
    assert "psnr\\_y" in tex


def test_protocols_are_told_in_the_words_of_what_measures(page: str) -> None:
    from sr_experiments.metrics.protocol import PROTOCOLS

    assert PROTOCOLS["rgb"].partition("`")[0] in page
    assert "MATLAB&#39;s" in page or "MATLAB's" in page
    assert "1280x720" in page


def test_papers_stand_beside_ours_on_a_benchmark(tmp_path: Path) -> None:
    make_run(tmp_path / "runs" / "x", [32.0, 33.0, 31.5, 32.0, 32.5], model="rcan", dataset="set5")
    made(tmp_path / "runs", tmp_path / "out")
    lines = (tmp_path / "out" / "table.md").read_text(encoding="utf-8").splitlines()
    ours = next(line for line in lines if line.startswith("| rcan |"))
    assert "| 32.63 | 0.9002 | -0.43 |" in ours  # arXiv:1807.02758, table 2; 32.20 here; a minus to be copied
    assert r"& 32.63 & 0.9002 & $-0.43$ &" in (tmp_path / "out" / "table.tex").read_text(encoding="utf-8")
    paper = next(line for line in lines if line.startswith("| edsr (paper)"))
    assert "| 32.46 | 0.8968 |" in paper
    assert "- paper: RCAN paper (arXiv:1807.02758)" in lines
    assert "±" not in ours, "one seed has no interval"


def test_bicubic_stands_once_whoever_measured_it(tmp_path: Path) -> None:
    """Three rows once said the same of it: the baseline's, and two of runs."""
    make_run(tmp_path / "runs" / "net", [30.0, 31.0])
    make_run(tmp_path / "runs" / "bicubic", [25.0, 26.0], model="bicubic", parameters=0)
    made(tmp_path / "runs", tmp_path / "out")
    table = (tmp_path / "out" / "table.md").read_text(encoding="utf-8")
    (row,) = (line for line in table.splitlines() if line.startswith("| bicubic"))
    assert row.startswith("| bicubic | - | 25.50 | 0.7550 |")
    make_run(tmp_path / "runs" / "other", [25.2, 26.0], model="lanczos", parameters=0)
    made(tmp_path / "runs", tmp_path / "other")
    assert "| lanczos | - | 25.60 |" in (tmp_path / "other" / "table.md").read_text(encoding="utf-8")


def test_the_menu_has_the_words_of_the_heads_and_the_page_the_date_of_its_newest_run(
    page: str, folder: Path, tmp_path: Path
) -> None:
    menu = re.search(r"<nav.*?</nav>", page, re.DOTALL)
    assert menu is not None
    links = re.findall(r'<a href="#(\w+)">([^<]+)</a>', menu[0])
    assert links == re.findall(r'<section id="(\w+)">.*?<h2>([^<]+)</h2>', page, re.DOTALL)
    assert "The newest was begun on 2026-01-01 00:00." in page
    for name in ("table.md", "table.tex"):
        text = (folder / "out" / name).read_text(encoding="utf-8")
        assert "the newest run was begun on 2026-01-01 00:00\n" in text
    assert made(folder / "runs", tmp_path / "again") == page, "the same of the same runs, whenever it is made"


def test_text_from_outside_stays_text(tmp_path: Path) -> None:
    bad = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"
    make_run(tmp_path / "runs" / "a", [30.0] * 6, model=bad, record={"notes": [bad]}, dataset=bad)
    make_run(tmp_path / "runs" / "b", [30.0] * 6, status="failed", record={"error": bad})
    page = made(tmp_path / "runs", tmp_path / "out", title=bad)
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    tags = Tags()
    tags.feed(page)
    assert not tags.wrong


def test_pictures_are_left_out_where_the_page_would_grow_too_large(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / "runs" / f"{seed}", [30.0] * 6, seed=seed, pictures=1) for seed in (1, 2)]
    noise = np.random.default_rng(0).integers(256, size=(600, 600, 3), dtype=np.uint8)
    for what in ("gt", "bicubic", "sr"):  # more than a megabyte each, and only one run has it
        write_png(runs[0] / "images" / "crops" / f"large.{what}.png", noise)
    page = made(tmp_path / "runs", tmp_path / "out", limit=1)
    assert "3 pictures were left out to keep the page at about 1.0 MB" in page
    assert list(data_of(page)["scenes"]) == ["set5-image000"]
    assert len(page.encode()) < 1_000_000
    assert "pictures were left out" not in made(tmp_path / "runs", tmp_path / "all")


def test_only_the_best_have_comparisons_where_there_are_many(tmp_path: Path) -> None:
    for number in range(8):
        make_run(tmp_path / "runs" / f"{number}", [30.0 + number] * 6, lr=number / 1000)
    page = made(tmp_path / "runs", tmp_path / "out", detail=3)
    labels = data_of(page)["labels"]
    assert labels == ["espcn lr=0.007", "espcn lr=0.006", "espcn lr=0.005"]
    assert page.count('<tr class="ours">') == 8


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"runs": []}, "task=report needs runs=FOLDER"),
        ({"runs": ["/nowhere/at/all"]}, "runs=/nowhere/at/all: there is no such folder"),
        ({"runs": ["x"], "detail": 0}, "task.detail=0 and task.limit=24 must be 1 or more"),
    ],
)
def test_mistakes_are_answered(tmp_path: Path, options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        report(config(), tmp_path, **options)


def test_runs_that_a_clock_ended_do_not_pass_for_whole_ones(tmp_path: Path) -> None:
    """Six demo runs on a busy machine had up to 1500 steps, and the fewest 228; only the last table told."""
    note = "training ended after 228 of 1500 batches: trainer.max_time=00:00:04:00 was reached"
    make_run(tmp_path / "runs" / "1", [30.0, 31.0], seed=1)
    make_run(tmp_path / "runs" / "2", [25.0, 24.0], seed=2, record={"notes": [note]})
    said = f"1 of 2 runs were ended before their last step, and do not compare with the others: {note}"
    page = made(tmp_path / "runs", tmp_path / "out")
    assert f'<p class="banner">{said}.</p>' in page
    assert f"- {said}\n" in (tmp_path / "out" / "table.md").read_text(encoding="utf-8")
    assert f"% {said}\n" in (tmp_path / "out" / "table.tex").read_text(encoding="utf-8")
