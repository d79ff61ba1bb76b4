"""A sheet to draw on: smooth lines and sharp words."""

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_ZOOM = 2  # lines are drawn larger and made small again, which smooths them
BACKGROUND = (250, 250, 248)
INK = (28, 28, 30)
MARK = (230, 60, 40)

Point = tuple[float, float]
Colour = tuple[int, int, int]


class Sheet:
    """Lines at twice the size, and words that are written once they are small again."""

    def __init__(self, width: int, height: int) -> None:
        """A clean sheet, in pixels as they are in the end."""
        self.image = Image.new("RGB", (width * _ZOOM, height * _ZOOM), BACKGROUND)
        self.pen = ImageDraw.Draw(self.image)
        self.words: list[tuple[Point, str, ImageFont.FreeTypeFont, Colour, str]] = []
        self.bold_large, self.large, self.plain = map(make_font, (21, 16, 13))

    def write(
        self,
        at: Point,
        text: str,
        font: ImageFont.FreeTypeFont,
        fill: Colour = INK,
        anchor: str = "la",
    ) -> None:
        """Write a line of text; `anchor` as Pillow has it."""
        self.words.append((at, text, font, fill, anchor))

    def box(self, left: float, top: float, right: float, bottom: float, fill: Colour) -> None:
        """Fill a rectangle."""
        self.pen.rectangle([v * _ZOOM for v in (left, top, right, bottom)], fill=fill)

    def path(self, points: Sequence[Point], fill: Colour, *, width: float, dashed: bool = False) -> None:
        """Connect points."""
        for part in _dashes(points) if dashed else [points]:
            self.pen.line(
                [(x * _ZOOM, y * _ZOOM) for x, y in part], fill, round(width * _ZOOM), joint="curve"
            )

    def dot(self, at: Point, fill: Colour) -> None:
        """A point that has no neighbours."""
        x, y, r = at[0] * _ZOOM, at[1] * _ZOOM, 3.5 * _ZOOM
        self.pen.ellipse([x - r, y - r, x + r, y + r], fill=fill)

    def cross(self, at: Point) -> None:
        """What is no number."""
        x, y = at
        for tilt in (-4, 4):
            self.path([(x - 4, y - tilt), (x + 4, y + tilt)], MARK, width=2)

    def triangle(self, at: Point, fill: Colour) -> None:
        """Something below; its tip is at the point."""
        x, y = at
        corners = [(x - 5, y - 8), (x + 5, y - 8), (x, y)]
        self.pen.polygon([(a * _ZOOM, b * _ZOOM) for a, b in corners], fill=fill)

    def finished(self) -> np.ndarray:
        """(height, width, 3) uint8."""
        small = self.image.reduce(_ZOOM)
        pen = ImageDraw.Draw(small)
        for at, text, font, fill, anchor in self.words:
            pen.text(at, text, fill=fill, font=font, anchor=anchor)
        return np.asarray(small)


def make_font(size: int) -> ImageFont.FreeTypeFont:
    """The font that Pillow brings, `size` pixels high. It has little beside ASCII."""
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont), "Pillow is built without FreeType"
    return font


def _dashes(points: Sequence[Point], length: float = 5.0) -> Iterator[list[Point]]:
    """Every other `length` pixels of a path."""
    walked = 0.0
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        whole = math.hypot(x1 - x0, y1 - y0)
        cuts = [length * k for k in range(math.ceil(walked / length), math.ceil((walked + whole) / length))]
        ends = [walked, *(cut for cut in cuts if cut > walked), walked + whole]
        for a, b in itertools.pairwise(ends):
            if whole > 0 and int((a + b) / 2 / length) % 2 == 0:
                part = [(end - walked) / whole for end in (a, b)]
                yield [(x0 + (x1 - x0) * t, y0 + (y1 - y0) * t) for t in part]
        walked += whole


def fitted(text: str, font: ImageFont.FreeTypeFont, width: float) -> str:
    """The text, cut where it is too long."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f"{text}…") > width:
        text = text[:-1]
    return f"{text}…"
