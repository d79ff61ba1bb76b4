"""How a shortage of memory is known, whatever it is that ran out: a GPU, or the machine.

Torch is not imported here: whoever tells the user about a mistake must not wait for it.
"""

import re

_WORDS = re.compile(
    r"out of memory|can't allocate memory|not enough memory|cannot allocate memory|unable to allocate"
    r"|CUBLAS_STATUS_ALLOC_FAILED|CUDNN_STATUS_ALLOC_FAILED",
    re.IGNORECASE,
)
_WANTED = re.compile(r"tried to allocate ([\d.]+ ?[a-z]+)", re.IGNORECASE)


def is_shortage(error: BaseException) -> bool:
    """Whether memory ran out: torch has a class of its own for GPUs, its CPU allocator has none."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and _WORDS.search(str(error)) is not None


def wanted(error: BaseException) -> str:
    """What could not be had, as ``2.00 GiB``; empty where the error does not say."""
    found = _WANTED.search(str(error))
    return found.group(1) if found is not None else ""
