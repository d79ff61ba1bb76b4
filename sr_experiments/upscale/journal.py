"""``upscaled.jsonl``: which result in a folder was made of which file, and how.

A second call reads it and leaves alone what is done. A line is added when a result has its name, so a call
that was killed has forgotten nothing but the file at which it was.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

NAME = "upscaled.jsonl"


class Journal:
    """What a folder of results knows of itself.

    Args:
        folder: Of the results.
        settings: All that decides about a result but the input: net, weights, scale, format.
    """

    def __init__(self, folder: Path, *, settings: Mapping[str, Any]) -> None:
        """Read what is there; a line that was cut off by a kill does not count."""
        self.path = folder / NAME
        self.settings = dict(settings)
        self._known: dict[str, dict[str, Any]] = {}
        if self.path.is_file():
            for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
                try:
                    entry = json.loads(line)
                    self._known[entry["output"]] = entry
                except (ValueError, TypeError, KeyError):
                    continue

    def is_done(self, source: Path, place: Path, guide: Path | None = None) -> bool:
        """Whether the result was made of this very file in this very way, and is still as it was written.

        Args:
            source: The input.
            place: Of the result below the folder.
            guide: The input's, where it has one.
        """
        entry = self._known.get(place.as_posix())
        result = self.path.parent / place
        return (
            entry is not None
            and source.is_file()
            and result.is_file()
            and entry.get("settings") == self.settings
            and entry.get("input") == _facts(source)
            and entry.get("guide") == _facts_of_guide(guide)
            and entry.get("bytes") == result.stat().st_size
        )

    def was_otherwise(self, place: Path) -> str:
        """How a result that is there came about, as far as it is known."""
        entry = self._known.get(place.as_posix())
        if entry is None:
            return "was not made by this program"
        there = entry.get("settings", {})
        different = [key for key, value in self.settings.items() if there.get(key) != value]
        if different:
            key = different[0]
            return f"was made with {key}={there.get(key)}, and this is {key}={self.settings[key]}"
        if entry.get("guide") is not None:
            return "is not what was made of this input and its guide: one of the three has changed since"
        return "is not what was made of this input: one of the two has changed since"

    def add(self, source: Path, place: Path, guide: Path | None = None) -> None:
        """The result has its name now."""
        entry: dict[str, Any] = {
            "output": place.as_posix(),
            "bytes": (self.path.parent / place).stat().st_size,
            "input": _facts(source),
            "settings": self.settings,
        }
        if guide is not None:
            entry["guide"] = _facts(guide)
        self._known[entry["output"]] = entry
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")


def _facts(source: Path) -> dict[str, Any]:
    status = source.stat()
    return {"path": str(source.resolve()), "bytes": status.st_size, "changed": status.st_mtime_ns}


def _facts_of_guide(guide: Path | None) -> dict[str, Any] | None:
    return _facts(guide) if guide is not None and guide.is_file() else None
