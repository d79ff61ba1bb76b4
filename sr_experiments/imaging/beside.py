"""Files that are there whole or not at all: written beside their place, which they then take."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def beside(path: Path, *, suffix: str = "") -> Iterator[Path]:
    """A name in the folder of `path`; what is written there takes the place of `path` at the end.

    Where writing fails, nothing is left of it, and what was there before is there still. Missing folders are
    made.

    Args:
        path: The place.
        suffix: What the name ends in, for writers that choose the format by it.

    Raises:
        OSError: If the folder can not be made, or the place can not be taken.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not from tempfile, whose files nobody but their owner may read; short, as the name itself may be long.
    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp{suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
