"""The picture of curves shows the values: the right place, round numbers, and marks where there are none."""

import math
from typing import Any

import numpy as np
import pytest

from sr_experiments.callbacks.axis import Axis, labelled, linear_ticks, log_ticks, short
from sr_experiments.callbacks.chart import _COLOURS, _ZERO, Curve, Plot, draw_plots
from sr_experiments.callbacks.sheet import MARK, Sheet

STEPS = [float(step) for step in range(0, 101, 10)]


def where(picture: np.ndarray, colour: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the pixels of exactly this colour."""
    rows, columns = np.nonzero((picture == colour).all(axis=-1))
    return rows, columns


def paper(picture: np.ndarray) -> tuple[int, int, int, int]:
    """Top, bottom, left and right of the white ground of a single plot, with its lines."""
    rows, columns = where(picture, (255, 255, 255))
    return rows.min(), rows.max(), columns.min(), columns.max()


def in_plot(picture: np.ndarray, colour: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The same as `where`, without the legend above the plot."""
    rows, columns = where(picture, colour)
    inside = rows >= paper(picture)[0]
    return rows[inside], columns[inside]


def words(monkeypatch: pytest.MonkeyPatch, plots: list[Plot], **options: Any) -> list[str]:
    """What is written on the picture."""
    found: list[str] = []
    write = Sheet.write

    def spy(self: Sheet, at: Any, text: str, *args: Any) -> None:
        found.append(text)
        write(self, at, text, *args)

    monkeypatch.setattr(Sheet, "write", spy)
    draw_plots(plots, title="title", **options)
    return found


def test_linear_ticks_are_three_to_five_round_numbers_within_the_range() -> None:
    rng = np.random.default_rng(0)
    for _ in range(2000):
        low = rng.normal() * 10 ** rng.uniform(-6, 9)
        high = low + 10 ** rng.uniform(-4, 9) + 1e-5 * abs(low)
        ticks = linear_ticks(low, high)
        step = ticks[1] - ticks[0]
        assert 3 <= len(ticks) <= 5
        assert low - 1e-6 * step <= ticks[0]
        assert ticks[-1] <= high + 1e-6 * step
        mantissa = step / 10 ** math.floor(math.log10(step) + 1e-6)
        assert min(abs(mantissa - m) for m in (1, 2, 2.5, 5)) < 1e-3
        assert np.allclose(np.array(ticks) / step, np.round(np.array(ticks) / step), rtol=0, atol=1e-4)


def test_logarithmic_ticks_are_three_to_five_round_numbers_within_the_range() -> None:
    rng = np.random.default_rng(0)
    for _ in range(2000):
        low = rng.uniform(-40, 30)
        high = low + rng.choice([rng.uniform(0.6, 4), rng.uniform(4, 60)])
        ticks = log_ticks(low, high)
        assert 3 <= len(ticks) <= 5
        assert all(low - 1e-6 <= math.log10(tick) <= high + 1e-6 for tick in ticks)
    assert log_ticks(-2.2, 1.2) == pytest.approx([0.01, 0.1, 1, 10])
    assert log_ticks(-0.4, 0.8) == pytest.approx([0.5, 1, 2, 5])


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([-1.0, 0.0, 1.0], ["-1", "0", "1"]),
        ([0.0, 2.5, 5.0], ["0", "2.5", "5.0"]),
        ([27.25, 27.5, 27.75], ["27.25", "27.50", "27.75"]),
        ([0.0, 20_000.0, 40_000.0], ["0", "20k", "40k"]),
        ([0.0, 2500.0, 5000.0], ["0", "2500", "5000"]),
        ([0.0, 250_000.0, 500_000.0, 750_000.0, 1_000_000.0], ["0", "0.25M", "0.50M", "0.75M", "1.00M"]),
        ([0.0, 2e-5, 4e-5], ["0", "2e-5", "4e-5"]),
        ([1e13, 2e13, 3e13], ["1e13", "2e13", "3e13"]),
    ],
)
def test_the_numbers_at_an_axis(values: list[float], texts: list[str]) -> None:
    assert labelled(values) == list(zip(values, texts, strict=True))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (28.4182, "28.42"),
        (-0.5, "-0.5"),
        (1e-5, "1e-5"),
        (1234.0, "1234"),
        (12_340.0, "12.34k"),
        (-2.5e6, "-2.5M"),
        (3e9, "3G"),
        (1e20, "1e20"),
        (math.nan, "nan"),
    ],
)
def test_a_number_in_a_few_characters(value: float, text: str) -> None:
    assert short(value) == text


