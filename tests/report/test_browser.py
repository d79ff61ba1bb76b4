"""The page in a headless Chromium: what moves, what sorts, and that it fits."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra import compose, initialize_config_dir

from sr_experiments.config import register
from sr_experiments.tasks.report import report
from tests.chromium import chromium
from tests.conftest import ROOT
from tests.report.made import make_run, twelve

DOTS = """return [...document.querySelectorAll('.compare:not(.hidden) .dot')].map(
    dot => [dot.cx.baseVal.value, dot.cy.baseVal.value])"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve demo runs on one board, three of them on another as well, and one that failed."""
    folder = tmp_path_factory.mktemp("page")
    runs = twelve(folder / "runs")
    random = np.random.default_rng(0)
    long = "a-name-that-somebody-thought-would-tell-everything-about-a-run-" * 2
    for seed in (1, 2):
        values = list(29 + random.normal(0, 2, 5))
        make_run(runs / f"{long}/{seed}", values, model="rcan", seed=seed, parameters=15_592_355)
    make_run(runs / "failed", [30.0] * 6, status="failed", record={"error": f"ValueError: {long}"})
    register()
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = compose("config", overrides=["name=test", "task=report"])
    report(config, folder / "out", runs=[str(runs)])
    return folder / "out" / "report.html"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("profile"), logs={"browser": "ALL"}) as driver:
        yield driver


def opened(browser: Any, page: Path, *, width: int = 1440, dark: bool = False) -> Any:
    """The page anew, at a width in CSS pixels."""
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    browser.get(page.as_uri())
    return browser


def find(browser: Any, selector: str) -> Any:
    return browser.find_element("css selector", selector)


def texts(browser: Any, selector: str) -> list[str]:
    return browser.execute_script(
        "return [...document.querySelectorAll(arguments[0])].map(e => e.textContent.trim())", selector
    )


def choose(browser: Any, selector: str, text: str) -> None:
    from selenium.webdriver.support.ui import Select

    Select(find(browser, selector)).select_by_visible_text(text)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_it_fits_is_readable_and_says_nothing_on_the_console(
    browser: Any, page: Path, width: int, dark: bool
) -> None:
    browser.get_log("browser")
    opened(browser, page, width=width, dark=dark)
    for scheme in texts(browser, "#board option"):
        choose(browser, "#board", scheme)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert browser.get_log("browser") == []
    ink, paper = browser.execute_script(
        "const s = getComputedStyle(document.body); return [s.color, s.backgroundColor]"
    )
    assert contrast(ink, paper) >= 7
    assert (luminance(paper) < 0.1) == dark
    for selector in (
        ".note",
        ".banner",
        ".demo",
        "a",
        "tr.paper th, tr.baseline td",
        ".status",
        "dd",
        "text",
    ):
        assert contrast(*seen(browser, selector)) >= 4.5, f"{selector} is too faint (WCAG AA)"
    smallest = browser.execute_script(
        "return Math.min(...[...document.querySelectorAll('figure svg text')]"
        ".filter(t => t.checkVisibility()).map(t => t.getBoundingClientRect().height))"
    )
    assert smallest >= 9, "words in figures stay legible on a phone"


BEYOND = """const box = document.querySelector('.board:not(.hidden) .wide'), style = getComputedStyle(box);
    return ['left', 'right', 'bottom'].map(edge => style.getPropertyValue(`--beyond-${edge}`))"""


def test_a_table_that_goes_on_fades_at_that_edge_and_scrolls_by_keys(browser: Any, page: Path) -> None:
    """Tables were cut at 390 pixels, and nothing showed that there was more."""
    opened(browser, page, width=390)
    assert browser.execute_script(BEYOND) == ["0px", "48px", "0px"]
    box = find(browser, ".board:not(.hidden) .wide")
    assert "linear-gradient" in box.value_of_css_property("mask-image")
    assert box.get_attribute("tabindex") == "0"
    box.send_keys("\ue014")  # arrow right
    wait(browser, "return document.querySelector('.board:not(.hidden) .wide').scrollLeft > 0")
    assert box.value_of_css_property("mask-image") == "none", "what has the focus is shown to its edge"
    browser.execute_script("arguments[0].scrollLeft = 1e6", box)
    wait(browser, f"return (() => {{ {BEYOND} }})().join() === '48px,0px,0px'")


def wait(browser: Any, script: str) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, 20).until(lambda driver: driver.execute_script(script))


def test_drawings_use_the_width_that_there_is(browser: Any, page: Path) -> None:
    for width, least in ((390, 300), (1440, 1000)):
        opened(browser, page, width=width)
        wide = browser.execute_script(
            "return [...document.querySelectorAll('.board:not(.hidden) .costs')]"
            ".map(f => f.getBoundingClientRect().width).filter(w => w > 0)"
        )
        assert len(wide) == 1
        assert wide[0] > least
    assert find(browser, ".compare:not(.hidden) .scatter").rect["width"] > 700
    lefts = [find(browser, f"#{name}").rect for name in ("scene", "left", "right")]
    assert len({round(rect["y"]) for rect in lefts}) == 1, "choices stand in one line where there is room"


