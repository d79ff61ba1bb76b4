"""Work on many files that threads share: results in order, and few of them at a time.

Decoders leave the interpreter free, and a disk, above all one behind a network, answers several at once.
"""

import itertools
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

MOST_READERS = 4
_T = TypeVar("_T")
_R = TypeVar("_R")


def cores() -> int:
    """Processors that this process may use, at least one."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def readers(*, decoded: bool, gpu: bool, ranks: int) -> int:
    """How many read the batches of one of `ranks` processes, where nobody says.

    Args:
        decoded: Images are in memory or on disk as pixels: to read a batch is quicker than to hand it over.
        gpu: Training leaves the processors free.
        ranks: Of this machine.
    """
    return 0 if decoded and not gpu else min(MOST_READERS, max(1, cores() // ranks))


def threads() -> int:
    """How many read files."""
    return min(16, 2 * cores())


def in_threads(
    function: Callable[[_T], _R], values: Iterable[_T], *, together: int = 1
) -> Generator[_R, None, None]:
    """What a function gives for each value, in their order.

    Not all at once: results that nobody has taken yet are at most two for each thread, times `together`.
    What is left when nobody asks any more is not begun.

    Args:
        function: It may raise; so does this, when its turn comes.
        values: Taken as they are needed.
        together: So many are one task, where each of them is quicker than handing it to a thread.
    """

    def several(part: list[_T]) -> list[_R]:
        return [function(value) for value in part]

    rest = iter(values)
    parts = iter(lambda: list(itertools.islice(rest, together)), [])
    with ThreadPoolExecutor(threads()) as pool:
        ahead = itertools.islice(parts, 2 * threads())
        waiting: deque[Future[list[_R]]] = deque(pool.submit(several, part) for part in ahead)
        try:
            while waiting:
                found = waiting.popleft().result()
                waiting.extend(pool.submit(several, part) for part in itertools.islice(parts, 1))
                yield from found
        finally:
            for future in waiting:
                future.cancel()
