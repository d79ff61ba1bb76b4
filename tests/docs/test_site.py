"""The documentation builds without a warning, opens from disk, and asks nothing of any server."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.chromium import chromium
from tests.conftest import ROOT

BUILD = [sys.executable, str(ROOT / "docs" / "site" / "build.py")]
WIDTHS = (390, 1440)
# Elements whose attribute makes a browser ask for something, unlike a link that somebody may click.
ASKING = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "video": "src"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "site"
    done = subprocess.run([*BUILD, str(folder)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "a warning"
    return folder


class Asked(HTMLParser):
    """What a page makes a browser fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        value = dict(attrs).get(ASKING.get(tag, ""))
        if value:
            self.found.append(value)


def test_no_page_asks_for_anything_outside(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 60
    for page in pages:
        found = Asked(page.read_text(encoding="utf-8")).found
        assert found
        outside = [one for one in found if re.match(r"(https?:)?//", one)]
        assert not outside, page
        if page.name != "404.html":  # its paths are those of a server
            missing = [one for one in found if not (page.parent / one.split("?")[0]).is_file()]
            assert not [one for one in missing if not one.startswith("data:")], page
    for sheet in site.rglob("*.css"):
        assert not re.search(r"@import|url\((['\"]?)(https?:)?//", sheet.read_text(encoding="utf-8")), sheet


def test_every_page_of_docs_is_there(site: Path) -> None:
    for path in (ROOT / "docs").rglob("*.md"):
        page = path.relative_to(ROOT / "docs").with_suffix(".html")
        assert (site / page).is_file() or (site / page.parent / "index.html").is_file(), path


def test_docstrings_and_configs_are_there_as_they_are(site: Path) -> None:
    losses = (site / "api" / "losses.html").read_text(encoding="utf-8")
    assert 'id="sr_experiments.losses.pixel.CharbonnierLoss"' in losses
    assert "Half-width of the rounded corner" in losses
    recipes = (site / "conf" / "experiment.html").read_text(encoding="utf-8")
    assert 'id="edsr_baseline_x4"' in recipes
    said = (site / "help.html").read_text(encoding="utf-8")
    assert "Did you mean" in said
    assert str(ROOT) not in said


def test_a_link_to_nothing_is_refused(tmp_path: Path) -> None:
    """In a copy, whose page leads to a file that is not there."""
    for name in ("docs", "conf", "sr_experiments", "data", "benchmarks/results"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md"):
        shutil.copy(ROOT / name, tmp_path)
    page = tmp_path / "docs" / "export.md"
    page.write_text(page.read_text(encoding="utf-8") + "\n[x](nowhere.md)\n", encoding="utf-8")
    command = [sys.executable, str(tmp_path / "docs" / "site" / "build.py"), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1
    assert "docs/export.md: the link to docs/nowhere.md leads to nothing that has a page" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_folder_with_something_else_in_it_is_not_emptied(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    done = subprocess.run([*BUILD, str(tmp_path)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 1
    assert f"{tmp_path} is not empty and holds no site; give another folder" in done.stderr
    assert (tmp_path / "mine.txt").exists()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    logs = {"browser": "ALL", "performance": "ALL"}
    with chromium(tmp_path_factory.mktemp("profile"), logs=logs) as driver:
        yield driver


def opened(browser: Any, page: Path, *, width: int) -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(page.as_uri())


def requested(browser: Any) -> list[str]:
    """The addresses that were asked for since this was last called."""
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    return [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]


@pytest.mark.parametrize("width", WIDTHS)
def test_pages_fit_and_ask_for_nothing_outside_the_folder(site: Path, browser: Any, width: int) -> None:
    names = (
        "index architecture results reliability coming-from howto/training api/losses conf/experiment help "
        "speed profile comparison first-hour upscale protocol fields/medical"
    )
    for name in names.split():
        opened(browser, site / f"{name}.html", width=width)
        wide = browser.execute_script("return document.documentElement.scrollWidth")
        assert wide <= width, f"{name} is {wide} pixels wide"
        asked = requested(browser)
        assert asked
        assert [url for url in asked if not url.startswith((site.as_uri(), "data:", "chrome"))] == []
        assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


FIELD = """return [...document.querySelectorAll('*')].map(
    element => element.shadowRoot?.querySelector('input')).find(field => field)"""
RESULTS = """return [...document.querySelectorAll('*')].flatMap(
    element => [...element.shadowRoot?.querySelectorAll('a') ?? []]).map(link => link.href)"""


def test_search_works_from_disk(site: Path, browser: Any) -> None:
    """Browsers give no Worker to a page from disk; ours is docs/site/iframe-worker.js."""
    from selenium.webdriver.support.ui import WebDriverWait

    opened(browser, site / "api" / "losses.html", width=1440)
    browser.find_element("css selector", ".md-search__button").click()
    wait = WebDriverWait(browser, 60)
    wait.until(lambda driver: driver.execute_script(FIELD)).send_keys("Charbonnier")
    expected = (site / "api" / "losses.html").as_uri()
    wait.until(
        lambda driver: any(
            link.startswith(expected) and "CharbonnierLoss" in link for link in driver.execute_script(RESULTS)
        )
    )
    assert not [url for url in requested(browser) if not url.startswith((site.as_uri(), "data:", "chrome"))]
