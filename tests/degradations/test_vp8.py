"""The parts of the VP8 codec against the standard, and its plan against what a file of libwebp's says."""

import math

import numpy as np
import pytest
import torch

from sr_experiments.degradations.vp8.blocks import tiles
from sr_experiments.degradations.vp8.colour import to_yuv
from sr_experiments.degradations.vp8.directions import predicted
from sr_experiments.degradations.vp8.loop_filter import smooth
from sr_experiments.degradations.vp8.plan import Plan, quantiser_indices
from sr_experiments.degradations.vp8.prediction import Plane
from sr_experiments.degradations.vp8.quantiser import AC_STEPS, DC_STEPS
from sr_experiments.degradations.vp8.transforms import forward, inverse, unwalsh, walsh
from sr_experiments.imaging.io import to_tensor
from tests.degradations.photographs import PHOTOGRAPHS, photograph, webp_file

# ---- what a file says


class Bits:
    """The boolean decoder of section 7.3, for the header of a frame."""

    def __init__(self, data: bytes) -> None:
        self.data, self.place, self.value, self.range, self.shifts = data, 2, data[0] << 8 | data[1], 255, 0

    def bit(self) -> int:
        split = 1 + ((self.range - 1) * 128 >> 8)
        bit = int(self.value >= split << 8)
        self.value, self.range = (
            (self.value - (split << 8), self.range - split) if bit else (self.value, split)
        )
        while self.range < 128:
            self.value, self.range, self.shifts = self.value << 1, self.range << 1, self.shifts + 1
            if self.shifts == 8:
                self.value, self.place, self.shifts = self.value | self.data[self.place], self.place + 1, 0
        return bit

    def number(self, count: int) -> int:
        return sum(self.bit() << place for place in reversed(range(count)))

    def signed(self, count: int) -> int:
        """A number with a sign, or 0 where a flag says that there is none."""
        if not self.bit():
            return 0
        value = self.number(count)
        return -value if self.bit() else value


def header(data: bytes) -> tuple[set[tuple[int, int]], int]:
    """Sections 9.3 to 9.6: (quantiser, filter level) of the four segments, and chroma's shift."""
    frame = Bits(data[data.index(b"VP8 ") + 8 + 10 :])
    frame.number(2)
    assert frame.bit()  # segments
    with_map = frame.bit()
    assert frame.number(2) == 3  # their values follow, absolute ones
    quantisers = [frame.signed(7) for _ in range(4)]
    strengths = [frame.signed(6) for _ in range(4)]
    for _ in range(3 * with_map):
        frame.bit() and frame.number(8)
    assert frame.number(1) == 0  # the normal filter
    frame.number(6)
    assert frame.number(3) == 0  # sharpness
    if frame.bit() and frame.bit():
        for _ in range(8):
            frame.signed(6)
    frame.number(2)
    frame.number(7)
    shifts = [frame.signed(4) for _ in range(5)]
    assert shifts[:4] == [0, 0, 0, -2]  # the means of chroma
    return set(zip(quantisers, strengths, strict=True)), shifts[4]


@pytest.mark.parametrize("quality", [30, 50, 70, 90, 10])
@pytest.mark.parametrize("name", [*PHOTOGRAPHS[:4], "rocket"])
def test_segments_steps_and_filter_levels_are_those_of_the_file(name: str, quality: int) -> None:
    image = photograph(name)
    luma, chroma = to_yuv((to_tensor(image)[None] * 255).round().long())
    inside = torch.ones(8, 8, 1, dtype=torch.bool)
    plan = Plan.of(tiles(luma[:, None], 16), tiles(chroma, 8), inside, torch.tensor([quality]))
    steps, strength = plan.luma.step[..., 1].flatten().tolist(), plan.strength.flatten().tolist()
    segments, shift = header(webp_file(image, quality, method=2))
    found = {(AC_STEPS.index(int(step)), level) for step, level in zip(steps, strength, strict=True)}
    assert found <= segments
    assert len(segments - found) == (name == "rocket")  # there one segment has no macroblock
    assert plan.chroma.step[..., 1].flatten().tolist() == [
        AC_STEPS[max(AC_STEPS.index(int(step)) + shift, 0)] for step in steps
    ]


# ---- parts


