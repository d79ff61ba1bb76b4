"""A file that has not arrived as a whole, and what is known about it."""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sr_experiments.secret import redacted


@dataclass(frozen=True)
class ContentRange:
    """What `Content-Range` says: the first byte sent, the size of the whole; None where it is not told."""

    start: int | None
    total: int | None


def content_range(header: str | None) -> ContentRange | None:
    """Read `bytes 5-9/10`, `bytes 5-9/*` or `bytes */10`; None for anything else."""
    found = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", (header or "").strip())
    if found is None:
        return None
    start, total = found.groups()
    return ContentRange(
        start=int(start) if start is not None else None, total=int(total) if total != "*" else None
    )


class Part:
    """`<target>.part`, and beside it `<target>.part.json` with its address, its version and its size.

    Args:
        target: What it becomes when it is whole.
        url: Where it comes from; a part from elsewhere is not continued.

    Attributes:
        total: Size of the whole file as the server announced it; None where it did not.
    """

    def __init__(self, target: Path, *, url: str) -> None:
        """Find out what an earlier attempt has left."""
        self.target = target
        self.url = redacted(url)  # it is written down
        self.path = target.with_name(f"{target.name}.part")
        self._notes = target.with_name(f"{target.name}.part.json")
        known = self._read_notes()
        self.total: int | None = known.get("total")
        self._validator: str | None = known.get("validator")
        if known.get("url") != self.url:
            self.forget()

    @property
    def size(self) -> int:
        """Bytes that are here."""
        return self.path.stat().st_size if self.path.is_file() else 0

    def headers(self) -> dict[str, str]:
        """What asks for the rest: of the same version of the file where the server names versions."""
        if not self.size:
            return {}
        rest = {"Range": f"bytes={self.size}-"}
        return rest | {"If-Range": self._validator} if self._validator else rest

    def may_have(self, total: int | None) -> bool:
        """Whether a file of this size can be the one of which the part is here."""
        return total is None or self.total is None or total == self.total

    def begin(self, start: int, *, validator: str | None, total: int | None) -> None:
        """Bytes from `start` on are about to arrive; what lies behind is cut off."""
        if start == 0:
            self.path.write_bytes(b"")
        assert self.size == start
        self._validator, self.total = validator, total
        notes = {"url": self.url, "validator": validator, "total": total}
        self._notes.write_text(json.dumps(notes), encoding="utf-8")

    def forget(self) -> None:
        """Start over."""
        self.path.unlink(missing_ok=True)
        self._notes.unlink(missing_ok=True)
        self.total = self._validator = None

    def finish(self) -> None:
        """It is whole."""
        os.replace(self.path, self.target)
        self._notes.unlink(missing_ok=True)

    def _read_notes(self) -> dict[str, Any]:
        """Notes that were cut off mean that nothing is known."""
        try:
            notes = json.loads(self._notes.read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError):
            return {}
        return notes if isinstance(notes, dict) else {}
