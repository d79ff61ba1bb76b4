"""The crops that runs leave, as pictures inside the page, as many as its size allows."""

import base64
import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from sr_experiments.report.runs import Run

_TRUTH, _BICUBIC, _RESULT = ".gt.png", ".bicubic.png", ".sr.png"


@dataclass
class Scene:
    """One square of one image, by several nets.

    Attributes:
        name: Data set and image.
        shots: Name of what made it, or number of the run -> file.
    """

    name: str
    shots: dict[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Album:
    """Pictures for the page.

    Attributes:
        scenes: Name -> (name or number of the run -> data URI).
        left_out: Pictures for which there was no room.
    """

    scenes: dict[str, dict[str, str]]
    left_out: int


def scenes(runs: Sequence[Run]) -> list[Scene]:
    """Squares whose truth is the same in every pixel, those that most runs have first.

    Args:
        runs: A shot is known by its run's place here.
    """
    found: dict[tuple[str, str], Scene] = {}
    for number, run in enumerate(runs):
        for truth in sorted((run.folder / "images").rglob(f"crops/*{_TRUTH}")):
            stem = truth.name.removesuffix(_TRUTH)
            result, bicubic = (truth.with_name(stem + end) for end in (_RESULT, _BICUBIC))
            if not (result.is_file() and bicubic.is_file()):
                continue
            # Equal truth and equal bicubic: the same square, and the same small image.
            mark = hashlib.sha256(truth.read_bytes() + bicubic.read_bytes()).hexdigest()
            scene = found.setdefault((stem, mark), Scene(stem, {"gt": truth, "bicubic": bicubic}))
            scene.shots[str(number)] = result
    return sorted(found.values(), key=lambda scene: -len(scene.shots))


def album(found: Sequence[Scene], *, room: int) -> Album:
    """Encode without loss, one scene after the other, a scene's first runs first, until the room is used.

    Args:
        found: In the order of their importance.
        room: Bytes of the page that pictures may take.
    """
    used, left_out = 0, 0
    pages: dict[str, dict[str, str]] = {}
    for name, scene in _named(found):
        for key, path in scene.shots.items():
            uri = "" if left_out else _uri(path)
            used += len(uri)
            if left_out or used > room:
                left_out += 1
            else:
                pages.setdefault(name, {})[key] = uri
    enough = {name: shots for name, shots in pages.items() if len(shots) > 1}
    return Album(enough, left_out)


def _named(found: Sequence[Scene]) -> Iterator[tuple[str, Scene]]:
    """The same name may stand for several squares, of other scales for example."""
    seen: dict[str, int] = {}
    for scene in found:
        seen[scene.name] = seen.get(scene.name, 0) + 1
        yield scene.name if seen[scene.name] == 1 else f"{scene.name} ({seen[scene.name]})", scene


def _uri(path: Path) -> str:
    with Image.open(path) as image:
        return data_uri(image)


def data_uri(image: Image.Image) -> str:
    """WebP without loss: a fifth smaller than PNG, and the same pixels."""
    file = io.BytesIO()
    image.convert("RGB").save(file, format="WEBP", lossless=True, quality=60, method=4)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode("ascii")