@pytest.mark.parametrize(
    ("values", "options", "shown"),
    [
        ([20.0, 28.0], {}, (20, 28)),
        ([0.5, 10.0], {}, (0, 10)),
        ([-10.0, -1.0], {}, (-10, 0)),
        ([2.0], {}, (1.8, 2.2)),
        ([0.0, 0.0], {}, (0, 1)),
        ([3.0, 3.0 + 1e-9], {}, (2.7, 3.3)),
        ([0.4, 0.6], {"fraction": True}, (0, 1)),
        ([0.0, 1e-3, 10.0], {"log": True}, (-3, 1)),
        ([1.0, math.nan, math.inf, 1e300], {}, (0.9, 1.1)),
    ],
)
def test_the_range_of_an_axis(
    values: list[float], options: dict[str, bool], shown: tuple[float, float]
) -> None:
    axis = Axis(values, **options)
    margin = 0.06 * (shown[1] - shown[0])
    assert (axis.low + margin, axis.high - margin) == pytest.approx(shown)
    assert 3 <= len(axis.ticks) <= 5


def test_a_line_is_where_its_values_are() -> None:
    picture = draw_plots([Plot("rise", [Curve("line", STEPS, [s / 100 for s in STEPS])])], title="title")
    assert picture.dtype == np.uint8
    assert picture.shape[1:] == (1400, 3)
    top, bottom, left, right = paper(picture)
    rows, columns = in_plot(picture, _COLOURS[0])
    assert columns.min() <= left + 2
    assert columns.max() >= right - 2
    share = (columns - left) / (right - left)  # the value of this curve, and 6 % of margin at both ends
    expected = bottom - (bottom - top) * (share + 0.06) / 1.12
    assert np.abs(rows - expected).max() < 2.5


def test_on_a_logarithmic_axis_a_power_is_a_straight_line() -> None:
    values = [10 ** (-4 * s / 100) for s in STEPS]
    picture = draw_plots([Plot("fall", [Curve("line", STEPS, values)], log=True)], title="title")
    top, bottom, left, right = paper(picture)
    rows, columns = in_plot(picture, _COLOURS[0])
    expected = top + (bottom - top) * ((columns - left) / (right - left) + 0.06) / 1.12
    assert np.abs(rows - expected).max() < 2.5


def test_what_is_no_number_is_a_gap_with_a_mark() -> None:
    values = [0.5, 0.5, 0.5, math.nan, 0.5, 0.5, 0.5, math.inf, 0.5, 0.5, -math.inf]
    picture = draw_plots([Plot("gaps", [Curve("line", STEPS, values)])], title="title")
    top, bottom, left, right = paper(picture)
    _, drawn = in_plot(picture, _COLOURS[0])
    rows, columns = where(picture, MARK)
    for step in (30, 70):
        x = left + (right - left) * step / 100
        assert not np.any(np.abs(drawn - x) < (right - left) * 0.09), "no line over the gap"
    marked = {
        step: rows[np.abs(columns - left - (right - left) * step / 100) < 5].mean() for step in (30, 70, 100)
    }
    assert marked == pytest.approx({30: bottom, 70: top, 100: bottom}, abs=2)
    assert drawn.max() == pytest.approx(left + (right - left) * 0.9, abs=2), "the curve ends before infinity"


def test_zero_on_a_logarithmic_axis_is_a_mark_and_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    plot = Plot("norm", [Curve("a", STEPS, [1.0] * 5 + [0.0] + [1.0] * 5)], log=True)
    picture = draw_plots([plot], title="title")
    _, bottom, left, right = paper(picture)
    rows, columns = in_plot(picture, _COLOURS[0])
    low = rows > bottom - 10
    assert columns[low].mean() == pytest.approx((left + right) / 2, abs=1.5)
    assert "triangle: zero, which a logarithmic axis does not have" in words(monkeypatch, [plot])


def test_one_value_is_a_dot() -> None:
    picture = draw_plots([Plot("one", [Curve("a", [7.0], [3.0])])], title="title")
    top, bottom, left, right = paper(picture)
    rows, columns = in_plot(picture, _COLOURS[0])
    assert rows.mean() == pytest.approx((top + bottom) / 2, abs=1)
    assert columns.mean() == pytest.approx((left + right) / 2, abs=1)
    assert 4 <= np.ptp(rows) <= 8
    assert 4 <= np.ptp(columns) <= 8