def test_the_tables_of_steps() -> None:
    assert len(AC_STEPS) == len(DC_STEPS) == 128
    assert (AC_STEPS[54], AC_STEPS[55], AC_STEPS[83], AC_STEPS[84], AC_STEPS[127]) == (58, 60, 116, 119, 284)
    assert (DC_STEPS[0], DC_STEPS[117], DC_STEPS[127]) == (4, 132, 157)  # chroma's means stop at 132
    assert list(AC_STEPS) == sorted(AC_STEPS)
    assert list(DC_STEPS) == sorted(DC_STEPS)


def test_the_quantiser_of_a_quality() -> None:
    indices = quantiser_indices()
    plain = indices[:, 127].tolist()
    assert plain == sorted(plain, reverse=True)
    assert (plain[0], plain[75], plain[100]) == (127, 26, 0)
    for quality in range(101):
        linear = quality / 150 if quality < 75 else quality / 50 - 1
        assert abs(plain[quality] - 127 * (1 - linear ** (1 / 3))) < 1.0001
    # What is calm gets smaller steps: an error shows there.
    assert indices[50].tolist() == sorted(indices[50].tolist(), reverse=True)


def by_hand_forward(block: np.ndarray) -> np.ndarray:
    rows = np.zeros((4, 4), dtype=np.int64)
    for i, (a, b, c, d) in enumerate(block):
        e, f, g, h = a + d, b + c, b - c, a - d
        rows[i] = (
            8 * (e + f),
            (2217 * g + 5352 * h + 1812) >> 9,
            8 * (e - f),
            (2217 * h - 5352 * g + 937) >> 9,
        )
    result = np.zeros((4, 4), dtype=np.int64)
    for i, (a, b, c, d) in enumerate(rows.T):
        e, f, g, h = a + d, b + c, b - c, a - d
        result[:, i] = (
            (e + f + 7) >> 4,
            ((2217 * g + 5352 * h + 12000) >> 16) + (h != 0),
            (e - f + 7) >> 4,
            (2217 * h - 5352 * g + 51000) >> 16,
        )
    return result


def by_hand_inverse(coefficients: np.ndarray) -> np.ndarray:
    def one(a: int, b: int, c: int, d: int) -> tuple[int, int, int, int]:
        e = ((b * 35468) >> 16) - (d + ((d * 20091) >> 16))
        f = (b + ((b * 20091) >> 16)) + ((d * 35468) >> 16)
        return a + c + f, a - c + e, a - c - e, a + c - f

    columns = np.stack([one(*map(int, column)) for column in coefficients.T], axis=1)
    return np.stack([(np.array(one(*map(int, row))) + 4) >> 3 for row in columns])


def test_the_transforms_are_the_integer_ones() -> None:
    generator = np.random.default_rng(0)
    blocks = generator.integers(-255, 256, size=(300, 4, 4))
    blocks[:3] = np.array([255, -255, 0])[:, None, None]
    found = forward(torch.from_numpy(blocks).view(-1, 16).float())
    expected = np.stack([by_hand_forward(block) for block in blocks])
    assert np.array_equal(found.view(-1, 4, 4).numpy(), expected)
    spread = generator.integers(-2048, 2048, size=(300, 4, 4))
    back = inverse(torch.from_numpy(spread).view(-1, 16).double())
    assert np.array_equal(back.view(-1, 4, 4).numpy(), np.stack([by_hand_inverse(x) for x in spread]))


def test_the_transforms_are_cosines_and_undo_each_other() -> None:
    blocks = torch.randint(-255, 256, (300, 4, 4), generator=torch.Generator().manual_seed(0)).double()
    k, n = torch.arange(4).double()[:, None], torch.arange(4).double()
    cosines = torch.cos((2 * n + 1) * k * math.pi / 8) * math.sqrt(0.5)
    cosines[0] = 0.5
    coefficients = forward(blocks.view(-1, 16))
    assert float((coefficients.view(-1, 4, 4) - 2 * cosines @ blocks @ cosines.T).abs().max()) < 1.5
    assert float((inverse(coefficients) - blocks.view(-1, 16)).abs().max()) <= 1
    means = torch.randint(-2000, 2000, (300, 16), generator=torch.Generator().manual_seed(1)).double()
    assert float((unwalsh(walsh(means)) - means).abs().max()) <= 1
    flat = walsh(torch.full((16,), 40.0, dtype=torch.float64))
    assert flat.tolist() == [320.0] + [0.0] * 15


