"""``compare=true``: a page that opens from disk, with bicubic and the result under a slider."""

import html
from dataclasses import dataclass
from pathlib import Path
from string import Template

from sr_experiments.callbacks.panel import most_different, shown
from sr_experiments.imaging.io import to_tensor, whole_file
from sr_experiments.imaging.picture import Picture
from sr_experiments.imaging.resize import imresize
from sr_experiments.report.pictures import data_uri

NAME = "compare.html"
SIDE = 480  # pixels of the result that are shown, each way
ROOM = 48_000_000  # bytes of pictures; images after it are left out
_CONTEXT = 4  # pixels around the square, for bicubic


@dataclass(frozen=True)
class Shot:
    """A square of one image.

    Attributes:
        title: What it shows.
        bicubic: As a data URI.
        result: As a data URI.
    """

    title: str
    bicubic: str
    result: str


def shoot(name: str, small: Picture, large: Picture, *, scale: int) -> Shot:
    """The square with the most fine detail, enlarged in both ways.

    Args:
        name: Of the image.
        small: The input.
        large: The result.
        scale: Of super-resolution.
    """
    height, width = small.pixels.shape[:2]
    side = min(SIDE // scale, height, width)
    lq = to_tensor(small.pixels)
    # Where the image loses most by being made smaller, nets differ most.
    coarse = imresize(imresize(lq, scale=0.5), size=(height, width)) if min(height, width) > 1 else lq
    top, left = most_different(lq, coarse, side=side)
    above, before = min(_CONTEXT, top), min(_CONTEXT, left)
    part = lq[:, top - above : top + side + _CONTEXT, left - before : left + side + _CONTEXT]
    rows, columns = (slice(scale * first, scale * (first + side)) for first in (above, before))
    bicubic = imresize(part, scale=scale)[:, rows, columns]
    result = to_tensor(large.pixels[scale * top : scale * (top + side), scale * left : scale * (left + side)])
    where = (
        f"{name}: the {scale * side}x{scale * side} pixels from column {scale * left}, row {scale * top} "
        f"of the {scale * width}x{scale * height}"
    )
    return Shot(where, data_uri(shown(bicubic)), data_uri(shown(result)))


class Gallery:
    """Shots of the images of a call, as many as a page has room for."""

    def __init__(self) -> None:
        """No image yet."""
        self.shots: list[Shot] = []
        self.left_out = 0
        self._used = 0

    def add(self, name: str, small: Picture, large: Picture, *, scale: int) -> None:
        """See `shoot`."""
        if self._used > ROOM:
            self.left_out += 1
            return
        shot = shoot(name, small, large, scale=scale)
        self._used += len(shot.bicubic) + len(shot.result)
        self.shots.append(shot)

    def write(self, path: Path, *, model: str, scale: int) -> None:
        """Write the page, if there is an image.

        Args:
            path: The file.
            model: The net's name.
            scale: Of super-resolution.
        """
        if not self.shots:
            return
        figures = "\n".join(_figure(shot, f"{model} x{scale}") for shot in self.shots)
        rest = f"<p>{self.left_out} more images have no room here.</p>" if self.left_out else ""
        count = len(self.shots)
        head = Template(_HEAD).substitute(
            title=html.escape(f"bicubic | {model} x{scale}"),
            model=html.escape(model),
            scale=scale,
            count=f"{count} image{'s' if count > 1 else ''}",
        )
        with whole_file(path) as stream:
            stream.write(f"{head}{figures}{rest}{_FOOT}".encode("utf-8", "replace"))


def _figure(shot: Shot, model: str) -> str:
    return (
        f'<figure><div class="pair"><img src="{shot.bicubic}" alt="bicubic">'
        f'<img class="over" src="{shot.result}" alt="{html.escape(model)}"></div>'
        f'<div class="names"><span>bicubic</span><span>{html.escape(model)}</span></div>'
        '<input type="range" min="0" max="100" value="50" aria-label="how much of bicubic is shown">'
        f"<figcaption>{html.escape(shot.title)}</figcaption></figure>"
    )


_HEAD = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>$title</title><style>
:root { color-scheme: light dark }
body { font: 15px system-ui, sans-serif; margin: 2em; background: Canvas; color: CanvasText }
main { display: flex; flex-wrap: wrap; gap: 2em }
figure { margin: 0; width: 480px; max-width: 100% }
.pair { position: relative; --at: 50% }
.pair img { display: block; width: 100%; image-rendering: pixelated }
.over { position: absolute; inset: 0; clip-path: inset(0 0 0 var(--at)) }
.pair::after { content: ""; position: absolute; top: 0; bottom: 0; left: var(--at); width: 2px }
.pair::after { background: #e63c28 }
.names { display: flex; justify-content: space-between; font-weight: 600 }
input { width: 100% }
</style></head><body><h1>$title</h1>
<p>$count, enlarged $scale times in two ways: left of the red line by bicubic interpolation, right of it by
the net $model. The slider below a picture moves its line. Of each image the square with most detail.</p>
<main>
"""
_FOOT = """</main><script>
for (const slider of document.querySelectorAll("input"))
  slider.addEventListener("input", () =>
    slider.parentNode.querySelector(".pair").style.setProperty("--at", slider.value + "%"));
</script></body></html>
"""
