"""Importing what is heavy."""

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def heavy() -> Iterator[None]:
    """While torch and Lightning are imported: half a million objects that nobody gives back.

    Python would search them for garbage again and again, which is a quarter of the time. What is there at the
    end is not searched later, either: training has the shorter pauses.
    """
    if (
        gc.get_freeze_count() or not gc.isenabled()
    ):  # a sweep's second run: its first one's garbage is garbage
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
        atexit.register(gc.unfreeze)  # or libraries find at the end that their objects were never given back