def test_a_column_sorts_both_ways_by_size_and_by_words(browser: Any, page: Path) -> None:
    opened(browser, page)
    table = ".board:not(.hidden) table"

    def column(place: int) -> list[str]:
        return texts(browser, f"{table} tbody tr > :nth-child({place})")

    heads = texts(browser, f"{table} thead th button")
    by_name = 1 + heads.index("configuration")
    by_cost = 1 + heads.index("parameters")
    button = find(browser, f"{table} thead th:nth-child({by_cost}) button")
    button.click()
    assert column(by_cost) == ["15.6 M", "1.52 M", "37.2 k", "37.2 k", "-"], "largest first, missing last"
    assert button.find_element("xpath", "..").get_attribute("aria-sort") == "descending"
    button.send_keys("\n")  # by the keyboard
    assert column(by_cost) == ["37.2 k", "37.2 k", "1.52 M", "15.6 M", "-"]
    assert button.find_element("xpath", "..").get_attribute("aria-sort") == "ascending"
    find(browser, f"{table} thead th:nth-child({by_name}) button").click()
    names = column(by_name)
    assert names == sorted(names)
    assert find(browser, f"{table} thead th:nth-child({by_cost})").get_attribute("aria-sort") == "none"


def test_the_slider_moves_by_mouse_and_keys_and_shows_what_was_chosen(browser: Any, page: Path) -> None:
    opened(browser, page)

    def edge() -> float:
        left, whole, at = browser.execute_script(
            "const [p, e] = ['.pair', '.edge'].map(s => document.querySelector(s).getBoundingClientRect());"
            "return [p.left, p.width, e.left + e.width / 2]"
        )
        return float(at - left) / whole

    def clip() -> str:
        return browser.execute_script(
            "return getComputedStyle(document.getElementById('right-image')).clipPath"
        )

    slider = find(browser, "#cut")
    assert edge() == pytest.approx(0.5, abs=0.01)
    for _ in range(5):
        slider.send_keys("\ue014")  # arrow right
    assert edge() == pytest.approx(0.55, abs=0.01)
    assert re.search(r"inset\(0(px|%)?.* 55%\)", clip()), clip()
    from selenium.webdriver import ActionChains

    ActionChains(browser).move_to_element_with_offset(slider, slider.size["width"] // 4, 0).click().perform()
    assert edge() == pytest.approx(0.75, abs=0.03)

    right = texts(browser, "#right option")
    assert right[-2:] == ["bicubic interpolation", "ground truth"]
    assert len(right) == 14, "twelve runs, bicubic and truth"
    before = find(browser, "#right-image").get_attribute("src")
    choose(browser, "#right", "edsr (demo), seed 2")
    image = find(browser, "#right-image")
    assert image.get_attribute("src") != before
    assert image.get_attribute("alt") == "demo-image000: edsr (demo), seed 2"
    assert browser.execute_script("return arguments[0].complete && arguments[0].naturalWidth", image) == 32
    choose(browser, "#scene", "demo-image001")
    assert find(browser, "#right-image").get_attribute("alt") == "demo-image001: edsr (demo), seed 2"


def test_two_configurations_are_compared_in_a_sentence_and_a_dot_per_image(browser: Any, page: Path) -> None:
    opened(browser, page)
    panel = ".compare:not(.hidden)"

    def verdict() -> str:
        return find(browser, f"{panel} .verdict").text

    assert verdict().startswith("rcan")
    assert "is better than edsr (demo) in psnr_y by 0." in verdict()
    first = browser.execute_script(DOTS)
    assert len(first) == 14
    choose(browser, f"{panel} .b", texts(browser, f"{panel} .a option")[0])
    assert verdict().startswith("A and B are one configuration. seed 1 and seed 2 are not distinguishable")
    same = browser.execute_script(DOTS)
    left, top, width, height = browser.execute_script("return data.boards[0].metrics.psnr_y.square")
    for x, y in same:
        assert (x - left) / width == pytest.approx(1 - (y - top) / height, abs=0.01), "on the line of equals"
    labels = [label for label in texts(browser, f"{panel} .a option") if label.startswith("espcn")]
    choose(browser, f"{panel} .a", labels[0])
    choose(browser, f"{panel} .b", labels[1])
    choose(browser, f"{panel} .metric", "ssim_y")
    assert "are not distinguishable in ssim_y" in verdict()
    assert len(browser.execute_script("return [...document.querySelectorAll('.picked')]")) >= 2
    choose(browser, "#board", "set5 x4, rgb")
    assert "A and B are one configuration" in verdict()
    assert len(browser.execute_script(DOTS)) == 5


def seen(browser: Any, selector: str) -> tuple[str, str]:
    """Ink, and the first background below it."""
    ink, paper = browser.execute_script(
        "const e = document.querySelector(arguments[0]); let b = e;"
        "const of = x => getComputedStyle(x);"
        "while (b.parentElement && of(b).backgroundColor === 'rgba(0, 0, 0, 0)') b = b.parentElement;"
        "return [e instanceof SVGElement ? of(e).fill : of(e).color, of(b).backgroundColor]",
        selector,
    )
    return ink, paper


def luminance(colour: str) -> float:
    """Relative, by WCAG 2.1."""
    channels = [int(text) / 255 for text in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)
