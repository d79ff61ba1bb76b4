"""A picture of training samples: gt beside lq, and under them what was decided for each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from sr_experiments.imaging.io import to_uint8
from sr_experiments.imaging.ledger import Value

_GAP = 10
_SIDE = 256  # of an image in the picture, about
_LINE = 15
_BACKGROUND, _INK, _SOFT, _RULE = (250, 250, 248), (28, 28, 30), (95, 95, 100), (222, 222, 218)
_HIDDEN = ("image",)  # stands in the title


@dataclass(frozen=True)
class Specimen:
    """One sample.

    Attributes:
        gt: (C, H, W) in [0, 1].
        lq: (C, h, w) in [0, 1], H a whole number of times h.
        title: A line.
        values: Name of a decision, with the parts it belongs to before slashes -> its value.
    """

    gt: Tensor
    lq: Tensor
    title: str
    values: Mapping[str, Value]


def gallery(specimens: Sequence[Specimen], *, columns: int = 3) -> np.ndarray:
    """Draw some samples.

    Returns:
        (height, width, 3) uint8.
    """
    bold, plain = ImageFont.load_default(14), ImageFont.load_default(12)
    zoom = max(1, round(_SIDE / specimens[0].gt.shape[-1]))
    side = specimens[0].gt.shape[-1] * zoom
    width = 2 * side + 4
    texts = [list(_lines(specimen.values, plain, width)) for specimen in specimens]
    rows = [range(start, min(start + columns, len(specimens))) for start in range(0, len(specimens), columns)]
    heights = [side + 24 + _LINE * max(len(texts[number]) for number in row) + 3 * _GAP for row in rows]
    across = min(columns, len(specimens)) * (width + _GAP) + _GAP
    canvas = Image.new("RGB", (across, sum(heights) + _GAP), _BACKGROUND)
    pen = ImageDraw.Draw(canvas)
    top = _GAP
    for row, height in zip(rows, heights, strict=True):
        for place, number in enumerate(row):
            left = _GAP + place * (width + _GAP)
            specimen = specimens[number]
            canvas.paste(_shown(specimen.gt, side), (left, top))
            canvas.paste(_shown(specimen.lq, side), (left + side + 4, top))
            pen.text((left, top + side + 5), specimen.title, fill=_INK, font=bold)
            for line, (text, is_part) in enumerate(texts[number]):
                colour = _INK if is_part else _SOFT
                pen.text((left, top + side + 24 + line * _LINE), text, fill=colour, font=plain)
        top += height
        pen.line([(_GAP, top - _GAP), (canvas.width - _GAP, top - _GAP)], fill=_RULE)
    return np.asarray(canvas)


def _shown(image: Tensor, side: int) -> Image.Image:
    """Enlarged without smoothing; of many bands the first."""
    pixels = to_uint8(image if image.shape[0] in (1, 3) else image[:1])
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).convert("RGB")
    return picture.resize((side, side), Image.Resampling.NEAREST)


def _lines(
    values: Mapping[str, Value], font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int
) -> Iterator[tuple[str, bool]]:
    """Text that fits, and whether it names a part of the chain."""
    parts: dict[str, list[str]] = {}
    for name, value in values.items():
        part, _, what = name.rpartition("/")
        if name not in _HIDDEN:
            parts.setdefault(part, []).append(f"{what} {_text(value)}")
    for part, entries in parts.items():
        line = f"{part}: " if part else ""
        is_first = bool(part)
        for entry in entries:
            if line.strip() and font.getlength(line + entry) > width:
                yield line.rstrip(", "), is_first
                line, is_first = "    ", False
            line += entry + ", "
        yield line.rstrip(", "), is_first


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
