"""Measured values to [0, 1] and back."""

import numpy as np
import pytest

from sr_experiments.imaging.span import Span, as_whole, placed


@pytest.mark.parametrize("ends", [(-1024, 3071), (0, 4095), (0, 10000), (-32768, 32767), (0, 65535), (-7, 9)])
def test_every_whole_number_comes_back(ends: tuple[int, int]) -> None:
    span = Span(*ends)
    values = np.arange(ends[0], ends[1] + 1)
    levels = span.to_levels(values)
    assert levels.dtype == np.uint16
    assert (int(levels[0]), int(levels[-1])) == (0, 65535)
    assert np.array_equal(as_whole(span.from_unit(levels / 65535), np.dtype(np.int32)), values)
    unit = span.to_unit(values)
    assert unit.dtype == np.float32
    assert np.array_equal(as_whole(span.from_unit(unit), np.dtype(np.int32)), values)
    assert np.array_equal(np.floor(unit.astype(np.float64) * 65535 + 0.5), levels), "one mapping, not two"


def test_what_lies_outside_is_cut_off_and_counted() -> None:
    span = Span(-160, 240)
    values = np.array([-2000, -160, 40, 240, 3000])
    assert (span.to_unit(values) * 65535).tolist() == [0, 0, 32768, 65535, 65535]
    assert span.share_outside(values) == 0.4
    assert span.from_unit(np.array([-0.5, 0.5, 2.0])).tolist() == [-160, 40, 240]


def test_whole_numbers_are_rounded_and_stay_inside_their_kind() -> None:
    values = np.array([-3.5, 2.5, 1e9])
    assert as_whole(values, np.dtype(np.int16)).tolist() == [-3, 3, 32767]
    assert as_whole(values, np.dtype(np.uint16)).tolist() == [0, 3, 65535]
    assert as_whole(values, np.dtype(np.float32)).dtype == np.float32


@pytest.mark.parametrize("given", [[1], [3, 3], [4, 1], [0, float("inf")], [1, 2, 3]])
def test_what_is_no_range_is_refused(given: list[float]) -> None:
    with pytest.raises(ValueError, match=r"data.range=\[.*\]: .*give .*\[LOW, HIGH\]"):
        Span.of(given, option="data.range")


def test_a_window_is_a_part_of_a_range() -> None:
    assert Span.of_window([40, 400], option="w").as_list() == [-160, 240]
    assert placed([0, 200], [-100, 300], option="w") == (0.0, 0.5)
    assert placed([0, 1000], [-100, 300], option="w") == (0.0, 1.0), "what lies outside is cut off"
