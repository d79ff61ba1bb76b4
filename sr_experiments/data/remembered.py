"""What the headers of many files said, kept for the next start, as long as the files do not change.

To open 100,000 files takes a minute, and longer behind a network; to ask for their sizes and times of change
takes a second. A file that is new, or was changed in any way, is opened again, and so is each that can not be
used: nothing is kept of those.
"""

import contextlib
import json
import os
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from pathlib import Path

from sr_experiments.data.sources import Item
from sr_experiments.data.threads import in_threads
from sr_experiments.imaging import modes
from sr_experiments.imaging.io import whole_file

MANY = 1000
"""Of fewer files nothing is kept: they are opened in a moment."""
FORMAT = 1
"""To be raised when what could be used is refused, or has another shape: old memories are void then."""
_TOGETHER = 256  # files that one thread asks about, one after the other

State = tuple[int, int, int]
Shape = tuple[int, int, int]


class Remembered:
    """Shapes of images, by their files.

    Args:
        folder: Where they are kept; None: nowhere.
        items: Whose files they are.
    """

    def __init__(self, folder: Path | None, items: Sequence[Item]) -> None:
        """Ask for the state of every file, and look up what is known of it."""
        # What is a part of a file, or is read in another way, has a shape that the file does not tell.
        plain = [item for item in items if type(item) is Item]
        self._path: Path | None = None
        self._states: dict[str, State | None] = {}
        self._shapes: dict[str, Shape] = {}
        if folder is not None and len(plain) >= MANY:
            paths = list(dict.fromkeys(str(path) for item in plain for path in item.files()))
            self._path = folder / f"headers-{_name_of(paths)}.json"
            self._states = dict(zip(paths, states_of(paths), strict=True))
            self._shapes = self._load(self._path)
        self._known = len(self._shapes)

    def knows(self, item: Item) -> bool:
        """Whether no file of an image needs to be opened."""
        return type(item) is Item and all(str(path) in self._shapes for path in item.files())

    def shape(self, item: Item, path: Path) -> Shape:
        """(H, W, C) of one of an item's files.

        Raises:
            OSError: If there is no such file.
            ValueError: If it can not be used.
        """
        if type(item) is not Item:
            return item.shape(path)
        key = str(path)
        if (found := self._shapes.get(key)) is not None:
            return found
        shape = item.shape(path)
        if self._states.get(key) is not None:
            self._shapes[key] = shape
        return shape

    def keep(self) -> None:
        """Write down what is known now. Where that can not be, the next start opens the files again."""
        if self._path is None or len(self._shapes) == self._known:
            return
        states = [self._states[path] or (0, 0, 0) for path in self._shapes]
        content = {
            "format": FORMAT,
            "paths": list(self._shapes),
            "states": [list(column) for column in zip(*states, strict=True)],
            "shapes": [list(column) for column in zip(*self._shapes.values(), strict=True)],
        }
        with contextlib.suppress(OSError), whole_file(self._path) as stream:
            stream.write(json.dumps(content).encode())

    def _load(self, path: Path) -> dict[str, Shape]:
        """Shapes of the files that are as they were."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content["format"] != FORMAT:
                return {}
            kept = zip(
                content["paths"],
                zip(*content["states"], strict=True),
                zip(*content["shapes"], strict=True),
                strict=True,
            )
            # A limit on pixels may be another one now: what exceeds it says so itself.
            same = [(name, shape) for name, state, shape in kept if self._states.get(name) == state]
            return {name: (h, w, c) for name, (h, w, c) in same if modes.is_within_limit(h, w)}
        except (OSError, ValueError, KeyError, TypeError):
            return {}


def states_of(paths: Iterable[str]) -> list[State | None]:
    """By which a changed file is known: a copy may take on an old time of change, but not its own.

    None where there is no such file.
    """
    return list(in_threads(_state, paths, together=_TOGETHER))


def _state(path: str) -> State | None:
    try:
        state = os.stat(path)
    except OSError:
        return None
    return state.st_size, state.st_mtime_ns, state.st_ctime_ns


def _name_of(paths: Sequence[str]) -> str:
    """By the folders, not the files: when one more arrives, the others are still known."""
    folders = sorted({os.path.dirname(os.path.abspath(path)) for path in paths})
    return blake2b("\n".join(folders).encode(), digest_size=8).hexdigest()