# Section 12.3. The border is L K J I X A B .. H. One letter is it twice and its neighbours, two letters are
# their mean, and a letter with a sign of equality is itself.
DIRECTIONS = {
    2: ("A B C D", "A B C D", "A B C D", "A B C D"),
    3: ("I I I I", "J J J J", "K K K K", "L L L L"),
    4: ("X A B C", "I X A B", "J I X A", "K J I X"),
    5: ("XA AB BC CD", "X A B C", "I XA AB BC", "J X A B"),
    6: ("B C D E", "C D E F", "D E F G", "E F G H"),
    7: ("AB BC CD DE", "B C D E", "BC CD DE F", "C D E G"),
    8: ("IX X A B", "JI I IX X", "KJ J JI I", "LK K KJ J"),
    9: ("IJ J JK K", "JK K KL L", "KL L L= L=", "L= L= L= L="),
}


def test_the_ten_directions() -> None:
    border = torch.randint(0, 256, (13,), generator=torch.Generator().manual_seed(0)).float()
    values = dict(zip("LKJIXABCDEFGH", border.int().tolist(), strict=True))
    around = "L" + "LKJIXABCDEFGH" + "H"

    def pixel(name: str) -> int:
        if name.endswith("="):
            return values[name[0]]
        if len(name) == 2:
            return (values[name[0]] + values[name[1]] + 1) >> 1
        place = around.index(name, 1)
        return (values[around[place - 1]] + 2 * values[name] + values[around[place + 1]] + 2) >> 2

    found = predicted(border).view(10, 4, 4).int().tolist()
    for mode, rows in DIRECTIONS.items():
        assert found[mode] == [[pixel(name) for name in row.split()] for row in rows], mode
    mean = (sum(values[name] for name in "IJKLABCD") + 4) >> 3
    assert found[0] == [[mean] * 4] * 4
    motion = [[min(max(values[a] + values[i] - values["X"], 0), 255) for a in "ABCD"] for i in "IJKL"]
    assert found[1] == motion


def test_the_predictions_of_whole_macroblocks() -> None:
    plane = Plane(torch.zeros(2, 2, 1, 1, 16, 16))
    tile = torch.randint(0, 256, (16, 16), generator=torch.Generator().manual_seed(0)).float()
    everywhere = torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 0, 1])
    for y, x in ((0, 0), (0, 1), (1, 0)):
        plane.put((torch.tensor([y]), torch.tensor([x])), (tile + y).clamp(max=255)[None, None, None])
    first, right, below, last = plane.predictions(everywhere)[:, 0, 0]
    assert first.flatten(1).unique(dim=1).flatten().tolist() == [128, 129, 127, 129]
    assert torch.equal(right[0], ((tile[:, 15].sum() + 8) / 16).floor().expand(16, 16))
    assert torch.equal(right[1], tile[:, 15:].expand(16, 16))  # nothing above: along the rows
    assert torch.equal(right[2], torch.full((16, 16), 127.0))
    assert torch.equal(below[1], tile[15].expand(16, 16))
    assert torch.equal(below[3], torch.full((16, 16), 129.0))
    top, left = tile[15], (tile[:, 15] + 1).clamp(max=255)
    assert torch.equal(last[0], ((top.sum() + left.sum() + 16) / 32).floor().expand(16, 16))
    assert torch.equal(last[1], (top + left[:, None] - tile[15, 15]).clamp(0, 255))


def test_the_loop_filter_smooths_small_steps_only() -> None:
    def smoothed(step: float, *, level: int, outer: bool) -> list[float]:
        window = torch.tensor([[100.0] * 4 + [100.0 + step] * 4])
        smooth(window, torch.tensor([float(level)]), outer=outer)
        return window[0].tolist()

    # Section 15: 3 * 8 - 8 = 16 spread as 27, 18 and 9 of 128; inside 24, and 3 eighths of the step.
    assert smoothed(8, level=20, outer=True) == [100, 101, 102, 103, 105, 106, 107, 108]
    assert smoothed(8, level=20, outer=False) == [100, 100, 102, 103, 105, 106, 108, 108]
    assert smoothed(40, level=20, outer=True) == [100] * 4 + [140] * 4  # it is in the picture
    assert smoothed(8, level=0, outer=True) == [100] * 4 + [108] * 4
