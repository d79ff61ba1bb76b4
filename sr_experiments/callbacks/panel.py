"""The picture of what super-resolution did: bicubic, result and truth, zoomed where they differ."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from sr_experiments.imaging.io import to_uint8

_GAP = 8
_CAPTION = 44
BACKGROUND = (250, 250, 248)
_INK = (28, 28, 30)
_SOFT = (110, 110, 115)
_MARK = (230, 60, 40)


@dataclass(frozen=True)
class Shot:
    """One column: an image (C, H, W) in [0, 1] and the two lines under it."""

    image: Tensor
    title: str
    detail: str


def most_different(a: Tensor, b: Tensor, *, side: int) -> tuple[int, int]:
    """Top and left of the `side` x `side` window in which two images (C, H, W) differ most in squared error.

    Raises:
        ValueError: if the window is larger than the images.
    """
    height, width = a.shape[-2:]
    if side > min(height, width):
        raise ValueError(f"a window of {side} pixels does not fit into an image of {height} x {width}")
    # Sums over windows by differences of cumulative sums: the cost does not grow with the window.
    total = F.pad((a - b).double().square().sum(dim=-3).cumsum(-1).cumsum(-2), (1, 0, 1, 0))
    mass = total[side:, side:] - total[:-side, side:] - total[side:, :-side] + total[:-side, :-side]
    place = int(torch.argmax(mass))
    return place // mass.shape[1], place % mass.shape[1]


def most_detailed(image: Tensor, *, side: int) -> tuple[int, int]:
    """Top and left of the window in which an image (C, H, W) differs most from its blurred self.

    Of what bicubic interpolation made it shows edges that are left, and blurred: there nets have something to
    do. Where bicubic is farthest from the truth there is often nothing left of it, such as hairs.

    Raises:
        ValueError: if the window is larger than the image.
    """
    blurred = F.avg_pool2d(image.double()[None], 9, 1, 4, count_include_pad=False)[0]
    return most_different(image, blurred, side=side)


def compare(context: Shot, shots: list[Shot], *, window: tuple[int, int], side: int, zoom: int) -> np.ndarray:
    """Draw the whole image with the window marked, and each shot's window enlarged without smoothing.

    Args:
        context: The whole image.
        shots: The columns, all of the context's size.
        window: Top and left of the square that is shown.
        side: Its side in pixels.
        zoom: Enlargement, a whole number.

    Returns:
        (height, width, 3) uint8.
    """
    panel = side * zoom
    whole = shown(context.image)
    overview_width = round(whole.width * panel / whole.height)
    overview = whole.resize((overview_width, panel), Image.Resampling.LANCZOS)
    ratio = panel / whole.height
    top, left = window
    corners = [left * ratio, top * ratio, (left + side) * ratio, (top + side) * ratio]
    ImageDraw.Draw(overview).rectangle(corners, outline=_MARK, width=3)

    columns = [(overview, context.title, context.detail)]
    for shot in shots:
        cut = shown(shot.image[..., top : top + side, left : left + side])
        columns.append((cut.resize((panel, panel), Image.Resampling.NEAREST), shot.title, shot.detail))
    width = sum(image.width for image, _, _ in columns) + _GAP * (len(columns) + 1)
    canvas = Image.new("RGB", (width, panel + _CAPTION + 2 * _GAP), BACKGROUND)
    draw = ImageDraw.Draw(canvas)
    bold, plain = ImageFont.load_default(18), ImageFont.load_default(15)
    x = _GAP
    for image, title, detail in columns:
        canvas.paste(image, (x, _GAP))
        draw.text((x, panel + _GAP + 4), title, fill=_INK, font=bold)
        draw.text((x, panel + _GAP + 26), detail, fill=_SOFT, font=plain)
        x += image.width + _GAP
    return np.asarray(canvas)


def selected(image: Tensor, *, bands: Sequence[int] | None, window: tuple[float, float] | None) -> Tensor:
    """What a picture is made of: some bands, and a part of the range, brought to [0, 1].

    Args:
        image: (C, H, W) in [0, 1].
        bands: Which, counted from 1; None: all.
        window: What becomes black and what white; None: 0 and 1.
    """
    if bands is not None:
        assert all(1 <= band <= image.shape[0] for band in bands), "config.py has looked"
        image = image[[band - 1 for band in bands]]
    if window is not None:
        image = ((image - window[0]) / (window[1] - window[0])).clamp(0, 1)
    return image


def shown(image: Tensor) -> Image.Image:
    """Show any number of bands: grey as grey, more than three by the first three."""
    bands = image if image.shape[0] in (1, 3) else image[:3] if image.shape[0] > 3 else image[:1]
    pixels = to_uint8(bands)
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).convert("RGB")
