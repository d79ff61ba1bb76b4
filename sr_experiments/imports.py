"""Importing what is heavy."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def heavy() -> Iterator[None]:
    """While torch and Lightning are imported: half a million objects that nobody gives back.

    Python would search them for garbage again and again, which is a quarter of the time.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
