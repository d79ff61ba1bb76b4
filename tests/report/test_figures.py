"""Curves over seeds, and drawings that take the page's colours."""

import re

import numpy as np
import pytest

from sr_experiments.report.figures import Curve, costs, curves, frame, summarise


def test_seeds_are_a_mean_and_a_span_where_they_logged_the_same_steps() -> None:
    (curve,) = summarise([{10: 1.0, 20: 2.0, 30: 9.0}, {10: 3.0, 20: 6.0}], number=4)
    assert curve.number == 4
    assert curve.steps.tolist() == [10, 20]
    assert (curve.middle.tolist(), curve.low.tolist(), curve.high.tolist()) == ([2, 4], [1, 2], [3, 6])


def test_seeds_that_logged_other_steps_are_lines_of_their_own() -> None:
    one, two = summarise([{10: 1.0, 20: 2.0, 30: 3.0}, {11: 3.0, 20: 6.0, 35: 0.0}], number=0)
    assert (one.steps.tolist(), two.steps.tolist()) == ([10, 20, 30], [11, 20, 35])
    assert summarise([], number=0) == []
    assert summarise([{}, {}], number=0) == []


def drawings() -> list[str]:
    steps = np.arange(1, 1001)
    lines = [Curve(n, steps, 2.0 / steps + n, 1.0 / steps + n, 4.0 / steps + n) for n in range(20)]
    points = [(0, 2e9, 30.0), (1, 4e9, 31.0)]
    return [
        curves(lines, name="train/loss"),
        curves([Curve(0, steps[:1], steps[:1], steps[:1], steps[:1])], name="val/psnr_y"),
        frame(20, 30, name="psnr_y", where="set5 x4 <b>").svg,
        costs(points, name="psnr_y", cost="multiply-adds", where="set5"),
        costs(points, name="psnr_y", cost="multiply-adds", where="set5", broad=True),
    ]


def test_drawings_have_no_colours_of_their_own_and_are_small() -> None:
    for svg in drawings():
        assert not re.findall(r": ?#[0-9a-f]{3,6}", svg), "all colours are the page's"
        assert "DejaVu" not in svg
        assert len(svg) < 150_000, "a long curve is thinned out"
    assert "&lt;b>" in drawings()[2]


def test_equal_values_make_axes_too_and_fractions_are_of_their_span() -> None:
    axes = frame(30.0, 30.0, name="psnr_y", where="x")
    assert axes.limits == (29.5, 30.5)
    assert axes.fraction(np.array([29.5, 30.0, 30.5])) == [0, 0.5, 1]
    left, top, width, height = axes.square
    assert left > 0
    assert top > 0
    assert (left + width, top + height) < (390, 390)


@pytest.mark.parametrize("seeds", [1, 3])
def test_the_same_drawing_comes_out_every_time(seeds: int) -> None:
    values = [{step: float(step + seed) for step in range(5)} for seed in range(seeds)]
    first, second = (curves(summarise(values, number=1), name="val/psnr_y") for _ in range(2))
    assert first == second