def test_each_curve_has_its_colour_and_from_the_eighth_on_dashes() -> None:
    curves = [Curve(f"curve {i}", STEPS, [0.1 * i] * len(STEPS)) for i in range(9)]
    picture = draw_plots([Plot("nine", curves)], title="title")
    for colour in _COLOURS:
        assert len(in_plot(picture, colour)[0]) > 200
    rows, columns = in_plot(picture, _COLOURS[0])
    solid, dashed = columns[rows > np.median(rows)], columns[rows < rows.min() + 4]
    assert len(np.unique(dashed)) < 0.7 * len(np.unique(solid))


def test_zero_has_a_line_of_its_own_where_the_axis_has_it() -> None:
    for values, seen in (([-1.0, 1.0], True), ([27.0, 28.0], False)):
        picture = draw_plots([Plot("zero", [Curve("a", [0.0, 1.0], values)])], title="title")
        rows, _ = where(picture, _ZERO)
        top, bottom, *_ = paper(picture)
        assert (len(rows) > 1000) is seen
        if seen:
            assert rows.mean() == pytest.approx((top + bottom) / 2, abs=1.5)


def test_a_long_curve_is_drawn_by_its_means_over_all_of_its_values(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    steps = list(range(3000))
    plot = Plot("noise", [Curve("a", steps, list(rng.normal(size=3000).clip(-3, 3)))])
    picture = draw_plots([plot], title="title")
    top, bottom, *_ = paper(picture)
    bold, _ = in_plot(picture, _COLOURS[0])
    height = (bottom - top) / 1.12 / 6  # of one standard deviation
    assert np.abs(bold - (top + bottom) / 2).max() < height, "means of 30 have a deviation of 0.18"
    pale = picture[top : bottom + 1][..., 0] < 200
    assert np.ptp(np.nonzero(pale.any(axis=1))[0]) > 5 * height, "and the values themselves lie under it"
    assert "faint: every value, bold: means of neighbours" in words(monkeypatch, [plot])


def test_names_and_last_values_stand_above_and_are_cut_to_the_room_there_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plots = [
        Plot("Share", [Curve("pixel", [0, 1], [0.5, 0.254])], fraction=True),
        Plot("PSNR", [Curve("psnr_y", [0, 1], [20, 28.4182]), Curve("x" * 300, [0], [math.nan])], unit="dB"),
        Plot("a title " * 30, [Curve("none", [], [])]),
    ]
    found = words(monkeypatch, plots)
    for text in ("title", "Share", "pixel", "25.4 %", "PSNR", "dB", "psnr_y", "28.42", "no values", "50 %"):
        assert text in found
    assert found.count("batches") == 3
    assert sum(text.endswith("x…") for text in found) == 1
    assert sum(text.startswith("a title") and text.endswith("…") for text in found) == 1


def test_nothing_to_draw_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no values" in words(monkeypatch, [])


@pytest.mark.parametrize(
    ("count", "rows", "columns"), [(1, 1, 1), (3, 1, 3), (4, 2, 2), (5, 2, 3), (9, 3, 3)]
)
def test_rows_come_out_even(count: int, rows: int, columns: int) -> None:
    curve = Curve("a", [0.0], [1.0])
    picture = draw_plots([Plot(str(i), [curve]) for i in range(count)], title="title")
    ground = (picture == 255).all(axis=-1)
    down, across = ground.sum(axis=1) > 100, ground.sum(axis=0) > 50
    assert np.sum(np.diff(down.astype(int)) == 1) >= rows
    starts = [place for place in np.nonzero(across)[0] if not across[max(place - 30, 0) : place].any()]
    assert len(starts) == columns


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize(
    "values", [[1e308, -1e308], [1e-300, 1e-290], [5e-324, 5e-324], [1e99, -1e99], [math.nan], [0.0]]
)
def test_no_value_is_too_strange(values: list[float], log: bool) -> None:
    plot = Plot("strange", [Curve("a", [float(i) for i in range(len(values))], values)], log=log)
    assert draw_plots([plot], title="title").std() > 0


def test_a_value_without_a_step_is_our_fault() -> None:
    with pytest.raises(AssertionError, match="curve a: 1 steps"):
        Curve("curve a", [0.0], [1.0, 2.0])
