"""What was measured on this machine, kept on disk: the same command chooses the same again, to the bit.

A file for each net, batch, device and version of torch, in `SR_CACHE_DIR`, else `~/.cache/sr_experiments`.
Take a file away, and it is measured anew.
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sr_experiments.imaging.beside import beside


def folder() -> Path:
    """Where the files are."""
    own = os.environ.get("SR_CACHE_DIR")
    base = Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "sr_experiments"
    return base.expanduser() / "settings"


class Remembered:
    """What is known of one net, batch and machine.

    Args:
        subject: All that the numbers depend on.

    Attributes:
        problem: Why nothing can be kept; empty where it can.
    """

    def __init__(self, subject: Mapping[str, Any]) -> None:
        """Read what there is."""
        self._subject = dict(subject)
        text = json.dumps(self._subject, sort_keys=True, default=str)
        self.path = folder() / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.json"
        self.problem = ""
        self._known = self._read()

    def get(self, what: str, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What is known, or is measured now and kept."""
        if what not in self._known:
            self._known[what] = measure()
            self._write()
        found = self._known[what]
        assert isinstance(found, dict)
        return found

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            measured = content["measured"]
        except (OSError, ValueError, KeyError, TypeError):  # nothing there, or nothing that one can read
            return {}
        if not isinstance(measured, dict) or not all(isinstance(one, dict) for one in measured.values()):
            return {}
        return measured

    def _write(self) -> None:
        """Whole or not at all; a disk that takes nothing is told, and ends no run."""
        text = json.dumps({"of": self._subject, "measured": self._known}, indent=2, default=str)
        try:
            with beside(self.path) as temporary:
                temporary.write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            self.problem = f"{self.path.parent}: {error.strerror or error}"
